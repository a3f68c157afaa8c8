// SPDX-License-Identifier: Apache-2.0
/* http/params.h - header values of the form `value; name=token; name="quoted"`. Pure; any thread. */
#pragma once
#include "base/str.h"
#include <stdbool.h>

/* ASCII, letter case aside. */
bool xr_str_same(struct xr_str a, struct xr_str b);
struct xr_str xr_str_strip(struct xr_str s); /* without spaces and tabs at both ends */
/* What stands before the first ';', stripped. */
struct xr_str xr_params_value(struct xr_str header);

struct xr_param {
    struct xr_str name;
    struct xr_str raw; /* of a quoted string: what is between the quotes, escapes still in it */
    bool quoted;
};
/* Takes the next parameter off *rest (start with the whole header: what stands before the first ';' is skipped). false
 * at the end, or where the rest is not of this form. */
bool xr_params_next(struct xr_str *rest, struct xr_param *ret_param);
