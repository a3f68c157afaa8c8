// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "base/test.h"
#include "store/internal.h"
#include "store/sql.h"
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int open_memory(void **state) {
    struct xr_sql *sql = NULL;
    assert_int_equal(xr_sql_open(":memory:", XR_SQL_CREATE, NULL, 0, &sql, NULL), XR_OK);
    assert_int_equal(xr_sql_script(sql, "CREATE TABLE t (id INTEGER PRIMARY KEY, a ANY) STRICT", NULL), XR_OK);
    *state = sql;
    return 0;
}

static int close_memory(void **state) {
    xr_sql_close(*state);
    return 0;
}

static const char INSERT[] = "INSERT INTO t (id, a) VALUES (?1, ?2)";
static const char SELECT[] = "SELECT a FROM t WHERE id = ?1";

static struct xr_stmt *prepare(struct xr_sql *sql, const char *text) {
    struct xr_stmt *stmt = NULL;
    assert_int_equal(xr_sql_prepare(sql, text, &stmt, NULL), XR_OK);
    return stmt;
}

static struct xr_stmt *selected(struct xr_sql *sql, int64_t id) {
    struct xr_stmt *stmt = prepare(sql, SELECT);
    xr_stmt_bind_int(stmt, 1, id);
    assert_int_equal(xr_stmt_one(stmt, NULL), XR_OK);
    return stmt;
}

enum kind { KIND_INT, KIND_OPT_NONE, KIND_TEXT, KIND_STR, KIND_BLOB, KIND_NOTHING };

static void insert(struct xr_sql *sql, int64_t id, enum kind kind, struct xr_str s) {
    struct xr_stmt *stmt = prepare(sql, INSERT);
    xr_stmt_bind_int(stmt, 1, id);
    if (kind == KIND_INT)
        xr_stmt_bind_int(stmt, 2, INT64_MIN);
    else if (kind == KIND_OPT_NONE)
        xr_stmt_bind_opt_int(stmt, 2, -1, -1);
    else if (kind == KIND_TEXT)
        xr_stmt_bind_text(stmt, 2, s);
    else if (kind == KIND_STR)
        xr_stmt_bind_str(stmt, 2, s);
    else if (kind == KIND_BLOB)
        xr_stmt_bind_blob(stmt, 2, s.ptr, s.len);
    assert_int_equal(xr_stmt_run(stmt, NULL), XR_OK);
}

static void values_come_back_as_they_went_in(void **state) {
    static const struct {
        struct xr_str s;
        enum kind kind;
        bool null, blob;
    } CASES[] = {
        {XR_STR("a\0b"), KIND_TEXT, false, false},  {XR_STR("a\0b"), KIND_STR, false, false},
        {XR_STR("\0\xff"), KIND_BLOB, false, true}, {{NULL, 0}, KIND_TEXT, false, false},
        {{"", 0}, KIND_STR, false, false},          {{NULL, 0}, KIND_STR, true, false},
        {{NULL, 0}, KIND_BLOB, false, true},        {{NULL, 0}, KIND_OPT_NONE, true, false},
        {{NULL, 0}, KIND_NOTHING, true, false},
    };
    struct xr_sql *sql = *state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        insert(sql, (int64_t)i, CASES[i].kind, CASES[i].s);
        struct xr_stmt *stmt = selected(sql, (int64_t)i);
        assert_int_equal(xr_stmt_is_null(stmt, 0), CASES[i].null);
        assert_int_equal(xr_stmt_is_blob(stmt, 0), CASES[i].blob);
        assert_int_equal(xr_stmt_view(stmt, 0).ptr == NULL, CASES[i].null);
        assert_true(xr_str_eq(xr_stmt_view(stmt, 0), CASES[i].s));
        xr_stmt_reset(stmt);
    }
    insert(sql, 100, KIND_INT, (struct xr_str){0});
    struct xr_stmt *stmt = selected(sql, 100);
    assert_true(xr_stmt_int(stmt, 0) == INT64_MIN);
    assert_true(xr_stmt_opt_int(stmt, 0, 5) == INT64_MIN);
    xr_stmt_reset(stmt);
}

static void a_statement_in_use_is_not_given_out_again(void **state) {
    struct xr_stmt *again = NULL;
    struct xr_stmt *stmt = prepare(*state, SELECT);
    assert_int_equal(xr_sql_prepare(*state, SELECT, &again, NULL), XR_INTERNAL);
    assert_null(again);
    xr_stmt_reset(stmt);
    assert_ptr_equal(prepare(*state, SELECT), stmt);
    xr_stmt_reset(stmt);
}

static void bindings_do_not_outlive_the_use(void **state) {
    struct xr_sql *sql = *state;
    insert(sql, 1, KIND_TEXT, XR_STR("old"));
    insert(sql, 2, KIND_NOTHING, (struct xr_str){0});
    struct xr_stmt *stmt = selected(sql, 2);
    assert_true(xr_stmt_is_null(stmt, 0));
    xr_stmt_reset(stmt);
}

static void the_cache_is_bounded(void **state) {
    enum { TEXTS = XR_STATEMENTS_MAX + 1, TEXT_MAX = 32 };
    static char texts[TEXTS][TEXT_MAX];
    struct xr_stmt *stmt;
    for (int i = 0; i < TEXTS; i++) {
        snprintf(texts[i], TEXT_MAX, "SELECT %d", i);
        enum xr_code code = xr_sql_prepare(*state, texts[i], &stmt, NULL);
        assert_int_equal(code, i < XR_STATEMENTS_MAX ? XR_OK : XR_INTERNAL);
    }
}

