// SPDX-License-Identifier: Apache-2.0
/* evaluate/regex_source.h - puts a pattern so that the engine at hand reads it as the standard does. Pure; any thread.
 */
#pragma once
#include "base/buf.h"
#include "base/str.h"

/* Appends to out a pattern that means the same. QuickJS does not fold the case of \p{..} and \P{..} under the flags i
 * and u (/\p{Lu}/iu.test("A") is false), but does so inside a class: there each becomes [\p{..}]. */
void xr_regex_source(struct xr_str pattern, struct xr_str flags, struct xr_buf *out);
