// SPDX-License-Identifier: Apache-2.0
/* providers/one_line.h - text of unknown origin as one line: for prompts, where a line break would end a turn, and for
 * messages. Control characters and the line separators, a run of them together, become one space; each byte that is not
 * UTF-8 becomes '?'. For the files of this folder only. Pure; any thread. */
#pragma once
#include "base/buf.h"
#include "base/str.h"

void xr_one_line(struct xr_buf *out, struct xr_str text);

/* The beginning of text, "..." behind it where there is more, NUL-terminated into out, which is returned. */
enum { XR_EXCERPT_MAX = 120 /* code points */, XR_EXCERPT_SIZE = XR_EXCERPT_MAX * 4 + 4 /* "..." and a NUL */ };
const char *xr_excerpt(struct xr_str text, char out[XR_EXCERPT_SIZE]);
