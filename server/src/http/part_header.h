// SPDX-License-Identifier: Apache-2.0
/* http/part_header.h - the headers of one part of a form. Pure; any thread. */
#pragma once
#include "http/multipart.h"

/* header: whole lines and the empty one; is changed in place, and the views of *ret_part point into it. XR_INVALID
 * without a Content-Disposition that is form-data with a name. */
XR_MUST_USE enum xr_code xr_part_header_parse(char *header, size_t n, struct xr_multipart_part *ret_part,
                                              struct xr_err *err);
