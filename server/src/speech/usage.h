// SPDX-License-Identifier: Apache-2.0
/* speech/usage.h - what calls have used as a row of the store, for whoever makes calls: speech/ and jobs/. Pure. */
#pragma once
#include "providers/providers.h"
#include "store/usage.h"

/* The row of a stage's chosen provider, which has been called; its texts live as long as the config. */
struct xr_usage_row xr_usage_row_make(const struct xr_providers_config *config, enum xr_stage_kind stage,
                                      const struct xr_usage *usage);
