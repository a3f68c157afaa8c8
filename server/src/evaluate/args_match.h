// SPDX-License-Identifier: Apache-2.0
/* evaluate/args_match.h - do a tool call's arguments contain the expected ones? Pure; any thread. */
#pragma once
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include <stdbool.h>

/* Objects by subset, arrays by position and equal length, scalars strictly, numbers as doubles; of duplicate keys the
 * last counts. args_json that is not JSON, or is nested deeper than XR_JSON_DEPTH_MAX, matches nothing. expected is at
 * most that deep too. XR_NO_MEMORY only. */
XR_MUST_USE enum xr_code xr_args_match(yyjson_val *expected, struct xr_str args_json, bool *ret_match,
                                       struct xr_err *err);
