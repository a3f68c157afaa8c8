// SPDX-License-Identifier: Apache-2.0
#include "store/files.h"
#include "base/limits.h"
#include "store/files_private.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

enum { FOLDER_MODE = 0750, FILE_MODE = 0640 };
/* What is left of a path when the longest name that is made of one follows. */
enum { DATA_DIR_MAX = XR_PATH_MAX - (int)sizeof "/audio/tmp/" - XR_UUID_TEXT };
#define LOCK_NAME "xrayd.lock"

static enum xr_code code_of(int errnum) {
    return errnum == ENOSPC || errnum == EDQUOT || errnum == EFBIG ? XR_STORAGE_FULL : XR_IO;
}

static const char *text_of(int errnum) {
    const char *text = strerrordesc_np(errnum); /* strerror is not for many threads */
    return text ? text : "unknown error";
}

enum xr_code xr_files_errno(struct xr_err *err, int errnum, const char *what) {
    return xr_fail(err, code_of(errnum), NULL, "%s: %s", what, text_of(errnum));
}

static enum xr_code fail_on(struct xr_err *err, const char *verb, const char *path) {
    int errnum = errno;
    return xr_fail(err, code_of(errnum), NULL, "%s %s: %s", verb, path, text_of(errnum));
}

void xr_files_shard_name(uint8_t shard, char out[XR_SHARD_NAME_MAX]) {
    xr_hex_encode(&shard, 1, out);
}

void xr_files_turn_name(const uint8_t sha256[XR_SHA256_SIZE], char out[XR_TURN_NAME_MAX]) {
    xr_hex_encode(sha256, XR_SHA256_SIZE, out);
    memcpy(out + XR_SHA256_HEX, ".wav", sizeof ".wav");
}

