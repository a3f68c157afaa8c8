// SPDX-License-Identifier: Apache-2.0
#include "audio/energy.h"
#include "audio/energy_kernels.h"
#include "audio/levels.h"
#include "base/test.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define TAU 6.283185307179586

static int recording(const int16_t *frames, size_t n, struct xr_wav *ret_wav) {
    uint8_t header[XR_WAV_HEADER_SIZE];
    int fd = memfd_create("levels", MFD_CLOEXEC);
    assert_true(fd >= 0);
    xr_wav_header(header, XR_RATE, 2, n);
    assert_int_equal(write(fd, header, sizeof header), sizeof header);
    assert_int_equal(write(fd, frames, n * 4), (ssize_t)(n * 4));
    assert_int_equal(xr_wav_probe(fd, ret_wav, NULL), XR_OK);
    return fd;
}

static void assert_near(double value, double wanted) {
    if (fabs(value - wanted) > 0.01)
        print_error("%f, not %f\n", value, wanted);
    assert_true(fabs(value - wanted) <= 0.01);
}

static void buckets_tell_rms_and_peak_of_each_channel(void **state) {
    (void)state;
    enum { FRAMES = 4800 + 2400 + 24 };
    static int16_t frames[FRAMES * 2];
    for (size_t i = 0; i < 4800; i++) {
        frames[2 * i] = (int16_t)lround(16384 * sin(TAU * 1000 * (double)i / XR_RATE));
        frames[2 * i + 1] = INT16_MIN;
    }
    for (size_t i = 4800; i < FRAMES; i++)
        frames[2 * i] = i % 2 ? 1 : -1;
    struct xr_wav wav;
    struct xr_levels levels;
    int fd = recording(frames, FRAMES, &wav);
    assert_int_equal(xr_levels_read(fd, &wav, 100, &levels, NULL), XR_OK);
    assert_int_equal(levels.count, 2); /* the last is short: 50.5 ms */
    assert_near((double)levels.channels[XR_CHANNEL_USER].rms_dbfs[0], -9.03);
    assert_near((double)levels.channels[XR_CHANNEL_USER].peak_dbfs[0], -6.02);
    assert_near((double)levels.channels[XR_CHANNEL_USER].rms_dbfs[1], -90.31);
    assert_near((double)levels.channels[XR_CHANNEL_USER].peak_dbfs[1], -90.31);
    assert_near((double)levels.channels[XR_CHANNEL_AGENT].rms_dbfs[0], 0);
    assert_near((double)levels.channels[XR_CHANNEL_AGENT].peak_dbfs[0], 0);
    assert_near((double)levels.channels[XR_CHANNEL_AGENT].rms_dbfs[1], -100);
    assert_near((double)levels.channels[XR_CHANNEL_AGENT].peak_dbfs[1], -100);
    xr_levels_clear(&levels);
    close(fd);
}

static void every_bucket_lies_at_its_place(void **state) {
    (void)state;
    enum { FRAMES = 3 * XR_AUDIO_WINDOW_FRAMES + 5 };
    static const int sizes[] = {10, 17, 333, 1000};
    static int16_t frames[FRAMES * 2];
    struct xr_wav wav;
    for (size_t i = 0; i < FRAMES; i++)
        frames[2 * i] = (int16_t)(i / 48 + 1); /* its millisecond */
    int fd = recording(frames, FRAMES, &wav);
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        struct xr_levels levels;
        size_t bucket = (size_t)sizes[s];
        assert_int_equal(xr_levels_read(fd, &wav, sizes[s], &levels, NULL), XR_OK);
        assert_int_equal(levels.count, (FRAMES + bucket * 48 - 1) / (bucket * 48));
        for (size_t i = 0; i < levels.count; i++) {
            size_t last = (i + 1) * bucket < FRAMES / 48 + 1 ? (i + 1) * bucket : FRAMES / 48 + 1;
            assert_near((double)levels.channels[XR_CHANNEL_USER].peak_dbfs[i], 20 * log10((double)last / 32768));
        }
        xr_levels_clear(&levels);
    }
    close(fd);
}

