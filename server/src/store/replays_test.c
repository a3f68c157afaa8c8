// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "base/test.h"
#include "store/replays.h"
#include "store/store_testkit.h"

struct creation {
    struct xr_uuid uuid;
    uint8_t hash[XR_SHA256_SIZE];
    struct xr_str run_config;
};

static enum xr_code create(struct xr_store_tx *tx, void *ctx, struct xr_err *err) {
    const struct creation *c = ctx;
    return xr_store_tx_replay_create(tx, &c->uuid, c->hash, c->run_config, err);
}

struct change {
    int64_t id;
    struct xr_replay_change change;
    struct xr_replay row;
};

static enum xr_code change(struct xr_store_tx *tx, void *ctx, struct xr_err *err) {
    struct change *c = ctx;
    return xr_store_tx_replay_change(tx, c->id, &c->change, &c->row, err);
}

static void a_new_replay_is_pending(void **state) {
    struct xr_test_store *t = *state;
    struct creation c = {.uuid = xr_test_uuid(5), .run_config = XR_STR("{\"a\":\"x\0y\"}")};
    memset(c.hash, 1, sizeof c.hash);
    xr_test_conversation(t, 1, "one");
    t->now_ns += XR_NS_PER_S;
    assert_int_equal(xr_test_write(t, create, &c, NULL), XR_OK);
    struct xr_replay r = xr_test_get_replay(t, 5);
    assert_memory_equal(r.uuid.bytes, c.uuid.bytes, XR_UUID_SIZE);
    assert_memory_equal(r.conversation_hash, c.hash, sizeof c.hash);
    assert_int_equal(r.state, XR_PENDING);
    assert_int_equal(r.step, XR_STEP_NONE);
    assert_int_equal(r.reason, XR_REASON_NONE);
    assert_int_equal(r.started_ns, t->now_ns);
    assert_true(r.finished_ns == XR_TIME_NONE && r.recording_started_ns == XR_TIME_NONE);
    assert_false(r.has_audio || r.live);
    assert_int_equal(r.job_id, -1);
    assert_int_equal(r.passed, -1);
    assert_int_equal(r.response_median_ms, -1);
    assert_int_equal(r.response_p95_ms, -1);
    assert_true(xr_str_eq(r.run_config, c.run_config));
    assert_int_equal(xr_test_write(t, create, &c, NULL), XR_CONFLICT);
}

static void a_replay_needs_its_conversation(void **state) {
    struct xr_test_store *t = *state;
    struct creation c = {.uuid = xr_test_uuid(5), .hash = {42}};
    struct xr_replay r;
    uint64_t version = xr_store_version(t->store);
    assert_int_equal(xr_test_write(t, create, &c, NULL), XR_NOT_FOUND);
    assert_int_equal(xr_store_replay_get(t->reader, &c.uuid, t->arena, &r, NULL), XR_NOT_FOUND);
    assert_int_equal(xr_store_version(t->store), version);
}

static void the_whole_way_raises_seq_each_time(void **state) {
    struct xr_test_store *t = *state;
    xr_test_conversation(t, 1, "one");
    int64_t id = xr_test_replay(t, 1, 1);
    int64_t seq = xr_test_get_replay(t, 1).seq;
    struct xr_replay r = xr_test_change(t, id, XR_BY_CLIENT, XR_RUNNING);
    assert_int_equal(r.seq, ++seq);
    r = xr_test_change(t, id, XR_BY_UPLOAD, XR_RECORDING_UPLOADED);
    assert_true(r.has_audio);
    r = xr_test_change(t, id, XR_BY_UPLOAD, XR_RECORDING_UPLOADED);
    assert_int_equal(r.state, XR_RECORDING_UPLOADED);
    r = xr_test_change(t, id, XR_BY_ANALYZE, XR_ANALYZING);
    assert_int_equal(r.step, XR_STEP_VAD);
    t->now_ns += XR_NS_PER_S;
    r = xr_test_change(t, id, XR_BY_WORKER, XR_COMPLETED);
    struct xr_replay stored = xr_test_get_replay(t, 1);
    assert_int_equal(stored.state, XR_COMPLETED);
    assert_int_equal(stored.step, XR_STEP_NONE);
    assert_int_equal(stored.passed, 1);
    assert_int_equal(stored.finished_ns, t->now_ns);
    assert_int_equal(stored.seq, seq + 4);
    assert_int_equal(stored.seq, r.seq);
    assert_int_equal(stored.state, r.state);
    assert_int_equal(stored.passed, r.passed);
    assert_int_equal(stored.finished_ns, r.finished_ns);
    assert_true(stored.has_audio && r.has_audio);
}