int xr_files_open_folder(int parent_fd, const char *name) {
    return openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Opens the folder, makes it if it is missing, and has its name on the disk before anything is put into it. */
static enum xr_code ensure_folder(int parent_fd, const char *name, int *ret_fd, struct xr_err *err) {
    if (mkdirat(parent_fd, name, FOLDER_MODE) != 0 && errno != EEXIST)
        return fail_on(err, "making the folder", name);
    XR_AUTO(xr_closep) int fd = xr_files_open_folder(parent_fd, name);
    if (fd < 0)
        return fail_on(err, "opening the folder", name);
    /* Also when it was there: whoever made it may have been stopped before this line. */
    if (fsync(parent_fd) != 0)
        return fail_on(err, "syncing the folder above", name);
    *ret_fd = fd;
    fd = -1;
    return XR_OK;
}

static enum xr_code sync_parent(const char *path, struct xr_err *err) {
    char parent[XR_PATH_MAX];
    const char *slash = strrchr(path, '/');
    snprintf(parent, sizeof parent, "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
    XR_AUTO(xr_closep) int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        return fail_on(err, "syncing", parent);
    return XR_OK;
}

static enum xr_code make_dir(const char *path, struct xr_err *err) {
    if (mkdir(path, FOLDER_MODE) == 0)
        return sync_parent(path, err);
    return errno == EEXIST ? XR_OK : fail_on(err, "making the data directory", path);
}

/* mkdir -p. path has no slash at its end. */
static enum xr_code make_dirs(char *path, struct xr_err *err) {
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        enum xr_code code = make_dir(path, err);
        *slash = '/';
        if (code != XR_OK)
            return code;
    }
    return make_dir(path, err);
}

static enum xr_code take_lock(int data_fd, const char *data_dir, int *ret_fd, struct xr_err *err) {
    XR_AUTO(xr_closep)
    int fd = openat(data_fd, LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
    if (fd < 0)
        return fail_on(err, "opening the lock file " LOCK_NAME " in", data_dir);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            return xr_fail(err, XR_CONFLICT, NULL,
                           "another xrayd is running on the data directory %s: stop it, or set XRAY_DATA_DIR to "
                           "another directory",
                           data_dir);
        return fail_on(err, "locking " LOCK_NAME " in", data_dir);
    }
    *ret_fd = fd;
    fd = -1;
    return XR_OK;
}

static enum xr_code open_volume(struct xr_files *files, char *data_dir, struct xr_err *err) {
    enum xr_code code = make_dirs(data_dir, err);
    if (code != XR_OK)
        return code;
    /* The data directory itself may be a symbolic link. */
    XR_AUTO(xr_closep) int data_fd = open(data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (data_fd < 0)
        return fail_on(err, "opening the data directory", data_dir);
    code = take_lock(data_fd, data_dir, &files->lock_fd, err);
    if (code == XR_OK)
        code = ensure_folder(data_fd, "audio", &files->audio_fd, err);
    if (code == XR_OK)
        code = ensure_folder(files->audio_fd, "turns", &files->turns_fd, err);
    if (code == XR_OK)
        code = ensure_folder(files->audio_fd, "tmp", &files->tmp_fd, err);
    return code;
}

enum xr_code xr_files_open(const char *data_dir, struct xr_files **ret_files, struct xr_err *err) {
    char path[DATA_DIR_MAX + 1];
    size_t len = strlen(data_dir);
    while (len > 1 && data_dir[len - 1] == '/')
        len--;
    if (len == 0 || len > DATA_DIR_MAX)
        return xr_fail(err, XR_INVALID, NULL, "the data directory's path must be 1..%d bytes long", DATA_DIR_MAX);
    memcpy(path, data_dir, len);
    path[len] = '\0';
    struct xr_files *files = calloc(1, sizeof *files);
    if (!files)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    files->lock_fd = files->audio_fd = files->turns_fd = files->tmp_fd = -1;
    pthread_mutex_init(&files->lock, NULL);
    snprintf(files->tmp_path, sizeof files->tmp_path, "%s/audio/tmp", path);
    enum xr_code code = open_volume(files, path, err);
    if (code != XR_OK) {
        xr_files_free(files);
        return code;
    }
    *ret_files = files;
    return XR_OK;
}

void xr_files_free(struct xr_files *files) {
    if (!files)
        return;
    xr_closep(&files->tmp_fd);
    xr_closep(&files->turns_fd);
    xr_closep(&files->audio_fd);
    xr_closep(&files->lock_fd); /* last: the lock goes with it */
    pthread_mutex_destroy(&files->lock);
    free(files);
}

enum xr_code xr_files_temp(struct xr_files *files, int *ret_fd, char ret_path[XR_PATH_MAX], struct xr_err *err) {
    struct xr_uuid id = xr_uuid_new();
    char name[XR_UUID_TEXT + 1], path[XR_PATH_MAX];
    xr_uuid_format(&id, name);
    int length = snprintf(path, sizeof path, "%s/%s", files->tmp_path, name);
    if (length < 0 || (size_t)length >= sizeof path)
        return xr_fail(err, XR_INTERNAL, NULL, "the path of a temporary file is too long");
    int fd = openat(files->tmp_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
    if (fd < 0)
        return xr_files_errno(err, errno, "making a temporary file");
    memcpy(ret_path, path, (size_t)length + 1);
    *ret_fd = fd;
    return XR_OK;
}

void xr_files_discard(const char *temp_path) {
    /* What cannot be removed now is removed by the sweep at the next start. */
    if (*temp_path)
        (void)unlink(temp_path);
}

/* The file's bytes are on the disk before its name, and its name before the caller hears of it. */
static enum xr_code rename_durably(const char *temp_path, int folder_fd, const char *name, struct xr_err *err) {
    if (renameat(AT_FDCWD, temp_path, folder_fd, name) != 0)
        return fail_on(err, "renaming a temporary file to", name);
    if (fsync(folder_fd) != 0)
        return fail_on(err, "syncing the folder of", name);
    return XR_OK;
}

enum xr_code xr_files_keep_recording(struct xr_files *files, int fd, const char *temp_path,
                                     const struct xr_uuid *replay, struct xr_err *err) {
    char name[XR_UUID_TEXT + 1];
    xr_uuid_format(replay, name);
    if (fsync(fd) != 0)
        return xr_files_errno(err, errno, "syncing a recording");
    XR_AUTO(xr_closep) int folder_fd = -1;
    enum xr_code code = ensure_folder(files->audio_fd, name, &folder_fd, err);
    if (code != XR_OK)
        return code;
    return rename_durably(temp_path, folder_fd, XR_RECORDING_NAME, err);
}

/* The folder above is synced once a shard and process, not once a turn. The lock is held meanwhile, so that nobody
 * takes a folder for durable that another thread has only just made. */
static enum xr_code open_shard(struct xr_files *files, uint8_t shard, int *ret_fd, struct xr_err *err) {
    char name[XR_SHARD_NAME_MAX];
    xr_files_shard_name(shard, name);
    pthread_mutex_lock(&files->lock);
    int fd = files->shard_durable[shard] ? xr_files_open_folder(files->turns_fd, name) : -1;
    enum xr_code code = fd < 0 ? ensure_folder(files->turns_fd, name, &fd, err) : XR_OK;
    if (code == XR_OK)
        files->shard_durable[shard] = true;
    pthread_mutex_unlock(&files->lock);
    if (code == XR_OK)
        *ret_fd = fd;
    return code;
}

enum xr_code xr_files_keep_turn(struct xr_files *files, int fd, const char *temp_path,
                                const uint8_t sha256[XR_SHA256_SIZE], struct xr_err *err) {
    char name[XR_TURN_NAME_MAX];
    xr_files_turn_name(sha256, name);
    if (fsync(fd) != 0)
        return xr_files_errno(err, errno, "syncing a turn's audio");
    XR_AUTO(xr_closep) int folder_fd = -1;
    enum xr_code code = open_shard(files, sha256[0], &folder_fd, err);
    if (code != XR_OK)
        return code;
    /* Over a file of the same content, too: that costs a rename, and mends a damaged one. */
    return rename_durably(temp_path, folder_fd, name, err);
}

/* O_NONBLOCK: a pipe of that name must not hang us; it means nothing for a file. */
static enum xr_code open_file(int folder_fd, const char *path, const char *what, int *ret_fd, struct xr_err *err) {
    XR_AUTO(xr_closep) int fd = openat(folder_fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return xr_fail(err, XR_NOT_FOUND, NULL, "%s is gone", what);
    if (fd < 0)
        return fail_on(err, "opening", what);
    struct stat status;
    if (fstat(fd, &status) != 0)
        return fail_on(err, "reading the status of", what);
    if (!S_ISREG(status.st_mode))
        return xr_fail(err, XR_IO, NULL, "%s is not a regular file", what);
    *ret_fd = fd;
    fd = -1;
    return XR_OK;
}

enum xr_code xr_files_open_recording(struct xr_files *files, const struct xr_uuid *replay, int *ret_fd,
                                     struct xr_err *err) {
    char path[XR_UUID_TEXT + sizeof "/" XR_RECORDING_NAME];
    xr_uuid_format(replay, path);
    memcpy(path + XR_UUID_TEXT, "/" XR_RECORDING_NAME, sizeof "/" XR_RECORDING_NAME);
    return open_file(files->audio_fd, path, "the recording", ret_fd, err);
}

enum xr_code xr_files_open_turn(struct xr_files *files, const uint8_t sha256[XR_SHA256_SIZE], int *ret_fd,
                                struct xr_err *err) {
    char path[XR_SHARD_NAME_MAX + XR_TURN_NAME_MAX];
    xr_files_shard_name(sha256[0], path);
    path[XR_SHARD_NAME_MAX - 1] = '/';
    xr_files_turn_name(sha256, path + XR_SHARD_NAME_MAX);
    return open_file(files->turns_fd, path, "the turn's audio", ret_fd, err);
}

enum xr_code xr_files_space(struct xr_files *files, uint64_t needed, struct xr_err *err) {
    struct statvfs status;
    if (fstatvfs(files->audio_fd, &status) != 0)
        return xr_files_errno(err, errno, "asking for free space");
    uint64_t available, wanted;
    if (__builtin_mul_overflow((uint64_t)status.f_bavail, (uint64_t)status.f_frsize, &available))
        available = UINT64_MAX;
    if (__builtin_add_overflow(needed, (uint64_t)XR_DISK_RESERVE, &wanted) || available < wanted)
        return xr_fail(err, XR_STORAGE_FULL, NULL,
                       "%" PRIu64 " MiB are free: too little for %" PRIu64 " MiB and a reserve of %zu MiB",
                       available >> 20, needed >> 20, XR_DISK_RESERVE >> 20);
    return XR_OK;
}
