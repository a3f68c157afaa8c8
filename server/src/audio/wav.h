// SPDX-License-Identifier: Apache-2.0
/* audio/wav.h - reading and writing RIFF/WAVE files (PCM). Nothing here holds a whole file in memory. Any thread. */
#pragma once
#include "base/err.h"
#include "base/limits.h"
#include <stddef.h>
#include <stdint.h>

/* What the headers say, checked against the file's real size. Plain value. */
struct xr_wav {
    uint32_t rate; /* Hz */
    uint16_t channels;
    uint16_t bits; /* a sample */
    uint64_t data_offset; /* of the first sample, bytes from the file's start */
    uint64_t frames; /* whole frames that are really there (a header that lies is cut to the file) */
    uint64_t missing; /* bytes of samples that the header promises and the file does not have */
};

/* Reads the chunk headers through pread (chunks in any order, odd sizes padded, LIST and unknown chunks skipped, format
 * 1 or extensible PCM, a data size of 0 or 0xFFFFFFFF from a writer that could not seek means "to the end"). Bounded by
 * XR_WAV_CHUNKS_MAX. XR_INVALID with a message fit for `reason`, XR_IO. */
XR_MUST_USE enum xr_code xr_wav_probe(int fd, struct xr_wav *ret_wav, struct xr_err *err);
/* The same on bytes in memory (tests, fuzzing). */
XR_MUST_USE enum xr_code xr_wav_probe_memory(const uint8_t *bytes, size_t n, struct xr_wav *ret_wav,
                                             struct xr_err *err);
/* XR_INVALID with a reason unless wav is 48 kHz, 16 bit, has that many channels and is all there. */
XR_MUST_USE enum xr_code xr_wav_require(const struct xr_wav *wav, uint16_t channels, struct xr_err *err);

/* Reads frames [first, first + n) as interleaved native int16 (16-bit files only); fewer than n at the end.
 * dst has room for n * channels. ret_n: frames read. XR_IO. */
XR_MUST_USE enum xr_code xr_wav_read(int fd, const struct xr_wav *wav, uint64_t first, size_t n, int16_t *dst,
                                     size_t *ret_n, struct xr_err *err);

/* A 44-byte header for 16-bit PCM; frames * channels * 2 must fit 32 bits (it does under the body caps). */
enum { XR_WAV_HEADER_SIZE = 44 };
void xr_wav_header(uint8_t out[XR_WAV_HEADER_SIZE], uint32_t rate, uint16_t channels, uint64_t frames);

/* One channel of a span of a recording, read as mono: what a transcriber is given. Plain value; the file descriptor is
 * borrowed and read with pread only. */
struct xr_cut {
    int fd;
    struct xr_wav wav;
    uint16_t channel;
    uint64_t first; /* frame */
    uint64_t frames;
};
/* [start_ns, end_ns) of a channel, clamped to the recording. */
struct xr_cut xr_cut_make(int fd, const struct xr_wav *wav, uint16_t channel, int64_t start_ns, int64_t end_ns);
/* Reads up to n mono samples from `offset` frames into the cut. ret_n is 0 at its end. */
XR_MUST_USE enum xr_code xr_cut_read(const struct xr_cut *cut, uint64_t offset, int16_t *dst, size_t n, size_t *ret_n,
                                     struct xr_err *err);
