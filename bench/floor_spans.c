// SPDX-License-Identifier: Apache-2.0
/* The floor of the receiver's figures: SQLite alone, one thread, on a database that a server has filled.
 *
 *   floor_spans write DB SECONDS      Reads the rows of the replay that has most spans into memory and inserts them
 * again and again, as replays of their own: new span ids, everything else the same, and so of the same lengths.
 * SPANS_A_COMMIT a transaction, synchronous=FULL, SQLite's own checkpoints. Prints the number of spans and the seconds
 * they took. floor_spans read DB UUID ROUNDS   Reads all spans, tool calls and model usage of a replay (32 hexadecimal
 * digits), by start, every column, so many times. Prints the rows and the median in ms. */
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SPANS_A_COMMIT = 500, COLUMNS_MAX = 64, SQL_MAX = 4096, ROUNDS_MAX = 10000, ID_SIZE = 8, UUID_SIZE = 16 };

/* What becomes of a column in a copy. An id is changed by the same bits in all of a replay's rows, so that new ones are
 * as unlike each other as those of the server's rows, and rows still refer to each other. */
enum role { COPIED, OF_REPLAY, SPAN_ID, UUID };

struct cell {
    int type; /* SQLITE_INTEGER, ... */
    int length;
    union {
        int64_t integer;
        double real;
        char *bytes;
    };
};

struct table {
    const char *name;
    size_t columns, rows, next;
    size_t span_id; /* column */
    enum role roles[COLUMNS_MAX];
    struct cell *cells;
    sqlite3_stmt *insert;
};

enum { REPLAYS, SPANS, TOOL_CALLS, MODEL_USAGE, TABLES };

struct floor {
    sqlite3 *db;
    struct table tables[TABLES];
    int64_t source, replay; /* replays.id: that of the rows, that of the copy */
    uint64_t bits; /* of the copy's span ids */
};

