// SPDX-License-Identifier: Apache-2.0
/* Bodies of real exporters (the corpora of the fuzz targets), whole and damaged. */
#include "otlp/testkit.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

enum { BODY_MAX = 1 << 20, BODIES_MAX = 128, NAME_SIZE = 256 };

struct body {
    char name[NAME_SIZE];
    char *bytes;
    size_t len;
};
struct bodies {
    struct body items[BODIES_MAX];
    size_t count;
};
static struct bodies json, protobuf;

static void load_body(struct body *body, const char *dir, const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    snprintf(body->name, sizeof body->name, "%s", name);
    FILE *file = fopen(path, "rb");
    body->bytes = malloc(BODY_MAX);
    assert_non_null(file);
    assert_non_null(body->bytes);
    body->len = fread(body->bytes, 1, BODY_MAX, file);
    assert_in_range(body->len, 1, BODY_MAX - 1);
    fclose(file);
}

static void load(struct bodies *bodies, const char *corpus) {
    const char *root = getenv("XR_SOURCE_ROOT");
    char path[1024];
    snprintf(path, sizeof path, "%s/server/fuzz/corpus/%s", root ? root : ".", corpus);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        /* Others are there for the fuzzers only. */
        if (strncmp(entry->d_name, "py-", 3) != 0 && strncmp(entry->d_name, "js-", 3) != 0)
            continue;
        assert_true(bodies->count < BODIES_MAX);
        load_body(&bodies->items[bodies->count++], path, entry->d_name);
    }
    closedir(dir);
    assert_true(bodies->count > 0);
}

static int load_all(void **state) {
    (void)state;
    load(&json, "otlp_json");
    load(&protobuf, "otlp_protobuf");
    return 0;
}

static int free_all(void **state) {
    (void)state;
    for (size_t i = 0; i < BODIES_MAX; i++) {
        free(json.items[i].bytes);
        free(protobuf.items[i].bytes);
    }
    return 0;
}

static struct xr_str view(const struct body *body) {
    return (struct xr_str){.ptr = body->bytes, .len = body->len};
}

static const struct body *find(const struct bodies *bodies, const char *name, const char *suffix) {
    for (size_t i = 0; i < bodies->count; i++) {
        size_t n = strlen(name);
        if (strncmp(bodies->items[i].name, name, n) == 0 && strcmp(bodies->items[i].name + n, suffix) == 0)
            return &bodies->items[i];
    }
    return NULL;
}

static void every_body_has_spans(void **state) {
    (void)state;
    const struct bodies *const ALL[] = {[TEST_JSON] = &json, [TEST_PROTOBUF] = &protobuf};
    for (int encoding = TEST_JSON; encoding <= TEST_PROTOBUF; encoding++) {
        for (size_t i = 0; i < ALL[encoding]->count; i++) {
            struct decoded d = decode((enum test_encoding)encoding, view(&ALL[encoding]->items[i]));
            if (d.code != XR_OK || d.count == 0 || !memmem(d.spans.data, d.spans.len, "xray.replay.id", 14) ||
                memmem(d.spans.data, d.spans.len, "\"text:", 6))
                fail_msg("%s: %s", ALL[encoding]->items[i].name, d.err.message);
            decoded_clear(&d);
        }
    }
}

/* protobuf's own printer wrote the JSON. */
static void both_encodings_of_a_request_give_the_same_spans(void **state) {
    (void)state;
    size_t compared = 0;
    static const char *const FORMS[] = {"-printed", "-printed-snake"};
    for (size_t i = 0; i < protobuf.count; i++) {
        struct decoded want = decode(TEST_PROTOBUF, view(&protobuf.items[i]));
        xr_buf_char(&want.spans, '\0');
        for (size_t k = 0; k < sizeof FORMS / sizeof *FORMS; k++) {
            const struct body *form = find(&json, protobuf.items[i].name, FORMS[k]);
            if (!form)
                continue;
            struct decoded got = decode(TEST_JSON, view(form));
            assert_text(&got.spans, want.spans.data);
            decoded_clear(&got);
            compared++;
        }
        decoded_clear(&want);
    }
    assert_true(compared >= protobuf.count);
}

