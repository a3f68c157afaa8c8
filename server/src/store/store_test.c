// SPDX-License-Identifier: Apache-2.0
/* Opening, refusing, migrating, the writer, readers. */
#include "base/limits.h"
#include "base/test.h"
#include "store/schema.h"
#include "store/store_testkit.h"
#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>

static void execute(const char *path, const char *sql) {
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static int64_t query(const char *path, const char *sql) {
    sqlite3 *db;
    sqlite3_stmt *stmt;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return value;
}

static void a_new_store_has_every_table(void **state) {
    struct xr_test_store *t = *state;
    xr_test_store_close(t);
    assert_int_equal(query(t->path, "SELECT count(*) FROM sqlite_schema WHERE type = 'table'"), 13);
    assert_int_equal(query(t->path, "PRAGMA application_id"), XR_MAIN_SCHEMA.application_id);
    assert_int_equal(query(t->path, "PRAGMA user_version"), XR_MAIN_SCHEMA.count);
    assert_int_equal(query(t->queue_path, "SELECT count(*) FROM sqlite_schema WHERE name IN ('jobs', 'dead_letters')"),
                     2);
    assert_int_equal(query(t->queue_path, "PRAGMA application_id"), XR_QUEUE_SCHEMA.application_id);
}

static enum xr_code add_job(struct xr_store_tx *tx, void *ctx, struct xr_err *err) {
    static const char SQL[] = "INSERT INTO queue.jobs (replay_id, replay_uuid, stage, state, attempt, lost, due_ns,"
                              " created_ns) VALUES (?1, zeroblob(16), 0, 0, 0, 0, ?2, ?2)";
    struct xr_sql *sql;
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    enum xr_code code = xr_store_tx_queue(tx, &sql, err);
    if (code == XR_OK)
        code = xr_sql_prepare(sql, SQL, &stmt, err);
    if (code != XR_OK)
        return code;
    xr_stmt_bind_int(stmt, 1, *(const int64_t *)ctx);
    xr_stmt_bind_int(stmt, 2, xr_store_tx_now(tx));
    return xr_stmt_run(stmt, err);
}

static void a_write_may_join_the_queue(void **state) {
    struct xr_test_store *t = *state;
    int64_t replay = 7;
    assert_int_equal(xr_test_write(t, add_job, &replay, NULL), XR_OK);
    assert_int_equal(xr_test_write(t, add_job, &replay, NULL), XR_CONFLICT);
    xr_test_store_close(t);
    assert_int_equal(query(t->queue_path, "SELECT count(*) FROM jobs"), 1);
    assert_int_equal(query(t->queue_path, "SELECT due_ns FROM jobs"), t->now_ns);
    execute(t->queue_path, "DELETE FROM jobs");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_new_store_has_every_table, xr_test_store_setup, xr_test_store_teardown),
        cmocka_unit_test_setup_teardown(a_write_may_join_the_queue, xr_test_store_setup, xr_test_store_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
