// SPDX-License-Identifier: Apache-2.0
/* Groups, their bounds, and what happens when a group cannot be committed. */
#include "base/limits.h"
#include "base/test.h"
#include "store/writer.h"
#include "store/writer_testkit.h"
#include <sched.h>
#include <semaphore.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static int64_t stored(struct xr_test_store *t) {
    return query(t->path, "SELECT count(*) FROM conversations");
}

static int64_t jobs(struct xr_test_store *t) {
    return query(t->queue_path, "SELECT count(*) FROM jobs");
}

static void a_write_that_fails_is_rolled_back_alone(void **state) {
    enum { ITEMS = 3 };
    struct xr_test_store *t = *state;
    struct log log;
    struct item items[ITEMS] = {
        {.n = 1, .conversation = true, .job = true},
        {.n = 2, .conversation = true, .job = true, .answer = XR_CONFLICT},
        {.n = 3, .conversation = true, .job = true},
    };
    log_init(&log);
    assert_int_equal(xr_store_submit(t->store, chain(items, ITEMS, &log), NULL), XR_OK);
    log_wait(&log, ITEMS);
    for (int i = 0; i < ITEMS; i++) {
        assert_int_equal(items[i].position, i);
        assert_int_equal(items[i].now_ns, t->now_ns);
        assert_int_equal(items[i].code, items[i].answer);
        assert_int_equal(items[i].err.code, items[i].answer);
    }
    assert_string_equal(items[1].err.message, "as told");
    assert_string_equal(items[1].err.path, "there");
    assert_int_equal(stored(t), 2);
    assert_int_equal(jobs(t), 2);
    assert_int_equal(query(t->queue_path, "SELECT sum(replay_id) FROM jobs"), 1 + 3);
}

static int64_t counting_clock(void *ctx) {
    return atomic_fetch_add((_Atomic int64_t *)ctx, 1);
}

static void a_chain_is_one_group_whatever_its_length(void **state) {
    enum { ITEMS = XR_WRITE_GROUP_MAX + 1 };
    struct xr_test_store *t = *state;
    _Atomic int64_t ticks = 1;
    struct log log;
    struct item *items = calloc(2 * (size_t)ITEMS, sizeof *items);
    sem_t gate;
    struct item blocker = {.n = 1, .gate = &gate};
    assert_non_null(items);
    xr_test_store_close(t);
    t->clock = (struct xr_clock){.wall_ns = counting_clock, .mono_ns = counting_clock, .ctx = &ticks};
    assert_int_equal(xr_test_store_open(t, NULL), XR_OK);
    log_init(&log);
    sem_init(&gate, 0, 0);
    ready(&blocker, &log);
    assert_int_equal(xr_store_submit(t->store, &blocker.write, NULL), XR_OK);
    assert_int_equal(xr_store_submit(t->store, chain(items, ITEMS, &log), NULL), XR_OK);
    assert_int_equal(xr_store_submit(t->store, chain(items + ITEMS, ITEMS, &log), NULL), XR_OK);
    sem_post(&gate);
    log_wait(&log, 1 + 2 * ITEMS);
    for (int i = 0; i < 2 * ITEMS; i++) {
        assert_int_equal(items[i].now_ns, items[i < ITEMS ? 0 : ITEMS].now_ns);
        assert_int_equal(items[i].position, i + 1);
    }
    assert_int_not_equal(items[0].now_ns, items[ITEMS].now_ns);
    sem_destroy(&gate);
    free(items);
}

static void writes_that_wait_share_a_group(void **state) {
    enum { ITEMS = 10 };
    struct xr_test_store *t = *state;
    struct log log;
    sem_t gate;
    struct item items[ITEMS] = {{.gate = &gate}};
    uint64_t version;
    log_init(&log);
    sem_init(&gate, 0, 0);
    for (int i = 0; i < ITEMS; i++) {
        ready(&items[i], &log);
        items[i].n = (uint8_t)i;
        items[i].conversation = i > 0;
        assert_int_equal(xr_store_submit(t->store, &items[i].write, NULL), XR_OK);
    }
    version = xr_store_version(t->store);
    sem_post(&gate);
    log_wait(&log, ITEMS);
    /* The first is alone or not, as the writer woke; the nine behind it are at most one more group. */
    assert_in_range(xr_store_version(t->store) - version, 1, 2);
    assert_int_equal(stored(t), ITEMS - 1);
    sem_destroy(&gate);
}

