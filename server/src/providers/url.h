// SPDX-License-Identifier: Apache-2.0
/* providers/url.h - base URLs: whether one can be used, and the URL of a call. For the files of this folder only. Pure;
 * any thread. */
#pragma once
#include "base/arena.h"
#include "providers/provider.h"

/* The URL of a call: the base without the slashes at its end, the vendor's version if the base has none (see struct
 * xr_vendor), then the path ("/chat/completions", or "" for the base with its version). base_url has no problem, or is
 * NULL: the vendor's own. */
XR_MUST_USE enum xr_code xr_provider_url(const struct xr_vendor *vendor, const char *base_url, const char *path,
                                         struct xr_arena *arena, const char **ret_url, struct xr_err *err);

/* Why the text cannot be a base URL, as the end of a sentence that begins with the variable's name ("must ..."). It
 * never repeats the text. NULL: it can. */
const char *xr_provider_url_problem(const char *text);

/* The host of a URL that has no problem, without port and brackets; a view into it. */
struct xr_str xr_provider_url_host(const char *url);
/* Whether others can read on the way what is sent there: not encrypted, and to another machine. */
bool xr_provider_url_is_exposed(const char *url);
/* The end of a URL (one that has no problem) that looks like where a call goes ("/chat/completions", in any case)
 * and not like a base; NULL: it does not. */
const char *xr_provider_url_endpoint(const char *url);
