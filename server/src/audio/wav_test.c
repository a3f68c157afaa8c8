// SPDX-License-Identifier: Apache-2.0
#include "audio/wav.h"
#include "base/clock.h"
#include "base/test.h"
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PCM = 1, EXTENSIBLE = 0xFFFE, UNKNOWN = -1 };

/* A WAV put together by hand, wrong where a test wants it wrong. */
struct file {
    uint8_t bytes[XR_WAV_CHUNKS_MAX * 8 + 1024];
    size_t n;
};

static void put(struct file *file, const void *bytes, size_t n) {
    memcpy(file->bytes + file->n, bytes, n);
    file->n += n;
}

static void put_le(struct file *file, uint32_t value, size_t n) {
    for (size_t i = 0; i < n; i++)
        file->bytes[file->n++] = (uint8_t)(value >> (8 * i));
}

static void put_chunk(struct file *file, const char *id, int64_t claimed) {
    put(file, id, 4);
    put_le(file, (uint32_t)claimed, 4);
}

static void put_zeros(struct file *file, size_t n) {
    memset(file->bytes + file->n, 0, n);
    file->n += n;
}

static void put_fmt_fields(struct file *file, uint32_t tag, uint32_t channels, uint32_t rate, uint32_t bits) {
    put_le(file, tag, 2);
    put_le(file, channels, 2);
    put_le(file, rate, 4);
    put_le(file, rate * channels * bits / 8, 4);
    put_le(file, channels * bits / 8, 2);
    put_le(file, bits, 2);
}

static void put_fmt(struct file *file, uint32_t tag, uint32_t channels, uint32_t rate, uint32_t bits) {
    put_chunk(file, "fmt ", 16);
    put_fmt_fields(file, tag, channels, rate, bits);
}

static void put_extensible(struct file *file, uint32_t sub_format, uint8_t guid_end) {
    static const uint8_t tail[13] = {0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B};
    put_chunk(file, "fmt ", 40);
    put_fmt_fields(file, EXTENSIBLE, 2, 48000, 16);
    put_le(file, 22, 2);
    put_le(file, 16, 2);
    put_le(file, 3, 4);
    put_le(file, sub_format, 2);
    put(file, tail, sizeof tail);
    put(file, &guid_end, 1);
}

static void put_riff(struct file *file, const char *magic) {
    put(file, magic, 4);
    put_le(file, 0, 4);
    put(file, "WAVE", 4);
}

static void set_riff_size(struct file *file, uint32_t size) {
    for (size_t i = 0; i < 4; i++)
        file->bytes[4 + i] = (uint8_t)(size >> (8 * i));
}

static void plain(struct file *file) {
    put_riff(file, "RIFF");
    put_fmt(file, PCM, 2, 48000, 16);
    put_chunk(file, "data", 40);
    put_zeros(file, 40);
    set_riff_size(file, (uint32_t)file->n - 8);
}

static void data_before_fmt(struct file *file) {
    put_riff(file, "RIFF");
    put_chunk(file, "data", 6);
    put_zeros(file, 6);
    put_fmt(file, PCM, 1, 8000, 16);
}

static void odd_chunks(struct file *file) {
    put_riff(file, "RIFF");
    put_chunk(file, "LIST", 5);
    put_zeros(file, 6);
    put_chunk(file, "data", 3);
    put_zeros(file, 4);
    put_chunk(file, "junk", 1);
    put_zeros(file, 2);
    put_fmt(file, PCM, 1, 16000, 8);
}

static void extensible_pcm(struct file *file) {
    put_riff(file, "RIFF");
    put_extensible(file, PCM, 0x71);
    put_chunk(file, "data", 8);
    put_zeros(file, 8);
}

static void extensible_float(struct file *file) {
    put_riff(file, "RIFF");
    put_extensible(file, 3, 0x71);
    put_chunk(file, "data", 8);
    put_zeros(file, 8);
}

static void extensible_foreign(struct file *file) {
    put_riff(file, "RIFF");
    put_extensible(file, PCM, 0x72);
}

