// SPDX-License-Identifier: Apache-2.0
/* http/cursor.h - where a page of a list ended, as an opaque token: base64url of a kind, a few integers and a check sum
 * against tokens that were cut, edited or made up. Not a secret. Pure; any thread. */
#pragma once
#include "base/str.h"
#include <stdbool.h>
#include <stdint.h>

enum xr_cursor_kind {
    XR_CURSOR_CONVERSATIONS = 1,
    XR_CURSOR_REPLAYS = 2
}; /* in tokens that clients hold: append only */
enum { XR_CURSOR_VALUES = 6, XR_CURSOR_SIZE = 1 + 8 * XR_CURSOR_VALUES + 5, XR_CURSOR_TEXT = XR_CURSOR_SIZE / 3 * 4 };
_Static_assert(XR_CURSOR_SIZE % 3 == 0, "base64 needs no padding");

struct xr_cursor {
    int64_t values[XR_CURSOR_VALUES]; /* the list's own; unused ones are 0 */
};
void xr_cursor_encode(enum xr_cursor_kind kind, const struct xr_cursor *cursor, char out[XR_CURSOR_TEXT + 1]);
/* False unless text is a token of that kind. */
bool xr_cursor_decode(enum xr_cursor_kind kind, struct xr_str text, struct xr_cursor *ret_cursor);
