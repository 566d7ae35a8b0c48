/* exported: see exported.h. */
#include "services/keeper/exported.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/hex.h"
#include "core/json.h"
#include "core/sha256.h"
#include "services/keeper/packed.h"

enum {
    FORMAT = 1,
    MANIFEST_BYTES_MAX = 16 * 1024 * 1024,
    MANIFEST_DEPTH = 4,
    FILE_BYTES = EXPORTED_NAME_MAX + 64,
    ARENA_BYTES = 65536,
    STEP_EVENTS = 4000, /* read in one call, */
    STEP_BYTES = 4 * 1024 * 1024
};

/* Until it stands in the manifest a file is called so. */
static const char unchecked[] = ".unchecked";
static const char before_months[] = "before-2020";

/* How many, and which: the ids one after the other. */
struct sum {
    uint64_t n;
    struct sha256 ids;
};

struct exported {
    char dir[PATH_MAX], name[EXPORTED_NAME_MAX + 1];
    int lock; /* -1: not held */
    struct js *manifest;

    /* The file that is being made, or whose events are deleted. */
    char file[FILE_BYTES], month[16];
    bool entered;
    struct packed *out;
    struct unpacked *in;
    struct sum sum;
    struct {
        uint64_t n, bytes, bytes_plain;
        char sha256[65], ids_sha256[65];
    } right; /* what it must hold */
    struct arena arena;
};

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
    x->lock = -1;
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
    if (x->lock >= 0)
        (void)close(x->lock);
    js_free(x->manifest);
    arena_done(&x->arena);
    free(x);
}

const char *exported_file(const struct exported *x)
{
    return x->file;
}

static int path_of(const struct exported *x, const char *name, const char *suffix,
                   char path[PATH_MAX], struct err *err)
{
    int n = snprintf(path, PATH_MAX, "%s/%s%s", x->dir, name, suffix);

    return n > 0 && n < PATH_MAX ? 0 : err_set(err, ERR_IO, "%s: the name is too long", x->dir);
}

/* ---- the manifest ---- */

/* Two archives that both wrote here would each believe of the other's files that they are its own.
 */
static int lock(struct exported *x, struct err *err)
{
    char path[PATH_MAX];

    if (x->lock >= 0)
        return 0;
    if (path_of(x, x->name, ".lock", path, err) < 0)
        return -1;
    x->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (x->lock < 0)
        return packed_io_error(err, path);
    if (flock(x->lock, LOCK_EX | LOCK_NB) == 0)
        return 0;
    int why = errno;
    (void)close(x->lock);
    x->lock = -1;
    errno = why;
    if (why != EWOULDBLOCK)
        return packed_io_error(err, path);
    return err_set(err, ERR_IO, "%s: another daemon exports to it; give each a folder of its own",
                   path);
}

