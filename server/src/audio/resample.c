// SPDX-License-Identifier: Apache-2.0
#include "audio/resample.h"
#include <soxr.h>
#include <stdlib.h>
#include <string.h>

enum { RATE_MIN = 4000, RATE_MAX = 192000 };

struct xr_resampler {
    soxr_t soxr; /* NULL when the rates are equal */
};

enum xr_code xr_resampler_new(uint32_t in_rate, uint32_t out_rate, struct xr_resampler **ret_resampler,
                              struct xr_err *err) {
    if (in_rate < RATE_MIN || in_rate > RATE_MAX || out_rate < RATE_MIN || out_rate > RATE_MAX)
        return xr_fail(err, XR_INVALID, NULL, "sample rates %u and %u Hz, %d..%d are supported", in_rate, out_rate,
                       RATE_MIN, RATE_MAX);
    XR_AUTO(xr_resampler_freep) struct xr_resampler *resampler = calloc(1, sizeof *resampler);
    if (!resampler)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    if (in_rate != out_rate) {
        soxr_error_t failed = NULL;
        soxr_io_spec_t io = soxr_io_spec(SOXR_INT16_I, SOXR_INT16_I);
        soxr_quality_spec_t quality = soxr_quality_spec(SOXR_HQ, 0);
        io.flags |= SOXR_NO_DITHER; /* the same input gives the same bytes */
        resampler->soxr = soxr_create(in_rate, out_rate, 1, &failed, &io, &quality, NULL);
        if (!resampler->soxr || failed)
            return xr_fail(err, XR_NO_MEMORY, NULL, "no resampler from %u to %u Hz: %s", in_rate, out_rate,
                           soxr_strerror(failed));
    }
    *ret_resampler = resampler;
    resampler = NULL;
    return XR_OK;
}

void xr_resampler_free(struct xr_resampler *resampler) {
    if (!resampler)
        return;
    if (resampler->soxr)
        soxr_delete(resampler->soxr);
    free(resampler);
}

static void copy(const int16_t *in, size_t n, size_t *ret_used, int16_t *out, size_t cap, size_t *ret_out) {
    size_t count = !in ? 0 : n < cap ? n : cap;
    if (count > 0)
        memcpy(out, in, count * sizeof *out);
    *ret_used = count;
    *ret_out = count;
}

enum xr_code xr_resampler_run(struct xr_resampler *resampler, const int16_t *in, size_t n, size_t *ret_used,
                              int16_t *out, size_t cap, size_t *ret_out, struct xr_err *err) {
    if (!resampler->soxr) {
        copy(in, n, ret_used, out, cap, ret_out);
        return XR_OK;
    }
    size_t used = 0, made = 0;
    soxr_error_t failed = soxr_process(resampler->soxr, in, in ? n : 0, &used, out, cap, &made);
    if (failed)
        return xr_fail(err, XR_NO_MEMORY, NULL, "resampling failed: %s", failed);
    *ret_used = used;
    *ret_out = made;
    return XR_OK;
}
