// SPDX-License-Identifier: Apache-2.0
#include "store/fault_vfs.h"
#include "base/test.h"
#include <pthread.h>
#include <sqlite3.h>
#include <string.h>

struct file {
    sqlite3_file base;
    const char *name; /* SQLite's, lives as long as the file; NULL for temporary ones */
    sqlite3_file *real;
};

/* SQLite's registry of file layers is global, and so is this one's state. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    bool armed, lasting, struck;
    enum fault_kind kind;
    const char *suffix;
    int countdown;
} fault;

static bool ends_with(const char *name, const char *suffix) {
    size_t n = name ? strlen(name) : 0, k = strlen(suffix);
    return name && n >= k && strcmp(name + n - k, suffix) == 0;
}

static bool strikes(const struct file *file, bool sync) {
    pthread_mutex_lock(&lock);
    bool hit = fault.armed && (fault.kind == FAULT_SYNC) == sync && ends_with(file->name, fault.suffix);
    if (hit) {
        fault.countdown -= fault.countdown > 0;
        hit = fault.countdown == 0 && (fault.lasting || !fault.struck);
        fault.struck = fault.struck || hit;
    }
    pthread_mutex_unlock(&lock);
    return hit;
}

void fault_arm(enum fault_kind kind, const char *suffix, int countdown, bool lasting) {
    pthread_mutex_lock(&lock);
    fault.armed = true;
    fault.struck = false;
    fault.kind = kind;
    fault.suffix = suffix;
    fault.countdown = countdown;
    fault.lasting = lasting;
    pthread_mutex_unlock(&lock);
}

bool fault_disarm(void) {
    pthread_mutex_lock(&lock);
    bool struck = fault.struck;
    fault.armed = false;
    pthread_mutex_unlock(&lock);
    return struck;
}

static sqlite3_file *real(sqlite3_file *f) {
    return ((struct file *)f)->real;
}

static int f_close(sqlite3_file *f) {
    return real(f)->pMethods ? real(f)->pMethods->xClose(real(f)) : SQLITE_OK;
}
static int f_read(sqlite3_file *f, void *out, int n, sqlite3_int64 at) {
    return real(f)->pMethods->xRead(real(f), out, n, at);
}
static int f_write(sqlite3_file *f, const void *bytes, int n, sqlite3_int64 at) {
    if (strikes((struct file *)f, false))
        return fault.kind == FAULT_FULL ? SQLITE_FULL : SQLITE_IOERR_WRITE;
    return real(f)->pMethods->xWrite(real(f), bytes, n, at);
}
static int f_truncate(sqlite3_file *f, sqlite3_int64 size) {
    return real(f)->pMethods->xTruncate(real(f), size);
}
static int f_sync(sqlite3_file *f, int flags) {
    (void)flags; /* the power stays on: really syncing would only take time */
    return strikes((struct file *)f, true) ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}
static int f_size(sqlite3_file *f, sqlite3_int64 *size) {
    return real(f)->pMethods->xFileSize(real(f), size);
}
static int f_lock(sqlite3_file *f, int level) {
    return real(f)->pMethods->xLock(real(f), level);
}
static int f_unlock(sqlite3_file *f, int level) {
    return real(f)->pMethods->xUnlock(real(f), level);
}
static int f_check_lock(sqlite3_file *f, int *out) {
    return real(f)->pMethods->xCheckReservedLock(real(f), out);
}
static int f_control(sqlite3_file *f, int op, void *arg) {
    return real(f)->pMethods->xFileControl(real(f), op, arg);
}
static int f_sector(sqlite3_file *f) {
    return real(f)->pMethods->xSectorSize(real(f));
}
static int f_device(sqlite3_file *f) {
    return real(f)->pMethods->xDeviceCharacteristics(real(f));
}
static int f_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out) {
    return real(f)->pMethods->xShmMap(real(f), page, size, extend, out);
}
static int f_shm_lock(sqlite3_file *f, int offset, int n, int flags) {
    return real(f)->pMethods->xShmLock(real(f), offset, n, flags);
}
static void f_shm_barrier(sqlite3_file *f) {
    real(f)->pMethods->xShmBarrier(real(f));
}
static int f_shm_unmap(sqlite3_file *f, int delete) {
    return real(f)->pMethods->xShmUnmap(real(f), delete);
}

static const sqlite3_io_methods METHODS = {
    .iVersion = 2,
    .xClose = f_close,
    .xRead = f_read,
    .xWrite = f_write,
    .xTruncate = f_truncate,
    .xSync = f_sync,
    .xFileSize = f_size,
    .xLock = f_lock,
    .xUnlock = f_unlock,
    .xCheckReservedLock = f_check_lock,
    .xFileControl = f_control,
    .xSectorSize = f_sector,
    .xDeviceCharacteristics = f_device,
    .xShmMap = f_shm_map,
    .xShmLock = f_shm_lock,
    .xShmBarrier = f_shm_barrier,
    .xShmUnmap = f_shm_unmap,
};

static int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out_flags) {
    struct file *file = (struct file *)f;
    sqlite3_vfs *below = vfs->pAppData;
    file->name = name;
    file->real = (sqlite3_file *)(file + 1);
    file->base.pMethods = NULL;
    int rc = below->xOpen(below, name, file->real, flags, out_flags);
    if (rc == SQLITE_OK)
        file->base.pMethods = &METHODS;
    return rc;
}

static sqlite3_vfs layer;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void register_layer(void) {
    sqlite3_vfs *below = sqlite3_vfs_find(NULL);
    /* Everything but xOpen is the layer's below, which takes no notice of which VFS it is called with. */
    layer = *below;
    layer.zName = "fault";
    layer.pNext = NULL;
    layer.pAppData = below;
    layer.szOsFile = (int)sizeof(struct file) + below->szOsFile;
    layer.xOpen = open_file;
    sqlite3_vfs_register(&layer, 0);
}

const char *fault_vfs_name(void) {
    pthread_once(&once, register_layer);
    return layer.zName;
}
