// SPDX-License-Identifier: Apache-2.0
/* store/store_testkit.h - a store in a temporary folder with a clock that tests own, for the tests of store/ and of
 * those above it. Link store_testkit.c into the test. */
#pragma once
#include "store/conversations.h"
#include "store/internal.h"
#include "store/replays.h"

struct xr_test_store {
    char dir[64], path[96], queue_path[96];
    int64_t now_ns; /* both clocks; change it between writes */
    struct xr_clock clock;
    struct xr_store_options options;
    struct xr_store *store;
    struct xr_store_reader *reader;
    struct xr_arena *arena;
};
/* cmocka set-up and tear-down: *state becomes a struct xr_test_store *, opened. */
int xr_test_store_setup(void **state);
int xr_test_store_teardown(void **state);
/* The same without opening: tear it down all the same. */
struct xr_test_store *xr_test_store_make(void);
/* Closes and opens the store, with t->options. */
void xr_test_store_close(struct xr_test_store *t);
enum xr_code xr_test_store_open(struct xr_test_store *t, struct xr_err *err);
/* Submits one write and waits for its end. */
enum xr_code xr_test_write(struct xr_test_store *t,
                           enum xr_code (*apply)(struct xr_store_tx *, void *, struct xr_err *), void *ctx,
                           struct xr_err *err);

/* Rows to work on. hash and uuid are n repeated. Each fails the test when it fails. */
void xr_test_conversation(struct xr_test_store *t, uint8_t n, const char *name);
int64_t xr_test_replay(struct xr_test_store *t, uint8_t conversation, uint8_t n); /* the row id */
struct xr_replay xr_test_change(struct xr_test_store *t, int64_t replay_id, enum xr_actor actor,
                                enum xr_lifecycle to); /* the row after; an upload sets the recording */
int64_t xr_test_analyzing_replay(struct xr_test_store *t); /* of a conversation of its own */
struct xr_replay xr_test_get_replay(struct xr_test_store *t, uint8_t n);
struct xr_uuid xr_test_uuid(uint8_t n);
