// SPDX-License-Identifier: Apache-2.0
#include "audio/wav.h"
#include "audio/source.h"
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

enum {
    RIFF_HEADER_SIZE = 12, /* "RIFF", size, "WAVE" */
    CHUNK_HEADER_SIZE = 8, /* id, size */
    FORMAT_SIZE = 16,
    FORMAT_EXTENSIBLE_SIZE = 40,
    FORMAT_PCM = 0x0001,
    FORMAT_EXTENSIBLE = 0xFFFE,
    SIZE_UNKNOWN = -1, /* 0xFFFFFFFF, from a writer that could not seek back */
};

/* Formats people do send, by the name their tools show. Any other is named by its number. */
static const struct {
    uint16_t tag;
    const char *name;
} FORMATS[] = {
    {0x0002, "Microsoft ADPCM"}, {0x0003, "32-bit float"}, {0x0006, "A-law"},       {0x0007, "mu-law"},
    {0x0011, "IMA ADPCM"},       {0x0050, "MPEG"},         {0x0055, "MP3"},         {0x00FF, "AAC"},
    {0x0031, "GSM 6.10"},        {0x0040, "G.721 ADPCM"},  {0x0064, "G.726 ADPCM"},
};

/* The last 14 bytes of an extensible format's GUID; its first two are the format tag. */
static const uint8_t GUID_TAIL[14] = {0x00, 0x00, 0x00, 0x00, 0x10, 0x00, 0x80,
                                      0x00, 0x00, 0xAA, 0x00, 0x38, 0x9B, 0x71};

struct format {
    uint16_t tag, channels, block_align, bits;
    uint32_t rate;
};

struct walk {
    const struct xr_source *source;
    uint64_t at;
    uint32_t riff_size;
    bool has_format, has_data;
    struct format format;
    uint64_t data_offset, data_size, missing;
};

static uint16_t le16(const uint8_t *p) {
    return (uint16_t)(p[0] | (unsigned)p[1] << 8);
}

static uint32_t le32(const uint8_t *p) {
    return le16(p) | (uint32_t)le16(p + 2) << 16;
}

static bool tag_is(const uint8_t *p, const char tag[5]) {
    return memcmp(p, tag, 4) == 0;
}

/* Exactly n bytes; what is not there is the file's fault, not the disk's. */
static enum xr_code read_exact(const struct xr_source *source, uint64_t at, uint8_t *dst, size_t n, const char *what,
                               struct xr_err *err) {
    size_t got = 0;
    enum xr_code code = xr_source_read(source, at, dst, n, &got, err);
    if (code != XR_OK)
        return code;
    if (got < n)
        return xr_fail(err, XR_INVALID, NULL, "the file ends inside %s", what);
    return XR_OK;
}

static enum xr_code read_riff_header(struct walk *walk, struct xr_err *err) {
    uint8_t header[RIFF_HEADER_SIZE];
    if (walk->source->size < sizeof header)
        return xr_fail(err, XR_INVALID, NULL, "not a WAV file: it is shorter than its header");
    enum xr_code code = read_exact(walk->source, 0, header, sizeof header, "its header", err);
    if (code != XR_OK)
        return code;
    if (tag_is(header, "RIFX"))
        return xr_fail(err, XR_INVALID, NULL, "big-endian WAV (RIFX) is not supported");
    if (tag_is(header, "RF64") || tag_is(header, "BW64"))
        return xr_fail(err, XR_INVALID, NULL, "64-bit WAV (RF64) is not supported");
    if (!tag_is(header, "RIFF") || !tag_is(header + 8, "WAVE"))
        return xr_fail(err, XR_INVALID, NULL, "not a WAV file: it does not start with RIFF and WAVE");
    walk->riff_size = le32(header + 4);
    walk->at = sizeof header;
    return XR_OK;
}

