// SPDX-License-Identifier: Apache-2.0
/* Opening, refusing, migrating, readers. */
#include "base/limits.h"
#include "base/sha256.h"
#include "base/test.h"
#include "store/results.h"
#include "store/schema.h"
#include "store/store.h"
#include "store/store_testkit.h"
#include "store/usage.h"
#include "store/writer_testkit.h"
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static void execute(const char *path, const char *sql) {
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void write_file(const char *path, struct xr_str bytes) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes.ptr, bytes.len), bytes.len);
    close(fd);
}

static void hash_file(const char *path, uint8_t out[XR_SHA256_SIZE]) {
    enum { FILE_MAX = 1 << 20 };
    static char bytes[FILE_MAX];
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    ssize_t n = read(fd, bytes, sizeof bytes);
    assert_true(n >= 0);
    xr_sha256_of(bytes, (size_t)n, out);
    close(fd);
}

static void remove_both(struct xr_test_store *t) {
    xr_test_store_close(t);
    unlink(t->path);
    unlink(t->queue_path);
}

static void a_new_store_has_every_table(void **state) {
    struct xr_test_store *t = *state;
    xr_test_store_close(t);
    assert_int_equal(query(t->path, "SELECT count(*) FROM sqlite_schema WHERE type = 'table'"), 16);
    assert_int_equal(query(t->path, "PRAGMA application_id"), XR_MAIN_SCHEMA.application_id);
    assert_int_equal(query(t->path, "PRAGMA user_version"), XR_MAIN_SCHEMA.count);
    assert_int_equal(query(t->queue_path, "SELECT count(*) FROM sqlite_schema WHERE name IN ('jobs', 'dead_letters')"),
                     2);
    assert_int_equal(query(t->queue_path, "PRAGMA application_id"), XR_QUEUE_SCHEMA.application_id);
}

static void a_clean_end_leaves_two_files(void **state) {
    struct xr_test_store *t = *state;
    char wal[128];
    xr_test_conversation(t, 1, "x");
    xr_test_store_close(t);
    snprintf(wal, sizeof wal, "%s-wal", t->path);
    assert_int_not_equal(access(wal, F_OK), 0);
    assert_int_equal(query(t->path, "SELECT count(*) FROM conversations"), 1);
}

/* What may lie where a file of ours should be, and what the message says of it. */
static const struct {
    const char *sql; /* NULL: the bytes */
    struct xr_str bytes;
    const char *reason;
} FOREIGN[] = {
    {"PRAGMA application_id = 7; CREATE TABLE a (b)", {0}, "of another program"},
    {"CREATE TABLE conversations (id TEXT)", {0}, "of an earlier or another program"},
    {"PRAGMA journal_mode = WAL; CREATE TABLE jobs (id TEXT)", {0}, "of an earlier or another program"},
    {"PRAGMA user_version = 3", {0}, "of an earlier or another program"},
    {NULL,
     XR_STR("this is some text, long enough to be looked at; this is some text, long enough to be looked at;"
            " this is some text"),
     "not a database"},
};

static void a_foreign_file_is_refused_and_left_alone(void **state) {
    struct xr_test_store *t = *state;
    for (size_t i = 0; i < 2 * sizeof FOREIGN / sizeof FOREIGN[0]; i++) {
        const char *path = i % 2 ? t->queue_path : t->path, *other = i % 2 ? t->path : t->queue_path;
        uint8_t before[XR_SHA256_SIZE], after[XR_SHA256_SIZE];
        struct xr_err err;
        remove_both(t);
        if (FOREIGN[i / 2].sql)
            execute(path, FOREIGN[i / 2].sql);
        else
            write_file(path, FOREIGN[i / 2].bytes);
        hash_file(path, before);
        assert_int_equal(xr_test_store_open(t, &err), XR_FOREIGN);
        assert_non_null(strstr(err.message, path));
        assert_non_null(strstr(err.message, FOREIGN[i / 2].reason));
        assert_null(strstr(err.message, other));
        hash_file(path, after);
        assert_memory_equal(before, after, sizeof before);
        assert_int_not_equal(access(other, F_OK), 0);
    }
}

static void a_file_of_a_newer_version_is_refused(void **state) {
    struct xr_test_store *t = *state;
    struct xr_err err;
    xr_test_store_close(t);
    execute(t->queue_path, "PRAGMA user_version = 1000");
    assert_int_equal(xr_test_store_open(t, &err), XR_FOREIGN);
    assert_non_null(strstr(err.message, t->queue_path));
    assert_non_null(strstr(err.message, "newer version"));
}

static void each_files_number_is_its_own(void **state) {
    struct xr_test_store *t = *state;
    char aside[128];
    xr_test_store_close(t);
    snprintf(aside, sizeof aside, "%s.aside", t->path);
    assert_int_equal(rename(t->path, aside), 0);
    assert_int_equal(rename(t->queue_path, t->path), 0);
    assert_int_equal(rename(aside, t->queue_path), 0);
    struct xr_err err;
    assert_int_equal(xr_test_store_open(t, &err), XR_FOREIGN);
    assert_non_null(strstr(err.message, t->path));
    assert_non_null(strstr(err.message, t->queue_path));
}