static void more_writes_than_the_bound_are_refused_whole(void **state) {
    struct xr_test_store *t = *state;
    struct log log;
    sem_t gate;
    struct item first = {.gate = &gate}, extra[2] = {{.n = 1}, {.n = 2}};
    struct item *items = calloc(XR_WRITES_MAX, sizeof *items);
    assert_non_null(items);
    log_init(&log);
    sem_init(&gate, 0, 0);
    ready(&first, &log);
    assert_int_equal(xr_store_submit(t->store, &first.write, NULL), XR_OK);
    assert_int_equal(xr_store_submit(t->store, chain(items, XR_WRITES_MAX - 2, &log), NULL), XR_OK);
    /* first may have left the queue by now or not: two more fit, or one. A chain of two fits whole or not at all. */
    ready(&extra[0], &log);
    int accepted = 1 + XR_WRITES_MAX - 2;
    assert_int_equal(xr_store_submit(t->store, &extra[0].write, NULL), XR_OK);
    accepted++;
    struct item pair[2] = {{.n = 3}, {.n = 4}};
    assert_int_equal(xr_store_submit(t->store, chain(pair, 2, &log), NULL), XR_OVERLOADED);
    sem_post(&gate);
    log_wait(&log, accepted);
    assert_int_equal(pair[0].code, XR_CODE_COUNT);
    assert_int_equal(pair[1].code, XR_CODE_COUNT);
    assert_int_equal(xr_store_submit(t->store, chain(pair, 2, &log), NULL), XR_OK);
    log_wait(&log, accepted + 2);
    sem_destroy(&gate);
    free(items);
}

static void closing_commits_what_is_queued(void **state) {
    enum { ITEMS = 100 };
    struct xr_test_store *t = *state;
    struct log log;
    struct item items[ITEMS];
    log_init(&log);
    for (int i = 0; i < ITEMS; i++) {
        items[i] = (struct item){.n = (uint8_t)i, .conversation = true};
        ready(&items[i], &log);
        assert_int_equal(xr_store_submit(t->store, &items[i].write, NULL), XR_OK);
    }
    xr_test_store_close(t);
    assert_int_equal(log.done, ITEMS);
    assert_int_equal(stored(t), ITEMS);
}

/* Submits until the store refuses because it closes; one write is enough, as each is over before the next. */
struct stubborn {
    struct xr_write write, extra;
    struct xr_store *store;
    enum xr_code last;
};

static enum xr_code change_nothing(struct xr_store_tx *tx, struct xr_write *write, struct xr_err *err) {
    (void)tx;
    (void)write;
    (void)err;
    return XR_OK;
}

static void submit_again(struct xr_write *write, enum xr_code code, const struct xr_err *err) {
    struct stubborn *s = write->ctx;
    (void)code;
    (void)err;
    s->last = xr_store_submit(s->store, &s->write, NULL);
}

static void a_store_that_closes_takes_nothing_more(void **state) {
    struct xr_test_store *t = *state;
    struct stubborn s = {.store = t->store, .last = XR_OK};
    s.write = (struct xr_write){.apply = change_nothing, .done = submit_again, .ctx = &s};
    assert_int_equal(xr_store_submit(t->store, &s.write, NULL), XR_OK);
    xr_test_store_close(t);
    assert_int_equal(s.last, XR_CANCELLED);
}

static sqlite3 *lock_file(const char *path) {
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    return db;
}

static void reopen(struct xr_test_store *t, struct xr_store_options options) {
    xr_test_store_close(t);
    t->options = options;
    assert_int_equal(xr_test_store_open(t, NULL), XR_OK);
}

static void a_file_held_by_another_process_overloads_the_whole_group(void **state) {
    enum { ITEMS = 2 };
    struct xr_test_store *t = *state;
    struct log log;
    struct item items[ITEMS] = {{.n = 1, .conversation = true}, {.n = 2, .answer = XR_CONFLICT}};
    struct xr_err err;
    reopen(t, (struct xr_store_options){.busy_ms = 1});
    log_init(&log);
    sqlite3 *other = lock_file(t->path);
    assert_int_equal(xr_store_health(t->store, NULL), XR_OK);
    assert_int_equal(xr_store_submit(t->store, chain(items, ITEMS, &log), NULL), XR_OK);
    log_wait(&log, ITEMS);
    assert_int_equal(items[0].code, XR_OVERLOADED);
    assert_int_equal(items[1].code, XR_OVERLOADED);
    assert_int_equal(xr_store_health(t->store, &err), XR_OVERLOADED);
    assert_non_null(strstr(err.message, "locked"));
    sqlite3_close(other);
    assert_int_equal(stored(t), 0);
    assert_int_equal(xr_store_submit(t->store, chain(items, ITEMS, &log), NULL), XR_OK);
    log_wait(&log, 2 * ITEMS);
    assert_int_equal(items[0].code, XR_OK);
    assert_int_equal(items[1].code, XR_CONFLICT);
    assert_int_equal(xr_store_health(t->store, NULL), XR_OK);
    assert_int_equal(stored(t), 1);
}