static void extensible_short(struct file *file) {
    put_riff(file, "RIFF");
    put_fmt(file, EXTENSIBLE, 2, 48000, 16);
}

static void data_of(struct file *file, int64_t claimed, size_t there) {
    put_riff(file, "RIFF");
    put_fmt(file, PCM, 2, 48000, 16);
    put_chunk(file, "data", claimed);
    put_zeros(file, there);
}

static void truncated(struct file *file) {
    data_of(file, 4000, 403);
}

static void unseekable(struct file *file) {
    data_of(file, UNKNOWN, 17);
    set_riff_size(file, UINT32_MAX);
}

static void sizes_left_zero(struct file *file) {
    data_of(file, 0, 16);
}

static void really_empty(struct file *file) {
    data_of(file, 0, 0);
    put_chunk(file, "LIST", 4);
    put_zeros(file, 4);
    set_riff_size(file, (uint32_t)file->n - 8);
}

static void riff_size_lies(struct file *file) {
    plain(file);
    set_riff_size(file, 7);
}

static void second_data_and_fmt(struct file *file) {
    put_riff(file, "RIFF");
    put_chunk(file, "data", 4);
    put_zeros(file, 4);
    put_chunk(file, "data", 40);
    put_zeros(file, 40);
    put_fmt(file, PCM, 1, 48000, 16);
    put_fmt(file, 3, 9, 1, 8);
}

static void huge_chunk_first(struct file *file) {
    put_riff(file, "RIFF");
    put_chunk(file, "junk", UNKNOWN);
    put_fmt(file, PCM, 1, 48000, 16);
}

static void no_data(struct file *file) {
    put_riff(file, "RIFF");
    put_fmt(file, PCM, 1, 48000, 16);
}

static void fmt_cut(struct file *file) {
    no_data(file);
    file->n -= 3;
}

static void fmt_small(struct file *file) {
    put_riff(file, "RIFF");
    put_chunk(file, "fmt ", 14);
    put_zeros(file, 14);
}

static void too_many_chunks(struct file *file) {
    put_riff(file, "RIFF");
    for (int i = 0; i < XR_WAV_CHUNKS_MAX; i++)
        put_chunk(file, "junk", 0);
    put_fmt(file, PCM, 1, 48000, 16);
    put_chunk(file, "data", 0);
}

static void rifx(struct file *file) {
    put_riff(file, "RIFX");
}

static void rf64(struct file *file) {
    put_riff(file, "RF64");
}

static void text(struct file *file) {
    put(file, "<!doctype html>", 15);
}

static void nothing(struct file *file) {
    (void)file;
}

static void of_format(struct file *file, uint32_t tag, uint32_t channels, uint32_t rate, uint32_t bits) {
    put_riff(file, "RIFF");
    put_fmt(file, tag, channels, rate, bits);
    put_chunk(file, "data", 0);
}

static void floats(struct file *file) {
    of_format(file, 3, 2, 48000, 32);
}
static void adpcm(struct file *file) {
    of_format(file, 2, 2, 48000, 4);
}
static void odd_format(struct file *file) {
    of_format(file, 0x7777, 2, 48000, 16);
}
static void no_channels(struct file *file) {
    of_format(file, PCM, 0, 48000, 16);
}
static void many_channels(struct file *file) {
    of_format(file, PCM, 65, 48000, 16);
}
static void no_rate(struct file *file) {
    of_format(file, PCM, 2, 0, 16);
}
static void odd_bits(struct file *file) {
    of_format(file, PCM, 2, 48000, 12);
}
static void wrong_frame_size(struct file *file) {
    plain(file);
    file->bytes[32] = 3;
}

