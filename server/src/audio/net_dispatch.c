// SPDX-License-Identifier: Apache-2.0
#include "audio/net_kernels.h"

extern const struct xr_net_kernels xr_net_kernels_baseline, xr_net_kernels_avx2, xr_net_kernels_avx512;

size_t xr_net_kernels_usable(const struct xr_net_kernels *ret_kernels[XR_NET_VARIANTS_MAX]) {
    size_t count = 0;
#if defined(__x86_64__)
    /* The builtins ask the processor and whether the system saves the registers. */
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("fma"))
        ret_kernels[count++] = &xr_net_kernels_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        ret_kernels[count++] = &xr_net_kernels_avx2;
#endif
    ret_kernels[count++] = &xr_net_kernels_baseline;
    return count;
}
