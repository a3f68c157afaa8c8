// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "base/test.h"
#include "base/test_dir.h"
#include "store/files.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { NOBODY = 65534 };

struct volume {
    struct xr_test_dir dir;
    struct xr_files *files;
};

static int open_volume(void **state) {
    static struct volume volume;
    volume.dir = xr_test_dir_new();
    volume.files = NULL;
    *state = &volume;
    return xr_files_open(volume.dir.path, &volume.files, NULL) == XR_OK ? 0 : -1;
}

static int close_volume(void **state) {
    struct volume *volume = *state;
    xr_files_free(volume->files);
    xr_test_dir_clear(&volume->dir);
    return 0;
}

static bool exists(const struct volume *volume, const char *name) {
    char path[XR_TEST_PATH_MAX];
    return access(xr_test_path(&volume->dir, name, path), F_OK) == 0;
}

static int write_temp(struct volume *volume, const char *text, char path[XR_PATH_MAX]) {
    int fd = -1;
    assert_int_equal(xr_files_temp(volume->files, &fd, path, NULL), XR_OK);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    return fd;
}

static void assert_content(int fd, const char *text) {
    char bytes[64];
    ssize_t n = read(fd, bytes, sizeof bytes);
    assert_int_equal(n, (ssize_t)strlen(text));
    assert_memory_equal(bytes, text, strlen(text));
    close(fd);
}

static void open_makes_the_folders_for_the_owner_and_the_group(void **state) {
    struct volume *volume = *state;
    static const char *const FOLDERS[] = {"audio", "audio/turns", "audio/tmp"};
    for (size_t i = 0; i < sizeof FOLDERS / sizeof *FOLDERS; i++) {
        char path[XR_TEST_PATH_MAX];
        struct stat status;
        assert_int_equal(stat(xr_test_path(&volume->dir, FOLDERS[i], path), &status), 0);
        assert_true(S_ISDIR(status.st_mode));
        assert_int_equal(status.st_mode & 0027, 0);
    }
}

static void open_makes_missing_parents_and_takes_slashes_at_the_end(void **state) {
    (void)state;
    struct xr_test_dir dir = xr_test_dir_new();
    struct xr_files *files = NULL;
    char path[XR_TEST_PATH_MAX];
    assert_int_equal(xr_files_open(xr_test_path(&dir, "a/b//c//", path), &files, NULL), XR_OK);
    assert_int_equal(access(xr_test_path(&dir, "a/b/c/audio/tmp", path), F_OK), 0);
    xr_files_free(files);
    xr_test_dir_clear(&dir);
}

static void second_open_of_a_volume_conflicts_until_the_first_ends(void **state) {
    struct volume *volume = *state;
    struct xr_files *second = NULL;
    struct xr_err err;
    assert_int_equal(xr_files_open(volume->dir.path, &second, &err), XR_CONFLICT);
    assert_null(second);
    assert_non_null(strstr(err.message, "another xrayd"));
    assert_non_null(strstr(err.message, volume->dir.path));
    xr_files_free(volume->files);
    volume->files = NULL;
    assert_int_equal(xr_files_open(volume->dir.path, &volume->files, NULL), XR_OK);
}

static void open_refuses_paths_that_leave_no_room_for_names(void **state) {
    (void)state;
    char path[2 * XR_PATH_MAX];
    struct xr_files *files = NULL;
    memset(path, 'x', sizeof path);
    path[sizeof path - 1] = '\0';
    assert_int_equal(xr_files_open(path, &files, NULL), XR_INVALID);
    path[XR_PATH_MAX - 20] = '\0';
    assert_int_equal(xr_files_open(path, &files, NULL), XR_INVALID);
    assert_int_equal(xr_files_open("", &files, NULL), XR_INVALID);
    assert_null(files);
}

