// SPDX-License-Identifier: Apache-2.0
#include "evaluate/evaluate.h"

static enum xr_channel channel_of(enum xr_role role) {
    return role == XR_ROLE_USER ? XR_CHANNEL_USER : XR_CHANNEL_AGENT;
}

enum xr_code xr_align(const struct xr_spec *spec, const struct xr_turn *turns, size_t turn_count,
                      struct xr_arena *arena, size_t **ret_map, struct xr_err *err) {
    size_t *map = xr_arena_array(arena, spec->turn_count, sizeof *map);
    size_t next = 0;
    if (!map)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    for (size_t i = 0; i < spec->turn_count; i++) {
        enum xr_channel channel = channel_of(spec->turns[i].role);
        while (next < turn_count && turns[next].role != channel)
            next++;
        if (next == turn_count)
            return xr_fail(err, XR_CONFLICT, NULL, "turn %zu of the conversation (%s) was not heard among %zu turns", i,
                           xr_role_name(spec->turns[i].role), turn_count);
        map[i] = next++;
    }
    *ret_map = map;
    return XR_OK;
}