static void an_earlier_servers_queue_beside_is_refused(void **state) {
    struct xr_test_store *t = *state;
    struct xr_err err;
    char path[128];
    snprintf(path, sizeof path, "%s/bunqueue.db", t->dir);
    remove_both(t);
    write_file(path, XR_STR("x"));
    assert_int_equal(xr_test_store_open(t, &err), XR_FOREIGN);
    assert_non_null(strstr(err.message, path));
    /* As the queue's own path it is a name like any other: what counts is what is in it. */
    unlink(path);
    snprintf(t->queue_path, sizeof t->queue_path, "%s/bunqueue.db", t->dir);
    assert_int_equal(xr_test_store_open(t, NULL), XR_OK);
    xr_test_store_close(t);
    assert_int_equal(xr_test_store_open(t, NULL), XR_OK);
}

static void a_creation_that_was_cut_short_is_taken_up(void **state) {
    struct xr_test_store *t = *state;
    remove_both(t);
    write_file(t->path, (struct xr_str){"", 0});
    execute(t->queue_path, "PRAGMA journal_mode = WAL");
    assert_int_equal(xr_test_store_open(t, NULL), XR_OK);
    xr_test_conversation(t, 1, "x");
}

static void what_cannot_be_opened_is_an_io_error(void **state) {
    struct xr_test_store *t = *state;
    struct xr_err err;
    remove_both(t);
    assert_int_equal(mkdir(t->queue_path, 0700), 0);
    assert_int_equal(xr_test_store_open(t, &err), XR_IO);
    rmdir(t->queue_path);
    snprintf(t->path, sizeof t->path, "%s/none/xray.db", t->dir);
    assert_int_equal(xr_test_store_open(t, &err), XR_IO);
    assert_non_null(strstr(err.message, t->path));
}

static enum xr_code migrate(const char *path, const struct xr_schema *schema) {
    XR_AUTO(xr_sql_closep) struct xr_sql *sql = NULL;
    assert_int_equal(xr_sql_open(path, XR_SQL_CREATE, NULL, 0, &sql, NULL), XR_OK);
    enum xr_code code = xr_schema_migrate(sql, schema, NULL);
    assert_false(xr_sql_in_transaction(sql));
    return code;
}

static void migrations_run_once_and_in_order(void **state) {
    static const char *const MIGRATIONS[] = {"CREATE TABLE a (b)", "INSERT INTO a VALUES (1)",
                                             "UPDATE a SET b = b + 1; ALTER TABLE a ADD COLUMN c"};
    struct xr_test_store *t = *state;
    remove_both(t);
    for (size_t count = 1; count <= 3; count++) {
        const struct xr_schema schema = {5, MIGRATIONS, count};
        assert_int_equal(migrate(t->path, &schema), XR_OK);
        assert_int_equal(migrate(t->path, &schema), XR_OK);
        assert_int_equal(query(t->path, "PRAGMA user_version"), count);
    }
    assert_int_equal(query(t->path, "SELECT sum(b) FROM a WHERE c IS NULL"), 2);
    assert_int_equal(query(t->path, "PRAGMA application_id"), 5);
    assert_int_equal(migrate(t->path, &(struct xr_schema){5, MIGRATIONS, 2}), XR_FOREIGN);
}

static void a_migration_that_fails_leaves_the_old_version(void **state) {
    static const char *const MIGRATIONS[] = {"CREATE TABLE a (b)", "DROP TABLE a; CREATE TABLE c (d); NONSENSE"};
    struct xr_test_store *t = *state;
    remove_both(t);
    assert_int_equal(migrate(t->path, &(struct xr_schema){5, MIGRATIONS, 1}), XR_OK);
    assert_int_equal(migrate(t->path, &(struct xr_schema){5, MIGRATIONS, 2}), XR_INTERNAL);
    assert_int_equal(query(t->path, "PRAGMA user_version"), 1);
    assert_int_equal(query(t->path, "SELECT count(*) FROM a"), 0);
    assert_int_equal(query(t->path, "SELECT count(*) FROM sqlite_schema WHERE name = 'c'"), 0);
}

