// SPDX-License-Identifier: Apache-2.0
#include "providers/sniff.h"
#include <stdint.h>

enum {
    TEXT_LOOK = 256, /* bytes; samples so many have one below 0x20 among them, the quiet ones their every second byte */
    TEXT_MIN = 16, /* bytes of plain ASCII that are no coincidence */
    JSON_LOOK = 64, /* bytes, where JSON holds characters that it should not */
    JSON_STRAY = 8, /* so many of them: a tenth of them in samples would be few */
    HEADER = 6, /* of a frame, as far as it is looked at */
};

static bool has_at(struct xr_str bytes, size_t at, struct xr_str magic) {
    return bytes.len >= at + magic.len && memcmp(bytes.ptr + at, magic.ptr, magic.len) == 0;
}

/* --- text --- */

static struct xr_str from(struct xr_str bytes, size_t at) {
    return (struct xr_str){.ptr = bytes.ptr + at, .len = bytes.len - at};
}

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct xr_str without_space(struct xr_str bytes) {
    size_t at = 0;
    while (at < bytes.len && is_space(bytes.ptr[at]))
        at++;
    return from(bytes, at);
}

/* Of any encoding. */
static bool is_text(struct xr_str bytes) {
    for (size_t i = 0; i < bytes.len && i < TEXT_LOOK; i++)
        if ((unsigned char)bytes.ptr[i] < 0x20 && !is_space(bytes.ptr[i]))
            return false;
    return true;
}

/* How many of the first `look` bytes, or of all, are neither printable ASCII nor white space. */
static size_t strays(struct xr_str bytes, size_t look) {
    size_t count = 0;
    for (size_t i = 0; i < bytes.len && i < look; i++) {
        const unsigned char c = (unsigned char)bytes.ptr[i];
        count += (c < 0x20 || c >= 0x7f) && !is_space(bytes.ptr[i]);
    }
    return count;
}

/* JSON that holds control characters as they are: what begins like an object or an array, and is plain ASCII but for a
 * few bytes. No samples are so loud, and above zero for so long. */
static bool is_broken_json(struct xr_str bytes) {
    const struct xr_str inner = bytes.len > 0 ? without_space(from(bytes, 1)) : bytes;
    if (bytes.len < TEXT_MIN || inner.len == 0 || !memchr("{[", bytes.ptr[0], 2) || !memchr("\"{[", inner.ptr[0], 3))
        return false;
    return strays(bytes, JSON_LOOK) <= (bytes.len < JSON_LOOK ? bytes.len * JSON_STRAY / JSON_LOOK : JSON_STRAY);
}

static const char *text_kind(struct xr_str bytes) {
    static const struct xr_str MARK = XR_STR("\xEF\xBB\xBF"); /* of UTF-8's byte order */
    const struct xr_str text = has_at(bytes, 0, MARK) ? from(bytes, MARK.len) : bytes, inked = without_space(text);
    const char first = inked.len > 0 ? inked.ptr[0] : '\0';
    if (((first == '{' || first == '[') && is_text(text)) || is_broken_json(inked))
        return "JSON";
    if (first == '<' && is_text(text))
        return "HTML or XML";
    return text.len >= TEXT_MIN && strays(text, TEXT_LOOK) == 0 ? "text" : NULL;
}

/* --- files --- */

static const char *file_kind(struct xr_str bytes) {
    static const struct {
        size_t at;
        struct xr_str magic;
        const char *name;
    } KINDS[] = {
        {0, XR_STR("ID3"), "MP3"},
        {0, XR_STR("OggS"), "Ogg"},
        {0, XR_STR("fLaC"), "FLAC"},
        {0, XR_STR("#!AMR"), "AMR"},
        {0, XR_STR("\x1A\x45\xDF\xA3"), "WebM"},
        {4, XR_STR("ftyp"), "MP4"},
        {0, XR_STR("caff"), "CAF"},
        {0, XR_STR(".snd"), "AU"},
        {0, XR_STR("\x89PNG"), "PNG"},
        {0, XR_STR("GIF8"), "GIF"},
        {0, XR_STR("\xFF\xD8\xFF"), "JPEG"},
        {0, XR_STR("%PDF"), "PDF"},
        {0, XR_STR("\x1F\x8B\x08"), "gzip"},
    };
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++)
        if (has_at(bytes, KINDS[i].at, KINDS[i].magic))
            return KINDS[i].name;
    if (has_at(bytes, 0, XR_STR("FORM")) && (has_at(bytes, 8, XR_STR("AIFF")) || has_at(bytes, 8, XR_STR("AIFC"))))
        return "AIFF";
    if (bytes.len >= 12 && has_at(bytes, 0, XR_STR("RIFF")) && !has_at(bytes, 8, XR_STR("WAVE")))
        return "another RIFF file";
    return NULL;
}

/* --- frames --- */

/* The length in bytes of the frame of MPEG's layer III that has this header; 0: it is none. ISO/IEC 11172-3, 2.4.1.3,
 * 13818-3 for the half rates, and the quarter rates that everybody knows as MPEG 2.5. */
static size_t mp3_length(const uint8_t *header) {
    enum { MPEG_2_5, RESERVED, MPEG_2, MPEG_1 };
    enum { LAYER_III = 1 };
    static const uint16_t KBITS[2][15] = {{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320},
                                          {0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160}};
    static const uint16_t HZ[3] = {44100, 48000, 32000};
    const unsigned version = header[1] >> 3 & 3, layer = header[1] >> 1 & 3;
    const unsigned bits = header[2] >> 4, rate = header[2] >> 2 & 3, padding = header[2] >> 1 & 1;
    if (header[0] != 0xFF || header[1] < 0xE0 || version == RESERVED || layer != LAYER_III || bits == 15 || rate == 3 ||
        KBITS[0][bits] == 0)
        return 0;
    const bool half = version != MPEG_1;
    const unsigned hz = HZ[rate] >> (version == MPEG_1 ? 0 : version == MPEG_2 ? 1 : 2);
    return (half ? 72000U : 144000U) * KBITS[half][bits] / hz + padding;
}

/* Likewise of AAC in ADTS: ISO/IEC 14496-3, 1.A.2.2. */
static size_t aac_length(const uint8_t *header) {
    enum { RATES = 13 };
    const size_t length = (size_t)(header[3] & 3) << 11 | (size_t)header[4] << 3 | header[5] >> 5;
    if (header[0] != 0xFF || (header[1] & 0xF6) != 0xF0 || (header[2] >> 2 & 15) >= RATES)
        return 0;
    return length > HEADER ? length : 0;
}

/* Two in a row, with the same version, layer and rate. */
static bool has_frames(struct xr_str bytes, size_t (*length_of)(const uint8_t *header)) {
    const uint8_t *first = (const uint8_t *)bytes.ptr;
    const size_t n = bytes.len >= HEADER ? length_of(first) : 0;
    if (n == 0 || bytes.len - HEADER < n)
        return false;
    const uint8_t *second = first + n;
    return length_of(second) > 0 && second[1] == first[1] && (second[2] & 0x0C) == (first[2] & 0x0C);
}

const char *xr_sniff(struct xr_str bytes) {
    const char *kind = file_kind(bytes);
    if (!kind)
        kind = text_kind(bytes);
    if (!kind && has_frames(bytes, mp3_length))
        kind = "MP3";
    if (!kind && has_frames(bytes, aac_length))
        kind = "AAC";
    return kind;
}
