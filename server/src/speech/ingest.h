// SPDX-License-Identifier: Apache-2.0
/* speech/ingest.h - from a parsed conversation to its row: the audio of every turn (uploaded or spoken by the tts
 * provider, one call per distinct text), its files, the hash, the upsert.
 *
 * What the calls have used is written with the row (store/usage.h). When nothing is stored, because one call or the
 * write failed, there is no row that could have it: what the others used is dropped. */
#pragma once
#include "base/pool.h"
#include "providers/providers.h"
#include "spec/spec.h"
#include "store/conversations.h"
#include "store/files.h"

/* A recorded turn's upload, already checked to be a 48 kHz mono 16-bit WAV and hashed. */
struct xr_ingest_file {
    struct xr_str upload_key;
    int fd; /* borrowed */
    char path[XR_PATH_MAX]; /* temporary; discarded by whoever owns it if it is still there after done */
    uint8_t sha256[XR_SHA256_SIZE];
};

struct xr_ingest; /* any thread */
/* All borrowed, all outlive it. pool runs what touches the disk. */
struct xr_ingest_deps {
    struct xr_store *store;
    struct xr_files *files;
    struct xr_providers *providers;
    const struct xr_providers_config *config;
    struct xr_pool *pool;
    const struct xr_clock *clock;
    int64_t timeout_s; /* for all the speech of one conversation, from when its calls are started */
};
XR_MUST_USE enum xr_code xr_ingest_new(const struct xr_ingest_deps *deps, struct xr_ingest **ret_ingest,
                                       struct xr_err *err);
void xr_ingest_free(struct xr_ingest *ingest); /* nothing may be running */
XR_DEFINE_FREEP(struct xr_ingest, xr_ingest_free)

/* One upsert. The caller fills the first part, keeps it alive until done (called once, on another thread, never from
 * inside start), and reads the second. */
struct xr_ingest_call {
    struct xr_spec *spec; /* live_salt and every turn's sha256 are filled in */
    struct xr_arena *arena; /* used by no one else until done */
    struct xr_ingest_file *files;
    size_t file_count;
    void (*done)(struct xr_ingest_call *call);
    void *ctx;

    enum xr_code code;
    /* Synthesis: XR_UNAVAILABLE, XR_REFUSED (status: the provider's), XR_TIMEOUT; XR_NO_CREDENTIAL; or a failure of
     * ours, as of everything else: XR_OVERLOADED, XR_STORAGE_FULL, XR_IO, XR_NO_MEMORY, XR_INTERNAL. */
    struct xr_err err;
    bool tts_failed; /* the failure is the speech provider's, one of the first three: tts_synthesis_failed */
    bool tts_unasked; /* XR_OVERLOADED because the provider was busy with others until the deadline */
    const char *provider;
    struct xr_conversation conversation; /* the row, on XR_OK */
    void *impl;
};
/* Files and spec must match (every recorded turn has its file). Never waits. XR_OVERLOADED: nothing was started, done
 * will not be called. */
XR_MUST_USE enum xr_code xr_ingest_start(struct xr_ingest *ingest, struct xr_ingest_call *call, struct xr_err *err);
