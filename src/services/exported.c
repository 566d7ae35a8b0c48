/* exported: see exported.h. */
#include "services/exported.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/hex.h"
#include "core/json.h"
#include "core/sha256.h"
#include "nostr/event.h"
#include "services/packed.h"

enum {
    FORMAT = 1,
    MANIFEST_BYTES_MAX = 16 * 1024 * 1024,
    MANIFEST_DEPTH = 4,
    NAME_BYTES = 160,
    ARENA_BYTES = 65536,
    FILES_OF_A_MONTH_MAX = 1000
};

static const int64_t one_file_before = 1577836800; /* 2020: little is older, and all years may be */

/* How many, and which: the ids one after the other. */
struct sum {
    uint64_t n;
    struct sha256 ids;
};

struct exported {
    char dir[PATH_MAX], name[NAME_BYTES];
    struct js *manifest;
    struct packed *out;
    struct packed_facts facts;
    struct sum written;
    char file[NAME_BYTES]; /* that is being made, or whose events are deleted */
    char month[16];
    struct unpacked *in;
    struct arena arena;
};

static int io_error(struct err *err, const char *path)
{
    return err_set(err, errno == ENOSPC ? ERR_DISK_FULL : ERR_IO, "%s: %s", path, strerror(errno));
}

static void sum_init(struct sum *s)
{
    s->n = 0;
    sha256_init(&s->ids);
}

static void sum_add(struct sum *s, const struct id32 *id)
{
    s->n++;
    sha256_add(&s->ids, id->b, sizeof(id->b));
}

static void sum_text(struct sum *s, char text[65])
{
    uint8_t digest[SHA256_BYTES];

    sha256_final(&s->ids, digest);
    hex_encode(text, digest, sizeof(digest));
    text[64] = '\0';
}

struct exported *exported_new(const char *dir, const char *name)
{
    struct exported *x = calloc(1, sizeof(*x));

    if (x == NULL)
        abort();
    (void)snprintf(x->dir, sizeof(x->dir), "%s", dir);
    (void)snprintf(x->name, sizeof(x->name), "%s", name);
    arena_init(&x->arena, ARENA_BYTES);
    return x;
}

static void give_up(struct exported *x)
{
    struct err later;

    if (x->out != NULL)
        (void)!packed_close(x->out, NULL, &later);
    unpacked_close(x->in);
    x->out = NULL;
    x->in = NULL;
    x->file[0] = '\0';
}

void exported_free(struct exported *x)
{
    if (x == NULL)
        return;
    give_up(x);
    js_free(x->manifest);
    arena_done(&x->arena);
    free(x);
}

const char *exported_file(const struct exported *x)
{
    return x->file;
}

/* ---- the manifest ---- */

static int path_of(const struct exported *x, const char *name, char path[PATH_MAX], struct err *err)
{
    int n = snprintf(path, PATH_MAX, "%s/%s", x->dir, name);

    return n > 0 && n < PATH_MAX ? 0 : err_set(err, ERR_IO, "%s: the name is too long", x->dir);
}

static int manifest_path(const struct exported *x, const char *suffix, char path[PATH_MAX],
                         struct err *err)
{
    char name[NAME_BYTES + 32];

    (void)snprintf(name, sizeof(name), "%s-manifest.json%s", x->name, suffix);
    return path_of(x, name, path, err);
}

/* Whole or not at all. */
static int save(struct exported *x, struct err *err)
{
    char path[PATH_MAX], made[PATH_MAX];
    FILE *f;

    if (manifest_path(x, "", path, err) < 0 || manifest_path(x, ".part", made, err) < 0)
        return -1;
    f = fopen(made, "we");
    if (f == NULL)
        return io_error(err, made);
    js_print(x->manifest, JS_PRETTY, f);
    int bad = fputc('\n', f) == EOF || fflush(f) != 0 || fsync(fileno(f)) != 0;
    if (bad)
        (void)io_error(err, made);
    if (fclose(f) != 0 || bad)
        return bad ? -1 : io_error(err, made);
    if (rename(made, path) != 0)
        return io_error(err, path);
    return packed_sync_dir(x->dir, err);
}

