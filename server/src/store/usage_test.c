// SPDX-License-Identifier: Apache-2.0
/* What provider calls have used: sums, nulls, order, whose it is, and no fault that counts it twice or loses it. */
#include "base/test.h"
#include "store/fault_vfs.h"
#include "store/usage.h"
#include "store/writer_testkit.h"

enum { FAULTS_MAX = 200 };

/* One row to add, to a replay or, with conversation, to what that one's speech has used. */
struct adding {
    int64_t replay_id;
    uint8_t conversation;
    struct xr_usage_row row;
    enum xr_code answer; /* of the write, once the row is added */
};

static enum xr_code apply(struct xr_store_tx *tx, void *ctx, struct xr_err *err) {
    const struct adding *adding = ctx;
    uint8_t hash[XR_SHA256_SIZE];
    memset(hash, adding->conversation, sizeof hash);
    enum xr_code code = adding->conversation ? xr_store_tx_speech_usage_add(tx, hash, &adding->row, err)
                                             : xr_store_tx_usage_add(tx, adding->replay_id, &adding->row, err);
    return code == XR_OK && adding->answer != XR_OK ? xr_fail(err, adding->answer, NULL, "as told") : code;
}

static struct xr_usage_row row_of(enum xr_usage_stage stage, const char *provider, const char *model, int64_t calls) {
    return (struct xr_usage_row){.stage = stage,
                                 .provider = xr_str_from(provider),
                                 .model = xr_str_from(model),
                                 .calls = calls,
                                 .input_tokens = -1,
                                 .output_tokens = -1,
                                 .audio_ms = -1,
                                 .characters = -1};
}

static void add(struct xr_test_store *t, int64_t replay_id, struct xr_usage_row row) {
    struct adding adding = {.replay_id = replay_id, .row = row};
    struct xr_err err = {0};
    if (xr_test_write(t, apply, &adding, &err) != XR_OK)
        fail_msg("%s", err.message);
}

static void add_speech(struct xr_test_store *t, uint8_t conversation, const char *model, int64_t calls,
                       int64_t characters) {
    struct adding adding = {.conversation = conversation, .row = row_of(XR_USAGE_TTS, "fake", model, calls)};
    adding.row.characters = characters;
    assert_int_equal(xr_test_write(t, apply, &adding, NULL), XR_OK);
}

static struct xr_usage_row *rows_of(struct xr_test_store *t, int64_t replay_id, size_t count) {
    struct xr_usage_row *rows = NULL;
    size_t found = 0;
    assert_int_equal(xr_store_usage_get(t->reader, replay_id, t->arena, &rows, &found, NULL), XR_OK);
    assert_int_equal(found, count);
    return rows;
}

static void what_is_added_is_summed_and_null_is_no_number(void **state) {
    struct xr_test_store *t = *state;
    int64_t id = xr_test_analyzing_replay(t);
    struct xr_usage_row first = row_of(XR_USAGE_JUDGE, "p", "m", 2), second = row_of(XR_USAGE_JUDGE, "p", "m", 3);
    first.input_tokens = 100; /* null later */
    second.output_tokens = 20; /* null before */
    first.audio_ms = 0; /* zero is a number */
    first.characters = 7; /* both */
    second.characters = 8;
    rows_of(t, id, 0);
    add(t, id, first);
    struct xr_usage_row *rows = rows_of(t, id, 1);
    assert_int_equal(rows[0].calls, 2);
    assert_int_equal(rows[0].input_tokens, 100);
    assert_int_equal(rows[0].output_tokens, -1);
    add(t, id, second);
    rows = rows_of(t, id, 1);
    assert_int_equal(rows[0].stage, XR_USAGE_JUDGE);
    assert_true(xr_str_eq(rows[0].provider, XR_STR("p")) && xr_str_eq(rows[0].model, XR_STR("m")));
    assert_int_equal(rows[0].calls, 5);
    assert_int_equal(rows[0].input_tokens, 100);
    assert_int_equal(rows[0].output_tokens, 20);
    assert_int_equal(rows[0].audio_ms, 0);
    assert_int_equal(rows[0].characters, 15);
    assert_int_equal(query(t->path, "SELECT count(*) FROM evaluation_usage WHERE audio_ms IS NULL"), 0);
    add(t, id, row_of(XR_USAGE_TTS, "p", "m", 1));
    assert_int_equal(query(t->path, "SELECT count(*) FROM evaluation_usage WHERE characters IS NULL"), 1);
}