static void attributes_of_every_type_arrive(void **state) {
    (void)state;
    static const char *const WANT[] = {
        "\"s\":\"text\"",
        "\"e\":\"\"",
        "\"u\":\"Grüße 😀\"",
        "\"i\":42",
        "\"neg\":-1",
        "\"big\":9223372036854775807",
        "\"f\":{\"double\":1.5}",
        "\"z\":{\"double\":0}",
        "\"t\":true",
        "\"n\":false",
        "\"sa\":{\"json\":[\"a\",\"b\"]}",
        "\"ia\":{\"json\":[1,2,3]}",
        "\"fa\":{\"json\":[0.5,1e+300]}",
        "\"ba\":{\"json\":[true,false]}",
        "\"ea\":{\"json\":[]}",
        "\"by\":\"AAH/\"",
        "\"m\":{\"json\":{\"a\":{\"b\":[1,\"x\",null]}}}",
        "\"na\":{\"json\":[\"a\",null]}",
    };
    static const char *const DROPPED[] = {"\"nan\"", "\"inf\"", "\"none\""};
    const struct body *body = find(&protobuf, "py-types", "");
    assert_non_null(body);
    struct decoded d = decode(TEST_PROTOBUF, view(body));
    for (size_t i = 0; i < sizeof WANT / sizeof *WANT; i++)
        if (!memmem(d.attrs.data, d.attrs.len, WANT[i], strlen(WANT[i])))
            fail_msg("%s is not in %.*s", WANT[i], (int)d.attrs.len, d.attrs.data);
    for (size_t i = 0; i < sizeof DROPPED / sizeof *DROPPED; i++)
        assert_null(memmem(d.attrs.data, d.attrs.len, DROPPED[i], strlen(DROPPED[i])));
    decoded_clear(&d);
}

static void a_beginning_of_a_json_body_is_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < json.count; i++) {
        for (size_t len = 0; len < json.items[i].len; len++) {
            struct decoded d = decode(TEST_JSON, (struct xr_str){.ptr = json.items[i].bytes, .len = len});
            assert_int_equal(d.code, XR_INVALID);
            assert_int_equal(d.refusal.fault, XR_OTLP_BODY);
            assert_int_equal(d.count, 0);
            decoded_clear(&d);
        }
    }
}

/* It is either cut within a field or has fewer of them: here, with one ResourceSpans, none. */
static void a_beginning_of_a_protobuf_body_is_refused_or_empty(void **state) {
    (void)state;
    for (size_t i = 0; i < protobuf.count; i++) {
        for (size_t len = 0; len < protobuf.items[i].len; len++) {
            struct decoded d = decode(TEST_PROTOBUF, (struct xr_str){.ptr = protobuf.items[i].bytes, .len = len});
            assert_int_equal(d.code, len == 0 ? XR_OK : XR_INVALID);
            assert_int_equal(d.count, 0);
            decoded_clear(&d);
        }
    }
}

/* The length of the outermost message is right, what is in it is cut. */
static void a_message_that_is_cut_within_is_refused_or_shorter(void **state) {
    (void)state;
    for (size_t i = 0; i < protobuf.count; i++) {
        struct decoded whole = decode(TEST_PROTOBUF, view(&protobuf.items[i]));
        const char *bytes = protobuf.items[i].bytes;
        size_t head = bytes[1] & 0x80 ? 3 : 2; /* tag and length */
        for (size_t len = head; len < protobuf.items[i].len; len++) {
            struct xr_buf body = xr_buf_make(BODY_MAX);
            size_t inner = len - head;
            const char prefix[] = {0x0a, (char)(inner | 0x80), (char)(inner >> 7)};
            xr_buf_append(&body, prefix, sizeof prefix);
            xr_buf_append(&body, bytes + head, inner);
            struct decoded d = decode(TEST_PROTOBUF, xr_buf_view(&body));
            assert_true(d.code == XR_OK || (d.code == XR_INVALID && d.refusal.fault == XR_OTLP_BODY));
            assert_true(d.count <= whole.count);
            decoded_clear(&d);
            xr_buf_clear(&body);
        }
        decoded_clear(&whole);
    }
}

/* What is handed out is checked in testkit.c. */
static void flip(enum test_encoding encoding, struct body *body, size_t bit) {
    char mask = (char)(1 << bit % 8);
    body->bytes[bit / 8] ^= mask;
    struct decoded d = decode(encoding, view(body));
    assert_true(d.code == XR_OK || d.code == XR_INVALID);
    decoded_clear(&d);
    body->bytes[bit / 8] ^= mask;
}

static void a_body_with_one_wrong_bit_is_read_or_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < protobuf.count; i++)
        for (size_t bit = 0; bit < 8 * protobuf.items[i].len; bit++)
            flip(TEST_PROTOBUF, &protobuf.items[i], bit);
    /* Of JSON one bit a byte: bodies are larger. */
    for (size_t i = 0; i < json.count; i++)
        for (size_t at = 0; at < json.items[i].len; at++)
            flip(TEST_JSON, &json.items[i], 8 * at + (at + i) % 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_body_has_spans),
        cmocka_unit_test(both_encodings_of_a_request_give_the_same_spans),
        cmocka_unit_test(attributes_of_every_type_arrive),
        cmocka_unit_test(a_beginning_of_a_json_body_is_refused),
        cmocka_unit_test(a_beginning_of_a_protobuf_body_is_refused_or_empty),
        cmocka_unit_test(a_message_that_is_cut_within_is_refused_or_shorter),
        cmocka_unit_test(a_body_with_one_wrong_bit_is_read_or_refused),
    };
    return cmocka_run_group_tests(tests, load_all, free_all);
}
