// SPDX-License-Identifier: Apache-2.0
/* base/test_dir.h - a temporary folder of a test. Tests only. */
#pragma once
#include "base/test.h"
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { XR_TEST_PATH_MAX = 512 };
struct xr_test_dir {
    char path[64];
};

static inline struct xr_test_dir xr_test_dir_new(void) {
    struct xr_test_dir dir = {"/tmp/xray-test-XXXXXX"};
    assert_non_null(mkdtemp(dir.path));
    return dir;
}

static inline int xr_test_dir_remove_one(const char *path, const struct stat *status, int kind, struct FTW *where) {
    (void)status, (void)kind, (void)where;
    return remove(path);
}

static inline void xr_test_dir_clear(struct xr_test_dir *dir) {
    nftw(dir->path, xr_test_dir_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* "<folder>/<name>" */
static inline const char *xr_test_path(const struct xr_test_dir *dir, const char *name, char out[XR_TEST_PATH_MAX]) {
    int length = snprintf(out, XR_TEST_PATH_MAX, "%s/%s", dir->path, name);
    assert_in_range(length, 1, XR_TEST_PATH_MAX - 1);
    return out;
}
