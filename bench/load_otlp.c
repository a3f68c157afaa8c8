// SPDX-License-Identifier: Apache-2.0
/* Sends spans as fast as they are taken: so many clients, each with one connection and one request at a time.
 *
 *   load_otlp PORT json|protobuf CLIENTS SECONDS FOLDER PROBES
 *
 * FOLDER (made by agent_spans.py) holds `body`, a request; `patches`, what of it differs each time; and `replays`, ids
 * of replays, one a line. Each client sends SPANS_MAX spans for a replay and then takes the next one; it ends with the
 * time, or when no replay is left. PROBES: how often a second a client beside them asks for /healthz; 0 for never. An
 * answer that is not 200, or that rejects a span, ends the program with status 1: what was measured would not be what
 * was meant.
 *
 * Prints key=value lines. cpu is what this program took itself, in cores. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    SPANS_MAX = 5000, /* of a replay */
    CLIENTS_MAX = 256,
    ANSWER_MAX = 16384,
    HEAD_MAX = 512,
    REPLAY_ID = 36,
    SAMPLES_MAX = 4 << 20, /* requests of one client */
    TIME_DIGITS = 19,
};
#define SECOND_NS INT64_C(1000000000)
#define FIRST_NS (INT64_C(1754049600) * SECOND_NS) /* the spans' own clock: 1 August 2025 */

struct patch {
    char kind; /* see Patch in agent_spans.py */
    size_t at;
    int64_t n;
};

/* What all clients send. */
struct template {
    char *body;
    size_t size;
    struct patch *patches;
    size_t patches_count;
    size_t spans; /* of a request */
    int64_t step_ns; /* from a request to the next one of the same replay */
    bool hex; /* JSON */
};

struct ids {
    char (*list)[REPLAY_ID];
    size_t count;
    atomic_size_t taken;
};

struct samples {
    float *ms;
    size_t count;
};

struct client {
    pthread_t thread;
    struct load *load;
    int sock;
    char *request; /* the head, then the body */
    size_t head_size;
    uint64_t random; /* state */
    const char *replay;
    size_t replay_spans; /* sent of it */
    int64_t now_ns; /* of the spans */
    uint64_t trace[2], root, *span_ids;
    struct samples samples;
};

struct load {
    struct template template;
    struct ids replays;
    int port, probes;
    double start, end; /* when to stop */
    struct client clients[CLIENTS_MAX + 1]; /* the last one may be the prober */
    int count;
};

_Noreturn static void die(const char *what, const char *detail) {
    fprintf(stderr, "load_otlp: %s: %s\n", what, detail);
    exit(1);
}

static void *take(void *memory) {
    if (!memory)
        die("memory", "out of it");
    return memory;
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* What the folder holds. */

static char *read_file(const char *folder, const char *name, size_t *ret_size) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) < 0)
        die(path, strerror(errno));
    size_t size = (size_t)ftell(file);
    char *content = take(calloc(1, size + 1));
    rewind(file);
    if (fread(content, 1, size, file) != size)
        die(path, "it was not read as a whole");
    fclose(file);
    *ret_size = size;
    return content;
}

static size_t count_lines(const char *text) {
    size_t lines = 0;
    for (; (text = strchr(text, '\n')); text++)
        lines++;
    return lines;
}

static size_t patch_size(const struct template *template, char kind) {
    switch (kind) {
    case 'r':
        return REPLAY_ID;
    case 't':
        return template->hex ? 32 : 16;
    case 'b':
        return template->hex ? TIME_DIGITS : 8;
    case 's':
    case 'p':
        return template->hex ? 16 : 8;
    default:
        die("patches", "there is no such kind");
    }
}

static void read_template(struct template *template, const char *folder) {
    size_t size;
    template->body = read_file(folder, "body", &template->size);
    char *text = read_file(folder, "patches", &size), *save = NULL;
    template->patches = take(calloc(count_lines(text) + 1, sizeof *template->patches));
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        struct patch *patch = &template->patches[template->patches_count++];
        if (sscanf(line, "%c %zu %ld", &patch->kind, &patch->at, &patch->n) != 3 ||
            patch->at + patch_size(template, patch->kind) > template->size)
            die("patches", line);
        template->spans += patch->kind == 's';
        if (patch->kind == 'b' && patch->n >= template->step_ns)
            template->step_ns = patch->n + 1;
    }
    if (!template->spans || template->spans > SPANS_MAX)
        die("patches", "not 1..5000 spans");
    free(text);
}

static void read_replays(struct ids *replays, const char *folder) {
    size_t size;
    char *text = read_file(folder, "replays", &size);
    if (size % (REPLAY_ID + 1))
        die("replays", "a line is not 36 characters");
    replays->count = size / (REPLAY_ID + 1);
    replays->list = take(calloc(replays->count + 1, REPLAY_ID));
    for (size_t i = 0; i < replays->count; i++)
        memcpy(replays->list[i], text + i * (REPLAY_ID + 1), REPLAY_ID);
    free(text);
}

/* A request's differences. */

