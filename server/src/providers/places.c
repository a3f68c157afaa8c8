// SPDX-License-Identifier: Apache-2.0
#include "providers/places.h"

void xr_exchange_append(struct xr_exchange_list *list, struct xr_exchange *exchange) {
    exchange->next = NULL;
    exchange->prev = list->last;
    if (list->last)
        list->last->next = exchange;
    else
        list->first = exchange;
    list->last = exchange;
}

void xr_exchange_remove(struct xr_exchange_list *list, struct xr_exchange *exchange) {
    if (exchange->prev)
        exchange->prev->next = exchange->next;
    else
        list->first = exchange->next;
    if (exchange->next)
        exchange->next->prev = exchange->prev;
    else
        list->last = exchange->prev;
    exchange->next = exchange->prev = NULL;
}

struct xr_exchange *xr_exchange_take(struct xr_exchange_list *list) {
    struct xr_exchange *first = list->first;
    if (first)
        xr_exchange_remove(list, first);
    return first;
}

/* NULL: it has no group. */
static struct xr_stage_wait *wait_of(const struct xr_exchange *exchange) {
    return exchange->group ? &exchange->group->wait[exchange->lane] : NULL;
}

static int64_t later(int64_t at, int64_t by) {
    return by > 0 && at > INT64_MAX - by ? INT64_MAX : at + by;
}

bool xr_places_crowded_out(const struct xr_exchange *exchange) {
    const struct xr_stage_wait *wait = wait_of(exchange);
    return wait && !wait->served && wait->since_ns < exchange->deadline_mono_ns;
}

int64_t xr_places_deadline(const struct xr_exchange *exchange) {
    const struct xr_stage_wait *wait = wait_of(exchange);
    return wait && !exchange->placed ? later(exchange->deadline_mono_ns, wait->waited_ns) : exchange->deadline_mono_ns;
}

void xr_places_wait(struct xr_places *places, struct xr_exchange *exchange, int64_t now) {
    struct xr_stage_wait *wait = wait_of(exchange);
    uint64_t *order = exchange->group ? &exchange->group->order : &exchange->order;
    if (*order == 0)
        *order = ++places->last_order;
    exchange->order = *order;
    if (wait && !wait->waits) {
        wait->waits = true;
        wait->since_ns = now;
    }
    xr_exchange_append(&places->waiting, exchange);
}

static bool may_have_one(const struct xr_places *places, const struct xr_exchange *exchange, int64_t now) {
    return places->used[exchange->lane] < places->per_lane && now >= exchange->due_mono_ns &&
           (!exchange->group || exchange->group->under_way < places->per_group);
}

static void give(struct xr_places *places, struct xr_exchange *exchange, int64_t now) {
    struct xr_stage_wait *wait = wait_of(exchange);
    xr_exchange_remove(&places->waiting, exchange);
    places->used[exchange->lane]++;
    if (exchange->group)
        exchange->group->under_way++;
    if (wait && !wait->served) {
        wait->served = true;
        wait->waited_ns = now - wait->since_ns;
    }
    exchange->deadline_mono_ns = xr_places_deadline(exchange);
    exchange->placed = true;
}

struct xr_exchange *xr_places_next(struct xr_places *places, int64_t now) {
    struct xr_exchange *next = NULL;
    for (struct xr_exchange *e = places->waiting.first; e; e = e->next)
        if (may_have_one(places, e, now) && (!next || e->order < next->order))
            next = e;
    if (next)
        give(places, next, now);
    return next;
}

void xr_places_leave(struct xr_places *places, struct xr_exchange *exchange) {
    places->used[exchange->lane]--;
    if (exchange->group)
        exchange->group->under_way--;
}

bool xr_places_empty(const struct xr_places *places) {
    for (size_t i = 0; i < XR_LANES; i++)
        if (places->used[i] > 0)
            return false;
    return !places->waiting.first;
}
