// SPDX-License-Identifier: Apache-2.0
/* http/static.h - files that are part of the program: the API reference and its description. */
#pragma once

struct xr_request;

/* The handler of every route whose path names an embedded file (see http/assets.h): ETag, If-None-Match, gzip as it is
 * stored for clients that take it and inflated for the others. 404 not_found for a path that is not embedded. */
void xr_static_get(struct xr_request *req);
