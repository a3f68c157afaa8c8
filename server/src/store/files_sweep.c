// SPDX-License-Identifier: Apache-2.0
/* The sweep at start: what is on the disk and in no row goes. It works in passes over ranges of the names' first byte,
 * so that its memory is bounded whatever the database holds. Files whose names are not ours are left alone. */
#include "base/limits.h"
#include "store/conversations.h"
#include "store/files_private.h"
#include "store/replays.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

enum { FIRST_BYTES = 256, NAMES_FIRST = 1024 };

/* The names that rows hold, of one pass: first byte in [from, to). */
struct names {
    uint8_t *bytes;
    size_t width, count, cap;
    int (*compare)(const void *a, const void *b);
    unsigned from, to;
    bool overflow, no_memory; /* then the rest was not added */
};

static int compare_uuids(const void *a, const void *b) {
    return memcmp(a, b, XR_UUID_SIZE);
}

static int compare_hashes(const void *a, const void *b) {
    return memcmp(a, b, XR_SHA256_SIZE);
}

static void names_clear(struct names *names) {
    free(names->bytes);
    names->bytes = NULL;
    names->count = names->cap = 0;
}

/* Sorted, each once. */
static void names_sort(struct names *names) {
    if (names->count == 0)
        return;
    qsort(names->bytes, names->count, names->width, names->compare);
    size_t kept = 1;
    for (size_t i = 1; i < names->count; i++) {
        const uint8_t *name = names->bytes + i * names->width;
        if (names->compare(name, names->bytes + (kept - 1) * names->width) != 0)
            memmove(names->bytes + kept++ * names->width, name, names->width);
    }
    names->count = kept;
}

static bool names_make_room(struct names *names) {
    if (names->count < names->cap)
        return true;
    if (names->cap == XR_SWEEP_NAMES_MAX) {
        names_sort(names);
        /* Unless many were repeated this would sort again and again: a smaller range is quicker. */
        names->overflow = names->count > XR_SWEEP_NAMES_MAX / 2;
        return !names->overflow;
    }
    size_t cap = names->cap ? names->cap * 4 : NAMES_FIRST;
    if (cap > XR_SWEEP_NAMES_MAX)
        cap = XR_SWEEP_NAMES_MAX;
    uint8_t *bytes = realloc(names->bytes, cap * names->width);
    names->no_memory = !bytes;
    if (!bytes)
        return false;
    names->bytes = bytes;
    names->cap = cap;
    return true;
}

static bool names_in_range(const struct names *names, uint8_t first) {
    return first >= names->from && first < names->to;
}

static void names_add(struct names *names, const uint8_t *name) {
    if (!names_in_range(names, name[0]) || names->overflow || names->no_memory || !names_make_room(names))
        return;
    memcpy(names->bytes + names->count++ * names->width, name, names->width);
}

static bool names_have(const struct names *names, const uint8_t *name) {
    return names->count > 0 && bsearch(name, names->bytes, names->count, names->width, names->compare);
}

static void add_recording(const struct xr_uuid *uuid, void *ctx) {
    names_add(ctx, uuid->bytes);
}

static void add_turn(const uint8_t sha256[XR_SHA256_SIZE], void *ctx) {
    names_add(ctx, sha256);
}

static enum xr_code collect_recordings(struct xr_store_reader *reader, struct names *names, struct xr_err *err) {
    return xr_store_recordings_each(reader, add_recording, names, err);
}

static enum xr_code collect_turns(struct xr_store_reader *reader, struct names *names, struct xr_err *err) {
    return xr_store_turn_audio_each(reader, add_turn, names, err);
}

static void closedirp(DIR **dir) {
    if (*dir)
        closedir(*dir);
}

/* Calls each() for every entry of the folder. */
static enum xr_code walk(int folder_fd,
                         enum xr_code (*each)(int folder_fd, const char *name, void *ctx, struct xr_err *), void *ctx,
                         struct xr_err *err) {
    int fd = xr_files_open_folder(folder_fd, ".");
    XR_AUTO(closedirp) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        int errnum = errno;
        xr_closep(&fd);
        return xr_files_errno(err, errnum, "listing a folder of audio files");
    }
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (!entry)
            break;
        enum xr_code code = each(folder_fd, entry->d_name, ctx, err);
        if (code != XR_OK)
            return code;
    }
    return errno == 0 ? XR_OK : xr_files_errno(err, errno, "listing a folder of audio files");
}

static enum xr_code remove_file(int folder_fd, const char *name, size_t *removed, struct xr_err *err) {
    if (unlinkat(folder_fd, name, 0) == 0)
        ++*removed;
    else if (errno != ENOENT && errno != EISDIR)
        return xr_files_errno(err, errno, "removing an audio file that no row names");
    return XR_OK;
}

struct sweep {
    const struct names *names;
    size_t removed;
};

/* Our own spelling of a UUID? Nothing else made the file, then. */
static bool parse_uuid_name(const char *name, struct xr_uuid *ret_id) {
    char text[XR_UUID_TEXT + 1];
    if (!xr_uuid_parse(xr_str_from(name), ret_id))
        return false;
    xr_uuid_format(ret_id, text);
    return strcmp(text, name) == 0;
}

