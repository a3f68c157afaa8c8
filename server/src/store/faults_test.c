// SPDX-License-Identifier: Apache-2.0
/* Every write to a file and every fsync fails in turn: what was acknowledged stays, what was refused left nothing, and
 * the store goes on. */
#include "base/limits.h"
#include "base/test.h"
#include "store/fault_vfs.h"
#include "store/schema.h"
#include "store/writer_testkit.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* Groups of one script: conversations alone, with jobs, jobs alone. */
static const struct item SCRIPT[] = {
    {.n = 1, .conversation = true},
    {.n = 2, .conversation = true, .answer = XR_CONFLICT},
    {.n = 3, .conversation = true},
    {.n = 4, .conversation = true, .job = true},
    {.n = 5, .job = true},
    {.n = 6, .job = true},
    {.n = 7, .conversation = true, .job = true},
    {.n = 8, .job = true},
};
enum { ITEMS = sizeof SCRIPT / sizeof SCRIPT[0], GROUPS = 4, FAULTS_MAX = 1000, LAST = 'z' - 'a' };
static const size_t GROUP_SIZES[GROUPS] = {3, 1, 1, 3};

static void run_script(struct xr_test_store *t, struct item items[ITEMS]) {
    struct log log;
    size_t at = 0;
    log_init(&log);
    memcpy(items, SCRIPT, sizeof SCRIPT);
    for (size_t g = 0; g < GROUPS; g++) {
        assert_int_equal(xr_store_submit(t->store, chain(items + at, GROUP_SIZES[g], &log), NULL), XR_OK);
        at += GROUP_SIZES[g];
        log_wait(&log, (int)at);
    }
}

/* Bit n: conversation n is there. */
static int64_t conversations(const char *path) {
    return query(path, "SELECT ifnull(sum(1 << (unicode(name) - unicode('a'))), 0) FROM conversations");
}

/* Bit n: replay n has a job. */
static int64_t jobs(const char *path) {
    return query(path, "SELECT ifnull(sum(1 << replay_id), 0) FROM jobs");
}

static bool has(int64_t bits, uint8_t n) {
    return (bits >> n) & 1;
}

static void assert_code_fits(const struct item *item, enum fault_kind kind) {
    enum xr_code fault = kind == FAULT_FULL ? XR_STORAGE_FULL : XR_IO;
    assert_true(item->code == item->answer || item->code == fault);
    assert_int_equal(item->err.code, item->code);
}

/* Exactly what the answers said, but for the jobs that the store says it has lost. */
static void assert_as_answered(struct xr_test_store *t, const struct item items[ITEMS], uint64_t losses) {
    int64_t in_main = conversations(t->path), in_queue = jobs(t->queue_path);
    uint64_t missing = 0;
    for (size_t i = 0; i < ITEMS; i++) {
        bool ok = items[i].code == XR_OK, job = has(in_queue, items[i].n);
        if (items[i].conversation)
            assert_int_equal(has(in_main, items[i].n), ok);
        if (items[i].conversation && items[i].job && ok && !job)
            missing++;
        else if (items[i].job)
            assert_int_equal(job, ok);
    }
    assert_int_equal(missing, losses);
}

static void copy(const char *from, const char *to) {
    enum { CHUNK = 65536 };
    static char bytes[CHUNK];
    int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ssize_t n;
    assert_true(out >= 0 && (in >= 0 || errno == ENOENT));
    while (in >= 0 && (n = read(in, bytes, sizeof bytes)) > 0)
        assert_int_equal(write(out, bytes, (size_t)n), n);
    close(out);
    if (in >= 0)
        close(in);
}

/* The files as kill -9 would leave them now. */
static void assert_acknowledged_survive_a_kill(struct xr_test_store *t, const struct item items[ITEMS]) {
    char from[128], file[128], log[140];
    snprintf(from, sizeof from, "%s-wal", t->path);
    snprintf(file, sizeof file, "%s/killed.db", t->dir);
    snprintf(log, sizeof log, "%s-wal", file);
    copy(t->path, file);
    copy(from, log);
    assert_int_equal(query(file, "SELECT integrity_check = 'ok' FROM pragma_integrity_check"), 1);
    int64_t in_file = conversations(file);
    for (size_t i = 0; i < ITEMS; i++)
        if (items[i].conversation && items[i].code == XR_OK)
            assert_true(has(in_file, items[i].n));
}