static void a_change_that_is_not_the_actors_tells_the_state(void **state) {
    struct xr_test_store *t = *state;
    xr_test_conversation(t, 1, "one");
    struct change c = {.id = xr_test_replay(t, 1, 1), .change = {.actor = XR_BY_CLIENT, .to = XR_COMPLETED}};
    struct xr_err err;
    c.change.job_id = -1;
    assert_int_equal(xr_test_write(t, change, &c, &err), XR_CONFLICT);
    assert_string_equal(err.message, "a replay that is pending cannot become completed");
    assert_int_equal(c.row.id, c.id);
    assert_int_equal(c.row.state, XR_PENDING);
    assert_int_equal(xr_test_get_replay(t, 1).state, XR_PENDING);
    c.id = 999;
    assert_int_equal(xr_test_write(t, change, &c, NULL), XR_NOT_FOUND);
}

static void a_terminal_row_is_written_once(void **state) {
    struct xr_test_store *t = *state;
    xr_test_conversation(t, 1, "one");
    int64_t id = xr_test_replay(t, 1, 1);
    struct change c = {.id = id,
                       .change = {.actor = XR_BY_CLIENT,
                                  .to = XR_FAILED_STATE,
                                  .reason = XR_REASON_AGENT_NOT_JOINED,
                                  .finished_ns = 12345,
                                  .job_id = -1}};
    assert_int_equal(xr_test_write(t, change, &c, NULL), XR_OK);
    c.change.reason = XR_REASON_TIMEOUT;
    c.change.finished_ns = 99;
    assert_int_equal(xr_test_write(t, change, &c, NULL), XR_CONFLICT);
    struct xr_replay r = xr_test_get_replay(t, 1);
    assert_int_equal(r.reason, XR_REASON_AGENT_NOT_JOINED);
    assert_int_equal(r.finished_ns, 12345);
}

static void an_upload_sets_or_clears_the_anchor(void **state) {
    struct xr_test_store *t = *state;
    xr_test_conversation(t, 1, "one");
    struct change c = {.id = xr_test_replay(t, 1, 1),
                       .change = {.actor = XR_BY_UPLOAD,
                                  .to = XR_RECORDING_UPLOADED,
                                  .set_recording = true,
                                  .recording_started_ns = -5,
                                  .job_id = -1}};
    assert_int_equal(xr_test_write(t, change, &c, NULL), XR_OK);
    assert_int_equal(xr_test_get_replay(t, 1).recording_started_ns, -5);
    c.change.recording_started_ns = XR_TIME_NONE;
    assert_int_equal(xr_test_write(t, change, &c, NULL), XR_OK);
    assert_true(xr_test_get_replay(t, 1).recording_started_ns == XR_TIME_NONE);
}

static void a_retry_needs_the_recording_and_forgets_the_failure(void **state) {
    struct xr_test_store *t = *state;
    int64_t with = xr_test_analyzing_replay(t), without = xr_test_replay(t, 1, 2);
    xr_test_change(t, with, XR_BY_WORKER, XR_FAILED_STATE);
    xr_test_change(t, without, XR_BY_CLIENT, XR_FAILED_STATE);
    struct change c = {
        .id = without,
        .change = {.actor = XR_BY_RETRY, .to = XR_ANALYZING, .step = XR_STEP_VAD, .job_id = 17},
    };
    assert_int_equal(xr_test_write(t, change, &c, NULL), XR_CONFLICT);
    assert_int_equal(c.row.state, XR_FAILED_STATE);
    c.id = with;
    assert_int_equal(xr_test_write(t, change, &c, NULL), XR_OK);
    struct xr_replay r = xr_test_get_replay(t, 1);
    assert_int_equal(r.state, XR_ANALYZING);
    assert_int_equal(r.step, XR_STEP_VAD);
    assert_int_equal(r.reason, XR_REASON_NONE);
    assert_true(r.finished_ns == XR_TIME_NONE);
    assert_int_equal(r.passed, -1);
    assert_int_equal(r.job_id, 17);
    assert_true(r.has_audio);
}