static struct js *new_manifest(const struct exported *x)
{
    struct js *m = js_new_object();

    js_set_int(m, "format", FORMAT);
    js_set_z(m, "made_by", "bigbrotrd " BIGBROTR_VERSION);
    js_set_z(m, "rule", x->name);
    js_set(m, "files", js_new_array());
    return m;
}

static int read_manifest(struct exported *x, struct err *err)
{
    char path[PATH_MAX], *text;
    FILE *f;

    if (manifest_path(x, "", path, err) < 0)
        return -1;
    js_free(x->manifest);
    x->manifest = NULL;
    f = fopen(path, "re");
    if (f == NULL && errno == ENOENT) {
        x->manifest = new_manifest(x);
        return 0;
    }
    if (f == NULL)
        return io_error(err, path);
    text = malloc(MANIFEST_BYTES_MAX);
    if (text == NULL)
        abort();
    size_t n = fread(text, 1, MANIFEST_BYTES_MAX, f);
    (void)fclose(f);
    x->manifest = js_parse((struct str){text, n}, MANIFEST_BYTES_MAX, MANIFEST_DEPTH, err);
    free(text);
    return x->manifest != NULL ? 0 : err_set(err, ERR_IO, "%s is no manifest: move it away", path);
}

static struct js *last_file(const struct exported *x)
{
    const struct js *files = js_get(x->manifest, "files");

    return js_count(files) > 0 ? js_at(files, js_count(files) - 1) : NULL;
}

static bool is_named(const struct exported *x, const char *name)
{
    const struct js *files = js_get(x->manifest, "files");

    for (size_t i = 0; i < js_count(files); i++)
        if (str_eq(js_str(js_get(js_at(files, i), "name"), STR("")), str_z(name)))
            return true;
    return false;
}

/* ---- writing ---- */

/* The first name of that month that no file in the manifest has. */
static int name_file(struct exported *x, int64_t month, struct err *err)
{
    time_t t = (time_t)month;
    struct tm tm;

    if (month < one_file_before)
        (void)snprintf(x->month, sizeof(x->month), "before-2020");
    else if (gmtime_r(&t, &tm) == NULL || strftime(x->month, sizeof(x->month), "%Y-%m", &tm) == 0)
        return err_set(err, ERR_IO, "no month begins at %lld", (long long)month);
    (void)snprintf(x->file, sizeof(x->file), "%.100s-%s.jsonl.zst", x->name, x->month);
    for (int i = 2; is_named(x, x->file) && i < FILES_OF_A_MONTH_MAX; i++)
        (void)snprintf(x->file, sizeof(x->file), "%.100s-%s-%d.jsonl.zst", x->name, x->month, i);
    return 0;
}

int exported_add(struct exported *x, int64_t month, const struct id32 *id, struct str json,
                 struct err *err)
{
    if (x->out == NULL) {
        sum_init(&x->written);
        if (name_file(x, month, err) < 0 || (x->out = packed_open(x->dir, x->file, err)) == NULL)
            return -1;
    }
    sum_add(&x->written, id);
    return packed_line(x->out, json, err);
}

int exported_close(struct exported *x, struct err *err)
{
    struct packed *out = x->out;

    x->out = NULL;
    return packed_close(out, &x->facts, err);
}

/* ---- reading back ---- */

static int next_event(struct exported *x, struct event *e, bool *end, struct err *err)
{
    const struct event_limits limits = {.json_bytes_max = UINT32_MAX,
                                        .tags_max = UINT32_MAX,
                                        .tag_elements_max = UINT32_MAX,
                                        .depth_max = 8};
    enum reject why;
    struct str line;

    *end = !unpacked_line(x->in, &line, err);
    if (*end)
        return err->code == ERR_NONE ? 0 : -1;
    arena_reset(&x->arena);
    if (event_scan(line, &limits, &x->arena, e, &why) < 0)
        return err_set(err, ERR_IO, "%s/%s holds a line that is no event (%s)", x->dir, x->file,
                       reject_name(why));
    return 0;
}

