// SPDX-License-Identifier: Apache-2.0
/* providers/places.h - who may have a request under way, and who is next. Not locked: the client's lock is around it.
 *
 * An exchange belongs to a lane and to a group (one without is a group of its own). A group has at most `per_group`
 * places in a lane, a lane `per_lane`. A free place goes to the group of the lowest order, among those that may have
 * one more and have an exchange that is due: so what has begun goes on as if it were alone, and what has not begun
 * waits. The time in which a group has no place in a lane, though it has an exchange that is due, is added to the
 * deadlines of its exchanges there. */
#pragma once
#include "providers/client.h"

struct xr_exchange_list {
    struct xr_exchange *first, *last;
};
void xr_exchange_append(struct xr_exchange_list *list, struct xr_exchange *exchange);
void xr_exchange_remove(struct xr_exchange_list *list, struct xr_exchange *exchange);
struct xr_exchange *xr_exchange_take(struct xr_exchange_list *list); /* the first, removed; NULL: empty */

struct xr_places {
    unsigned per_group, per_lane; /* at least 1 */
    unsigned used[XR_LANES];
    uint64_t last_order;
    struct xr_exchange_list waiting;
};
/* From now on it waits, for a place at due_mono_ns or later. */
void xr_places_wait(struct xr_places *places, struct xr_exchange *exchange, int64_t now);
/* Gives one that waits a place, taken out of the list; NULL: nobody waits who may have one. */
struct xr_exchange *xr_places_next(struct xr_places *places, int64_t now);
/* When one that waits is to be given up. */
int64_t xr_places_deadline(const struct xr_exchange *exchange, int64_t now);
/* It waits, and others have kept its group from having any place for as long as it had time in the beginning. */
bool xr_places_crowded_out(const struct xr_exchange *exchange, int64_t now);
/* The group counts it no more, and is not touched any more; the place is still held. */
void xr_places_step_back(struct xr_exchange *exchange, int64_t now);
void xr_places_leave(struct xr_places *places, struct xr_exchange *exchange, int64_t now);
bool xr_places_empty(const struct xr_places *places); /* nobody has one, nobody waits */