static const struct {
    const char *name;
    void (*build)(struct file *file);
    struct xr_wav wav; /* rate 0: refused */
    const char *message; /* part of it */
} FILES[] = {
    {"plain", plain, {48000, 2, 16, 44, 10}, NULL},
    {"data before fmt", data_before_fmt, {8000, 1, 16, 20, 3}, NULL},
    {"odd chunks", odd_chunks, {16000, 1, 8, 34, 3}, NULL},
    {"extensible", extensible_pcm, {48000, 2, 16, 68, 2}, NULL},
    {"truncated", truncated, {48000, 2, 16, 44, 100}, NULL},
    {"unseekable", unseekable, {48000, 2, 16, 44, 4}, NULL},
    {"sizes left zero", sizes_left_zero, {48000, 2, 16, 44, 4}, NULL},
    {"really empty", really_empty, {48000, 2, 16, 44, 0}, NULL},
    {"RIFF size lies", riff_size_lies, {48000, 2, 16, 44, 10}, NULL},
    {"second data and fmt", second_data_and_fmt, {48000, 1, 16, 20, 2}, NULL},
    {"nothing", nothing, {0}, "shorter than its header"},
    {"text", text, {0}, "does not start with RIFF"},
    {"RIFX", rifx, {0}, "RIFX"},
    {"RF64", rf64, {0}, "RF64"},
    {"huge chunk first", huge_chunk_first, {0}, "no fmt chunk"},
    {"no data", no_data, {0}, "no data chunk"},
    {"fmt cut", fmt_cut, {0}, "ends inside its fmt chunk"},
    {"fmt small", fmt_small, {0}, "has 14 bytes"},
    {"too many chunks", too_many_chunks, {0}, "among the first"},
    {"extensible float", extensible_float, {0}, "32-bit float audio"},
    {"extensible foreign", extensible_foreign, {0}, "sub-format is not PCM"},
    {"extensible short", extensible_short, {0}, "extensible fmt chunk has 16 bytes"},
    {"float", floats, {0}, "32-bit float audio is not supported"},
    {"ADPCM", adpcm, {0}, "Microsoft ADPCM audio is not supported"},
    {"odd format", odd_format, {0}, "0x7777"},
    {"no channels", no_channels, {0}, "0 channels"},
    {"many channels", many_channels, {0}, "65 channels"},
    {"no rate", no_rate, {0}, "rate is 0"},
    {"odd bits", odd_bits, {0}, "12 bits"},
    {"wrong frame size", wrong_frame_size, {0}, "a frame of 3 bytes"},
};

static int memory_file(const void *bytes, size_t n) {
    int fd = memfd_create("wav", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, n), (ssize_t)n);
    return fd;
}

static void assert_same(const struct xr_wav *a, const struct xr_wav *b) {
    assert_int_equal(a->rate, b->rate);
    assert_int_equal(a->channels, b->channels);
    assert_int_equal(a->bits, b->bits);
    assert_int_equal(a->data_offset, b->data_offset);
    assert_int_equal(a->frames, b->frames);
}

static void headers_are_read_whatever_their_order_and_lies(void **state) {
    (void)state;
    static struct file file;
    for (size_t i = 0; i < sizeof FILES / sizeof FILES[0]; i++) {
        file.n = 0;
        FILES[i].build(&file);
        int fd = memory_file(file.bytes, file.n);
        struct xr_wav from_file = {.rate = 1}, from_memory = {.rate = 1};
        struct xr_err err = {0};
        enum xr_code code = xr_wav_probe_memory(file.bytes, file.n, &from_memory, &err);
        assert_int_equal(xr_wav_probe(fd, &from_file, NULL), code);
        close(fd);
        print_message("%s: %s\n", FILES[i].name, code == XR_OK ? "read" : err.message);
        if (FILES[i].wav.rate > 0) {
            assert_int_equal(code, XR_OK);
            assert_same(&from_memory, &FILES[i].wav);
            assert_same(&from_file, &FILES[i].wav);
        } else {
            assert_int_equal(code, XR_INVALID);
            assert_non_null(strstr(err.message, FILES[i].message));
            assert_int_equal(from_memory.rate, 1);
            assert_int_equal(from_file.rate, 1);
        }
    }
}

static void a_pipe_and_a_closed_file_are_io_errors(void **state) {
    (void)state;
    int ends[2];
    struct xr_wav wav;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(xr_wav_probe(ends[0], &wav, NULL), XR_IO);
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(xr_wav_probe(ends[0], &wav, NULL), XR_IO);
    wav = (struct xr_wav){.rate = 48000, .channels = 1, .bits = 16, .data_offset = 44, .frames = 9};
    int16_t sample;
    size_t n;
    assert_int_equal(xr_wav_read(ends[0], &wav, 0, 1, &sample, &n, NULL), XR_IO);
}