static void open_says_which_path_is_in_the_way(void **state) {
    (void)state;
    struct xr_test_dir dir = xr_test_dir_new();
    char path[XR_TEST_PATH_MAX];
    struct xr_files *files = NULL;
    struct xr_err err;
    close(open(xr_test_path(&dir, "audio", path), O_CREAT | O_WRONLY, 0600)); /* a file where a folder must be */
    assert_int_equal(xr_files_open(dir.path, &files, &err), XR_IO);
    assert_non_null(strstr(err.message, "audio"));
    assert_int_equal(xr_files_open(path, &files, &err), XR_IO);
    assert_non_null(strstr(err.message, path));
    unlink(path);
    assert_int_equal(symlink("/tmp", path), 0);
    assert_int_equal(xr_files_open(dir.path, &files, NULL), XR_IO);
    assert_null(files);
    xr_test_dir_clear(&dir);
}

static void open_fails_where_nothing_may_be_written(void **state) {
    (void)state;
    struct xr_test_dir dir = xr_test_dir_new();
    char path[XR_TEST_PATH_MAX];
    struct xr_files *files = NULL;
    struct xr_err err;
    assert_int_equal(chmod(dir.path, 0555), 0);
    bool root = geteuid() == 0; /* root may write anywhere: step down */
    if (root)
        assert_int_equal(seteuid(NOBODY), 0);
    enum xr_code code = xr_files_open(xr_test_path(&dir, "data", path), &files, &err);
    enum xr_code locked = xr_files_open(dir.path, &files, NULL);
    if (root)
        assert_int_equal(seteuid(0), 0);
    assert_int_equal(code, XR_IO);
    assert_non_null(strstr(err.message, "Permission denied"));
    assert_int_equal(locked, XR_IO);
    xr_test_dir_clear(&dir);
}

static void recording_comes_back_after_a_reopen(void **state) {
    struct volume *volume = *state;
    struct xr_uuid id = xr_uuid_new();
    char path[XR_PATH_MAX];
    int fd = write_temp(volume, "first", path);
    assert_int_equal(xr_files_keep_recording(volume->files, fd, path, &id, NULL), XR_OK);
    close(fd);
    assert_int_equal(access(path, F_OK), -1);
    fd = write_temp(volume, "second", path);
    assert_int_equal(xr_files_keep_recording(volume->files, fd, path, &id, NULL), XR_OK);
    close(fd);
    xr_files_free(volume->files);
    volume->files = NULL;
    assert_int_equal(xr_files_open(volume->dir.path, &volume->files, NULL), XR_OK);
    assert_int_equal(xr_files_open_recording(volume->files, &id, &fd, NULL), XR_OK);
    assert_content(fd, "second");
}

static void turn_is_kept_under_its_hash_also_twice(void **state) {
    struct volume *volume = *state;
    uint8_t sha256[XR_SHA256_SIZE];
    char path[XR_PATH_MAX], hex[XR_SHA256_HEX + 1], name[XR_TEST_PATH_MAX];
    xr_sha256_of("turn", 4, sha256);
    xr_hex_encode(sha256, sizeof sha256, hex);
    snprintf(name, sizeof name, "audio/turns/%.2s/%s.wav", hex, hex);
    for (int i = 0; i < 2; i++) {
        int fd = write_temp(volume, "turn", path);
        assert_int_equal(xr_files_keep_turn(volume->files, fd, path, sha256, NULL), XR_OK);
        close(fd);
        assert_int_equal(access(path, F_OK), -1);
        assert_true(exists(volume, name));
    }
    int fd;
    assert_int_equal(xr_files_open_turn(volume->files, sha256, &fd, NULL), XR_OK);
    assert_content(fd, "turn");
}

static void turn_survives_the_loss_of_its_shard(void **state) {
    struct volume *volume = *state;
    uint8_t sha256[XR_SHA256_SIZE] = {0xab};
    char path[XR_PATH_MAX], shard[XR_TEST_PATH_MAX], file[XR_TEST_PATH_MAX];
    int fd = write_temp(volume, "turn", path);
    assert_int_equal(xr_files_keep_turn(volume->files, fd, path, sha256, NULL), XR_OK);
    close(fd);
    assert_int_equal(
        unlink(xr_test_path(
            &volume->dir, "audio/turns/ab/ab00000000000000000000000000000000000000000000000000000000000000.wav", file)),
        0);
    assert_int_equal(rmdir(xr_test_path(&volume->dir, "audio/turns/ab", shard)), 0);
    fd = write_temp(volume, "turn", path);
    assert_int_equal(xr_files_keep_turn(volume->files, fd, path, sha256, NULL), XR_OK);
    close(fd);
    assert_int_equal(access(file, F_OK), 0);
}

