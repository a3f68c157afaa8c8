// SPDX-License-Identifier: Apache-2.0
/* The sweep, against rows that the test makes up: it defines the two reads that the sweep calls. */
#include "base/limits.h"
#include "base/test.h"
#include "base/test_dir.h"
#include "store/conversations.h"
#include "store/files.h"
#include "store/replays.h"
#include <fcntl.h>
#include <unistd.h>

struct xr_store_reader {
    struct xr_uuid recording; /* the only one that a row names */
    uint8_t turn[XR_SHA256_SIZE]; /* named last, after `crowd` others */
    size_t crowd, repeats;
    bool one_shard; /* the whole crowd has one first byte */
    enum xr_code code;
    int calls;
};

enum xr_code xr_store_recordings_each(struct xr_store_reader *reader,
                                      void (*each)(const struct xr_uuid *uuid, void *ctx), void *ctx,
                                      struct xr_err *err) {
    each(&reader->recording, ctx);
    return reader->code == XR_OK ? XR_OK : xr_fail(err, reader->code, NULL, "reading recordings");
}

enum xr_code xr_store_turn_audio_each(struct xr_store_reader *reader,
                                      void (*each)(const uint8_t sha256[XR_SHA256_SIZE], void *ctx), void *ctx,
                                      struct xr_err *err) {
    (void)err;
    reader->calls++;
    for (size_t i = 0; i < reader->crowd; i++) {
        uint8_t name[XR_SHA256_SIZE] = {reader->one_shard ? 0xab : (uint8_t)i, 1};
        memcpy(name + 8, &i, sizeof i);
        for (size_t k = 0; k <= reader->repeats; k++)
            each(name, ctx);
    }
    each(reader->turn, ctx);
    return XR_OK;
}

#define ID_A "0b0e1a52-7c3f-4d8e-9a51-3f6f5a1b2c3d"
#define ID_B "fb0e1a52-7c3f-4d8e-9a51-3f6f5a1b2c3d"
#define HASH_TAIL "00000000000000000000000000000000000000000000000000000000000000"

struct fixture {
    struct xr_test_dir dir;
    struct xr_files *files;
    struct xr_store_reader reader;
};

static int set_up(void **state) {
    static struct fixture fixture;
    fixture = (struct fixture){.dir = xr_test_dir_new(), .reader = {.turn = {0xab}}};
    *state = &fixture;
    if (!xr_uuid_parse(XR_STR(ID_A), &fixture.reader.recording))
        return -1;
    return xr_files_open(fixture.dir.path, &fixture.files, NULL) == XR_OK ? 0 : -1;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    xr_files_free(fixture->files);
    xr_test_dir_clear(&fixture->dir);
    return 0;
}

static void make_file(const struct fixture *fixture, const char *name) {
    char path[XR_TEST_PATH_MAX];
    xr_test_path(&fixture->dir, name, path);
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    close(fd);
}

static bool exists(const struct fixture *fixture, const char *name) {
    char path[XR_TEST_PATH_MAX];
    return access(xr_test_path(&fixture->dir, name, path), F_OK) == 0;
}

static void sweep_removes_what_no_row_names_and_leaves_the_rest(void **state) {
    struct fixture *fixture = *state;
    static const struct {
        const char *name;
        bool stays;
    } FILES[] = {
        {"audio/" ID_A "/replay.wav", true},
        {"audio/" ID_B "/replay.wav", false},
        {"audio/0b0e1a52-7c3f-4d8e-9a51-3f6f5a1b2c3e/replay.wav", false},
        {"audio/FB0E1A52-7C3F-4D8E-9A51-3F6F5A1B2C3D/replay.wav", true}, /* not our spelling */
        {"audio/fb0e1a52-7c3f-4d8e-9a51-3f6f5a1b2c3f", true}, /* a file, not a folder */
        {"audio/1b0e1a52-7c3f-4d8e-9a51-3f6f5a1b2c3d/replay.wav", false},
        {"audio/1b0e1a52-7c3f-4d8e-9a51-3f6f5a1b2c3d/notes.txt", true},
        {"audio/README", true},
        {"audio/tmp/" ID_A, false},
        {"audio/tmp/" ID_B, false},
        {"audio/tmp/keep-me", true},
        {"audio/turns/ab/ab" HASH_TAIL ".wav", true},
        {"audio/turns/cd/cd" HASH_TAIL ".wav", false},
        {"audio/turns/ab/abff000000000000000000000000000000000000000000000000000000000000.wav", false},
        {"audio/turns/ab/AB" HASH_TAIL ".wav", true},
        {"audio/turns/ab/ab" HASH_TAIL ".mp3", true},
        {"audio/turns/ab/short.wav", true},
        {"audio/turns/other/ab" HASH_TAIL ".wav", true},
    };
    size_t removed = 99, expected = 0;
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++)
        make_file(fixture, FILES[i].name);
    assert_int_equal(xr_files_sweep(fixture->files, &fixture->reader, &removed, NULL), XR_OK);
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++) {
        if (exists(fixture, FILES[i].name) != FILES[i].stays)
            fail_msg("%s %s", FILES[i].name, FILES[i].stays ? "is gone" : "is still there");
        expected += !FILES[i].stays;
    }
    assert_int_equal(removed, expected);
    assert_false(exists(fixture, "audio/" ID_B));
    assert_int_equal(fixture->reader.calls, 1);
    assert_int_equal(xr_files_sweep(fixture->files, &fixture->reader, &removed, NULL), XR_OK);
    assert_int_equal(removed, 0);
}