static void only_the_recording_format_is_let_through(void **state) {
    (void)state;
    static const struct {
        struct xr_wav wav;
        uint16_t channels;
        const char *message;
    } cases[] = {
        {{48000, 2, 16, 44, 0}, 2, NULL},
        {{48000, 1, 16, 44, 0}, 1, NULL},
        {{44100, 2, 16, 44, 0}, 2, "44100 Hz"},
        {{48000, 2, 24, 44, 0}, 2, "24 bits"},
        {{48000, 1, 16, 44, 0}, 2, "1 channel, 2 are needed"},
        {{48000, 2, 16, 44, 0}, 1, "2 channels, 1 is needed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct xr_err err = {0};
        enum xr_code code = xr_wav_require(&cases[i].wav, cases[i].channels, &err);
        assert_int_equal(code, cases[i].message ? XR_INVALID : XR_OK);
        if (cases[i].message)
            assert_non_null(strstr(err.message, cases[i].message));
    }
}

static void a_written_header_reads_back(void **state) {
    (void)state;
    uint8_t bytes[XR_WAV_HEADER_SIZE + 12] = {0};
    struct xr_wav wav, expected = {44100, 3, 16, 44, 2};
    xr_wav_header(bytes, 44100, 3, 2);
    assert_int_equal(xr_wav_probe_memory(bytes, sizeof bytes, &wav, NULL), XR_OK);
    assert_same(&wav, &expected);
    assert_memory_equal(bytes + 4, "\x30\0\0\0", 4); /* the size after itself */
    xr_wav_header(bytes, 48000, 2, 0);
    assert_int_equal(xr_wav_probe_memory(bytes, XR_WAV_HEADER_SIZE, &wav, NULL), XR_OK);
    assert_int_equal(wav.frames, 0);
}

/* A stereo recording whose left sample is its frame's number and whose right one is that number less one, negated. */
static int counting_file(size_t frames, struct xr_wav *ret_wav) {
    static uint8_t bytes[XR_WAV_HEADER_SIZE + 40000 * 4];
    assert_true(frames <= 40000);
    xr_wav_header(bytes, 48000, 2, frames);
    for (size_t i = 0; i < frames; i++) {
        int16_t pair[2] = {(int16_t)i, (int16_t)(1 - (int)i)};
        for (size_t k = 0; k < 2; k++) {
            bytes[XR_WAV_HEADER_SIZE + i * 4 + k * 2] = (uint8_t)pair[k];
            bytes[XR_WAV_HEADER_SIZE + i * 4 + k * 2 + 1] = (uint8_t)((unsigned)pair[k] >> 8);
        }
    }
    int fd = memory_file(bytes, XR_WAV_HEADER_SIZE + frames * 4);
    assert_int_equal(xr_wav_probe(fd, ret_wav, NULL), XR_OK);
    return fd;
}

static void frames_are_read_up_to_the_end(void **state) {
    (void)state;
    struct xr_wav wav;
    int16_t pair[8];
    size_t n = 99;
    int fd = counting_file(1000, &wav);
    assert_int_equal(xr_wav_read(fd, &wav, 998, 4, pair, &n, NULL), XR_OK);
    assert_int_equal(n, 2);
    assert_int_equal(pair[0], 998);
    assert_int_equal(pair[1], -997);
    assert_int_equal(pair[2], 999);
    assert_int_equal(xr_wav_read(fd, &wav, 1000, 4, pair, &n, NULL), XR_OK);
    assert_int_equal(n, 0);
    assert_int_equal(xr_wav_read(fd, &wav, UINT64_MAX, SIZE_MAX, pair, &n, NULL), XR_OK);
    assert_int_equal(n, 0);
    wav.bits = 24;
    assert_int_equal(xr_wav_read(fd, &wav, 0, 1, pair, &n, NULL), XR_INVALID);
    close(fd);
}

static void a_file_that_shrank_gives_the_whole_frames_left(void **state) {
    (void)state;
    struct xr_wav wav;
    int16_t pairs[8];
    size_t n = 99;
    int fd = counting_file(1000, &wav);
    assert_int_equal(ftruncate(fd, XR_WAV_HEADER_SIZE + 2 * 4 + 3), 0);
    assert_int_equal(xr_wav_read(fd, &wav, 0, 4, pairs, &n, NULL), XR_OK);
    assert_int_equal(n, 2);
    struct xr_cut cut = xr_cut_make(fd, &wav, 1, 0, XR_NS_PER_S);
    assert_int_equal(xr_cut_read(&cut, 0, pairs, 4, &n, NULL), XR_OK);
    assert_int_equal(n, 2);
    close(fd);
}

static void cuts_are_clamped_to_the_recording(void **state) {
    (void)state;
    static const struct {
        uint16_t channel;
        int64_t start_ns, end_ns;
        uint64_t first, frames;
    } cases[] = {
        {0, 0, 10 * XR_NS_PER_MS, 0, 480},
        {1, 10 * XR_NS_PER_MS, 15 * XR_NS_PER_MS, 480, 240},
        {0, 20832, 41666, 0, 1}, /* between samples: floor */
        {0, -5, 1 * XR_NS_PER_MS, 0, 48},
        {0, INT64_MIN, INT64_MAX, 0, 40000},
        {0, 800 * XR_NS_PER_MS, INT64_MAX, 38400, 1600},
        {0, INT64_MAX - 1, INT64_MAX, 40000, 0},
        {0, 5 * XR_NS_PER_MS, 5 * XR_NS_PER_MS, 240, 0},
        {0, 9 * XR_NS_PER_MS, 5 * XR_NS_PER_MS, 432, 0},
        {2, 0, 10 * XR_NS_PER_MS, 0, 0}, /* no such channel */
    };
    struct xr_wav wav;
    int fd = counting_file(40000, &wav);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct xr_cut cut = xr_cut_make(fd, &wav, cases[i].channel, cases[i].start_ns, cases[i].end_ns);
        assert_int_equal(cut.first, cases[i].first);
        assert_int_equal(cut.frames, cases[i].frames);
    }
    close(fd);
}