static void a_queue_held_by_another_process_overloads_who_needs_it(void **state) {
    enum { ITEMS = 3 };
    struct xr_test_store *t = *state;
    struct log log;
    struct item items[ITEMS] = {
        {.n = 1, .conversation = true}, {.n = 2, .conversation = true, .job = true}, {.n = 3, .conversation = true}};
    reopen(t, (struct xr_store_options){.busy_ms = 1});
    log_init(&log);
    sqlite3 *other = lock_file(t->queue_path);
    assert_int_equal(xr_store_submit(t->store, chain(items, ITEMS, &log), NULL), XR_OK);
    log_wait(&log, ITEMS);
    sqlite3_close(other);
    assert_int_equal(items[0].code, XR_OK);
    assert_int_equal(items[1].code, XR_OVERLOADED);
    assert_int_equal(items[2].code, XR_OK);
    assert_int_equal(stored(t), 2);
    assert_int_equal(jobs(t), 0);
    assert_int_equal(xr_store_queue_losses(t->store), 0);
}

static void an_idle_writer_finds_out_that_the_fault_is_over(void **state) {
    struct xr_test_store *t = *state;
    struct log log;
    struct item item = {.n = 1, .conversation = true};
    reopen(t, (struct xr_store_options){.busy_ms = 1, .probe_ms = 1});
    log_init(&log);
    ready(&item, &log);
    sqlite3 *other = lock_file(t->path);
    assert_int_equal(xr_store_submit(t->store, &item.write, NULL), XR_OK);
    log_wait(&log, 1);
    assert_int_equal(xr_store_health(t->store, NULL), XR_OVERLOADED);
    sqlite3_close(other);
    while (xr_store_health(t->store, NULL) != XR_OK)
        sched_yield();
}

static void the_version_follows_what_readers_can_see(void **state) {
    struct xr_test_store *t = *state;
    struct log log;
    struct item failing = {.n = 1, .conversation = true, .answer = XR_CONFLICT}, job = {.n = 1, .job = true},
                good = {.n = 1, .conversation = true};
    struct item *const order[] = {&failing, &job, &good};
    log_init(&log);
    uint64_t before = xr_store_version(t->store);
    for (int i = 0; i < 3; i++) {
        ready(order[i], &log);
        assert_int_equal(xr_store_submit(t->store, &order[i]->write, NULL), XR_OK);
        log_wait(&log, i + 1);
        assert_int_equal(xr_store_version(t->store) != before, i == 2);
    }
}

static void an_idle_writer_checkpoints(void **state) {
    struct xr_test_store *t = *state;
    struct stat st;
    reopen(t, (struct xr_store_options){.checkpoint_pages = 1});
    assert_int_equal(stat(t->path, &st), 0);
    off_t before = st.st_size;
    for (int n = 1; n < UINT8_MAX; n++) /* more than the pages that are there hold */
        xr_test_conversation(t, (uint8_t)n, "a name that takes some room, so that pages fill");
    while (st.st_size <= before && stat(t->path, &st) == 0)
        sched_yield();
}

static void a_busy_writer_checkpoints_and_the_log_starts_over(void **state) {
    enum { WRITES = 300, PAGES = 8, FRAME = 4096 + 24 };
    struct xr_test_store *t = *state;
    struct stat st;
    char wal[128];
    struct log log;
    log_init(&log);
    reopen(t, (struct xr_store_options){.log_pages_max = PAGES});
    for (int i = 0; i < WRITES; i++) {
        struct item item = {.n = (uint8_t)i, .conversation = true};
        ready(&item, &log);
        assert_int_equal(xr_store_submit(t->store, &item.write, NULL), XR_OK);
        log_wait(&log, i + 1);
    }
    snprintf(wal, sizeof wal, "%s-wal", t->path);
    assert_int_equal(stat(wal, &st), 0);
    /* Every write is at least one frame. */
    assert_true(st.st_size < (off_t)WRITES * FRAME);
    assert_int_equal(xr_store_health(t->store, NULL), XR_OK);
    assert_int_equal(stored(t), 256);
}

