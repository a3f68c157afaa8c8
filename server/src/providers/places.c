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
static struct xr_share *share_of(const struct xr_exchange *exchange) {
    return exchange->group ? &exchange->group->share[exchange->lane] : NULL;
}

static int64_t later(int64_t at, int64_t by) {
    return by > 0 && at > INT64_MAX - by ? INT64_MAX : at + by;
}

/* How long it has been due by now while its group had no place. */
static int64_t held_up_ns(const struct xr_exchange *exchange, int64_t now) {
    const struct xr_share *share = share_of(exchange);
    if (!share || share->held > 0)
        return 0;
    int64_t since = share->none_since_ns > exchange->ready_mono_ns ? share->none_since_ns : exchange->ready_mono_ns;
    return now > since ? now - since : 0;
}

int64_t xr_places_deadline(const struct xr_exchange *exchange, int64_t now) {
    const struct xr_share *share = share_of(exchange);
    return later(exchange->deadline_mono_ns, share ? share->waited_ns + held_up_ns(exchange, now) : 0);
}

bool xr_places_crowded_out(const struct xr_exchange *exchange, int64_t now) {
    int64_t held_up = held_up_ns(exchange, now);
    if (held_up == 0)
        return false;
    const struct xr_share *share = share_of(exchange);
    return share->allowed_ns > 0 && share->waited_ns + held_up >= share->allowed_ns;
}

/* Of a deadline that is none, half of eternity is left. */
static int64_t left_ns(const struct xr_exchange *exchange, int64_t now) {
    int64_t deadline = exchange->deadline_mono_ns < INT64_MAX / 2 ? exchange->deadline_mono_ns : INT64_MAX / 2;
    return deadline > now ? deadline - now : 0;
}

void xr_places_wait(struct xr_places *places, struct xr_exchange *exchange, int64_t now) {
    struct xr_share *share = share_of(exchange);
    uint64_t *order = exchange->group ? &exchange->group->order : &exchange->order;
    if (*order == 0)
        *order = ++places->last_order;
    exchange->order = *order;
    exchange->ready_mono_ns = exchange->due_mono_ns > now ? exchange->due_mono_ns : now;
    if (share && !share->came) {
        share->came = true;
        share->none_since_ns = now;
        share->allowed_ns = left_ns(exchange, now);
    }
    xr_exchange_append(&places->waiting, exchange);
}

static bool may_have_one(const struct xr_places *places, const struct xr_exchange *exchange, int64_t now) {
    const struct xr_share *share = share_of(exchange);
    return places->used[exchange->lane] < places->per_lane && now >= exchange->ready_mono_ns &&
           (!share || share->held < places->per_group);
}

static void give(struct xr_places *places, struct xr_exchange *exchange, int64_t now) {
    struct xr_share *share = share_of(exchange);
    xr_exchange_remove(&places->waiting, exchange);
    places->used[exchange->lane]++;
    if (share) {
        share->waited_ns += held_up_ns(exchange, now);
        share->held++;
    }
    exchange->until_mono_ns = xr_places_deadline(exchange, now);
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

void xr_places_step_back(struct xr_exchange *exchange, int64_t now) {
    struct xr_share *share = share_of(exchange);
    if (share && --share->held == 0)
        share->none_since_ns = now;
    exchange->group = NULL;
}

void xr_places_leave(struct xr_places *places, struct xr_exchange *exchange, int64_t now) {
    struct xr_share *share = share_of(exchange);
    places->used[exchange->lane]--;
    if (share && --share->held == 0)
        share->none_since_ns = now;
}

bool xr_places_empty(const struct xr_places *places) {
    for (size_t i = 0; i < XR_LANES; i++)
        if (places->used[i] > 0)
            return false;
    return !places->waiting.first;
}
