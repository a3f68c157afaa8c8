// SPDX-License-Identifier: Apache-2.0
/* providers/dynamic.h - functions of a library that is opened when it is first needed, because linked it would cost
 * every start time and every idle server memory. For the files of this folder only; any thread.
 *
 *   #define THING_FUNCTIONS(X) X(thing_open) X(thing_close)
 *   struct thing { THING_FUNCTIONS(XR_DYNAMIC_MEMBER) };
 *   #define SYMBOL(name) XR_DYNAMIC_SYMBOL(struct thing, name)
 *   static const struct xr_dynamic SYMBOLS[] = {THING_FUNCTIONS(SYMBOL)}; */
#pragma once
#include "base/err.h"
#include <stddef.h>

struct xr_dynamic {
    const char *name;
    size_t offset; /* of the pointer, in the struct of them */
};
/* NOLINTBEGIN(bugprone-macro-parentheses): a member's name */
#define XR_DYNAMIC_MEMBER(name) __typeof__(&name) name;
#define XR_DYNAMIC_SYMBOL(type, name) {#name, offsetof(type, name)},
/* NOLINTEND(bugprone-macro-parentheses) */

/* Fills in the struct's pointers from an open library (dlopen). XR_UNAVAILABLE when it has one of them not. */
XR_MUST_USE enum xr_code xr_dynamic_resolve(void *library, const char *library_name, const struct xr_dynamic *symbols,
                                            size_t count, void *functions, struct xr_err *err);