static void a_sum_that_does_not_fit_stays_at_the_largest_number(void **state) {
    struct xr_test_store *t = *state;
    int64_t id = xr_test_analyzing_replay(t);
    struct xr_usage_row row = row_of(XR_USAGE_JUDGE, "p", "m", INT64_MAX - 1);
    row.input_tokens = INT64_MAX;
    row.output_tokens = INT64_MAX - 5;
    row.audio_ms = 1;
    add(t, id, row);
    row = row_of(XR_USAGE_JUDGE, "p", "m", 1);
    row.input_tokens = 1;
    row.output_tokens = 6;
    row.audio_ms = INT64_MAX;
    add(t, id, row);
    struct xr_usage_row *rows = rows_of(t, id, 1);
    assert_true(rows[0].calls == INT64_MAX); /* exactly */
    assert_true(rows[0].input_tokens == INT64_MAX);
    assert_true(rows[0].output_tokens == INT64_MAX);
    assert_true(rows[0].audio_ms == INT64_MAX);
    add_speech(t, 1, "m", INT64_MAX, INT64_MAX);
    add_speech(t, 1, "m", INT64_MAX, 1);
    rows = rows_of(t, xr_test_replay(t, 1, 2), 1);
    assert_true(rows[0].calls == INT64_MAX && rows[0].characters == INT64_MAX);
}

static void rows_come_by_stage_then_provider_then_model(void **state) {
    static const struct {
        enum xr_usage_stage stage;
        const char *provider, *model, *name;
    } WANT[] = {
        {XR_USAGE_TTS, "z", "z", "tts"},
        {XR_USAGE_TRANSCRIPTION, "a", "y", "transcription"},
        {XR_USAGE_TRANSCRIPTION, "b", "", "transcription"},
        {XR_USAGE_TRANSCRIPTION, "b", "x", "transcription"},
        {XR_USAGE_JUDGE, "a", "a", "judge"},
    };
    static const size_t ORDER[] = {3, 4, 0, 2, 1};
    enum { COUNT = sizeof WANT / sizeof WANT[0] };
    struct xr_test_store *t = *state;
    int64_t id = xr_test_analyzing_replay(t);
    for (size_t i = 0; i < COUNT; i++)
        add(t, id, row_of(WANT[ORDER[i]].stage, WANT[ORDER[i]].provider, WANT[ORDER[i]].model, 1));
    struct xr_usage_row *rows = rows_of(t, id, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(rows[i].stage, WANT[i].stage);
        assert_true(xr_str_eq(rows[i].provider, xr_str_from(WANT[i].provider)));
        assert_true(xr_str_eq(rows[i].model, xr_str_from(WANT[i].model)));
        assert_string_equal(xr_usage_stage_name(rows[i].stage), WANT[i].name);
    }
}

static void only_a_replay_that_is_analyzed_gets_rows(void **state) {
    struct xr_test_store *t = *state;
    struct adding adding = {.replay_id = xr_test_analyzing_replay(t), .row = row_of(XR_USAGE_JUDGE, "p", "m", 1)};
    struct adding unknown = adding;
    unknown.replay_id = 77;
    assert_int_equal(xr_test_write(t, apply, &unknown, NULL), XR_CONFLICT);
    add(t, adding.replay_id, adding.row);
    xr_test_change(t, adding.replay_id, XR_BY_WORKER, XR_FAILED_STATE);
    assert_int_equal(xr_test_write(t, apply, &adding, NULL), XR_CONFLICT);
    assert_int_equal(rows_of(t, adding.replay_id, 1)[0].calls, 1);
    xr_test_change(t, adding.replay_id, XR_BY_RETRY, XR_ANALYZING);
    add(t, adding.replay_id, adding.row);
    assert_int_equal(rows_of(t, adding.replay_id, 1)[0].calls, 2);
}