static enum xr_code read_format(struct walk *walk, uint32_t size, struct xr_err *err) {
    uint8_t bytes[FORMAT_EXTENSIBLE_SIZE] = {0};
    if (size < FORMAT_SIZE)
        return xr_fail(err, XR_INVALID, NULL, "the fmt chunk has %u bytes, at least %d are needed", size, FORMAT_SIZE);
    size_t n = size < sizeof bytes ? FORMAT_SIZE : sizeof bytes;
    enum xr_code code = read_exact(walk->source, walk->at, bytes, n, "its fmt chunk", err);
    if (code != XR_OK)
        return code;
    struct format format = {
        .tag = le16(bytes),
        .channels = le16(bytes + 2),
        .rate = le32(bytes + 4),
        .block_align = le16(bytes + 12),
        .bits = le16(bytes + 14),
    };
    if (format.tag == FORMAT_EXTENSIBLE) {
        if (n < FORMAT_EXTENSIBLE_SIZE)
            return xr_fail(err, XR_INVALID, NULL, "the extensible fmt chunk has %u bytes, %d are needed", size,
                           FORMAT_EXTENSIBLE_SIZE);
        if (memcmp(bytes + 26, GUID_TAIL, sizeof GUID_TAIL) != 0)
            return xr_fail(err, XR_INVALID, NULL, "the extensible sub-format is not PCM");
        format.tag = le16(bytes + 24);
    }
    walk->format = format;
    walk->has_format = true;
    return XR_OK;
}

static enum xr_code check_format(const struct format *format, struct xr_err *err) {
    if (format->tag != FORMAT_PCM) {
        for (size_t i = 0; i < sizeof FORMATS / sizeof FORMATS[0]; i++)
            if (FORMATS[i].tag == format->tag)
                return xr_fail(err, XR_INVALID, NULL, "%s audio is not supported, PCM is needed", FORMATS[i].name);
        return xr_fail(err, XR_INVALID, NULL, "audio format 0x%04x is not supported, PCM is needed", format->tag);
    }
    if (format->channels == 0 || format->channels > XR_WAV_CHANNELS_MAX)
        return xr_fail(err, XR_INVALID, NULL, "%u channels, 1..%d are supported", format->channels,
                       XR_WAV_CHANNELS_MAX);
    if (format->rate == 0)
        return xr_fail(err, XR_INVALID, NULL, "the sample rate is 0");
    if (format->bits == 0 || format->bits % 8 != 0 || format->bits > 32)
        return xr_fail(err, XR_INVALID, NULL, "%u bits a sample, 8, 16, 24 or 32 are supported", format->bits);
    if (format->block_align != format->channels * (format->bits / 8))
        return xr_fail(err, XR_INVALID, NULL, "a frame of %u bytes does not fit %u channels of %u bits",
                       format->block_align, format->channels, format->bits);
    return XR_OK;
}

/* How long the data chunk that starts at walk->at really is. A size of 0 is an empty recording if the RIFF size is
 * right, for then the writer did go back to fill its sizes in; else it is a size nobody filled in. */
static uint64_t data_size(struct walk *walk, uint32_t claimed) {
    uint64_t there = walk->source->size - walk->at;
    uint64_t riff_end = (uint64_t)walk->riff_size + CHUNK_HEADER_SIZE;
    bool sizes_filled_in = riff_end == walk->source->size || riff_end == walk->source->size + 1;
    if (claimed == (uint32_t)SIZE_UNKNOWN || (claimed == 0 && !sizes_filled_in))
        return there;
    walk->missing = claimed > there ? claimed - there : 0;
    return claimed < there ? claimed : there;
}

/* Looks at the chunk at walk->at and steps over it. */
static enum xr_code read_chunk(struct walk *walk, struct xr_err *err) {
    uint8_t header[CHUNK_HEADER_SIZE];
    enum xr_code code = read_exact(walk->source, walk->at, header, sizeof header, "a chunk header", err);
    if (code != XR_OK)
        return code;
    uint64_t size = le32(header + 4);
    walk->at += sizeof header;
    if (tag_is(header, "fmt ") && !walk->has_format) {
        code = read_format(walk, (uint32_t)size, err);
        if (code != XR_OK)
            return code;
    } else if (tag_is(header, "data") && !walk->has_data) {
        walk->has_data = true;
        walk->data_offset = walk->at;
        walk->data_size = data_size(walk, (uint32_t)size);
        size = walk->data_size;
    }
    walk->at += size + size % 2;
    return XR_OK;
}