struct step {
    int64_t id, seq;
};

static enum xr_code step(struct xr_store_tx *tx, void *ctx, struct xr_err *err) {
    struct step *s = ctx;
    return xr_store_tx_replay_step(tx, s->id, XR_STEP_METRICS, &s->seq, err);
}

static void a_step_is_for_replays_being_analyzed(void **state) {
    struct xr_test_store *t = *state;
    struct step s = {.id = xr_test_analyzing_replay(t), .seq = -1};
    int64_t seq = xr_test_get_replay(t, 1).seq;
    assert_int_equal(xr_test_write(t, step, &s, NULL), XR_OK);
    assert_int_equal(s.seq, seq + 1);
    assert_int_equal(xr_test_get_replay(t, 1).step, XR_STEP_METRICS);
    assert_int_equal(xr_test_get_replay(t, 1).seq, seq + 1);
    xr_test_change(t, s.id, XR_BY_WORKER, XR_COMPLETED);
    s.seq = -1;
    assert_int_equal(xr_test_write(t, step, &s, NULL), XR_CONFLICT);
    assert_int_equal(s.seq, -1);
}

static enum xr_code touch(struct xr_store_tx *tx, void *ctx, struct xr_err *err) {
    return xr_store_tx_replay_touch(tx, *(const int64_t *)ctx, err);
}

static enum xr_code set_job(struct xr_store_tx *tx, void *ctx, struct xr_err *err) {
    return xr_store_tx_replay_job(tx, *(const int64_t *)ctx, 4711, err);
}

static void a_job_is_noted(void **state) {
    struct xr_test_store *t = *state;
    int64_t id = xr_test_analyzing_replay(t), unknown = 999;
    assert_int_equal(xr_test_write(t, set_job, &id, NULL), XR_OK);
    assert_int_equal(xr_test_get_replay(t, 1).job_id, 4711);
    assert_int_equal(xr_test_write(t, set_job, &unknown, NULL), XR_NOT_FOUND);
    assert_int_equal(xr_test_write(t, touch, &unknown, NULL), XR_NOT_FOUND);
}

enum { REFS = 2 };
struct sweep {
    int64_t before_ns;
    struct xr_replay_ref refs[REFS];
    size_t count;
};

static enum xr_code stall(struct xr_store_tx *tx, void *ctx, struct xr_err *err) {
    struct sweep *s = ctx;
    return xr_store_tx_replays_stall(tx, s->before_ns, s->refs, REFS, &s->count, err);
}

static void the_sweep_fails_what_nobody_touched(void **state) {
    struct xr_test_store *t = *state;
    xr_test_conversation(t, 1, "one");
    int64_t touched = xr_test_replay(t, 1, 1), running = xr_test_replay(t, 1, 2);
    int64_t uploaded = xr_test_replay(t, 1, 3), pending = xr_test_replay(t, 1, 4), third = xr_test_replay(t, 1, 5);
    struct sweep s = {.before_ns = t->now_ns + 1};
    xr_test_change(t, running, XR_BY_CLIENT, XR_RUNNING);
    xr_test_change(t, uploaded, XR_BY_UPLOAD, XR_RECORDING_UPLOADED);
    t->now_ns += XR_NS_PER_S;
    assert_int_equal(xr_test_write(t, touch, &touched, NULL), XR_OK);
    assert_int_equal(xr_test_write(t, stall, &s, NULL), XR_OK);
    assert_int_equal(s.count, REFS); /* at most that many at once */
    assert_int_equal(xr_test_write(t, stall, &s, NULL), XR_OK);
    assert_int_equal(s.count, 1);
    assert_int_equal(xr_test_get_replay(t, (uint8_t)(s.refs[0].uuid.bytes[0])).seq, s.refs[0].seq);
    assert_int_equal(xr_test_write(t, stall, &s, NULL), XR_OK);
    assert_int_equal(s.count, 0);
    for (uint8_t n = 1; n <= 5; n++) {
        struct xr_replay r = xr_test_get_replay(t, n);
        bool stalled = r.id == running || r.id == pending || r.id == third;
        assert_int_equal(r.state == XR_FAILED_STATE, stalled);
        assert_int_equal(r.reason, stalled ? XR_REASON_STALLED : XR_REASON_NONE);
        assert_int_equal(r.finished_ns == XR_TIME_NONE, !stalled);
    }
}

