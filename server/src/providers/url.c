// SPDX-License-Identifier: Apache-2.0
#include "providers/url.h"
#include <arpa/inet.h>
#include <strings.h>

static const char HTTP[] = "http://", HTTPS[] = "https://";

/* RFC 3986, 3.1: in any case. */
static bool has_scheme(const char *url, const char *scheme) {
    return strncasecmp(url, scheme, strlen(scheme)) == 0;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_alnum(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Host and port. */
static struct xr_str authority_of(const char *url) {
    const char *start = url + (has_scheme(url, HTTPS) ? sizeof HTTPS : sizeof HTTP) - 1;
    return (struct xr_str){.ptr = start, .len = strcspn(start, "/?#")};
}

/* --- the URL of a call --- */

/* "v1", "v1beta", "v4". */
static bool is_version(struct xr_str segment) {
    if (segment.len < 2 || segment.ptr[0] != 'v' || !is_digit(segment.ptr[1]))
        return false;
    for (size_t i = 2; i < segment.len; i++)
        if (!is_alnum(segment.ptr[i]))
            return false;
    return true;
}

static bool has_version(const struct xr_vendor *vendor, struct xr_str path) {
    bool last = false;
    for (size_t at = 0, end; at < path.len; at = end + 1) {
        const char *slash = memchr(path.ptr + at, '/', path.len - at);
        end = slash ? (size_t)(slash - path.ptr) : path.len;
        last = is_version((struct xr_str){.ptr = path.ptr + at, .len = end - at});
        if (last && vendor->version_anywhere)
            return true;
    }
    return last;
}

static struct xr_str without_slashes(struct xr_str text) {
    while (text.len > 0 && text.ptr[text.len - 1] == '/')
        text.len--;
    return text;
}

enum xr_code xr_provider_url(const struct xr_vendor *vendor, const char *base_url, const char *path,
                             struct xr_arena *arena, const char **ret_url, struct xr_err *err) {
    const char *base = base_url ? base_url : vendor->url;
    struct xr_str authority = authority_of(base);
    struct xr_str behind = without_slashes(xr_str_from(authority.ptr + authority.len));
    const bool as_it_is = has_version(vendor, behind);
    const char *url = xr_arena_printf(arena, "%.*s%s%s%s", (int)(behind.ptr + behind.len - base), base,
                                      as_it_is ? "" : "/", as_it_is ? "" : vendor->version, path);
    if (!url)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    *ret_url = url;
    return XR_OK;
}

/* --- what can be a base URL --- */

static bool is_visible_ascii(const char *text) {
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f)
            return false;
    return true;
}

/* A name or an IPv4 address. */
static bool is_host(struct xr_str host) {
    for (size_t i = 0; i < host.len; i++)
        if (!is_alnum(host.ptr[i]) && !strchr("-._", host.ptr[i]))
            return false;
    return host.len > 0;
}

static bool address_of(int family, struct xr_str host, unsigned char address[sizeof(struct in6_addr)]) {
    char text[INET6_ADDRSTRLEN];
    if (host.len >= sizeof text)
        return false;
    memcpy(text, host.ptr, host.len);
    text[host.len] = '\0';
    return inet_pton(family, text, address) == 1;
}

static bool is_ipv6(struct xr_str host) {
    unsigned char address[sizeof(struct in6_addr)];
    return address_of(AF_INET6, host, address);
}

static bool is_port(struct xr_str digits) {
    unsigned port = 0;
    for (size_t i = 0; i < digits.len && port <= UINT16_MAX; i++) {
        if (!is_digit(digits.ptr[i]))
            return false;
        port = port * 10 + (unsigned)(digits.ptr[i] - '0');
    }
    return port > 0 && port <= UINT16_MAX;
}

/* The host as it is written, with the brackets of an IPv6 address. */
static struct xr_str written_host(struct xr_str authority) {
    const bool in_brackets = authority.len > 0 && authority.ptr[0] == '[';
    const char *end = authority.len > 0 ? memchr(authority.ptr, in_brackets ? ']' : ':', authority.len) : NULL;
    size_t len = end ? (size_t)(end - authority.ptr) + in_brackets : authority.len;
    return (struct xr_str){.ptr = authority.ptr, .len = len};
}

static bool is_in_brackets(struct xr_str host) {
    return host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';
}

static struct xr_str without_brackets(struct xr_str host) {
    return is_in_brackets(host) ? (struct xr_str){.ptr = host.ptr + 1, .len = host.len - 2} : host;
}

static const char *authority_problem(struct xr_str authority) {
    if (authority.len > 0 && memchr(authority.ptr, '@', authority.len))
        return "must not hold a user name or a password: set the key by its own variable";
    const struct xr_str host = written_host(authority);
    if (is_in_brackets(host) ? !is_ipv6(without_brackets(host)) : !is_host(host))
        return "must have a host: a name or an IP address";
    const struct xr_str rest = {.ptr = authority.ptr + host.len, .len = authority.len - host.len};
    if (rest.len > 0 && (rest.ptr[0] != ':' || !is_port((struct xr_str){.ptr = rest.ptr + 1, .len = rest.len - 1})))
        return "must have a port from 1 to 65535, or none";
    return NULL;
}

const char *xr_provider_url_problem(const char *text) {
    if (!has_scheme(text, HTTP) && !has_scheme(text, HTTPS))
        return "must be an http:// or https:// URL";
    if (!is_visible_ascii(text))
        return "must be ASCII without white space";
    const char *problem = authority_problem(authority_of(text));
    if (!problem && strpbrk(text, "?#"))
        problem = "must not hold a query or a fragment (? or #)";
    return problem;
}

/* --- where it leads --- */

struct xr_str xr_provider_url_host(const char *url) {
    return without_brackets(written_host(authority_of(url)));
}

static bool is_loopback(struct xr_str host) {
    static const unsigned char IPV6_LOOPBACK[sizeof(struct in6_addr)] = {[15] = 1};
    unsigned char address[sizeof(struct in6_addr)];
    if (address_of(AF_INET, host, address))
        return address[0] == 127;
    if (address_of(AF_INET6, host, address))
        return memcmp(address, IPV6_LOOPBACK, sizeof address) == 0;
    return host.len == strlen("localhost") && strncasecmp(host.ptr, "localhost", host.len) == 0;
}

bool xr_provider_url_is_exposed(const char *url) {
    return !has_scheme(url, HTTPS) && !is_loopback(xr_provider_url_host(url));
}

/* --- what it looks like --- */

const char *xr_provider_url_endpoint(const char *url) {
    static const char *const ENDPOINTS[] = {"/chat/completions",     "/completions",     "/responses", "/audio/speech",
                                            "/audio/transcriptions", ":generateContent", "/models"};
    const struct xr_str authority = authority_of(url);
    const struct xr_str path = without_slashes(xr_str_from(authority.ptr + authority.len));
    for (size_t i = 0; i < sizeof ENDPOINTS / sizeof *ENDPOINTS; i++) {
        const size_t len = strlen(ENDPOINTS[i]);
        if (path.len >= len && strncasecmp(path.ptr + path.len - len, ENDPOINTS[i], len) == 0)
            return ENDPOINTS[i];
    }
    return NULL;
}