static void an_empty_recording_has_no_bucket(void **state) {
    (void)state;
    struct xr_wav wav;
    struct xr_levels levels;
    int fd = recording(NULL, 0, &wav);
    assert_int_equal(xr_levels_read(fd, &wav, 10, &levels, NULL), XR_OK);
    assert_int_equal(levels.count, 0);
    xr_levels_clear(&levels);
    xr_levels_clear(&levels);
    xr_levels_clear(NULL);
    close(fd);
}

static void what_cannot_be_measured_is_refused(void **state) {
    (void)state;
    int16_t frames[96] = {0};
    struct xr_wav wav;
    struct xr_levels levels = {.count = 7};
    int fd = recording(frames, 48, &wav);
    assert_int_equal(xr_levels_read(fd, &wav, 9, &levels, NULL), XR_INVALID);
    assert_int_equal(xr_levels_read(fd, &wav, 1001, &levels, NULL), XR_INVALID);
    struct xr_wav other = wav;
    other.channels = 1;
    assert_int_equal(xr_levels_read(fd, &other, 10, &levels, NULL), XR_INVALID);
    other = wav;
    other.frames = UINT64_MAX / 8;
    assert_int_equal(xr_levels_read(fd, &other, 10, &levels, NULL), XR_TOO_LARGE);
    assert_int_equal(ftruncate(fd, 60), 0);
    assert_int_equal(xr_levels_read(fd, &wav, 10, &levels, NULL), XR_IO);
    assert_int_equal(levels.count, 7);
    close(fd);
}

/* Each channel's extremes for a few milliseconds, where sums are largest, then noise. */
static void make_loud(int16_t *frames, size_t samples) {
    uint32_t seed = 7;
    for (size_t i = 0; i < samples; i++) {
        seed = seed * 1664525u + 1013904223u;
        frames[i] = i < 960 ? INT16_MIN : i < 1440 ? (int16_t)(i % 2 ? 3 : INT16_MAX) : (int16_t)(seed >> 16);
    }
}

static void assert_plain_sums(const struct xr_energy *energy, const int16_t *frames, size_t n) {
    for (size_t c = 0; c < 2; c++) {
        int64_t squares = 0, sum = 0;
        for (size_t i = 0; i < n; i++) {
            squares += (int64_t)frames[2 * i + c] * frames[2 * i + c];
            sum += frames[2 * i + c];
        }
        assert_true(energy->squares[c] == (float)squares);
        assert_true(energy->sums[c] == (float)sum);
    }
}

static void the_fast_sums_are_the_plain_sums_with_every_instruction_set(void **state) {
    (void)state;
    enum { MS = 50, BLOCK = 2 * XR_FRAMES_PER_MS };
    static int16_t frames[MS * BLOCK];
    static struct xr_energy blocks[MS];
    const struct xr_energy_kernels *kernels[XR_ENERGY_VARIANTS_MAX];
    make_loud(frames, MS * BLOCK);
    for (size_t k = 0, count = xr_energy_kernels_usable(kernels); k < count; k++) {
        memset(blocks, 0, sizeof blocks);
        kernels[k]->blocks(frames + 2, MS - 1, blocks); /* on no vector's boundary */
        for (size_t b = 0; b < MS - 1; b++)
            assert_plain_sums(&blocks[b], frames + 2 + b * BLOCK, XR_FRAMES_PER_MS);
        assert_plain_sums(&blocks[MS - 1], frames, 0);
    }
    for (size_t n = 0; n <= XR_FRAMES_PER_MS; n++) {
        struct xr_energy rest = xr_energy_of(frames + MS * BLOCK / 2, n);
        assert_plain_sums(&rest, frames + MS * BLOCK / 2, n);
    }
}

