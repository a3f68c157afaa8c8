// SPDX-License-Identifier: Apache-2.0
/* base/text.h - Unicode, over utf8proc. Pure; any thread. */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include <stdbool.h>
#include <stddef.h>

/* True if s is well-formed UTF-8 (no surrogates, no over-long forms). */
bool xr_utf8_valid(struct xr_str s);
/* Bytes of the well-formed character that s begins with; 0: there is none, s is empty or ill-formed there. */
size_t xr_utf8_first(struct xr_str s);
/* True if s begins with a control character: U+0000..U+001F, U+007F..U+009F. */
bool xr_text_starts_control(struct xr_str s);
/* Length of valid UTF-8 in UTF-16 code units. */
size_t xr_utf16_length(struct xr_str s);
/* Order of valid UTF-8 strings by UTF-16 code unit: <0, 0, >0 (differs from byte order above U+D7FF). */
int xr_utf16_compare(struct xr_str a, struct xr_str b);
/* A copy with every ill-formed sequence replaced by U+FFFD. */
XR_MUST_USE enum xr_code xr_utf8_repair(struct xr_arena *arena, struct xr_str s, struct xr_str *ret_s,
                                        struct xr_err *err);
/* Unicode lower-casing, code point by code point plus U+0130 -> "i̇", as JavaScript's toLowerCase does (including the
 * final-sigma rule). */
XR_MUST_USE enum xr_code xr_text_lower(struct xr_arena *arena, struct xr_str s, struct xr_str *ret_s,
                                       struct xr_err *err);
/* The nearest printable ASCII: letters without their accents ("José" is "Jose"), plain quotes and dashes, a space for
 * everything that has no near form (controls, NUL, ill-formed bytes, other scripts, emoji). */
XR_MUST_USE enum xr_code xr_text_ascii(struct xr_arena *arena, struct xr_str s, struct xr_str *ret_s,
                                       struct xr_err *err);
/* Without leading and trailing Unicode white space (ECMAScript's WhiteSpace and LineTerminator); a view into s. */
struct xr_str xr_text_trim(struct xr_str s);
/* First occurrence of needle in hay; true for an empty needle. */
bool xr_text_contains(struct xr_str hay, struct xr_str needle);
