// SPDX-License-Identifier: Apache-2.0
/* The conversation hashes that every implementation of the contract must give: testdata/conversation-hash.json. */
#include "spec/testing.h"

enum { VECTORS_MAX = 1 << 20, CASES_MIN = 13 };

static struct xr_str read_vectors(struct xr_buf *buf) {
    char path[4096];
    const char *root = getenv("XR_SOURCE_ROOT");
    assert_non_null(root);
    snprintf(path, sizeof path, "%s/server/src/spec/testdata/conversation-hash.json", root);
    FILE *file = fopen(path, "rb");
    if (!file) {
        fail_msg("%s cannot be read", path);
        return (struct xr_str){0};
    }
    char *to = xr_buf_reserve(buf, VECTORS_MAX);
    assert_non_null(to);
    buf->len = fread(to, 1, VECTORS_MAX, file);
    assert_true(feof(file));
    fclose(file);
    return xr_buf_view(buf);
}

static unsigned base64_value(char c) {
    static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(DIGITS, c) : NULL;
    assert_non_null(at);
    return (unsigned)(at - DIGITS);
}

static void base64_decode(struct xr_str s, struct xr_buf *out) {
    unsigned bits = 0, held = 0;
    while (s.len > 0 && s.ptr[s.len - 1] == '=')
        s.len--;
    for (size_t i = 0; i < s.len; i++) {
        held = held << 6 | base64_value(s.ptr[i]);
        bits += 6;
        if (bits < 8)
            continue;
        bits -= 8;
        xr_buf_char(out, (char)(held >> bits & 0xFF));
    }
    assert_false(out->failed);
}

/* What the upload does: every recorded turn gets the hash of the file its key names. */
static void attach_files(struct xr_spec *spec, yyjson_val *files) {
    for (size_t i = 0; i < spec->turn_count; i++) {
        struct xr_turn_spec *turn = &spec->turns[i];
        if (turn->audio != XR_AUDIO_RECORDED)
            continue;
        yyjson_val *file = xr_json_member(files, turn->upload_key);
        assert_true(yyjson_is_str(file));
        struct xr_buf wav = xr_buf_make(VECTORS_MAX);
        base64_decode(xr_json_get_str(file), &wav);
        xr_sha256_of(wav.data, wav.len, turn->sha256);
        turn->has_sha256 = true;
        xr_buf_clear(&wav);
    }
}

static void assert_hash(yyjson_val *vector) {
    char hex[XR_SHA256_HEX + 1];
    uint8_t hash[XR_SHA256_SIZE];
    struct xr_str canonical;
    size_t len;
    /* yyjson's own writer keeps what matters here: "2.0" stays a real, and the order of keys. */
    char *text = yyjson_val_write(yyjson_obj_get(vector, "spec"), YYJSON_WRITE_NOFLAG, &len);
    assert_non_null(text);
    struct parsed p = parse((struct xr_str){.ptr = text, .len = len});
    assert_int_equal(p.code, XR_OK);
    attach_files(&p.spec, yyjson_obj_get(vector, "files"));
    assert_int_equal(xr_spec_canonical(&p.spec, p.arena, &canonical, &p.err), XR_OK);
    xr_spec_hash(canonical, hash);
    xr_hex_encode(hash, sizeof hash, hex);
    const char *want = yyjson_get_str(yyjson_obj_get(vector, "hash"));
    if (strcmp(hex, want) != 0)
        print_error("%s: %.*s\n", yyjson_get_str(yyjson_obj_get(vector, "case")), XR_STR_ARG(canonical));
    assert_string_equal(hex, want);
    done(&p);
    free(text);
}

static void every_vector_gives_its_hash(void **state) {
    (void)state;
    struct xr_buf buf = xr_buf_make(VECTORS_MAX);
    yyjson_doc *doc = NULL;
    yyjson_val *vector;
    size_t i, n;
    assert_int_equal(xr_json_parse(read_vectors(&buf), 64, &doc, NULL), XR_OK);
    yyjson_val *root = yyjson_doc_get_root(doc);
    assert_true(yyjson_arr_size(root) >= CASES_MIN);
    yyjson_arr_foreach(root, i, n, vector) assert_hash(vector);
    yyjson_doc_free(doc);
    xr_buf_clear(&buf);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_vector_gives_its_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