/* The first two migrations are those of 0.1.0's first databases. */
static void segments_of_the_version_before_have_no_uncertainty(void **state) {
    struct xr_test_store *t = *state;
    const struct xr_schema before = {XR_MAIN_SCHEMA.application_id, XR_MAIN_SCHEMA.migrations, 2};
    struct xr_segment_row *rows = NULL;
    size_t count = 0;
    remove_both(t);
    assert_int_equal(migrate(t->path, &before), XR_OK);
    execute(t->path, "INSERT INTO speech_segments VALUES (7, 1, 1, 1000000, 2000000)");
    assert_int_equal(xr_test_store_open(t, NULL), XR_OK);
    assert_int_equal(xr_store_segments_get(t->reader, 7, t->arena, &rows, &count, NULL), XR_OK);
    assert_int_equal(count, 1);
    assert_int_equal(rows[0].segment.end_ns, 2000000);
    assert_int_equal(rows[0].segment.start_uncertainty_ms, -1);
    assert_int_equal(rows[0].segment.end_uncertainty_ms, -1);
    xr_test_store_close(t);
    assert_int_equal(query(t->path, "PRAGMA user_version"), XR_MAIN_SCHEMA.count);
}

static enum xr_code add_usage(struct xr_store_tx *tx, void *ctx, struct xr_err *err) {
    const struct xr_usage_row row = {.provider = XR_STR("p"), .model = XR_STR("m"), .calls = 1};
    (void)ctx;
    return xr_store_tx_usage_add(tx, 7, &row, err);
}

/* A replay of a database that knew of no usage has none, and gets some when it is analyzed again. */
static void replays_of_the_version_before_have_used_nothing(void **state) {
    struct xr_test_store *t = *state;
    const struct xr_schema before = {XR_MAIN_SCHEMA.application_id, XR_MAIN_SCHEMA.migrations, 3};
    struct xr_usage_row *rows = NULL;
    size_t count = 9;
    remove_both(t);
    assert_int_equal(migrate(t->path, &before), XR_OK);
    execute(t->path, "INSERT INTO conversations VALUES (5, zeroblob(32), 0, 1, 1, 1, 'c', x'', x'', '{}');"
                     "INSERT INTO replays (id, uuid, conversation_id, lifecycle_state, analysis_step, failure_reason,"
                     " seq, started_at, touched_at) VALUES (7, zeroblob(16), 5, 3, 1, 0, 4, 1, 1)");
    assert_int_equal(xr_test_store_open(t, NULL), XR_OK);
    assert_int_equal(xr_store_usage_get(t->reader, 7, t->arena, &rows, &count, NULL), XR_OK);
    assert_int_equal(count, 0);
    assert_int_equal(xr_test_write(t, add_usage, NULL, NULL), XR_OK);
    assert_int_equal(xr_store_usage_get(t->reader, 7, t->arena, &rows, &count, NULL), XR_OK);
    assert_int_equal(count, 1);
    xr_test_store_close(t);
    assert_int_equal(query(t->path, "PRAGMA user_version"), XR_MAIN_SCHEMA.count);
}

static size_t conversations(struct xr_test_store *t) {
    struct xr_conversation_item *items;
    size_t count = 0;
    assert_int_equal(xr_store_conversations_list(t->reader, (struct xr_str){0}, XR_TIME_NONE, 0, XR_LIST_ROWS_MAX,
                                                 t->arena, &items, &count, NULL),
                     XR_OK);
    return count;
}

static void a_snapshot_does_not_see_later_writes(void **state) {
    struct xr_test_store *t = *state;
    xr_test_conversation(t, 1, "x");
    assert_int_equal(xr_store_reader_begin(t->reader, NULL), XR_OK);
    assert_int_equal(conversations(t), 1);
    xr_test_conversation(t, 2, "y");
    assert_int_equal(conversations(t), 1);
    assert_int_not_equal(xr_store_reader_begin(t->reader, NULL), XR_OK); /* no nesting */
    assert_int_equal(conversations(t), 1);
    xr_store_reader_end(t->reader);
    assert_int_equal(conversations(t), 2);
    xr_store_reader_end(t->reader); /* of nothing */
}

static void a_reader_cannot_write(void **state) {
    struct xr_test_store *t = *state;
    struct xr_sql *sql = xr_store_reader_sql(t->reader);
    assert_int_equal(xr_sql_run(sql, "DELETE FROM conversations", NULL), XR_IO);
}

static void freeing_nothing_is_fine(void **state) {
    (void)state;
    xr_store_free(NULL);
    xr_store_reader_close(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, xr_test_store_setup, xr_test_store_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_new_store_has_every_table),
        TEST(a_clean_end_leaves_two_files),
        TEST(a_foreign_file_is_refused_and_left_alone),
        TEST(a_file_of_a_newer_version_is_refused),
        TEST(each_files_number_is_its_own),
        TEST(an_earlier_servers_queue_beside_is_refused),
        TEST(a_creation_that_was_cut_short_is_taken_up),
        TEST(what_cannot_be_opened_is_an_io_error),
        TEST(migrations_run_once_and_in_order),
        TEST(a_migration_that_fails_leaves_the_old_version),
        TEST(segments_of_the_version_before_have_no_uncertainty),
        TEST(replays_of_the_version_before_have_used_nothing),
        TEST(a_snapshot_does_not_see_later_writes),
        TEST(a_reader_cannot_write),
        cmocka_unit_test(freeing_nothing_is_fine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