static void sweep_removes_an_empty_recording_folder(void **state) {
    struct fixture *fixture = *state;
    char path[XR_TEST_PATH_MAX];
    size_t removed = 99;
    assert_int_equal(mkdir(xr_test_path(&fixture->dir, "audio/" ID_B, path), 0700), 0);
    assert_int_equal(xr_files_sweep(fixture->files, &fixture->reader, &removed, NULL), XR_OK);
    assert_false(exists(fixture, "audio/" ID_B));
    assert_int_equal(removed, 0);
}

static void sweep_works_in_passes_when_rows_are_many(void **state) {
    struct fixture *fixture = *state;
    fixture->reader.crowd = 2 * XR_SWEEP_NAMES_MAX;
    make_file(fixture, "audio/turns/ab/ab" HASH_TAIL ".wav");
    make_file(fixture, "audio/turns/00/00" HASH_TAIL ".wav");
    make_file(fixture, "audio/turns/ff/ff" HASH_TAIL ".wav");
    size_t removed = 0;
    assert_int_equal(xr_files_sweep(fixture->files, &fixture->reader, &removed, NULL), XR_OK);
    assert_int_equal(removed, 2);
    assert_true(exists(fixture, "audio/turns/ab/ab" HASH_TAIL ".wav"));
    assert_in_range(fixture->reader.calls, 4, 16);
}

static void repeated_names_take_no_room(void **state) {
    struct fixture *fixture = *state;
    fixture->reader.crowd = XR_SWEEP_NAMES_MAX / 8;
    fixture->reader.repeats = 15;
    make_file(fixture, "audio/turns/ab/ab" HASH_TAIL ".wav");
    assert_int_equal(xr_files_sweep(fixture->files, &fixture->reader, NULL, NULL), XR_OK);
    assert_true(exists(fixture, "audio/turns/ab/ab" HASH_TAIL ".wav"));
    assert_int_equal(fixture->reader.calls, 1);
}

static void too_many_names_of_one_shard_remove_nothing_of_it(void **state) {
    struct fixture *fixture = *state;
    fixture->reader.crowd = XR_SWEEP_NAMES_MAX;
    fixture->reader.one_shard = true;
    make_file(fixture, "audio/turns/ab/abff000000000000000000000000000000000000000000000000000000000000.wav");
    size_t removed = 99;
    assert_int_equal(xr_files_sweep(fixture->files, &fixture->reader, &removed, NULL), XR_TOO_LARGE);
    assert_int_equal(removed, 99);
    assert_true(exists(fixture, "audio/turns/ab/abff000000000000000000000000000000000000000000000000000000000000.wav"));
}

static void failed_read_of_the_rows_removes_no_recording(void **state) {
    struct fixture *fixture = *state;
    fixture->reader.code = XR_CORRUPT;
    make_file(fixture, "audio/" ID_B "/replay.wav");
    struct xr_err err;
    assert_int_equal(xr_files_sweep(fixture->files, &fixture->reader, NULL, &err), XR_CORRUPT);
    assert_string_equal(err.message, "reading recordings");
    assert_true(exists(fixture, "audio/" ID_B "/replay.wav"));
}

#define SWEEP_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        SWEEP_TEST(sweep_removes_what_no_row_names_and_leaves_the_rest),
        SWEEP_TEST(sweep_removes_an_empty_recording_folder),
        SWEEP_TEST(sweep_works_in_passes_when_rows_are_many),
        SWEEP_TEST(repeated_names_take_no_room),
        SWEEP_TEST(too_many_names_of_one_shard_remove_nothing_of_it),
        SWEEP_TEST(failed_read_of_the_rows_removes_no_recording),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
