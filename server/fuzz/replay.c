// SPDX-License-Identifier: Apache-2.0
/* Runs a fuzz target over every file of its corpus once, and over the empty input. Fails when the corpus is empty: a
 * gate that checked nothing is no gate. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 1 << 20 };

static int run_file(const char *dir, const char *name, uint8_t *bytes) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        return -1;
    }
    size_t n = fread(bytes, 1, INPUT_MAX, file);
    fclose(file);
    /* An exact-size copy, so that a read past the end is seen by the sanitizer. */
    uint8_t *exact = malloc(n ? n : 1);
    if (!exact)
        return -1;
    for (size_t i = 0; i < n; i++)
        exact[i] = bytes[i];
    LLVMFuzzerTestOneInput(exact, n);
    free(exact);
    return 0;
}

int main(int argc, char **argv) {
    int count = 0;
    uint8_t *bytes = malloc(INPUT_MAX);
    DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
    if (!dir || !bytes) {
        fprintf(stderr, "usage: %s CORPUS\n", argv[0]);
        free(bytes);
        return 2;
    }
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        if (entry->d_name[0] == '.')
            continue;
        if (run_file(argv[1], entry->d_name, bytes) != 0) {
            closedir(dir);
            free(bytes);
            return 1;
        }
        count++;
    }
    closedir(dir);
    LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    free(bytes);
    printf("%d inputs\n", count);
    return count > 0 ? 0 : 1;
}
