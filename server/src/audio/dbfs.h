// SPDX-License-Identifier: Apache-2.0
/* audio/dbfs.h - power in LSB squared as dBFS. Pure; any thread. Private to audio/. */
#pragma once
#include <math.h>

#define XR_DBFS_SILENCE (-100.0) /* and the least that is ever given */

static inline double xr_dbfs(double power) {
    double dbfs = power > 0 ? 10 * log10(power / (32768.0 * 32768.0)) : XR_DBFS_SILENCE;
    return dbfs > XR_DBFS_SILENCE ? dbfs : XR_DBFS_SILENCE;
}