static void no_row_is_not_found(void **state) {
    struct xr_stmt *stmt = prepare(*state, SELECT);
    struct xr_err err;
    xr_stmt_bind_int(stmt, 1, 12345);
    assert_int_equal(xr_stmt_one(stmt, &err), XR_NOT_FOUND);
    xr_stmt_reset(stmt);
}

static void a_wrong_parameter_fails_the_step(void **state) {
    struct xr_stmt *stmt = prepare(*state, SELECT);
    bool row = true;
    xr_stmt_bind_int(stmt, 9, 1);
    xr_stmt_bind_int(stmt, 1, 1);
    assert_int_equal(xr_stmt_step(stmt, &row, NULL), XR_INTERNAL);
    assert_true(row);
    xr_stmt_reset(stmt);
}

static void a_value_of_the_wrong_kind_is_corrupt(void **state) {
    struct xr_sql *sql = *state;
    uint8_t bytes[4] = {7};
    insert(sql, 1, KIND_TEXT, XR_STR("abc"));
    struct xr_stmt *stmt = selected(sql, 1);
    xr_stmt_fixed(stmt, 0, bytes, sizeof bytes);
    assert_int_equal(bytes[0], 7);
    assert_int_equal(xr_stmt_check(stmt, NULL), XR_CORRUPT);
    xr_stmt_reset(stmt);
    insert(sql, 2, KIND_INT, (struct xr_str){0});
    stmt = selected(sql, 2);
    assert_int_equal(xr_stmt_check(stmt, NULL), XR_OK); /* the mark is gone with the use */
    assert_int_equal(xr_stmt_enum(stmt, 0, 3), 0);
    assert_int_equal(xr_stmt_check(stmt, NULL), XR_CORRUPT);
    xr_stmt_reset(stmt);
}

static void a_full_arena_fails_the_next_step(void **state) {
    struct xr_sql *sql = *state;
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(64);
    struct xr_rows rows = {.arena = arena, .size = 16};
    bool row;
    insert(sql, 1, KIND_TEXT, XR_STR("longer than the arena that is to hold a copy of it, by a good many bytes"));
    struct xr_stmt *stmt = selected(sql, 1);
    assert_null(xr_stmt_str(stmt, 0, arena).ptr);
    assert_int_equal(xr_stmt_step(stmt, &row, NULL), XR_NO_MEMORY);
    xr_stmt_reset(stmt);
    stmt = selected(sql, 1);
    assert_null(xr_rows_add(&rows, stmt));
    assert_int_equal(xr_stmt_check(stmt, NULL), XR_NO_MEMORY);
    xr_stmt_reset(stmt);
}

static void rows_keep_their_contents_while_they_grow(void **state) {
    enum { ROWS = 1000 };
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(XR_KIB(64));
    struct xr_rows rows = {.arena = arena, .size = sizeof(int)};
    struct xr_stmt *stmt = prepare(*state, SELECT);
    for (int i = 0; i < ROWS; i++)
        *(int *)xr_rows_add(&rows, stmt) = i;
    for (int i = 0; i < ROWS; i++)
        assert_int_equal(((int *)rows.data)[i], i);
    assert_int_equal(rows.count, ROWS);
    xr_stmt_reset(stmt);
}

static void changes_are_counted(void **state) {
    struct xr_sql *sql = *state;
    int64_t before = xr_sql_total_changes(sql);
    insert(sql, 41, KIND_NOTHING, (struct xr_str){0});
    assert_int_equal(xr_sql_last_id(sql), 41);
    insert(sql, 42, KIND_NOTHING, (struct xr_str){0});
    assert_int_equal(xr_sql_run(sql, "UPDATE t SET a = 1", NULL), XR_OK);
    assert_int_equal(xr_sql_changes(sql), 2);
    assert_int_equal(xr_sql_total_changes(sql), before + 4);
    assert_false(xr_sql_in_transaction(sql));
}

static void a_constraint_is_a_conflict(void **state) {
    struct xr_sql *sql = *state;
    struct xr_err err;
    insert(sql, 1, KIND_NOTHING, (struct xr_str){0});
    assert_int_equal(xr_sql_run(sql, "INSERT INTO t (id) VALUES (1)", &err), XR_CONFLICT);
    assert_non_null(strstr(err.message, "t.id"));
    assert_int_equal(xr_sql_run(sql, "SELECT nonsense", &err), XR_INTERNAL);
    assert_int_equal(xr_sql_script(sql, "INSERT INTO t (id) VALUES (2); INSERT INTO t (id) VALUES (1)", &err),
                     XR_CONFLICT);
}

static void a_file_that_must_exist_is_not_made(void **state) {
    (void)state;
    static const char PATH[] = "/nonexistent-folder/x.db";
    struct xr_sql *sql = NULL;
    assert_int_equal(xr_sql_open(PATH, XR_SQL_READ_ONLY, NULL, 0, &sql, NULL), XR_NOT_FOUND);
    assert_int_equal(xr_sql_open(PATH, XR_SQL_EXISTING, NULL, 0, &sql, NULL), XR_NOT_FOUND);
    assert_int_equal(xr_sql_open(PATH, XR_SQL_CREATE, NULL, 0, &sql, NULL), XR_IO);
    assert_null(sql);
    xr_sql_close(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_memory, close_memory)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(values_come_back_as_they_went_in),
        TEST(a_statement_in_use_is_not_given_out_again),
        TEST(bindings_do_not_outlive_the_use),
        TEST(the_cache_is_bounded),
        TEST(no_row_is_not_found),
        TEST(a_wrong_parameter_fails_the_step),
        TEST(a_value_of_the_wrong_kind_is_corrupt),
        TEST(a_full_arena_fails_the_next_step),
        TEST(rows_keep_their_contents_while_they_grow),
        TEST(changes_are_counted),
        TEST(a_constraint_is_a_conflict),
        cmocka_unit_test(a_file_that_must_exist_is_not_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
