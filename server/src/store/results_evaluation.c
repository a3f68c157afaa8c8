// SPDX-License-Identifier: Apache-2.0
/* Outcomes of assertions and judges, and the verdict. */
#include "store/internal.h"
#include "store/results.h"
#include "store/results_put.h"

enum { STATUS_COUNT = XR_ERRORED + 1 };

static enum xr_code put_assertion(struct xr_sql *sql, int64_t replay_id, const struct xr_assertion_result *result,
                                  struct xr_err *err) {
    static const char SQL[] = "INSERT INTO assertion_results (replay_id, turn_idx, assertion_idx, kind, status,"
                              " message) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    struct xr_stmt *stmt;
    enum xr_code code = xr_sql_prepare(sql, SQL, &stmt, err);
    if (code != XR_OK)
        return code;
    xr_stmt_bind_int(stmt, 1, replay_id);
    xr_stmt_bind_int(stmt, 2, result->turn_idx);
    xr_stmt_bind_int(stmt, 3, result->assertion_idx);
    xr_stmt_bind_int(stmt, 4, result->kind);
    xr_stmt_bind_int(stmt, 5, result->status);
    xr_stmt_bind_str(stmt, 6, result->message);
    return xr_stmt_run(stmt, err);
}

static enum xr_code put_judge(struct xr_sql *sql, int64_t replay_id, const struct xr_judge_result *result,
                              struct xr_err *err) {
    static const char SQL[] = "INSERT INTO judge_results (replay_id, judge_idx, status, score, prompt_version, reason)"
                              " VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    struct xr_stmt *stmt;
    enum xr_code code = xr_sql_prepare(sql, SQL, &stmt, err);
    if (code != XR_OK)
        return code;
    xr_stmt_bind_int(stmt, 1, replay_id);
    xr_stmt_bind_int(stmt, 2, result->judge_idx);
    xr_stmt_bind_int(stmt, 3, result->status);
    xr_stmt_bind_opt_int(stmt, 4, result->score, -1);
    xr_stmt_bind_opt_int(stmt, 5, result->prompt_version, -1);
    xr_stmt_bind_str(stmt, 6, result->reason);
    return xr_stmt_run(stmt, err);
}

static enum xr_code put_verdict(struct xr_sql *sql, int64_t replay_id, bool passed, int64_t now_ns,
                                struct xr_err *err) {
    static const char SQL[] = "INSERT INTO replay_evaluations (replay_id, passed, evaluated_at) VALUES (?1, ?2, ?3)";
    struct xr_stmt *stmt;
    enum xr_code code = xr_sql_prepare(sql, SQL, &stmt, err);
    if (code != XR_OK)
        return code;
    xr_stmt_bind_int(stmt, 1, replay_id);
    xr_stmt_bind_int(stmt, 2, passed);
    xr_stmt_bind_int(stmt, 3, now_ns);
    return xr_stmt_run(stmt, err);
}

enum xr_code xr_store_tx_evaluation_put(struct xr_store_tx *tx, int64_t replay_id,
                                        const struct xr_evaluation *evaluation, bool verdict, struct xr_err *err) {
    static const char *const DELETES[] = {"DELETE FROM assertion_results WHERE replay_id = ?1",
                                          "DELETE FROM judge_results WHERE replay_id = ?1",
                                          "DELETE FROM replay_evaluations WHERE replay_id = ?1", NULL};
    struct xr_sql *sql;
    enum xr_code code = xr_results_begin(tx, replay_id, DELETES, &sql, err);
    if (code != XR_OK)
        return code;
    for (size_t i = 0; code == XR_OK && i < evaluation->assertion_count; i++)
        code = put_assertion(sql, replay_id, &evaluation->assertions[i], err);
    for (size_t i = 0; code == XR_OK && i < evaluation->judge_count; i++)
        code = put_judge(sql, replay_id, &evaluation->judges[i], err);
    if (code == XR_OK && verdict)
        code = put_verdict(sql, replay_id, evaluation->passed, xr_store_tx_now(tx), err);
    return code;
}

static enum xr_code get_assertions(struct xr_store_reader *reader, int64_t replay_id, struct xr_arena *arena,
                                   struct xr_evaluation *evaluation, struct xr_err *err) {
    static const char SQL[] = "SELECT turn_idx, assertion_idx, kind, status, message FROM assertion_results"
                              " WHERE replay_id = ?1 ORDER BY turn_idx, assertion_idx";
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    struct xr_rows rows = {.arena = arena, .size = sizeof *evaluation->assertions};
    enum xr_code code = xr_results_query(reader, SQL, replay_id, &stmt, err);
    bool row = true;
    while (code == XR_OK && (code = xr_stmt_step(stmt, &row, err)) == XR_OK && row) {
        struct xr_assertion_result *out = xr_rows_add(&rows, stmt);
        if (out)
            *out = (struct xr_assertion_result){
                .turn_idx = xr_stmt_int(stmt, 0),
                .assertion_idx = xr_stmt_int(stmt, 1),
                .kind = (enum xr_assertion_kind)xr_stmt_enum(stmt, 2, XR_ASSERT_KIND_COUNT),
                .status = (enum xr_status)xr_stmt_enum(stmt, 3, STATUS_COUNT),
                .message = xr_stmt_str(stmt, 4, arena),
            };
    }
    evaluation->assertions = rows.data;
    evaluation->assertion_count = rows.count;
    return code;
}

static enum xr_code get_judges(struct xr_store_reader *reader, int64_t replay_id, struct xr_arena *arena,
                               struct xr_evaluation *evaluation, struct xr_err *err) {
    static const char SQL[] = "SELECT judge_idx, status, score, prompt_version, reason FROM judge_results"
                              " WHERE replay_id = ?1 ORDER BY judge_idx";
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    struct xr_rows rows = {.arena = arena, .size = sizeof *evaluation->judges};
    enum xr_code code = xr_results_query(reader, SQL, replay_id, &stmt, err);
    bool row = true;
    while (code == XR_OK && (code = xr_stmt_step(stmt, &row, err)) == XR_OK && row) {
        struct xr_judge_result *out = xr_rows_add(&rows, stmt);
        if (out)
            *out = (struct xr_judge_result){
                .judge_idx = xr_stmt_int(stmt, 0),
                .status = (enum xr_status)xr_stmt_enum(stmt, 1, STATUS_COUNT),
                .score = xr_stmt_opt_int(stmt, 2, -1),
                .prompt_version = xr_stmt_opt_int(stmt, 3, -1),
                .reason = xr_stmt_str(stmt, 4, arena),
            };
    }
    evaluation->judges = rows.data;
    evaluation->judge_count = rows.count;
    return code;
}

enum xr_code xr_store_evaluation_get(struct xr_store_reader *reader, int64_t replay_id, struct xr_arena *arena,
                                     struct xr_evaluation *ret_evaluation, struct xr_err *err) {
    static const char SQL[] = "SELECT passed FROM replay_evaluations WHERE replay_id = ?1";
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    struct xr_evaluation found = {0};
    enum xr_code code = xr_results_query(reader, SQL, replay_id, &stmt, err);
    if (code == XR_OK)
        code = xr_stmt_one(stmt, err);
    if (code != XR_OK)
        return code;
    found.passed = xr_stmt_int(stmt, 0) != 0;
    code = get_assertions(reader, replay_id, arena, &found, err);
    if (code == XR_OK)
        code = get_judges(reader, replay_id, arena, &found, err);
    if (code == XR_OK)
        *ret_evaluation = found;
    return code;
}