static void check(sqlite3 *db, int rc) {
    if (rc == SQLITE_OK || rc == SQLITE_ROW || rc == SQLITE_DONE)
        return;
    fprintf(stderr, "floor_spans: %s\n", db ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
    exit(1);
}

static void *take(void *memory) {
    if (!memory) {
        fputs("floor_spans: out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql) {
    sqlite3_stmt *stmt = NULL;
    check(db, sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL));
    return stmt;
}

static int64_t query_int(sqlite3 *db, const char *sql) {
    sqlite3_stmt *stmt = prepare(db, sql);
    int rc = sqlite3_step(stmt);
    check(db, rc);
    if (rc != SQLITE_ROW) {
        fprintf(stderr, "floor_spans: nothing found: %s\n", sql);
        exit(1);
    }
    int64_t value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return value;
}

static enum role role_of(const char *name) {
    if (strcmp(name, "replay_id") == 0)
        return OF_REPLAY;
    if (strcmp(name, "uuid") == 0)
        return UUID;
    return strcmp(name, "span_id") == 0 || strcmp(name, "parent_span_id") == 0 ? SPAN_ID : COPIED;
}

static struct cell copy_cell(sqlite3_stmt *stmt, int column) {
    struct cell cell = {.type = sqlite3_column_type(stmt, column)};
    if (cell.type == SQLITE_INTEGER) {
        cell.integer = sqlite3_column_int64(stmt, column);
    } else if (cell.type == SQLITE_FLOAT) {
        cell.real = sqlite3_column_double(stmt, column);
    } else if (cell.type != SQLITE_NULL) {
        const void *bytes = sqlite3_column_blob(stmt, column);
        cell.length = sqlite3_column_bytes(stmt, column);
        cell.bytes = take(calloc(1, (size_t)cell.length + 1));
        if (cell.length)
            memcpy(cell.bytes, bytes, (size_t)cell.length);
    }
    return cell;
}

/* Columns as they are, but for the first, `id`, which SQLite gives. */
static void prepare_copies(sqlite3 *db, struct table *table, sqlite3_stmt *rows) {
    char names[SQL_MAX] = "", marks[2 * COLUMNS_MAX + 1] = "", sql[2 * SQL_MAX];
    table->columns = (size_t)sqlite3_column_count(rows) - 1;
    if (table->columns > COLUMNS_MAX || strcmp(sqlite3_column_name(rows, 0), "id") != 0) {
        fprintf(stderr, "floor_spans: the columns of %s are not what they were\n", table->name);
        exit(1);
    }
    for (size_t i = 0; i < table->columns; i++) {
        const char *name = sqlite3_column_name(rows, (int)i + 1), *comma = i ? "," : "";
        size_t at = strlen(names);
        snprintf(names + at, sizeof names - at, "%s%s", comma, name);
        strcat(strcat(marks, comma), "?");
        table->roles[i] = role_of(name);
        if (strcmp(name, "span_id") == 0)
            table->span_id = i;
    }
    snprintf(sql, sizeof sql, "INSERT INTO %s (%s) VALUES (%s)", table->name, names, marks);
    table->insert = prepare(db, sql);
}

static void load(struct floor *floor, struct table *table, const char *name, const char *key) {
    char sql[SQL_MAX];
    snprintf(sql, sizeof sql, "SELECT * FROM %s WHERE %s = ?1 ORDER BY id", name, key);
    sqlite3_stmt *stmt = prepare(floor->db, sql);
    table->name = name;
    prepare_copies(floor->db, table, stmt);
    check(floor->db, sqlite3_bind_int64(stmt, 1, floor->source));
    int rc;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        size_t filled = table->rows++ * table->columns;
        table->cells = take(realloc(table->cells, (filled + table->columns) * sizeof *table->cells));
        for (size_t i = 0; i < table->columns; i++)
            table->cells[filled + i] = copy_cell(stmt, (int)i + 1);
    }
    check(floor->db, rc);
    sqlite3_finalize(stmt);
}

static const struct cell *cell_at(const struct table *table, size_t row, size_t column) {
    return &table->cells[row * table->columns + column];
}

static int bind_copied(sqlite3_stmt *stmt, int param, const struct cell *cell) {
    switch (cell->type) {
    case SQLITE_INTEGER:
        return sqlite3_bind_int64(stmt, param, cell->integer);
    case SQLITE_FLOAT:
        return sqlite3_bind_double(stmt, param, cell->real);
    case SQLITE_TEXT:
        return sqlite3_bind_text(stmt, param, cell->bytes, cell->length, SQLITE_STATIC);
    case SQLITE_BLOB:
        return sqlite3_bind_blob(stmt, param, cell->bytes, cell->length, SQLITE_STATIC);
    default:
        return sqlite3_bind_null(stmt, param);
    }
}

static int bind_span_id(struct floor *floor, sqlite3_stmt *stmt, int param, const struct cell *cell) {
    uint64_t id;
    if (cell->type != SQLITE_BLOB || cell->length != ID_SIZE)
        return bind_copied(stmt, param, cell);
    memcpy(&id, cell->bytes, sizeof id);
    id ^= floor->bits;
    return sqlite3_bind_blob(stmt, param, &id, sizeof id, SQLITE_TRANSIENT);
}

static int bind_uuid(sqlite3_stmt *stmt, int param) {
    char uuid[UUID_SIZE];
    sqlite3_randomness(sizeof uuid, uuid);
    return sqlite3_bind_blob(stmt, param, uuid, sizeof uuid, SQLITE_TRANSIENT);
}

static int bind_cell(struct floor *floor, sqlite3_stmt *stmt, int param, const struct cell *cell, enum role role) {
    switch (role) {
    case OF_REPLAY:
        return sqlite3_bind_int64(stmt, param, floor->replay);
    case SPAN_ID:
        return bind_span_id(floor, stmt, param, cell);
    case UUID:
        return bind_uuid(stmt, param);
    default:
        return bind_copied(stmt, param, cell);
    }
}

static void insert(struct floor *floor, struct table *table) {
    size_t row = table->next++;
    for (size_t i = 0; i < table->columns; i++)
        check(floor->db, bind_cell(floor, table->insert, (int)i + 1, cell_at(table, row, i), table->roles[i]));
    check(floor->db, sqlite3_step(table->insert));
    check(floor->db, sqlite3_reset(table->insert));
}

static bool is_of_span(const struct table *table, const struct cell *span_id) {
    if (table->next == table->rows)
        return false;
    const struct cell *mine = cell_at(table, table->next, table->span_id);
    return mine->length == span_id->length && memcmp(mine->bytes, span_id->bytes, (size_t)mine->length) == 0;
}

/* A span, and what was extracted from it: the server's rows are in the same order. */
static void insert_span(struct floor *floor) {
    struct table *spans = &floor->tables[SPANS];
    const struct cell *span_id = cell_at(spans, spans->next, spans->span_id);
    insert(floor, spans);
    for (int i = TOOL_CALLS; i <= MODEL_USAGE; i++)
        while (is_of_span(&floor->tables[i], span_id))
            insert(floor, &floor->tables[i]);
}

static void begin_replay(struct floor *floor) {
    for (int i = 0; i < TABLES; i++)
        floor->tables[i].next = 0;
    sqlite3_randomness(sizeof floor->bits, &floor->bits);
    insert(floor, &floor->tables[REPLAYS]);
    floor->replay = sqlite3_last_insert_rowid(floor->db);
}

static void commit_spans(struct floor *floor) {
    struct table *spans = &floor->tables[SPANS];
    check(floor->db, sqlite3_exec(floor->db, "BEGIN IMMEDIATE", NULL, NULL, NULL));
    for (int i = 0; i < SPANS_A_COMMIT; i++) {
        if (spans->next == spans->rows)
            begin_replay(floor);
        insert_span(floor);
    }
    check(floor->db, sqlite3_exec(floor->db, "COMMIT", NULL, NULL, NULL));
}

static void load_tables(struct floor *floor) {
    floor->source = query_int(floor->db, "SELECT replay_id FROM spans GROUP BY replay_id ORDER BY count(*) DESC, 1");
    load(floor, &floor->tables[REPLAYS], "replays", "id");
    load(floor, &floor->tables[SPANS], "spans", "replay_id");
    load(floor, &floor->tables[TOOL_CALLS], "tool_calls", "replay_id");
    load(floor, &floor->tables[MODEL_USAGE], "model_usage", "replay_id");
    floor->tables[SPANS].next = floor->tables[SPANS].rows; /* a replay begins */
}

static void write_spans(const char *path, double duration) {
    struct floor floor = {.db = NULL};
    check(NULL, sqlite3_open_v2(path, &floor.db, SQLITE_OPEN_READWRITE, NULL));
    check(floor.db, sqlite3_exec(floor.db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL", NULL, NULL, NULL));
    load_tables(&floor);
    int64_t count = 0;
    double start = seconds(), elapsed;
    do {
        commit_spans(&floor);
        count += SPANS_A_COMMIT;
        elapsed = seconds() - start;
    } while (elapsed < duration);
    printf("spans=%lld seconds=%.6f\n", (long long)count, elapsed);
    for (int i = 0; i < TABLES; i++)
        sqlite3_finalize(floor.tables[i].insert);
    check(floor.db, sqlite3_close(floor.db)); /* checkpoints: the size of the file is that of all rows */
}

static unsigned touch(sqlite3_stmt *stmt, int column) {
    int type = sqlite3_column_type(stmt, column);
    if (type == SQLITE_INTEGER)
        return (unsigned)sqlite3_column_int64(stmt, column);
    const unsigned char *bytes = sqlite3_column_blob(stmt, column);
    int length = sqlite3_column_bytes(stmt, column);
    return length ? bytes[0] + (unsigned)bytes[length - 1] : 0;
}

static int64_t read_rows(sqlite3 *db, sqlite3_stmt *stmt, unsigned *sum) {
    int64_t rows = 0;
    int rc, columns = sqlite3_column_count(stmt);
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        for (int i = 0; i < columns; i++)
            *sum += touch(stmt, i);
        rows++;
    }
    check(db, rc);
    check(db, sqlite3_reset(stmt));
    return rows;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void read_replay(const char *path, const char *uuid, long rounds) {
    static const char *const NAMES[] = {"spans", "tool_calls", "model_usage"};
    enum { QUERIES = sizeof NAMES / sizeof NAMES[0] };
    static double ms[ROUNDS_MAX];
    sqlite3 *db = NULL;
    sqlite3_stmt *queries[QUERIES];
    char sql[SQL_MAX];
    check(NULL, sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL));
    snprintf(sql, sizeof sql, "SELECT id FROM replays WHERE lower(hex(uuid)) = '%.32s'", uuid);
    int64_t replay = query_int(db, sql);
    for (int i = 0; i < QUERIES; i++) {
        snprintf(sql, sizeof sql, "SELECT * FROM %s WHERE replay_id = ?1 ORDER BY started_at, id", NAMES[i]);
        queries[i] = prepare(db, sql);
        check(db, sqlite3_bind_int64(queries[i], 1, replay));
    }
    int64_t rows = 0;
    unsigned sum = 0;
    for (long round = 0; round < rounds; round++) {
        double start = seconds();
        rows = 0;
        for (int i = 0; i < QUERIES; i++)
            rows += read_rows(db, queries[i], &sum);
        ms[round] = 1000 * (seconds() - start);
    }
    qsort(ms, (size_t)rounds, sizeof ms[0], compare);
    printf("rows=%lld ms=%.6f sum=%u\n", (long long)rows, ms[rounds / 2], sum);
}

int main(int argc, char **argv) {
    if (argc == 4 && strcmp(argv[1], "write") == 0 && strtod(argv[3], NULL) > 0) {
        write_spans(argv[2], strtod(argv[3], NULL));
        return 0;
    }
    if (argc == 5 && strcmp(argv[1], "read") == 0) {
        long rounds = strtol(argv[4], NULL, 10);
        if (rounds > 0 && rounds <= ROUNDS_MAX) {
            read_replay(argv[2], argv[3], rounds);
            return 0;
        }
    }
    fputs("usage: floor_spans write DB SECONDS | floor_spans read DB UUID ROUNDS\n", stderr);
    return 2;
}
