// SPDX-License-Identifier: Apache-2.0
#include "base/test.h"
#include "providers/sniff.h"
#include <stdint.h>
#include <stdlib.h>

/* Of a copy that ends where it ends, so that a read behind it is found. */
static void assert_kind(struct xr_str bytes, const char *want) {
    char *exact = malloc(bytes.len + (bytes.len == 0));
    assert_non_null(exact);
    memcpy(exact, bytes.ptr, bytes.len);
    const char *got = xr_sniff((struct xr_str){.ptr = exact, .len = bytes.len});
    free(exact);
    if (!want || !got) {
        assert_ptr_equal(got, want);
        return;
    }
    assert_string_equal(got, want);
}

static void files_are_known_by_their_names(void **state) {
    (void)state;
    static const struct {
        struct xr_str bytes;
        const char *kind;
    } CASES[] = {
        {XR_STR("ID3\x04\0\0"), "MP3"},
        {XR_STR("OggS\0\x02"), "Ogg"},
        {XR_STR("fLaC\0\0"), "FLAC"},
        {XR_STR("\x1A\x45\xDF\xA3\x01\0"), "WebM"},
        {XR_STR("\0\0\0\040ftypM4A "), "MP4"},
        {XR_STR("#!AMR\n\x3C"), "AMR"},
        {XR_STR("caff\0\x01\0\0"), "CAF"},
        {XR_STR(".snd\0\0\0\x18"), "AU"},
        {XR_STR("\x89PNG\r\n\x1A\n"), "PNG"},
        {XR_STR("GIF89a\x01\0"), "GIF"},
        {XR_STR("\xFF\xD8\xFF\xE0\0\x10JFIF"), "JPEG"},
        {XR_STR("%PDF-1.7\n"), "PDF"},
        {XR_STR("\x1F\x8B\x08\0\0"), "gzip"},
        {XR_STR("FORM\0\0\0\x24"
                "AIFF"),
         "AIFF"},
        {XR_STR("FORM\0\0\0\x24"
                "AIFC"),
         "AIFF"},
        {XR_STR("FORM\0\0\0\x24ILBM"), NULL},
        {XR_STR("FORM\0\0\0\x24"
                "AIF"),
         NULL},
        {XR_STR("RIFF\x24\0\0\0AVI LIST"), "another RIFF file"},
        {XR_STR("RIFF\x24\0\0\0WAVEfmt "), NULL},
        {XR_STR("RIFF\x24\0\0"), NULL}, /* too short to tell: the reader of WAVs says so */
        {XR_STR("ID"), NULL},
        {XR_STR("#!AM"), NULL},
        {XR_STR("caf"), NULL},
        {XR_STR("\x89PN"), NULL},
        {XR_STR("\xFF\xD8"), NULL},
        {XR_STR("\x1F\x8B\x09"), NULL},
        {XR_STR("\0\0\0\040fty"), NULL},
        {XR_STR(""), NULL},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        assert_kind(CASES[i].bytes, CASES[i].kind);
}

static void text_is_known_by_its_first_character(void **state) {
    (void)state;
    static const struct {
        struct xr_str bytes;
        const char *kind;
    } CASES[] = {
        {XR_STR("{\"error\":\"no such voice\"}"), "JSON"},
        {XR_STR("\r\n\t {}"), "JSON"},
        {XR_STR("\xEF\xBB\xBF{}"), "JSON"},
        {XR_STR("{\"cut\":"), "JSON"},
        {XR_STR(" [{\"type\":\"missing\"}]"), "JSON"},
        {XR_STR("<!DOCTYPE html>\n<html>"), "HTML or XML"},
        {XR_STR("\n<p>\xE9t\xE9</p>"), "HTML or XML"},
        {XR_STR("Internal Server Error"), "text"},
        {XR_STR("data: {}\r\n\r\n\t..."), "text"},
        {XR_STR("\xEF\xBB\xBFupstream is down"), "text"},
        {XR_STR("0123456789abcdef"), "text"},
        {XR_STR("0123456789abcde"), NULL},
        {XR_STR("0123456789abcde\x7F"), NULL},
        {XR_STR("0123456789abcde\x80"), NULL},
        {XR_STR("0123456789abcdef\0"), NULL},
        {XR_STR(" \n"), NULL},
        {XR_STR("abcd"), NULL},
        /* Quiet samples, of which the first is 60, 123, or 60 again behind one of 32. */
        {XR_STR("<\0\x05\0\xFE\xFF"), NULL},
        {XR_STR("{\0\x05\0\xFE\xFF"), NULL},
        {XR_STR("  <\0"), NULL},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        assert_kind(CASES[i].bytes, CASES[i].kind);
}

/* What is no text comes at once in samples; far behind it may be anything. */
static void only_the_beginning_tells_text(void **state) {
    (void)state;
    char bytes[1000];
    memset(bytes, 'a', sizeof bytes);
    bytes[0] = '<';
    bytes[256] = '\0';
    assert_kind((struct xr_str){bytes, sizeof bytes}, "HTML or XML");
    bytes[255] = '\0';
    assert_kind((struct xr_str){bytes, sizeof bytes}, NULL);
    bytes[0] = 'a';
    assert_kind((struct xr_str){bytes, sizeof bytes}, NULL);
    bytes[255] = 'a';
    assert_kind((struct xr_str){bytes, sizeof bytes}, "text");
}

/* As a host writes JSON that puts texts into it as they are. */
static void json_with_control_characters_is_json(void **state) {
    (void)state;
    static const struct {
        struct xr_str bytes;
        const char *kind;
    } CASES[] = {
        {XR_STR("{\"error\":\"\x1B[31mno voice\x1B[0m\"}"), "JSON"},
        {XR_STR("\n[ {\"error\":\"no\0voice\"}]"), "JSON"},
        {XR_STR("{ \"a\": 1,\x0B\x0B    }"), "JSON"}, /* 2 of 16 */
        {XR_STR("{ \"a\": \x0B,\x0B\x0B    }"), NULL},
        {XR_STR("{\"a\":\"\02345678\"}"), NULL}, /* 15 bytes */
        {XR_STR("{error: \"no\0voice\"}"), NULL},
        {XR_STR("<error>no\0voice</error>"), NULL},
        /* Samples: quiet ones above zero, and loud ones. */
        {XR_STR("{\"a\0b\0c\0d\0e\0f\0g\0h\0"), NULL},
        {XR_STR("{\"a\x12\x93{p|\xF1\x7F\x03}\x91~z\x81"), NULL},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        assert_kind(CASES[i].bytes, CASES[i].kind);
}

static void few_control_characters_are_no_samples(void **state) {
    (void)state;
    char bytes[1000];
    memset(bytes, ' ', sizeof bytes);
    memcpy(bytes, "{\"", 2);
    memset(bytes + 10, '\x01', 8);
    memset(bytes + 64, '\0', sizeof bytes - 64); /* is not looked at */
    assert_kind((struct xr_str){bytes, sizeof bytes}, "JSON");
    bytes[63] = '\xFF';
    assert_kind((struct xr_str){bytes, sizeof bytes}, NULL);
}

struct frame {
    uint8_t header[6];
    size_t length;
    const char *kind; /* NULL: it is no frame */
};

static const struct frame FRAMES[] = {
    {{0xFF, 0xFB, 0x90, 0x64}, 417, "MP3"}, /* MPEG 1, 128 kbit/s, 44.1 kHz */
    {{0xFF, 0xFB, 0x92, 0x64}, 418, "MP3"}, /* the same, padded */
    {{0xFF, 0xFA, 0x18, 0x00}, 144, "MP3"}, /* 32 kbit/s, 32 kHz, with a checksum */
    {{0xFF, 0xFB, 0xE4, 0x00}, 960, "MP3"}, /* 320 kbit/s, 48 kHz */
    {{0xFF, 0xF3, 0x84, 0xC4}, 192, "MP3"}, /* MPEG 2, 64 kbit/s, 24 kHz: what OpenAI sends */
    {{0xFF, 0xE3, 0x18, 0xC4}, 72, "MP3"}, /* MPEG 2.5, 8 kbit/s, 8 kHz */
    {{0xFF, 0xF1, 0x50, 0x80, 0x2E, 0x7F}, 371, "AAC"},
    {{0xFF, 0xF9, 0x58, 0x40, 0x01, 0x1F}, 8, "AAC"},
    {{0xFF, 0xFB, 0x00, 0x64}, 417, NULL}, /* of no told rate */
    {{0xFF, 0xFB, 0xF0, 0x64}, 417, NULL},
    {{0xFF, 0xFB, 0x9C, 0x64}, 417, NULL},
    {{0xFF, 0xEB, 0x90, 0x64}, 417, NULL}, /* of no version */
    {{0xFF, 0xFF, 0x94, 0xFF}, 288, NULL}, /* layer I: what -1, -108 look like */
    {{0xFE, 0xFB, 0x90, 0x64}, 417, NULL},
    {{0xFF, 0xDB, 0x90, 0x64}, 417, NULL},
    {{0xFF, 0xF1, 0x50, 0x80, 0x00, 0xDF}, 6, NULL}, /* shorter than its header */
    {{0xFF, 0xF1, 0x74, 0x80, 0x2E, 0x7F}, 371, NULL},
};

/* One frame and the header of the next, at the distance. */
static size_t two_frames(const struct frame *frame, uint8_t bytes[2000]) {
    const size_t size = sizeof frame->header;
    memset(bytes, 0, 2000);
    memcpy(bytes, frame->header, size);
    memcpy(bytes + frame->length, frame->header, size);
    return frame->length + size;
}

static void two_frames_in_a_row_are_mp3_or_aac(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof FRAMES / sizeof *FRAMES; i++) {
        uint8_t bytes[2000];
        const size_t n = two_frames(&FRAMES[i], bytes);
        assert_kind((struct xr_str){(char *)bytes, n}, FRAMES[i].kind);
        assert_kind((struct xr_str){(char *)bytes, n - 1}, NULL);
        assert_kind((struct xr_str){(char *)bytes, sizeof FRAMES[i].header}, NULL);
    }
}

static void a_second_frame_elsewhere_or_of_another_kind_is_none(void **state) {
    (void)state;
    static const struct {
        size_t at;
        uint8_t byte;
    } CHANGES[] = {{0, 0x7F}, {1, 0xFA}, {1, 0xF3}, {2, 0x94}, {2, 0xF0}};
    uint8_t bytes[2000];
    for (size_t i = 0; i < sizeof CHANGES / sizeof *CHANGES; i++) {
        const size_t n = two_frames(&FRAMES[0], bytes);
        bytes[FRAMES[0].length + CHANGES[i].at] = CHANGES[i].byte;
        assert_kind((struct xr_str){(char *)bytes, n}, NULL);
    }
    const size_t n = two_frames(&FRAMES[0], bytes);
    memmove(bytes + 1000, bytes + FRAMES[0].length, n - FRAMES[0].length);
    memset(bytes + FRAMES[0].length, 0, n - FRAMES[0].length);
    assert_kind((struct xr_str){(char *)bytes, sizeof bytes}, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_known_by_their_names),
        cmocka_unit_test(text_is_known_by_its_first_character),
        cmocka_unit_test(only_the_beginning_tells_text),
        cmocka_unit_test(json_with_control_characters_is_json),
        cmocka_unit_test(few_control_characters_are_no_samples),
        cmocka_unit_test(two_frames_in_a_row_are_mp3_or_aac),
        cmocka_unit_test(a_second_frame_elsewhere_or_of_another_kind_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
