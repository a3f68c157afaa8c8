// SPDX-License-Identifier: Apache-2.0
/* audio/wav: what the headers say lies inside the file, from memory and from a file alike, and every frame can be read.
 */
#include "audio/levels.h"
#include "audio/wav.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { READ_FRAMES = 64 };

static void check(int holds) {
    if (!holds)
        abort();
}

static void read_frames(int fd, const struct xr_wav *wav) {
    static int16_t frames[READ_FRAMES * XR_WAV_CHANNELS_MAX], mono[READ_FRAMES];
    uint64_t at = 0;
    for (size_t n = 1; n > 0; at += n) {
        check(xr_wav_read(fd, wav, at, READ_FRAMES, frames, &n, NULL) == XR_OK);
        struct xr_cut cut = xr_cut_make(fd, wav, (uint16_t)(wav->channels - 1), 0, INT64_MAX);
        size_t same = 0;
        check(xr_cut_read(&cut, at, mono, READ_FRAMES, &same, NULL) == XR_OK && same == n);
        for (size_t i = 0; i < n; i++)
            check(mono[i] == frames[i * wav->channels + wav->channels - 1]);
    }
    check(at == wav->frames);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct xr_wav wav, from_file;
    enum xr_code code = xr_wav_probe_memory(data, size, &wav, NULL);
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    check(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    check(xr_wav_probe(fd, &from_file, NULL) == code);
    if (code == XR_OK) {
        check(from_file.frames == wav.frames && from_file.data_offset == wav.data_offset);
        check(wav.channels > 0 && wav.rate > 0 && wav.bits % 8 == 0);
        check(wav.data_offset <= size && wav.frames <= (size - wav.data_offset) / wav.channels / (wav.bits / 8u));
        if (wav.bits == 16)
            read_frames(fd, &wav);
        struct xr_levels levels;
        if (xr_levels_read(fd, &wav, 10, &levels, NULL) == XR_OK)
            xr_levels_clear(&levels);
    }
    close(fd);
    return 0;
}
