// SPDX-License-Identifier: Apache-2.0
/* providers/places.h - who may have a request under way, and who is next (client.h says by which rule). Not locked: the
 * client's lock is around it. */
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
    struct xr_exchange_list waiting;
};
/* Gives one that waits a place, taken out of the list; NULL: nobody waits who may have one. */
struct xr_exchange *xr_places_next(struct xr_places *places);
void xr_places_leave(struct xr_places *places, struct xr_exchange *exchange);
bool xr_places_empty(const struct xr_places *places); /* nobody has one, nobody waits */
