// SPDX-License-Identifier: Apache-2.0
#include "providers/dynamic.h"
#include <dlfcn.h>
#include <string.h>

enum xr_code xr_dynamic_resolve(void *library, const char *library_name, const struct xr_dynamic *symbols, size_t count,
                                void *functions, struct xr_err *err) {
    for (size_t i = 0; i < count; i++) {
        void *symbol = dlsym(library, symbols[i].name);
        if (!symbol)
            return xr_fail(err, XR_UNAVAILABLE, NULL, "the installed %s has no %s", library_name, symbols[i].name);
        memcpy((char *)functions + symbols[i].offset, &symbol, sizeof symbol);
    }
    return XR_OK;
}