static uint64_t next_random(uint64_t *state) { /* splitmix64: a permutation, so no id comes twice from one client */
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static void put_id(const struct template *template, char *at, uint64_t id) {
    if (!template->hex) {
        memcpy(at, &id, sizeof id);
        return;
    }
    for (int shift = 60; shift >= 0; shift -= 4)
        *at++ = "0123456789abcdef"[id >> shift & 15];
}

static void put_time(const struct template *template, char *at, int64_t ns) {
    if (!template->hex) {
        memcpy(at, &ns, sizeof ns);
        return;
    }
    for (int i = TIME_DIGITS - 1; i >= 0; i--, ns /= 10)
        at[i] = (char)('0' + ns % 10);
}

/* false: none is left. */
static bool next_replay(struct client *client) {
    struct ids *replays = &client->load->replays;
    size_t i = atomic_fetch_add(&replays->taken, 1);
    if (i >= replays->count)
        return false;
    client->replay = replays->list[i];
    client->replay_spans = 0;
    client->now_ns = FIRST_NS;
    client->trace[0] = next_random(&client->random);
    client->trace[1] = next_random(&client->random);
    client->root = next_random(&client->random);
    return true;
}

static void apply(struct client *client, const struct patch *patch) {
    const struct template *template = &client->load->template;
    char *at = client->request + client->head_size + patch->at;
    switch (patch->kind) {
    case 'r':
        memcpy(at, client->replay, REPLAY_ID);
        break;
    case 't':
        put_id(template, at, client->trace[0]);
        put_id(template, at + (template->hex ? 16 : 8), client->trace[1]);
        break;
    case 's':
        put_id(template, at, client->span_ids[patch->n]);
        break;
    case 'p':
        put_id(template, at, patch->n < 0 ? client->root : client->span_ids[patch->n]);
        break;
    default:
        put_time(template, at, client->now_ns + patch->n);
    }
}

static bool patch_request(struct client *client) {
    const struct template *template = &client->load->template;
    if ((!client->replay || client->replay_spans + template->spans > SPANS_MAX) && !next_replay(client))
        return false;
    for (size_t i = 0; i < template->spans; i++)
        client->span_ids[i] = next_random(&client->random);
    for (size_t i = 0; i < template->patches_count; i++)
        apply(client, &template->patches[i]);
    client->replay_spans += template->spans;
    client->now_ns += template->step_ns;
    return true;
}

/* The connection. */

static int open_connection(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int one = 1, sock = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (sock < 0 || connect(sock, (struct sockaddr *)&address, sizeof address) < 0 ||
        setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0)
        die("connecting", strerror(errno));
    return sock;
}

static void send_all(int sock, const char *data, size_t size) {
    while (size) {
        ssize_t n = send(sock, data, size, MSG_NOSIGNAL);
        if (n < 0)
            die("sending", strerror(errno));
        data += n;
        size -= (size_t)n;
    }
}

/* The answer's head and body, NUL-terminated; the body's size. */
static size_t receive(int sock, char answer[ANSWER_MAX], char **ret_body) {
    size_t size = 0, body_size = 0;
    char *body = NULL;
    while (!body || size < (size_t)(body - answer) + body_size) {
        ssize_t n = recv(sock, answer + size, ANSWER_MAX - 1 - size, 0);
        if (n <= 0)
            die("receiving", n ? strerror(errno) : "the server closed the connection");
        size += (size_t)n;
        answer[size] = 0;
        if (body || !(body = strstr(answer, "\r\n\r\n")))
            continue;
        body += 4;
        const char *length = strcasestr(answer, "\r\ncontent-length:");
        if (!length)
            die("an answer without a length", answer);
        body_size = strtoul(length + sizeof "\r\ncontent-length:" - 1, NULL, 10);
        if ((size_t)(body - answer) + body_size >= ANSWER_MAX)
            die("an answer too long", answer);
    }
    if (strncmp(answer, "HTTP/1.1 200 ", 13) != 0)
        die("not 200", answer);
    *ret_body = body;
    return body_size;
}

/* 0 rejected: "rejectedSpans":0 in JSON; in protobuf nothing, or an empty partial success, or one with a 0 in it. */
static bool all_were_taken(const char *body, size_t size, bool json) {
    if (json) {
        static const char NONE[] = "\"rejectedSpans\":0}";
        return strstr(body, NONE) != NULL;
    }
    return size == 0 || (size == 2 && memcmp(body, "\x0a\0", 2) == 0) ||
           (size == 4 && memcmp(body, "\x0a\x02\x08\0", 4) == 0);
}

static void add_sample(struct samples *samples, double since) {
    if (samples->count == SAMPLES_MAX)
        die("requests", "more than were thought possible");
    samples->ms[samples->count++] = (float)(1000 * (seconds() - since));
}

static void *run_client(void *arg) {
    struct client *client = arg;
    const struct template *template = &client->load->template;
    char answer[ANSWER_MAX], *body;
    while (seconds() < client->load->end && patch_request(client)) {
        double start = seconds();
        send_all(client->sock, client->request, client->head_size + template->size);
        size_t size = receive(client->sock, answer, &body);
        add_sample(&client->samples, start);
        if (!all_were_taken(body, size, template->hex))
            die("spans were rejected", answer);
    }
    return NULL;
}

/* Asks at fixed times. An answer that is late makes the next ones late too, and they count from when they were due. */
static void *run_prober(void *arg) {
    static const char REQUEST[] = "GET /healthz HTTP/1.1\r\nHost: bench\r\n\r\n";
    struct client *client = arg;
    char answer[ANSWER_MAX], *body;
    for (double due = client->load->start; due < client->load->end; due += 1.0 / client->load->probes) {
        double now = seconds(), wait = due - now;
        if (wait > 0) {
            nanosleep(&(struct timespec){.tv_nsec = (long)(wait * 1e9)}, NULL);
            now = seconds();
        }
        send_all(client->sock, REQUEST, sizeof REQUEST - 1);
        receive(client->sock, answer, &body);
        add_sample(&client->samples, wait > 0 ? now : due);
    }
    return NULL;
}

static void prepare_client(struct client *client, struct load *load) {
    const struct template *template = &load->template;
    client->load = load;
    client->sock = open_connection(load->port);
    client->request = take(malloc(HEAD_MAX + template->size));
    client->head_size = (size_t)snprintf(client->request, HEAD_MAX,
                                         "POST /v1/traces HTTP/1.1\r\nHost: bench\r\nContent-Type: application/%s\r\n"
                                         "Content-Length: %zu\r\n\r\n",
                                         template->hex ? "json" : "x-protobuf", template->size);
    memcpy(client->request + client->head_size, template->body, template->size);
    client->span_ids = take(calloc(template->spans, sizeof *client->span_ids));
    client->samples.ms = take(malloc(SAMPLES_MAX * sizeof *client->samples.ms));
    if (getrandom(&client->random, sizeof client->random, 0) != sizeof client->random)
        die("getrandom", strerror(errno));
}

static int compare(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void print_samples(const char *prefix, struct client *clients, int count) {
    struct samples all = {.count = 0};
    for (int i = 0; i < count; i++)
        all.count += clients[i].samples.count;
    if (!all.count)
        die("nothing", "was answered");
    all.ms = take(malloc(all.count * sizeof *all.ms));
    size_t at = 0;
    for (int i = 0; i < count; at += clients[i++].samples.count)
        memcpy(all.ms + at, clients[i].samples.ms, clients[i].samples.count * sizeof *all.ms);
    qsort(all.ms, all.count, sizeof *all.ms, compare);
    printf("%srequests=%zu\n%sp50_ms=%.3f\n%sp99_ms=%.3f\n%smax_ms=%.3f\n", prefix, all.count, prefix,
           (double)all.ms[all.count / 2], prefix, (double)all.ms[all.count * 99 / 100], prefix,
           (double)all.ms[all.count - 1]);
    free(all.ms);
}

static double cpu_seconds(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void run(struct load *load, double duration) {
    int threads = load->count + (load->probes > 0);
    for (int i = 0; i < threads; i++)
        prepare_client(&load->clients[i], load);
    double cpu = cpu_seconds();
    load->start = seconds();
    load->end = load->start + duration;
    for (int i = 0; i < threads; i++)
        if (pthread_create(&load->clients[i].thread, NULL, i < load->count ? run_client : run_prober,
                           &load->clients[i]))
            die("threads", "one could not be started");
    for (int i = 0; i < load->count; i++)
        pthread_join(load->clients[i].thread, NULL);
    double elapsed = seconds() - load->start;
    if (load->probes)
        pthread_join(load->clients[load->count].thread, NULL);
    size_t requests = 0;
    for (int i = 0; i < load->count; i++)
        requests += load->clients[i].samples.count;
    size_t taken = atomic_load(&load->replays.taken);
    printf("spans=%zu\nseconds=%.6f\ncpu=%.3f\nreplays=%zu\n", requests * load->template.spans, elapsed,
           (cpu_seconds() - cpu) / elapsed, taken < load->replays.count ? taken : load->replays.count);
}

int main(int argc, char **argv) {
    static struct load load;
    bool json = argc == 7 && strcmp(argv[2], "json") == 0;
    if (argc != 7 || (!json && strcmp(argv[2], "protobuf") != 0)) {
        fputs("usage: load_otlp PORT json|protobuf CLIENTS SECONDS FOLDER PROBES\n", stderr);
        return 2;
    }
    load.port = atoi(argv[1]);
    load.count = atoi(argv[3]);
    load.probes = atoi(argv[6]);
    double duration = strtod(argv[4], NULL);
    if (load.count < 1 || load.count > CLIENTS_MAX || !(duration > 0) || load.probes < 0 || load.probes > 1000)
        die("arguments", "out of range");
    load.template.hex = json;
    read_template(&load.template, argv[5]);
    read_replays(&load.replays, argv[5]);
    run(&load, duration);
    print_samples("", load.clients, load.count);
    if (load.probes)
        print_samples("probe_", &load.clients[load.count], 1);
    return 0;
}