static void missing_files_are_not_found_and_others_are_faults(void **state) {
    struct volume *volume = *state;
    struct xr_uuid id = xr_uuid_new();
    uint8_t sha256[XR_SHA256_SIZE] = {1};
    char text[XR_UUID_TEXT + 1], name[XR_TEST_PATH_MAX], path[XR_TEST_PATH_MAX];
    int fd = -7;
    assert_int_equal(xr_files_open_recording(volume->files, &id, &fd, NULL), XR_NOT_FOUND);
    assert_int_equal(xr_files_open_turn(volume->files, sha256, &fd, NULL), XR_NOT_FOUND);
    xr_uuid_format(&id, text);
    snprintf(name, sizeof name, "audio/%s", text);
    assert_int_equal(mkdir(xr_test_path(&volume->dir, name, path), 0700), 0);
    assert_int_equal(xr_files_open_recording(volume->files, &id, &fd, NULL), XR_NOT_FOUND);
    snprintf(name, sizeof name, "audio/%s/replay.wav", text);
    assert_int_equal(mkfifo(xr_test_path(&volume->dir, name, path), 0600), 0);
    assert_int_equal(xr_files_open_recording(volume->files, &id, &fd, NULL), XR_IO);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("/etc/hostname", path), 0);
    assert_int_equal(xr_files_open_recording(volume->files, &id, &fd, NULL), XR_IO);
    assert_int_equal(fd, -7);
}

static void failed_keep_leaves_the_temporary_file(void **state) {
    struct volume *volume = *state;
    struct xr_uuid id = xr_uuid_new();
    uint8_t sha256[XR_SHA256_SIZE] = {0xcd};
    char temp[XR_PATH_MAX], text[XR_UUID_TEXT + 1], name[XR_TEST_PATH_MAX], path[XR_TEST_PATH_MAX];
    struct xr_err err;
    int fd = write_temp(volume, "bytes", temp);
    xr_uuid_format(&id, text);
    snprintf(name, sizeof name, "audio/%s", text);
    close(open(xr_test_path(&volume->dir, name, path), O_CREAT | O_WRONLY, 0600));
    assert_int_equal(xr_files_keep_recording(volume->files, fd, temp, &id, &err), XR_IO);
    assert_non_null(strstr(err.message, text));
    close(open(xr_test_path(&volume->dir, "audio/turns/cd", path), O_CREAT | O_WRONLY, 0600));
    assert_int_equal(xr_files_keep_turn(volume->files, fd, temp, sha256, NULL), XR_IO);
    assert_int_equal(access(temp, F_OK), 0);
    assert_int_equal(xr_files_keep_recording(volume->files, -1, temp, &id, NULL), XR_IO);
    close(fd);
    xr_files_discard(temp);
    assert_int_equal(access(temp, F_OK), -1);
    xr_files_discard(temp);
    xr_files_discard("");
}

static void full_disks_have_a_code_of_their_own(void **state) {
    (void)state;
    static const struct {
        int errnum;
        enum xr_code code;
    } CASES[] = {{ENOSPC, XR_STORAGE_FULL},
                 {EDQUOT, XR_STORAGE_FULL},
                 {EFBIG, XR_STORAGE_FULL},
                 {EIO, XR_IO},
                 {EROFS, XR_IO},
                 {99999, XR_IO}};
    struct xr_err err;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        assert_int_equal(xr_files_errno(&err, CASES[i].errnum, "writing"), CASES[i].code);
    assert_int_equal(xr_files_errno(&err, ENOSPC, "writing a turn"), XR_STORAGE_FULL);
    assert_string_equal(err.message, "writing a turn: No space left on device");
}

