// SPDX-License-Identifier: Apache-2.0
/* otlp/vocab_testkit.h - spans for the vocabularies' tests, and what becomes of them in one line. Tests only. */
#pragma once
#include "otlp/vocabulary.h"

#define TEXT(literal) {.ptr = (literal), .len = sizeof(literal) - 1}
/* One attribute of each kind. */
#define S(name, value) {.key = TEXT(name), .text = TEXT(value), .kind = XR_ATTR_STRING}
#define I(name, value) {.key = TEXT(name), .integer = (value), .kind = XR_ATTR_INT}
#define D(name, value) {.key = TEXT(name), .real = (value), .kind = XR_ATTR_DOUBLE}
#define B(name, value) {.key = TEXT(name), .boolean = (value), .kind = XR_ATTR_BOOL}
#define J(name, value) {.key = TEXT(name), .text = TEXT(value), .kind = XR_ATTR_JSON}
#define ATTRS_END {.key = {0}}
#define NO_ATTRS {ATTRS_END}

enum { VOCAB_CASE_ATTRS = 7 };
/* A span's name and attributes, and what xr_vocab_describe says of it. */
struct xr_vocab_case {
    const char *name;
    struct xr_attr attrs[VOCAB_CASE_ATTRS + 1]; /* up to the first without a key */
    const char *want;
};

/* 2026-01-02T03:04:05Z, when every span starts. */
#define VOCAB_STARTED_NS INT64_C(1767323045000000000)

/* attrs: up to the first without a key. */
struct xr_span xr_vocab_span(const char *name, const struct xr_attr *attrs);
/* "none"; "gen_ai raw"; "gen_ai tool NAME ARGUMENTS RESULT"; "gen_ai usage PROVIDER MODEL INPUT OUTPUT TOTAL TTFT".
 * "-" is null. In the arena. */
const char *xr_vocab_describe(const struct xr_span *span, struct xr_arena *arena);
/* Fails the test at the first case that becomes something else. */
void xr_vocab_check(const struct xr_vocab_case *cases, size_t count);
