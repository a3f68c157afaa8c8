// SPDX-License-Identifier: Apache-2.0
/* http/router.h - which route a method and a path mean. Pure; any thread. */
#pragma once
#include "base/str.h"
#include "http/request.h"

struct xr_match {
    const struct xr_route *route; /* NULL: none for this method */
    bool path_known; /* some route has this path, with whatever method */
    struct xr_str params[XR_PARAMS_MAX]; /* still percent-encoded, views into path */
};
/* path: without query, still percent-encoded. Of several routes the one with more literal segments wins. */
struct xr_match xr_router_match(const struct xr_route *routes, struct xr_str method, struct xr_str path);
/* The value of Allow for a path: every method that has a route, HEAD where GET is. NUL-terminated, cut at size. */
void xr_router_allow(const struct xr_route *routes, struct xr_str path, char *out, size_t size);
/* Decodes %XX into out (at least in.len bytes); anything that is not a whole escape stays as it is. Returns the length.
 * The result may hold NUL and need not be UTF-8. */
size_t xr_percent_decode(struct xr_str in, char *out);