/* false: the fault did not strike, so that the ones after it will not either. */
static bool survive(enum fault_kind kind, const char *suffix, int countdown, bool lasting, uint64_t *ret_losses) {
    struct item items[ITEMS];
    struct xr_test_store *t = xr_test_store_make();
    t->options.vfs = fault_vfs_name();
    assert_int_equal(xr_test_store_open(t, NULL), XR_OK);
    fault_arm(kind, suffix, countdown, lasting);
    run_script(t, items);
    bool struck = fault_disarm();
    uint64_t losses = xr_store_queue_losses(t->store);
    for (size_t i = 0; i < ITEMS; i++)
        assert_code_fits(&items[i], kind);
    assert_as_answered(t, items, losses);
    assert_acknowledged_survive_a_kill(t, items);
    xr_test_conversation(t, LAST, "z"); /* the store goes on */
    assert_int_equal(xr_store_health(t->store, NULL), XR_OK);
    xr_test_store_close(t);
    assert_int_equal(xr_test_store_open(t, NULL), XR_OK);
    assert_as_answered(t, items, losses);
    assert_true(has(conversations(t->path), LAST));
    xr_test_store_teardown((void **)&t);
    *ret_losses += losses;
    return struck;
}

static void every_fault_leaves_what_was_answered(void **state) {
    (void)state;
    for (int kind = 0; kind < FAULT_KINDS; kind++) {
        for (int lasting = 0; lasting <= 1; lasting++) {
            uint64_t losses = 0;
            int n = 1;
            while (n < FAULTS_MAX && survive((enum fault_kind)kind, "", n, lasting, &losses))
                n++;
            assert_in_range(n, 3, FAULTS_MAX - 1); /* some struck, and the last did not */
        }
    }
}

static void only_a_fault_of_the_last_frame_loses_a_job(void **state) {
    (void)state;
    uint64_t losses = 0;
    int n = 1;
    while (n < FAULTS_MAX && survive(FAULT_FULL, "queue.db-wal", n, false, &losses))
        n++;
    /* Two groups change both files; of each, the frame that commits queue.db is two writes. */
    assert_int_equal(losses, 2 * 2);
}

static void a_creation_with_any_fault_can_be_done_again(void **state) {
    (void)state;
    for (int kind = 0; kind < FAULT_KINDS; kind++) {
        bool struck = true;
        int n = 0;
        while (struck && n < FAULTS_MAX) {
            struct xr_test_store *t = xr_test_store_make();
            t->options.vfs = fault_vfs_name();
            fault_arm((enum fault_kind)kind, "", ++n, true);
            enum xr_code code = xr_test_store_open(t, NULL);
            struck = fault_disarm();
            if (code == XR_OK)
                assert_int_equal(xr_store_health(t->store, NULL), XR_OK);
            xr_test_store_close(t);
            assert_int_equal(xr_test_store_open(t, NULL), XR_OK);
            xr_test_conversation(t, 1, "x");
            assert_int_equal(query(t->path, "PRAGMA user_version"), XR_MAIN_SCHEMA.count);
            assert_int_equal(query(t->queue_path, "PRAGMA user_version"), XR_QUEUE_SCHEMA.count);
            xr_test_store_teardown((void **)&t);
        }
        assert_in_range(n, 3, FAULTS_MAX - 1);
    }
}

/* false: the fault did not strike. */
static bool survive_while_closing(enum fault_kind kind, int countdown) {
    struct item items[ITEMS];
    struct xr_test_store *t = xr_test_store_make();
    t->options.vfs = fault_vfs_name();
    assert_int_equal(xr_test_store_open(t, NULL), XR_OK);
    run_script(t, items);
    fault_arm(kind, "", countdown, true);
    xr_test_store_close(t);
    bool struck = fault_disarm();
    assert_int_equal(xr_test_store_open(t, NULL), XR_OK);
    assert_as_answered(t, items, 0);
    xr_test_store_teardown((void **)&t);
    return struck;
}

static void a_fault_while_closing_loses_nothing(void **state) {
    (void)state;
    for (int kind = 0; kind < FAULT_KINDS; kind++) {
        int n = 1;
        while (n < FAULTS_MAX && survive_while_closing((enum fault_kind)kind, n))
            n++;
        assert_in_range(n, 3, FAULTS_MAX - 1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_fault_leaves_what_was_answered),
        cmocka_unit_test(only_a_fault_of_the_last_frame_loses_a_job),
        cmocka_unit_test(a_creation_with_any_fault_can_be_done_again),
        cmocka_unit_test(a_fault_while_closing_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