static void assert_plain_powers(const struct xr_energy *blocks, size_t n, const double offsets[2],
                                float *const powers[2]) {
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < 2; c++) {
            const double mean = (double)blocks[i].sums[c] / (double)XR_FRAMES_PER_MS;
            double wanted = (double)blocks[i].squares[c] / (double)XR_FRAMES_PER_MS - mean * mean;
            wanted += (mean - offsets[c]) * (mean - offsets[c]);
            assert_true(fabs((double)powers[c][i] - fmax(wanted, 0)) <= 1e-6 * fabs(wanted) + 1e-6);
        }
}

static void totals_and_powers_are_those_of_the_blocks_with_every_instruction_set(void **state) {
    (void)state;
    enum { MS = 50, BLOCK = 2 * XR_FRAMES_PER_MS };
    static int16_t frames[MS * BLOCK];
    static struct xr_energy blocks[MS];
    static float left[MS + 1], right[MS + 1];
    const struct xr_energy_kernels *kernels[XR_ENERGY_VARIANTS_MAX];
    const double offsets[2] = {-3000.5, 100};
    float *const powers[2] = {left, right};
    make_loud(frames, MS * BLOCK);
    xr_energy_blocks(frames, MS, blocks);
    for (size_t k = 0, count = xr_energy_kernels_usable(kernels); k < count; k++)
        for (size_t n = 0; n <= MS; n++) {
            double sums[2] = {1, 1}, wanted[2] = {0};
            for (size_t i = 0; i < n; i++)
                for (size_t c = 0; c < 2; c++)
                    wanted[c] += (double)blocks[i].sums[c];
            kernels[k]->totals(blocks, n, sums);
            assert_true(sums[0] == wanted[0] && sums[1] == wanted[1]);
            left[n] = right[n] = -7;
            kernels[k]->powers(blocks, n, offsets, powers);
            assert_plain_powers(blocks, n, offsets, powers);
            assert_true(left[n] == -7 && right[n] == -7);
        }
}

static void windows_are_means_of_ten_with_every_instruction_set(void **state) {
    (void)state;
    enum { MS = 60 };
    const struct xr_energy_kernels *kernels[XR_ENERGY_VARIANTS_MAX];
    for (size_t k = 0, count = xr_energy_kernels_usable(kernels); k < count; k++)
        for (size_t n = 0; n <= MS - XR_VAD_WINDOW_MS + 1; n++) {
            float power[MS];
            for (size_t i = 0; i < MS; i++)
                power[i] = (float)(i * i);
            kernels[k]->windows(power, n);
            for (size_t t = 0; t < MS; t++) {
                double x = (double)t, mean = t < n ? x * x + 9 * x + 28.5 : x * x;
                assert_true(fabs((double)power[t] - mean) <= 1e-6 * mean);
            }
        }
    float few[XR_VAD_WINDOW_MS] = {0};
    assert_int_equal(xr_energy_windows(few, XR_VAD_WINDOW_MS - 1), 0);
    assert_int_equal(xr_energy_windows(few, XR_VAD_WINDOW_MS), 1);
}

static void a_peak_is_found_wherever_it_lies(void **state) {
    (void)state;
    enum { FRAMES = 50 };
    for (size_t n = 1; n <= FRAMES; n++)
        for (size_t at = 0; at < 2 * n; at++) {
            int16_t frames[FRAMES * 2] = {0};
            int peaks[2] = {7, 7};
            frames[at] = at % 3 ? INT16_MIN : 5;
            xr_energy_peaks(frames, n, peaks);
            assert_int_equal(peaks[at % 2], at % 3 ? 32768 : 5);
            assert_int_equal(peaks[1 - at % 2], 0);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_tell_rms_and_peak_of_each_channel),
        cmocka_unit_test(every_bucket_lies_at_its_place),
        cmocka_unit_test(an_empty_recording_has_no_bucket),
        cmocka_unit_test(what_cannot_be_measured_is_refused),
        cmocka_unit_test(the_fast_sums_are_the_plain_sums_with_every_instruction_set),
        cmocka_unit_test(totals_and_powers_are_those_of_the_blocks_with_every_instruction_set),
        cmocka_unit_test(windows_are_means_of_ten_with_every_instruction_set),
        cmocka_unit_test(a_peak_is_found_wherever_it_lies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
