// SPDX-License-Identifier: Apache-2.0
#include "audio/source.h"
#include "audio/wav.h"
#include "base/clock.h"

enum { DEINTERLEAVE_SAMPLES = 16384 }; /* on the stack; a few hundred milliseconds of stereo */
_Static_assert(DEINTERLEAVE_SAMPLES >= XR_WAV_CHANNELS_MAX, "one frame always fits");

static void to_native(int16_t *samples, size_t n) {
    for (size_t i = 0; i < n && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__; i++)
        samples[i] = (int16_t)__builtin_bswap16((uint16_t)samples[i]);
}

enum xr_code xr_wav_read(int fd, const struct xr_wav *wav, uint64_t first, size_t n, int16_t *dst, size_t *ret_n,
                         struct xr_err *err) {
    if (wav->bits != 16)
        return xr_fail(err, XR_INVALID, NULL, "%u bits a sample, 16 are needed", wav->bits);
    const uint64_t left = first < wav->frames ? wav->frames - first : 0;
    const size_t frame_size = wav->channels * sizeof(int16_t);
    const struct xr_source source = {.fd = fd, .size = wav->data_offset + wav->frames * frame_size};
    size_t got = 0;
    if (n > left)
        n = (size_t)left;
    enum xr_code code = xr_source_read(&source, wav->data_offset + first * frame_size, dst, n * frame_size, &got, err);
    if (code != XR_OK)
        return code;
    to_native(dst, got / sizeof *dst);
    *ret_n = got / frame_size;
    return XR_OK;
}

/* The frame at a time, floor, within the recording. Whole seconds apart, so that no product passes 64 bits. */
static uint64_t frame_at(const struct xr_wav *wav, int64_t ns) {
    if (ns <= 0)
        return 0;
    uint64_t s = (uint64_t)(ns / XR_NS_PER_S), rest = (uint64_t)(ns % XR_NS_PER_S);
    if (s > wav->frames / wav->rate)
        return wav->frames;
    uint64_t frame = s * wav->rate + rest * wav->rate / (uint64_t)XR_NS_PER_S;
    return frame < wav->frames ? frame : wav->frames;
}

struct xr_cut xr_cut_make(int fd, const struct xr_wav *wav, uint16_t channel, int64_t start_ns, int64_t end_ns) {
    struct xr_cut cut = {.fd = fd, .wav = *wav, .channel = channel, .first = frame_at(wav, start_ns)};
    uint64_t end = frame_at(wav, end_ns);
    if (channel < wav->channels && end > cut.first)
        cut.frames = end - cut.first;
    return cut;
}

enum xr_code xr_cut_read(const struct xr_cut *cut, uint64_t offset, int16_t *dst, size_t n, size_t *ret_n,
                         struct xr_err *err) {
    int16_t frames[DEINTERLEAVE_SAMPLES];
    const size_t channels = cut->wav.channels;
    const uint64_t left = offset < cut->frames ? cut->frames - offset : 0;
    size_t done = 0;
    if (n > left)
        n = (size_t)left;
    while (done < n) {
        size_t want = n - done < DEINTERLEAVE_SAMPLES / channels ? n - done : DEINTERLEAVE_SAMPLES / channels;
        size_t got = 0;
        enum xr_code code = xr_wav_read(cut->fd, &cut->wav, cut->first + offset + done, want, frames, &got, err);
        if (code != XR_OK)
            return code;
        if (got == 0)
            break; /* the file is shorter than it was */
        for (size_t i = 0; i < got; i++)
            dst[done + i] = frames[i * channels + cut->channel];
        done += got;
    }
    *ret_n = done;
    return XR_OK;
}
