/* Runs a fuzz target over every file of the directories that are given, in the order of their
 * names: the corpus as a test, with any compiler. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    uint8_t *data = NULL;
    size_t size = 0;
    size_t got;
    uint8_t piece[4096];

    if (f == NULL) {
        perror(path);
        return -1;
    }
    while ((got = fread(piece, 1, sizeof(piece), f)) > 0) {
        uint8_t *grown = realloc(data, size + got);

        if (grown == NULL)
            abort();
        data = grown;
        memcpy(data + size, piece, got);
        size += got;
    }
    (void)fclose(f);
    /* Told before, so that the last line names the culprit of a crash. */
    (void)printf("%s: %zu bytes\n", path, size);
    (void)fflush(stdout);
    /* A copy of exactly this size: AddressSanitizer then sees a read past the end. */
    uint8_t *exact = malloc(size > 0 ? size : 1);
    if (exact == NULL)
        abort();
    if (size > 0)
        memcpy(exact, data, size);
    (void)LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    free(data);
    return 0;
}

static int run_directory(const char *directory)
{
    struct dirent **entries;
    int n = scandir(directory, &entries, NULL, alphasort);
    int ran = 0;

    if (n < 0) {
        perror(directory);
        return -1;
    }
    for (int i = 0; i < n; i++) {
        char path[4096];

        (void)snprintf(path, sizeof(path), "%s/%s", directory, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.' && run_file(path) == 0)
            ran++;
        free(entries[i]);
    }
    free(entries);
    return ran;
}

int main(int argc, char **argv)
{
    int ran = 0;

    for (int i = 1; i < argc; i++) {
        int n = run_directory(argv[i]);

        if (n <= 0) {
            (void)fprintf(stderr, "%s: no inputs\n", argv[i]);
            return 1;
        }
        ran += n;
    }
    (void)printf("%d inputs\n", ran);
    return ran > 0 ? 0 : 1;
}
