// SPDX-License-Identifier: Apache-2.0
#include "http/static.h"
#include "base/gzip.h"
#include "base/limits.h"
#include "http/assets.h"
#include "http/conditional.h"
#include "http/core.h"

/* The path is the route's with its parameter filled in. */
static bool is_path(const struct xr_request *req, const char *path) {
    struct xr_str rest = xr_str_from(path), fixed = xr_str_from(req->route->path);
    const char *brace = memchr(fixed.ptr, '{', fixed.len);
    if (!brace)
        return xr_str_eq(rest, fixed);
    fixed.len = (size_t)(brace - fixed.ptr);
    if (rest.len < fixed.len || memcmp(rest.ptr, fixed.ptr, fixed.len) != 0)
        return false;
    return xr_str_eq((struct xr_str){.ptr = rest.ptr + fixed.len, .len = rest.len - fixed.len}, req->params[0]);
}

static const struct xr_asset *find(const struct xr_request *req) {
    for (const struct xr_asset *asset = XR_ASSETS; asset->path; asset++) {
        if (is_path(req, asset->path))
            return asset;
    }
    return NULL;
}

static void send_inflated(struct xr_request *req, const struct xr_asset *asset) {
    char *bytes = NULL;
    size_t n = 0;
    struct xr_err err;
    const struct xr_str packed = {.ptr = (const char *)asset->bytes, .len = asset->size};
    enum xr_code code = xr_gunzip(packed, XR_ASSET_MAX, &bytes, &n, &err);
    if (code == XR_OK)
        xr_respond_bytes(req, 200, asset->content_type, bytes, n);
    else
        xr_error_code(req, code == XR_NO_MEMORY ? code : XR_INTERNAL, &err);
}

void xr_static_get(struct xr_request *req) {
    const struct xr_asset *asset = find(req);
    if (!asset) {
        struct xr_json j = xr_error_begin(req, 404, "not_found");
        xr_error_end(req, &j);
        return;
    }
    xr_response_header(req, "ETag", asset->etag);
    xr_response_header(req, "Cache-Control", "no-cache");
    xr_response_header(req, "Vary", "Accept-Encoding");
    xr_response_header(req, "X-Content-Type-Options", "nosniff");
    /* The renderer puts styles into its markup and pictures into data URLs; nothing is loaded from elsewhere. */
    xr_response_header(req, "Content-Security-Policy",
                       "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
                       "object-src 'none'; base-uri 'none'; frame-ancestors 'none'");
    struct xr_str accepted;
    if (xr_respond_not_modified(req, asset->etag))
        return;
    if (asset->gzip && !(xr_request_header_view(req, "Accept-Encoding", &accepted) && xr_accepts_gzip(accepted))) {
        send_inflated(req, asset);
        return;
    }
    if (asset->gzip)
        xr_response_header(req, "Content-Encoding", "gzip");
    xr_respond_shared(req, 200, asset->content_type,
                      (struct xr_str){.ptr = (const char *)asset->bytes, .len = asset->size}, NULL, NULL);
}