/* A write that holds the writer until `gate`, and behind it what `items` say. */
static void queue_behind(struct xr_test_store *t, struct item *blocker, struct item *items, size_t count) {
    sem_t entered;
    sem_init(&entered, 0, 0);
    blocker->entered = &entered;
    assert_int_equal(xr_store_submit(t->store, &blocker->write, NULL), XR_OK);
    sem_wait(&entered);
    sem_destroy(&entered);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(xr_store_submit(t->store, &items[i].write, NULL), XR_OK);
}

/* A group of bulk writes ends when a prompt one comes; each kind keeps its order. */
static void bulk_writes_stand_back(void **state) {
    enum { ITEMS = 6 };
    struct xr_test_store *t = *state;
    struct log log;
    sem_t gate;
    struct item blocker = {.gate = &gate}, items[ITEMS];
    static const bool BULK[ITEMS] = {true, true, false, true, false, false};
    static const int POSITIONS[ITEMS] = {4, 5, 1, 6, 2, 3};
    log_init(&log);
    sem_init(&gate, 0, 0);
    ready(&blocker, &log);
    blocker.write.bulk = true;
    for (int i = 0; i < ITEMS; i++) {
        items[i] = (struct item){.n = (uint8_t)(i + 1), .conversation = true};
        ready(&items[i], &log);
        items[i].write.bulk = BULK[i];
    }
    queue_behind(t, &blocker, items, ITEMS);
    sem_post(&gate);
    log_wait(&log, 1 + ITEMS);
    for (int i = 0; i < ITEMS; i++) {
        assert_int_equal(items[i].code, XR_OK);
        assert_int_equal(items[i].position, POSITIONS[i]);
    }
    assert_int_equal(stored(t), ITEMS);
    sem_destroy(&gate);
}

static void wait_until(int64_t mono_ns) {
    while (xr_clock_mono(xr_clock_system()) < mono_ns)
        sched_yield();
}

/* However many prompt writes wait, a bulk one that has stood back for its time has the next group. */
static void bulk_writes_are_not_starved(void **state) {
    enum { MANY = XR_WRITE_GROUP_MAX };
    struct xr_test_store *t = *state;
    struct log log;
    sem_t gate, second_gate;
    struct item blocker = {.gate = &gate}, bulk = {.n = 1, .conversation = true};
    struct item *items = calloc(2 * (size_t)MANY, sizeof *items);
    assert_non_null(items);
    log_init(&log);
    sem_init(&gate, 0, 0);
    sem_init(&second_gate, 0, 0);
    ready(&blocker, &log);
    ready(&bulk, &log);
    blocker.write.bulk = bulk.write.bulk = true;
    queue_behind(t, &blocker, &bulk, 1);
    items[0].gate = &second_gate;
    assert_int_equal(xr_store_submit(t->store, chain(items, MANY, &log), NULL), XR_OK);
    assert_int_equal(xr_store_submit(t->store, chain(items + MANY, MANY, &log), NULL), XR_OK);
    sem_post(&gate);
    log_wait(&log, 1);
    wait_until(xr_clock_mono(xr_clock_system()) + XR_BULK_HOLD_MAX_MS * XR_NS_PER_MS);
    sem_post(&second_gate);
    log_wait(&log, 2 + 2 * MANY);
    assert_int_equal(items[0].position, 1);
    assert_int_equal(bulk.position, 1 + MANY);
    assert_int_equal(items[MANY].position, 2 + MANY);
    sem_destroy(&gate);
    sem_destroy(&second_gate);
    free(items);
}

struct timed {
    struct xr_write write;
    int64_t applied_ns;
    sem_t done;
};

static enum xr_code apply_timed(struct xr_store_tx *tx, struct xr_write *write, struct xr_err *err) {
    ((struct timed *)write)->applied_ns = xr_clock_mono(xr_clock_system());
    return xr_sql_script(xr_store_tx_sql(tx), "UPDATE conversations SET live = live", err);
}