static void a_cut_reads_its_channel_from_any_offset(void **state) {
    (void)state;
    static int16_t samples[40000];
    struct xr_wav wav;
    size_t n = 0;
    int fd = counting_file(40000, &wav);
    struct xr_cut cut = xr_cut_make(fd, &wav, 1, 10 * XR_NS_PER_MS, 810 * XR_NS_PER_MS);
    assert_int_equal(cut.frames, 38400);
    assert_int_equal(xr_cut_read(&cut, 0, samples, 40000, &n, NULL), XR_OK); /* more than one window */
    assert_int_equal(n, 38400);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(samples[i], (int16_t)(1 - (int)(480 + i)));
    assert_int_equal(xr_cut_read(&cut, 38398, samples, 40000, &n, NULL), XR_OK);
    assert_int_equal(n, 2);
    assert_int_equal(samples[0], (int16_t)(1 - (480 + 38398)));
    assert_int_equal(xr_cut_read(&cut, 38400, samples, 1, &n, NULL), XR_OK);
    assert_int_equal(n, 0);
    assert_int_equal(xr_cut_read(&cut, UINT64_MAX, samples, 1, &n, NULL), XR_OK);
    assert_int_equal(n, 0);
    close(fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_read_whatever_their_order_and_lies),
        cmocka_unit_test(a_pipe_and_a_closed_file_are_io_errors),
        cmocka_unit_test(only_the_recording_format_is_let_through),
        cmocka_unit_test(a_written_header_reads_back),
        cmocka_unit_test(frames_are_read_up_to_the_end),
        cmocka_unit_test(a_file_that_shrank_gives_the_whole_frames_left),
        cmocka_unit_test(cuts_are_clamped_to_the_recording),
        cmocka_unit_test(a_cut_reads_its_channel_from_any_offset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