static void a_write_that_is_rolled_back_adds_nothing(void **state) {
    struct xr_test_store *t = *state;
    struct adding adding = {
        .replay_id = xr_test_analyzing_replay(t), .row = row_of(XR_USAGE_JUDGE, "p", "m", 1), .answer = XR_CONFLICT};
    add(t, adding.replay_id, adding.row);
    assert_int_equal(xr_test_write(t, apply, &adding, NULL), XR_CONFLICT);
    assert_int_equal(rows_of(t, adding.replay_id, 1)[0].calls, 1);
}

static void a_stage_that_no_name_has_is_corrupt(void **state) {
    struct xr_test_store *t = *state;
    struct xr_usage_row *rows = NULL;
    size_t count = 9;
    int64_t id = xr_test_analyzing_replay(t);
    add(t, id, row_of((enum xr_usage_stage)9, "p", "m", 1));
    assert_int_equal(xr_store_usage_get(t->reader, id, t->arena, &rows, &count, NULL), XR_CORRUPT);
    assert_int_equal(count, 9);
}

/* --- speech --- */

static void the_first_replay_after_it_pays_for_the_speech(void **state) {
    struct xr_test_store *t = *state;
    xr_test_conversation(t, 1, "c");
    xr_test_conversation(t, 2, "d");
    add_speech(t, 1, "m", 2, 30);
    add_speech(t, 1, "m", 1, 5);
    add_speech(t, 1, "n", 4, -1);
    add_speech(t, 2, "m", 100, 100);
    int64_t first = xr_test_replay(t, 1, 1), second = xr_test_replay(t, 1, 2);
    struct xr_usage_row *rows = rows_of(t, first, 2);
    assert_int_equal(rows[0].stage, XR_USAGE_TTS);
    assert_true(xr_str_eq(rows[0].provider, XR_STR("fake")) && xr_str_eq(rows[0].model, XR_STR("m")));
    assert_int_equal(rows[0].calls, 3);
    assert_int_equal(rows[0].characters, 35);
    assert_int_equal(rows[0].input_tokens, -1);
    assert_true(xr_str_eq(rows[1].model, XR_STR("n")));
    assert_int_equal(rows[1].characters, -1);
    rows_of(t, second, 0);
    add_speech(t, 1, "m", 1, 6); /* a file was gone and spoken again */
    assert_int_equal(rows_of(t, xr_test_replay(t, 1, 3), 1)[0].characters, 6);
    assert_int_equal(rows_of(t, first, 2)[0].characters, 35);
    assert_int_equal(query(t->path, "SELECT sum(calls) FROM speech_usage"), 100);
}

static void speech_of_no_conversation_is_not_found(void **state) {
    struct xr_test_store *t = *state;
    struct adding adding = {.conversation = 5, .row = row_of(XR_USAGE_TTS, "p", "m", 1)};
    assert_int_equal(xr_test_write(t, apply, &adding, NULL), XR_NOT_FOUND);
    assert_int_equal(query(t->path, "SELECT count(*) FROM speech_usage"), 0);
}

static enum xr_code create_and_fail(struct xr_store_tx *tx, void *ctx, struct xr_err *err) {
    const uint8_t *hash = ctx;
    struct xr_uuid uuid = xr_test_uuid(1);
    enum xr_code code = xr_store_tx_replay_create(tx, &uuid, hash, (struct xr_str){0}, err);
    return code == XR_OK ? xr_fail(err, XR_INTERNAL, NULL, "as told") : code;
}

