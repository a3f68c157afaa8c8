// SPDX-License-Identifier: Apache-2.0
/* base/test.h - cmocka with the headers it wants before it. Tests only. */
#pragma once
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on
