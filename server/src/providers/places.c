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

static unsigned held_by(const struct xr_call_group *group) {
    return group ? group->under_way : 0;
}

static bool may_have_one(const struct xr_places *places, const struct xr_exchange *exchange) {
    return places->used[exchange->lane] < places->per_lane && held_by(exchange->group) < places->per_group;
}

struct xr_exchange *xr_places_next(struct xr_places *places) {
    struct xr_exchange *next = NULL;
    for (struct xr_exchange *e = places->waiting.first; e; e = e->next)
        if (may_have_one(places, e) && (!next || held_by(e->group) < held_by(next->group)))
            next = e;
    if (!next)
        return NULL;
    xr_exchange_remove(&places->waiting, next);
    places->used[next->lane]++;
    if (next->group)
        next->group->under_way++;
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
