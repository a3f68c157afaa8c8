// SPDX-License-Identifier: Apache-2.0
/* http/input.h - what clients send in paths, queries and headers: parsed and checked. Pure; any thread. */
#pragma once
#include "base/arena.h"
#include "base/sha256.h"
#include "base/uuid.h"
#include "http/cursor.h"
#include "spec/spec.h"
#include <stdbool.h>

/* 64 lower-case hex digits. */
bool xr_hash_parse(struct xr_str text, uint8_t ret_hash[XR_SHA256_SIZE]);
/* 36 characters of [0-9a-fA-F-]: what may be looked up as a replay id (and need not be a UUID). */
bool xr_replay_id_valid(struct xr_str text);
/* 1 to 4 decimal digits. */
bool xr_turn_index_parse(struct xr_str text, int64_t *ret_idx);
/* Decimal digits only, min..max. */
bool xr_range_parse(struct xr_str text, int64_t min, int64_t max, int64_t *ret_value);

/* The query of a list. A str whose ptr is NULL: the parameter is absent. */
struct xr_page_query {
    struct xr_str limit, cursor, q;
};
struct xr_page {
    size_t limit;
    bool has_cursor;
    struct xr_cursor cursor;
    struct xr_str q; /* len 0: none */
};
/* Adds what is wrong to issues; true if nothing was. */
bool xr_page_parse(enum xr_cursor_kind kind, const struct xr_page_query *query, struct xr_issues *issues,
                   struct xr_page *ret_page);

/* A Content-Type without parameters and white space, ASCII lower case, valid UTF-8, in the arena. */
XR_MUST_USE enum xr_code xr_media_type(struct xr_str header, struct xr_arena *arena, struct xr_str *ret_type,
                                       struct xr_err *err);