static enum xr_code probe(const struct xr_source *source, struct xr_wav *ret_wav, struct xr_err *err) {
    struct walk walk = {.source = source};
    enum xr_code code = read_riff_header(&walk, err);
    if (code != XR_OK)
        return code;
    for (int chunks = 0; !walk.has_format || !walk.has_data; chunks++) {
        if (chunks == XR_WAV_CHUNKS_MAX)
            return xr_fail(err, XR_INVALID, NULL, "no fmt and data among the first %d chunks", XR_WAV_CHUNKS_MAX);
        if (walk.at > source->size || source->size - walk.at < CHUNK_HEADER_SIZE)
            return xr_fail(err, XR_INVALID, NULL, "the file has no %s chunk", walk.has_format ? "data" : "fmt");
        code = read_chunk(&walk, err);
        if (code != XR_OK)
            return code;
    }
    code = check_format(&walk.format, err);
    if (code != XR_OK)
        return code;
    *ret_wav = (struct xr_wav){
        .rate = walk.format.rate,
        .channels = walk.format.channels,
        .bits = walk.format.bits,
        .data_offset = walk.data_offset,
        .frames = walk.data_size / walk.format.block_align,
        .missing = walk.missing,
    };
    return XR_OK;
}

enum xr_code xr_wav_probe(int fd, struct xr_wav *ret_wav, struct xr_err *err) {
    struct xr_source source;
    enum xr_code code = xr_source_file(fd, &source, err);
    return code == XR_OK ? probe(&source, ret_wav, err) : code;
}

enum xr_code xr_wav_probe_memory(const uint8_t *bytes, size_t n, struct xr_wav *ret_wav, struct xr_err *err) {
    struct xr_source source = xr_source_memory(bytes, n);
    return probe(&source, ret_wav, err);
}

enum xr_code xr_wav_require(const struct xr_wav *wav, uint16_t channels, struct xr_err *err) {
    if (wav->rate != XR_RATE)
        return xr_fail(err, XR_INVALID, NULL, "the sample rate is %u Hz, %d Hz is needed", wav->rate, XR_RATE);
    if (wav->bits != 16)
        return xr_fail(err, XR_INVALID, NULL, "%u bits a sample, 16 are needed", wav->bits);
    if (wav->channels != channels)
        return xr_fail(err, XR_INVALID, NULL, "%u channel%s, %u %s needed", wav->channels,
                       wav->channels == 1 ? "" : "s", channels, channels == 1 ? "is" : "are");
    if (wav->missing > 0)
        return xr_fail(err, XR_INVALID, NULL, "the header promises %" PRIu64 " bytes more than there are",
                       wav->missing);
    return XR_OK;
}

static void put16(uint8_t *p, uint32_t v) {
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static void put32(uint8_t *p, uint32_t v) {
    put16(p, v);
    put16(p + 2, v >> 16);
}

static void put_tag(uint8_t *p, const char tag[5]) {
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)tag[i];
}

void xr_wav_header(uint8_t out[XR_WAV_HEADER_SIZE], uint32_t rate, uint16_t channels, uint64_t frames) {
    const uint32_t frame_size = channels * (uint32_t)sizeof(int16_t);
    const uint32_t size = (uint32_t)(frames * frame_size);
    put_tag(out, "RIFF");
    put32(out + 4, size + XR_WAV_HEADER_SIZE - CHUNK_HEADER_SIZE);
    put_tag(out + 8, "WAVE");
    put_tag(out + 12, "fmt ");
    put32(out + 16, FORMAT_SIZE);
    put16(out + 20, FORMAT_PCM);
    put16(out + 22, channels);
    put32(out + 24, rate);
    put32(out + 28, rate * frame_size);
    put16(out + 32, frame_size);
    put16(out + 34, 16);
    put_tag(out + 36, "data");
    put32(out + 40, size);
}