static bool parse_turn_name(const char *name, uint8_t ret_sha256[XR_SHA256_SIZE]) {
    char text[XR_TURN_NAME_MAX];
    if (strlen(name) + 1 != XR_TURN_NAME_MAX ||
        !xr_hex_decode((struct xr_str){.ptr = name, .len = XR_SHA256_HEX}, ret_sha256, XR_SHA256_SIZE))
        return false;
    xr_files_turn_name(ret_sha256, text);
    return strcmp(text, name) == 0;
}

static enum xr_code sweep_temp(int folder_fd, const char *name, void *ctx, struct xr_err *err) {
    struct sweep *sweep = ctx;
    struct xr_uuid id;
    return parse_uuid_name(name, &id) ? remove_file(folder_fd, name, &sweep->removed, err) : XR_OK;
}

static enum xr_code sweep_recording(int audio_fd, const char *name, void *ctx, struct xr_err *err) {
    struct sweep *sweep = ctx;
    struct xr_uuid id;
    if (!parse_uuid_name(name, &id) || !names_in_range(sweep->names, id.bytes[0]) || names_have(sweep->names, id.bytes))
        return XR_OK;
    XR_AUTO(xr_closep) int folder_fd = xr_files_open_folder(audio_fd, name);
    if (folder_fd < 0 && (errno == ENOTDIR || errno == ELOOP))
        return XR_OK;
    if (folder_fd < 0)
        return xr_files_errno(err, errno, "opening a recording's folder");
    enum xr_code code = remove_file(folder_fd, XR_RECORDING_NAME, &sweep->removed, err);
    if (code != XR_OK)
        return code;
    if (unlinkat(audio_fd, name, AT_REMOVEDIR) != 0 && errno != ENOTEMPTY && errno != EEXIST)
        return xr_files_errno(err, errno, "removing a recording's folder");
    return XR_OK;
}

static enum xr_code sweep_turn(int folder_fd, const char *name, void *ctx, struct xr_err *err) {
    struct sweep *sweep = ctx;
    uint8_t sha256[XR_SHA256_SIZE];
    if (!parse_turn_name(name, sha256) || names_have(sweep->names, sha256))
        return XR_OK;
    return remove_file(folder_fd, name, &sweep->removed, err);
}

static enum xr_code sweep_recordings(struct xr_files *files, struct sweep *sweep, struct xr_err *err) {
    return walk(files->audio_fd, sweep_recording, sweep, err);
}

static enum xr_code sweep_turns(struct xr_files *files, struct sweep *sweep, struct xr_err *err) {
    for (unsigned shard = sweep->names->from; shard < sweep->names->to; shard++) {
        char name[XR_SHARD_NAME_MAX];
        xr_files_shard_name((uint8_t)shard, name);
        XR_AUTO(xr_closep) int folder_fd = xr_files_open_folder(files->turns_fd, name);
        if (folder_fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
            continue;
        if (folder_fd < 0)
            return xr_files_errno(err, errno, "opening a folder of turn audio");
        enum xr_code code = walk(folder_fd, sweep_turn, sweep, err);
        if (code != XR_OK)
            return code;
    }
    return XR_OK;
}

struct kind {
    size_t width;
    int (*compare)(const void *a, const void *b);
    enum xr_code (*collect)(struct xr_store_reader *reader, struct names *names, struct xr_err *err);
    enum xr_code (*sweep)(struct xr_files *files, struct sweep *sweep, struct xr_err *err);
};
static const struct kind KINDS[] = {
    {XR_UUID_SIZE, compare_uuids, collect_recordings, sweep_recordings},
    {XR_SHA256_SIZE, compare_hashes, collect_turns, sweep_turns},
};

/* One pass over [from, from + *span); *span shrinks until the rows' names of that range fit. */
static enum xr_code pass(struct xr_files *files, struct xr_store_reader *reader, const struct kind *kind, unsigned from,
                         unsigned *span, size_t *removed, struct xr_err *err) {
    XR_AUTO(names_clear)
    struct names names = {.width = kind->width, .compare = kind->compare, .from = from, .to = from + *span};
    for (;;) {
        enum xr_code code = kind->collect(reader, &names, err);
        if (code != XR_OK)
            return code;
        if (names.no_memory)
            return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
        if (!names.overflow)
            break;
        if (*span == 1)
            return xr_fail(err, XR_TOO_LARGE, NULL, "more audio files than a sweep can hold");
        *span /= 2;
        names.to = from + *span;
        names.count = 0;
        names.overflow = false;
    }
    names_sort(&names);
    struct sweep sweep = {.names = &names, .removed = *removed};
    enum xr_code code = kind->sweep(files, &sweep, err);
    *removed = sweep.removed;
    return code;
}

enum xr_code xr_files_sweep(struct xr_files *files, struct xr_store_reader *reader, size_t *ret_removed,
                            struct xr_err *err) {
    struct sweep temps = {0};
    enum xr_code code = walk(files->tmp_fd, sweep_temp, &temps, err);
    size_t removed = temps.removed;
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS && code == XR_OK; i++) {
        unsigned span = FIRST_BYTES;
        for (unsigned from = 0; from < FIRST_BYTES && code == XR_OK; from += span)
            code = pass(files, reader, &KINDS[i], from, &span, &removed, err);
    }
    if (code == XR_OK && ret_removed)
        *ret_removed = removed;
    return code;
}