static void space_counts_the_reserve_and_does_not_wrap(void **state) {
    struct volume *volume = *state;
    struct statvfs status;
    assert_int_equal(statvfs(volume->dir.path, &status), 0);
    uint64_t available = (uint64_t)status.f_bavail * status.f_frsize;
    if (available > 2 * XR_DISK_RESERVE)
        assert_int_equal(xr_files_space(volume->files, 1, NULL), XR_OK);
    assert_int_equal(xr_files_space(volume->files, available, NULL), XR_STORAGE_FULL);
    assert_int_equal(xr_files_space(volume->files, UINT64_MAX, NULL), XR_STORAGE_FULL);
}

/* A file system with four inodes to spare, if this user may mount one. */
static bool mount_tiny(const char *path) {
    return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", path, "tmpfs", 0, "size=256k,nr_inodes=7,mode=0700") == 0;
}

static void a_full_disk_is_storage_full_and_loses_nothing(void **state) {
    (void)state;
    struct xr_test_dir dir = xr_test_dir_new();
    if (!mount_tiny(dir.path)) {
        xr_test_dir_clear(&dir);
        skip();
    }
    struct volume volume = {.dir = dir};
    struct xr_uuid id = xr_uuid_new();
    uint8_t sha256[XR_SHA256_SIZE] = {0};
    char first[XR_PATH_MAX], second[XR_PATH_MAX];
    int fd = -1;
    assert_int_equal(xr_files_open(dir.path, &volume.files, NULL), XR_OK); /* root, lock, audio, turns, tmp: 5 inodes */
    assert_int_equal(xr_files_space(volume.files, 0, NULL), XR_STORAGE_FULL);
    int first_fd = write_temp(&volume, "kept", first);
    int second_fd = write_temp(&volume, "more", second);
    assert_int_equal(xr_files_temp(volume.files, &fd, (char[XR_PATH_MAX]){0}, NULL), XR_STORAGE_FULL);
    assert_int_equal(xr_files_keep_recording(volume.files, first_fd, first, &id, NULL), XR_STORAGE_FULL);
    assert_int_equal(xr_files_keep_turn(volume.files, first_fd, first, sha256, NULL), XR_STORAGE_FULL);
    assert_int_equal(access(first, F_OK), 0);
    close(second_fd);
    xr_files_discard(second); /* one inode: the recording's folder */
    assert_int_equal(xr_files_keep_recording(volume.files, first_fd, first, &id, NULL), XR_OK);
    close(first_fd);
    assert_int_equal(xr_files_open_recording(volume.files, &id, &fd, NULL), XR_OK);
    assert_content(fd, "kept");
    xr_files_free(volume.files);
    assert_int_equal(umount(dir.path), 0);
    xr_test_dir_clear(&dir);
}

#define VOLUME_TEST(name) cmocka_unit_test_setup_teardown(name, open_volume, close_volume)

int main(void) {
    const struct CMUnitTest tests[] = {
        VOLUME_TEST(open_makes_the_folders_for_the_owner_and_the_group),
        cmocka_unit_test(open_makes_missing_parents_and_takes_slashes_at_the_end),
        VOLUME_TEST(second_open_of_a_volume_conflicts_until_the_first_ends),
        cmocka_unit_test(open_refuses_paths_that_leave_no_room_for_names),
        cmocka_unit_test(open_says_which_path_is_in_the_way),
        cmocka_unit_test(open_fails_where_nothing_may_be_written),
        VOLUME_TEST(recording_comes_back_after_a_reopen),
        VOLUME_TEST(turn_is_kept_under_its_hash_also_twice),
        VOLUME_TEST(turn_survives_the_loss_of_its_shard),
        VOLUME_TEST(missing_files_are_not_found_and_others_are_faults),
        VOLUME_TEST(failed_keep_leaves_the_temporary_file),
        cmocka_unit_test(full_disks_have_a_code_of_their_own),
        VOLUME_TEST(space_counts_the_reserve_and_does_not_wrap),
        cmocka_unit_test(a_full_disk_is_storage_full_and_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