static void a_replay_that_is_not_created_pays_for_nothing(void **state) {
    struct xr_test_store *t = *state;
    uint8_t hash[XR_SHA256_SIZE];
    memset(hash, 1, sizeof hash);
    xr_test_conversation(t, 1, "c");
    add_speech(t, 1, "m", 2, 30);
    assert_int_equal(xr_test_write(t, create_and_fail, hash, NULL), XR_INTERNAL);
    assert_int_equal(rows_of(t, xr_test_replay(t, 1, 1), 1)[0].calls, 2);
}

/* --- faults --- */

static void assert_sums(struct xr_test_store *t, int64_t calls, int64_t speech) {
    assert_int_equal(query(t->path, "SELECT calls FROM evaluation_usage WHERE stage = 2"), calls);
    assert_int_equal(query(t->path, "SELECT ifnull(sum(calls), 0) FROM speech_usage"), speech);
}

/* Writes again what was refused, as a job's ending is. Returns how the first try ended. */
static enum xr_code until_written(struct xr_test_store *t, struct adding *adding, bool *ret_struck) {
    enum xr_code code = xr_test_write(t, apply, adding, NULL);
    *ret_struck = fault_disarm();
    if (code != XR_OK)
        assert_int_equal(xr_test_write(t, apply, adding, NULL), XR_OK);
    return code;
}

/* false: the fault did not strike, so that the ones after it will not either. */
static bool survive(enum fault_kind kind, int countdown, bool lasting) {
    struct xr_test_store *t = xr_test_store_make();
    bool struck, struck_speech;
    t->options.vfs = fault_vfs_name();
    assert_int_equal(xr_test_store_open(t, NULL), XR_OK);
    struct adding usage = {.replay_id = xr_test_analyzing_replay(t), .row = row_of(XR_USAGE_JUDGE, "p", "m", 3)};
    struct adding speech = {.conversation = 1, .row = row_of(XR_USAGE_TTS, "p", "m", 4)};
    add(t, usage.replay_id, usage.row);
    fault_arm(kind, "", countdown, lasting);
    enum xr_code code = until_written(t, &usage, &struck);
    assert_true(code == XR_OK || code == (kind == FAULT_FULL ? XR_STORAGE_FULL : XR_IO));
    assert_true(struck || code == XR_OK);
    assert_sums(t, 6, 0);
    fault_arm(kind, "", countdown, lasting);
    until_written(t, &speech, &struck_speech);
    assert_sums(t, 6, 4);
    xr_test_store_close(t);
    assert_int_equal(xr_test_store_open(t, NULL), XR_OK);
    assert_sums(t, 6, 4);
    xr_test_store_teardown((void **)&t);
    return struck || struck_speech;
}

static void what_is_written_until_it_holds_counts_once(void **state) {
    (void)state;
    for (int kind = 0; kind < FAULT_KINDS; kind++) {
        for (int lasting = 0; lasting <= 1; lasting++) {
            int n = 1;
            while (n < FAULTS_MAX && survive((enum fault_kind)kind, n, lasting))
                n++;
            assert_in_range(n, 2, FAULTS_MAX - 1); /* some struck, and the last did not */
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, xr_test_store_setup, xr_test_store_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_is_added_is_summed_and_null_is_no_number),
        TEST(a_sum_that_does_not_fit_stays_at_the_largest_number),
        TEST(rows_come_by_stage_then_provider_then_model),
        TEST(only_a_replay_that_is_analyzed_gets_rows),
        TEST(a_write_that_is_rolled_back_adds_nothing),
        TEST(a_stage_that_no_name_has_is_corrupt),
        TEST(the_first_replay_after_it_pays_for_the_speech),
        TEST(speech_of_no_conversation_is_not_found),
        TEST(a_replay_that_is_not_created_pays_for_nothing),
        cmocka_unit_test(what_is_written_until_it_holds_counts_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