/* The whole file against its SHA-256, and its events' ids, computed anew, against theirs. */
static int compare(struct exported *x, const char *sha256, uint64_t n, const char *ids,
                   struct err *err)
{
    char path[PATH_MAX], file_sum[65], ids_sum[65];
    struct sum found;
    struct event e;
    bool end = false;
    int rc;

    if (path_of(x, x->file, path, err) < 0 || (x->in = unpacked_open(path, err)) == NULL)
        return -1;
    sum_init(&found);
    while ((rc = next_event(x, &e, &end, err)) == 0 && !end)
        sum_add(&found, &e.id);
    unpacked_sha256(x->in, file_sum);
    unpacked_close(x->in);
    x->in = NULL;
    if (rc < 0)
        return -1;
    sum_text(&found, ids_sum);
    if (strcmp(file_sum, sha256) != 0 || found.n != n || strcmp(ids_sum, ids) != 0)
        return err_set(err, ERR_IO, "%s does not hold what was written to it", path);
    return 0;
}

static int open_verified(struct exported *x, struct err *err)
{
    char path[PATH_MAX];

    if (path_of(x, x->file, path, err) < 0)
        return -1;
    x->in = unpacked_open(path, err);
    return x->in == NULL ? -1 : 0;
}

int exported_verify(struct exported *x, struct err *err)
{
    char ids[65];
    struct js *file;

    sum_text(&x->written, ids);
    if (compare(x, x->facts.sha256, x->written.n, ids, err) < 0)
        return -1;
    file = js_new_object();
    js_set_z(file, "name", x->file);
    js_set_z(file, "month", x->month);
    js_set_int(file, "events", (int64_t)x->written.n);
    js_set_int(file, "bytes", (int64_t)x->facts.bytes);
    js_set_int(file, "bytes_uncompressed", (int64_t)x->facts.bytes_plain);
    js_set_z(file, "sha256", x->facts.sha256);
    js_set_z(file, "ids_sha256", ids);
    js_set_int(file, "exported_at", clock_wall_s());
    js_set_bool(file, "deleted", false);
    js_add(js_get(x->manifest, "files"), file);
    return save(x, err) < 0 ? -1 : open_verified(x, err);
}

int exported_load(struct exported *x, bool *pending, struct err *err)
{
    const struct js *last;
    char sha256[65], ids[65];

    give_up(x);
    *pending = false;
    if (read_manifest(x, err) < 0)
        return -1;
    last = last_file(x);
    if (last == NULL || js_bool(js_get(last, "deleted"), true))
        return 0;
    if (!str_copy(x->file, sizeof(x->file), js_str(js_get(last, "name"), STR(""))) ||
        !str_copy(sha256, sizeof(sha256), js_str(js_get(last, "sha256"), STR(""))) ||
        !str_copy(ids, sizeof(ids), js_str(js_get(last, "ids_sha256"), STR(""))))
        return err_set(err, ERR_IO, "%s/%s-manifest.json is no manifest: move it away", x->dir,
                       x->name);
    if (compare(x, sha256, (uint64_t)js_int(js_get(last, "events"), -1), ids, err) < 0 ||
        open_verified(x, err) < 0)
        return -1;
    *pending = true;
    return 0;
}

/* ---- deleting ---- */

int exported_take(struct exported *x, struct id32 *ids, int64_t *ats, size_t room, size_t *n,
                  struct err *err)
{
    struct event e;
    bool end = false;

    for (*n = 0; *n < room; (*n)++) {
        if (next_event(x, &e, &end, err) < 0)
            return -1;
        if (end)
            break;
        ids[*n] = e.id;
        ats[*n] = e.created_at;
    }
    return 0;
}

int exported_done(struct exported *x, struct err *err)
{
    unpacked_close(x->in);
    x->in = NULL;
    js_set_bool(last_file(x), "deleted", true);
    return save(x, err);
}