static void timed_done(struct xr_write *write, enum xr_code code, const struct xr_err *err) {
    (void)err;
    assert_int_equal(code, XR_OK);
    sem_post(&((struct timed *)write)->done);
}

static int64_t apply_and_wait(struct xr_test_store *t, bool bulk) {
    struct timed timed = {.write = {.apply = apply_timed, .done = timed_done, .bulk = bulk}};
    sem_init(&timed.done, 0, 0);
    assert_int_equal(xr_store_submit(t->store, &timed.write, NULL), XR_OK);
    sem_wait(&timed.done);
    sem_destroy(&timed.done);
    return timed.applied_ns;
}

/* Only where the disk was quick can it be told: the hold ends some time after the bulk write before it. */
static void a_bulk_write_leaves_the_one_after_a_prompt_write_its_time(void **state) {
    enum { TRIES = 1000, SLACK_MS = XR_BULK_HOLD_MAX_MS - XR_BULK_HOLD_MS };
    struct xr_test_store *t = *state;
    for (int i = 0; i < TRIES; i++) {
        int64_t first_ns = apply_and_wait(t, true), prompt_ns = apply_and_wait(t, false);
        bool quick = xr_clock_mono(xr_clock_system()) - first_ns < SLACK_MS * XR_NS_PER_MS;
        int64_t second_ns = apply_and_wait(t, true);
        if (!quick)
            continue;
        assert_true(second_ns - prompt_ns >= XR_BULK_HOLD_MS * XR_NS_PER_MS);
        return;
    }
    fail_msg("two commits never took less than %d ms", SLACK_MS);
}

static int64_t ticking(void *ctx) {
    enum { STEP_MS = XR_BULK_GROUP_MS / 2 };
    return atomic_fetch_add((_Atomic int64_t *)ctx, STEP_MS * XR_NS_PER_MS);
}

/* The clock goes on by half of a group's time with each look at it: it is looked at when the group begins, and before
 * each bulk write but the first. */
static void a_group_of_bulk_writes_ends_after_its_time(void **state) {
    enum { ITEMS = 8, LOOKS = 3 };
    struct xr_test_store *t = *state;
    _Atomic int64_t now = 1;
    struct log log;
    sem_t gate;
    struct item blocker = {.gate = &gate}, items[ITEMS];
    xr_test_store_close(t);
    t->clock = (struct xr_clock){.wall_ns = ticking, .mono_ns = ticking, .ctx = &now};
    assert_int_equal(xr_test_store_open(t, NULL), XR_OK);
    log_init(&log);
    sem_init(&gate, 0, 0);
    ready(&blocker, &log);
    for (int i = 0; i < ITEMS; i++) {
        items[i] = (struct item){.n = (uint8_t)(i + 1), .conversation = true};
        ready(&items[i], &log);
        items[i].write.bulk = true;
    }
    queue_behind(t, &blocker, items, ITEMS);
    sem_post(&gate);
    log_wait(&log, 1 + ITEMS);
    for (int i = 0; i < ITEMS; i++) {
        assert_int_equal(items[i].position, 1 + i);
        /* Those of one group have one time. */
        assert_int_equal(items[i].now_ns == items[i - i % LOOKS].now_ns, true);
        assert_int_equal(i >= LOOKS && items[i].now_ns == items[i - LOOKS].now_ns, false);
    }
    xr_test_store_close(t);
    sem_destroy(&gate);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, xr_test_store_setup, xr_test_store_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_write_that_fails_is_rolled_back_alone),
        TEST(a_chain_is_one_group_whatever_its_length),
        TEST(writes_that_wait_share_a_group),
        TEST(more_writes_than_the_bound_are_refused_whole),
        TEST(closing_commits_what_is_queued),
        TEST(a_store_that_closes_takes_nothing_more),
        TEST(a_file_held_by_another_process_overloads_the_whole_group),
        TEST(a_queue_held_by_another_process_overloads_who_needs_it),
        TEST(an_idle_writer_finds_out_that_the_fault_is_over),
        TEST(the_version_follows_what_readers_can_see),
        TEST(an_idle_writer_checkpoints),
        TEST(a_busy_writer_checkpoints_and_the_log_starts_over),
        TEST(bulk_writes_stand_back),
        TEST(bulk_writes_are_not_starved),
        TEST(a_bulk_write_leaves_the_one_after_a_prompt_write_its_time),
        TEST(a_group_of_bulk_writes_ends_after_its_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