/* Whole or not at all. */
static int save(struct exported *x, struct err *err)
{
    char path[PATH_MAX], made[PATH_MAX];
    FILE *f;

    if (path_of(x, x->name, "-manifest.json", path, err) < 0 ||
        path_of(x, x->name, "-manifest.json.part", made, err) < 0)
        return -1;
    f = fopen(made, "we");
    if (f == NULL)
        return packed_io_error(err, made);
    js_print(x->manifest, JS_PRETTY, f);
    bool bad = fputc('\n', f) == EOF || fflush(f) != 0 || fsync(fileno(f)) != 0;
    if (bad)
        (void)packed_io_error(err, made);
    if (fclose(f) != 0 || bad)
        return bad ? -1 : packed_io_error(err, made);
    if (rename(made, path) != 0)
        return packed_io_error(err, path);
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

static int no_manifest(const struct exported *x, struct err *err)
{
    return err_set(err, ERR_IO,
                   "%s/%s-manifest.json is no manifest of ours: put it right, or move it away",
                   x->dir, x->name);
}

static int read_manifest(struct exported *x, struct err *err)
{
    char path[PATH_MAX], *text;
    struct err bad;
    FILE *f;

    if (path_of(x, x->name, "-manifest.json", path, err) < 0)
        return -1;
    js_free(x->manifest);
    x->manifest = NULL;
    f = fopen(path, "re");
    if (f == NULL && errno == ENOENT) {
        x->manifest = new_manifest(x);
        return 0;
    }
    if (f == NULL)
        return packed_io_error(err, path);
    text = malloc(MANIFEST_BYTES_MAX);
    if (text == NULL)
        abort();
    size_t n = fread(text, 1, MANIFEST_BYTES_MAX, f);
    (void)fclose(f);
    x->manifest = js_parse((struct str){text, n}, MANIFEST_BYTES_MAX, MANIFEST_DEPTH, &bad);
    free(text);
    bool ours = js_int(js_get(x->manifest, "format"), 0) == FORMAT &&
                js_type(js_get(x->manifest, "files")) == JS_ARRAY;
    return ours ? 0 : no_manifest(x, err);
}

static struct js *last_file(const struct exported *x)
{
    const struct js *files = js_get(x->manifest, "files");

    return js_count(files) > 0 ? js_at(files, js_count(files) - 1) : NULL;
}

static bool text_of(const struct js *entry, const char *key, char *to, size_t size)
{
    struct str s = js_str(js_get(entry, key), STR(""));

    return s.n > 0 && str_copy(to, size, s);
}

static const char *digits(const char *p, size_t most)
{
    size_t n = strspn(p, "0123456789");

    return p + (n < most ? n : most);
}

/* Is it a file of this rule that was never checked?  Names of rules may begin alike. */
static bool is_unfinished(const struct exported *x, const char *name)
{
    size_t n = strlen(x->name);
    const char *p = name + n + 1;

    if (strncmp(name, x->name, n) != 0 || name[n] != '-')
        return false;
    p += strncmp(p, before_months, strlen(before_months)) == 0 ? strlen(before_months) : 0;
    if (p == name + n + 1) {
        const char *year = p;

        p = digits(p, 4);
        if (p != year + 4 || p[0] != '-' || digits(p + 1, 2) != p + 3)
            return false;
        p += 3;
    }
    if (p[0] == '-')
        p = digits(p + 1, SIZE_MAX);
    return strcmp(p, ".jsonl.zst.unchecked") == 0 || strcmp(p, ".jsonl.zst.unchecked.part") == 0;
}

/* What a process that was killed has left. */
static int sweep(const struct exported *x, struct err *err)
{
    DIR *dir = opendir(x->dir);
    const struct dirent *entry;

    if (dir == NULL)
        return packed_io_error(err, x->dir);
    while ((entry = readdir(dir)) != NULL)
        if (is_unfinished(x, entry->d_name))
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
    (void)closedir(dir);
    return 0;
}

int exported_load(struct exported *x, bool *pending, struct err *err)
{
    const struct js *last;

    give_up(x);
    *pending = false;
    if (lock(x, err) < 0 || read_manifest(x, err) < 0)
        return -1;
    last = last_file(x);
    if (last == NULL || js_bool(js_get(last, "deleted"), false))
        return sweep(x, err);
    if (!text_of(last, "name", x->file, sizeof(x->file)) || strchr(x->file, '/') != NULL ||
        !text_of(last, "sha256", x->right.sha256, sizeof(x->right.sha256)) ||
        !text_of(last, "ids_sha256", x->right.ids_sha256, sizeof(x->right.ids_sha256)))
        return no_manifest(x, err);
    x->right.n = (uint64_t)js_int(js_get(last, "events"), -1);
    x->entered = true;
    *pending = true;
    return 0;
}

static void enter(struct exported *x)
{
    struct js *file = js_new_object();

    js_set_z(file, "name", x->file);
    js_set_z(file, "month", x->month);
    js_set_int(file, "events", (int64_t)x->right.n);
    js_set_int(file, "bytes", (int64_t)x->right.bytes);
    js_set_int(file, "bytes_uncompressed", (int64_t)x->right.bytes_plain);
    js_set_z(file, "sha256", x->right.sha256);
    js_set_z(file, "ids_sha256", x->right.ids_sha256);
    js_set_int(file, "exported_at", clock_wall_s());
    js_set_bool(file, "deleted", false);
    js_add(js_get(x->manifest, "files"), file);
}

/* ---- writing ---- */

static bool is_named(const struct exported *x, const char *name)
{
    const struct js *files = js_get(x->manifest, "files");

    for (size_t i = 0; i < js_count(files); i++)
        if (str_eq(js_str(js_get(js_at(files, i), "name"), STR("")), str_z(name)))
            return true;
    return false;
}

/* The first name of that month that neither the manifest nor the folder has. */
static int name_file(struct exported *x, int64_t month, struct err *err)
{
    time_t t = (time_t)month;
    char path[PATH_MAX];
    struct tm tm;
    int n = 1;

    if (month < EXPORTED_MONTHS_FROM)
        (void)snprintf(x->month, sizeof(x->month), "%s", before_months);
    else if (gmtime_r(&t, &tm) == NULL || strftime(x->month, sizeof(x->month), "%Y-%m", &tm) == 0)
        return err_set(err, ERR_IO, "no month begins at %lld", (long long)month);
    (void)snprintf(x->file, sizeof(x->file), "%s-%s.jsonl.zst", x->name, x->month);
    for (;;) {
        if (path_of(x, x->file, "", path, err) < 0)
            return -1;
        if (!is_named(x, x->file) && access(path, F_OK) != 0)
            return errno == ENOENT ? 0 : packed_io_error(err, path);
        (void)snprintf(x->file, sizeof(x->file), "%s-%s-%d.jsonl.zst", x->name, x->month, ++n);
    }
}

int exported_add(struct exported *x, int64_t month, const struct id32 *id, struct str json,
                 struct err *err)
{
    if (x->out == NULL) {
        char made[FILE_BYTES + sizeof(unchecked)];

        sum_init(&x->sum);
        x->entered = false;
        if (name_file(x, month, err) < 0)
            return -1;
        (void)snprintf(made, sizeof(made), "%s%s", x->file, unchecked);
        x->out = packed_open(x->dir, made, err);
        if (x->out == NULL)
            return -1;
    }
    sum_add(&x->sum, id);
    return packed_line(x->out, json, err);
}

int exported_close(struct exported *x, struct err *err)
{
    struct packed_facts facts;
    struct packed *out = x->out;

    x->out = NULL;
    if (packed_close(out, &facts, err) < 0)
        return -1;
    x->right.n = x->sum.n;
    x->right.bytes = facts.bytes;
    x->right.bytes_plain = facts.bytes_plain;
    memcpy(x->right.sha256, facts.sha256, sizeof(x->right.sha256));
    sum_text(&x->sum, x->right.ids_sha256);
    return 0;
}

/* ---- reading back ---- */

static int next_event(struct exported *x, struct event *e, size_t *bytes, bool *end,
                      struct err *err)
{
    const struct event_limits limits = event_limits_archived();
    enum reject why;
    struct str line;

    *end = !unpacked_line(x->in, &line, err);
    if (*end)
        return err->code == ERR_NONE ? 0 : -1;
    arena_reset(&x->arena);
    *bytes += line.n;
    if (event_scan(line, &limits, &x->arena, e, &why) < 0)
        return err_set(err, ERR_IO, "%s/%s holds a line that is no event (%s)", x->dir, x->file,
                       reject_name(why));
    return 0;
}

/* What was verified once and is something else now is not ours to mend. */
static int changed(const struct exported *x, struct err *err)
{
    char why[ERR_DETAIL_MAX];

    if (!x->entered)
        return -1; /* it is made again */
    (void)snprintf(why, sizeof(why), "%.100s", err->detail);
    return err_set(err, ERR_IO, "%s; bring it back, or take it out of the manifest", why);
}

static int compare(struct exported *x, struct err *err)
{
    char file_sum[65], ids_sum[65];

    unpacked_sha256(x->in, file_sum);
    sum_text(&x->sum, ids_sum);
    if (strcmp(file_sum, x->right.sha256) != 0 || x->sum.n != x->right.n ||
        strcmp(ids_sum, x->right.ids_sha256) != 0)
        return err_set(err, ERR_IO, "%s does not hold what was written to it", x->file);
    return 0;
}

/* Under its name, or still without. */
static int open_file(struct exported *x, struct err *err)
{
    char path[PATH_MAX], made[PATH_MAX];

    if (path_of(x, x->file, "", path, err) < 0 || path_of(x, x->file, unchecked, made, err) < 0)
        return -1;
    bool named = x->entered && (access(path, F_OK) == 0 || access(made, F_OK) != 0);
    x->in = unpacked_open(named ? path : made, err);
    sum_init(&x->sum);
    return x->in != NULL ? 0 : -1;
}

static int give_name(struct exported *x, struct err *err)
{
    char path[PATH_MAX], made[PATH_MAX];

    if (path_of(x, x->file, "", path, err) < 0 || path_of(x, x->file, unchecked, made, err) < 0)
        return -1;
    if (access(path, F_OK) == 0)
        return 0;
    return rename(made, path) != 0 ? packed_io_error(err, path) : packed_sync_dir(x->dir, err);
}

static int admit(struct exported *x, struct err *err)
{
    unpacked_close(x->in);
    x->in = NULL;
    if (!x->entered) {
        enter(x);
        if (save(x, err) < 0)
            return -1;
        x->entered = true;
    }
    return give_name(x, err) < 0 ? -1 : open_file(x, err);
}

int exported_check(struct exported *x, bool *more, struct err *err)
{
    size_t bytes = 0;
    struct event e;
    bool end = false;

    if (x->in == NULL && open_file(x, err) < 0)
        return changed(x, err);
    for (size_t n = 0; n < STEP_EVENTS && bytes < STEP_BYTES; n++) {
        if (next_event(x, &e, &bytes, &end, err) < 0)
            return changed(x, err);
        if (end)
            break;
        sum_add(&x->sum, &e.id);
    }
    *more = !end;
    if (!end)
        return 0;
    return compare(x, err) < 0 ? changed(x, err) : admit(x, err);
}

/* ---- deleting ---- */

int exported_take(struct exported *x, struct exported_take *t, struct err *err)
{
    size_t bytes = 0;
    struct event e;
    bool end = false;

    t->n = 0;
    for (size_t n = 0; n < STEP_EVENTS && bytes < STEP_BYTES && t->n < t->room; n++) {
        if (next_event(x, &e, &bytes, &end, err) < 0)
            return changed(x, err);
        if (end)
            break;
        if (!t->wanted(t->owner, &e))
            continue;
        t->ids[t->n] = e.id;
        t->ats[t->n++] = e.created_at;
    }
    t->more = !end;
    return 0;
}

int exported_done(struct exported *x, struct err *err)
{
    unpacked_close(x->in);
    x->in = NULL;
    js_set_bool(last_file(x), "deleted", true);
    return save(x, err);
}
