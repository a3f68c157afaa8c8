// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "http/handlers.h"
#include "http/request.h"
#include "http/static.h"

/* clang-format off */
const struct xr_route XR_ROUTES[] = {
    {"GET",   "/healthz",                                   xr_get_healthz,              NULL,               XR_BODY_NONE,      0},
    {"GET",   "/readyz",                                    xr_get_readyz,               NULL,               XR_BODY_NONE,      0},
    {"GET",   "/openapi.json",                              xr_static_get,               NULL,               XR_BODY_NONE,      0},
    {"GET",   "/docs",                                      xr_static_get,               NULL,               XR_BODY_NONE,      0},
    {"GET",   "/docs/{file}",                               xr_static_get,               NULL,               XR_BODY_NONE,      0},

    {"POST",  "/v1/conversations",                          xr_post_conversation,        NULL,               XR_BODY_MULTIPART, XR_BODY_CONVERSATION_MAX},
    {"GET",   "/v1/conversations",                          xr_get_conversations,        NULL,               XR_BODY_NONE,      0},
    {"GET",   "/v1/conversations/{hash}",                   xr_get_conversation,         NULL,               XR_BODY_NONE,      0},
    {"GET",   "/v1/conversations/{hash}/replays",           xr_get_conversation_replays, NULL,               XR_BODY_NONE,      0},
    {"GET",   "/v1/conversations/{hash}/turns/{idx}/audio", xr_get_turn_audio,           NULL,               XR_BODY_NONE,      0},

    {"POST",  "/v1/replays",                                xr_post_replay,              NULL,               XR_BODY_MEMORY,    XR_BODY_REPLAY_MAX},
    {"POST",  "/v1/replays/compare",                        xr_post_compare,             NULL,               XR_BODY_MEMORY,    XR_BODY_COMPARE_MAX},
    {"GET",   "/v1/replays/{id}",                           xr_get_replay,               NULL,               XR_BODY_NONE,      0},
    {"PATCH", "/v1/replays/{id}",                           xr_patch_replay,             NULL,               XR_BODY_MEMORY,    XR_BODY_REPLAY_MAX},
    {"POST",  "/v1/replays/{id}/analyze",                   xr_post_analyze,             NULL,               XR_BODY_NONE,      0},
    {"POST",  "/v1/replays/{id}/retry",                     xr_post_retry,               NULL,               XR_BODY_NONE,      0},
    {"GET",   "/v1/replays/{id}/result",                    xr_get_result,               NULL,               XR_BODY_NONE,      0},
    {"GET",   "/v1/replays/{id}/events",                    xr_get_replay_events,        NULL,               XR_BODY_NONE,      0},
    {"POST",  "/v1/replays/{id}/audio",                     xr_post_recording,           xr_check_recording, XR_BODY_FILE,      XR_BODY_RECORDING_MAX},
    {"GET",   "/v1/replays/{id}/audio",                     xr_get_recording,            NULL,               XR_BODY_NONE,      0},
    {"GET",   "/v1/replays/{id}/audio/levels",              xr_get_levels,               NULL,               XR_BODY_NONE,      0},

    {"POST",  "/v1/traces",                                 xr_post_spans,               xr_check_spans,     XR_BODY_MEMORY,    XR_BODY_OTLP_MAX, .gzip = true, .arena_max = XR_OTLP_ARENA_MAX},
    {"POST",  "/v1/otlp/v1/traces",                         xr_post_spans,               xr_check_spans,     XR_BODY_MEMORY,    XR_BODY_OTLP_MAX, .gzip = true, .arena_max = XR_OTLP_ARENA_MAX},
    {0},
};
/* clang-format on */