static void sum_ids(const struct xr_replay *replay, void *ctx) {
    *(int64_t *)ctx += replay->id;
}

static enum xr_code sum_analyzing(struct xr_store_tx *tx, void *ctx, struct xr_err *err) {
    return xr_store_tx_replays_analyzing(tx, sum_ids, ctx, err);
}

static void count_uuid(const struct xr_uuid *uuid, void *ctx) {
    *(int *)ctx += uuid->bytes[0];
}

static void replays_being_analyzed_and_recordings_are_found(void **state) {
    struct xr_test_store *t = *state;
    int64_t analyzing = xr_test_analyzing_replay(t), sum = 0;
    int recordings = 0;
    xr_test_replay(t, 1, 2);
    xr_test_change(t, xr_test_replay(t, 1, 3), XR_BY_UPLOAD, XR_RECORDING_UPLOADED);
    assert_int_equal(xr_test_write(t, sum_analyzing, &sum, NULL), XR_OK);
    assert_int_equal(sum, analyzing);
    assert_int_equal(xr_store_recordings_each(t->reader, count_uuid, &recordings, NULL), XR_OK);
    assert_int_equal(recordings, 1 + 3);
}

static void the_list_is_newest_first_and_pages(void **state) {
    enum { ROWS = 7, AT_ONCE = 3 };
    struct xr_test_store *t = *state;
    xr_test_conversation(t, 1, "one");
    xr_test_conversation(t, 2, "other");
    int64_t conversation = 0, after = 0, last = INT64_MAX;
    size_t total = 0, count;
    for (int n = 1; n <= ROWS; n++) {
        xr_test_replay(t, 1, (uint8_t)n);
        xr_test_replay(t, 2, (uint8_t)(100 + n));
    }
    conversation = xr_test_get_replay(t, 1).conversation_id;
    do {
        struct xr_replay *rows;
        assert_int_equal(xr_store_replays_list(t->reader, conversation, after, AT_ONCE, t->arena, &rows, &count, NULL),
                         XR_OK);
        for (size_t i = 0; i < count; i++) {
            assert_true(rows[i].id < last);
            assert_int_equal(rows[i].conversation_id, conversation);
            after = last = rows[i].id;
        }
        total += count;
    } while (count == AT_ONCE);
    assert_int_equal(total, ROWS);
    struct xr_replay *rows = NULL;
    assert_int_equal(
        xr_store_replays_list(t->reader, conversation, 0, XR_LIST_ROWS_MAX + 1, t->arena, &rows, &count, NULL),
        XR_TOO_LARGE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, xr_test_store_setup, xr_test_store_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_new_replay_is_pending),
        TEST(a_replay_needs_its_conversation),
        TEST(the_whole_way_raises_seq_each_time),
        TEST(a_change_that_is_not_the_actors_tells_the_state),
        TEST(a_terminal_row_is_written_once),
        TEST(an_upload_sets_or_clears_the_anchor),
        TEST(a_retry_needs_the_recording_and_forgets_the_failure),
        TEST(a_step_is_for_replays_being_analyzed),
        TEST(a_job_is_noted),
        TEST(the_sweep_fails_what_nobody_touched),
        TEST(replays_being_analyzed_and_recordings_are_found),
        TEST(the_list_is_newest_first_and_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
