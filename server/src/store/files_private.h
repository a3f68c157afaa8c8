// SPDX-License-Identifier: Apache-2.0
/* store/files_private.h - what files.c and files_sweep.c share. */
#pragma once
#include "store/files.h"
#include <pthread.h>
#include <unistd.h>

/* The folders are held open: the data directory's path is resolved once, at the start. */
struct xr_files {
    int lock_fd, audio_fd, turns_fd, tmp_fd;
    char tmp_path[XR_PATH_MAX];
    pthread_mutex_t lock;
    bool shard_durable[256]; /* under `lock`: the folder turns/<ab> exists, and its name is on the disk */
};

#define XR_RECORDING_NAME "replay.wav"
enum { XR_SHARD_NAME_MAX = 3, XR_TURN_NAME_MAX = XR_SHA256_HEX + sizeof ".wav" };
/* "ab": the first byte of the hashes in this folder of turns/. */
void xr_files_shard_name(uint8_t shard, char out[XR_SHARD_NAME_MAX]);
/* "<64 hex digits>.wav" */
void xr_files_turn_name(const uint8_t sha256[XR_SHA256_SIZE], char out[XR_TURN_NAME_MAX]);
/* A folder itself, never what a symbolic link of its name points at. -1 and errno on failure. */
int xr_files_open_folder(int parent_fd, const char *name);

static inline void xr_closep(const int *fd) {
    if (*fd >= 0)
        close(*fd);
}
