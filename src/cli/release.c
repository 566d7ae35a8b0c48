/* release: a dataset that can be cited: the archive's events in a directory of compressed files,
 * and what is known of their completeness.
 *
 *     DIR.partial/  coverage, gaps, relays -> one month after the other -> manifest, sums  -> DIR/
 *
 * What is proven is read first, then the events: so all that coverage claims is in the files, and
 * what came meanwhile may be.  Each finished file stands in `progress`; a release that was
 * interrupted goes on behind the last of them when the same is said again, as of its first start.
 * Events that their author has asked to delete (NIP-09) or that have expired (NIP-40) are left
 * out: the archive keeps them, and they are not to be served. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/lines.h"
#include "core/clock.h"
#include "core/human.h"
#include "services/keeper/packed.h"

enum {
    FETCH_EVENTS = 1000,
    FIRST_YEAR = 2020,
    FORMAT = 1,
    LINE_MAX_BYTES = 16 * 1024 * 1024,
    LINE_DEPTH = 6,
    NAME_MAX_BYTES = 64
};

struct release {
    struct archive *a;
    char dir[PATH_MAX], partial[PATH_MAX];
    int64_t as_of;
    struct js *files;    /* finished ones, in their order */
    struct js *coverage; /* the summary */
    struct progress progress;

    struct packed *out; /* what is being written */
    struct js *kinds;   /* NULL: not events */
    uint64_t rows, withheld;
    int fetched;
    bool failed;
    struct err err;
};

/* $3 as_of: not to be served then. */
#define WITHHELD_SQL                                                                               \
    "(EXISTS (SELECT FROM expiration x WHERE x.id = e.id AND x.expires_at <= $3) OR (e.kind <> 5 " \
    "AND (EXISTS (SELECT FROM deletion d WHERE d.target_id = e.id AND d.pubkey = e.pubkey) OR "    \
    "((e.kind IN (0, 3) OR e.kind BETWEEN 10000 AND 19999 OR e.kind BETWEEN 30000 AND 39999) AND " \
    "EXISTS (SELECT FROM deletion d WHERE d.target_tag = (tag('a', e.kind || ':' || "              \
    "encode(e.pubkey, 'hex') || ':' || CASE WHEN e.kind < 30000 THEN '' ELSE coalesce((SELECT t "  \
    "->> 1 FROM jsonb_array_elements(e.tags::jsonb) WITH ORDINALITY x(t, n) WHERE t ->> 0 = 'd' "  \
    "ORDER BY n LIMIT 1), '') END))[1] AND d.pubkey = e.pubkey AND d.until >= e.created_at)))))"

static const char events_sql[] =
    "DECLARE release NO SCROLL CURSOR FOR SELECT event_object(e), e.kind, " WITHHELD_SQL
    "::int4 FROM event e WHERE e.created_at >= $1 AND e.created_at <= $2 ORDER BY e.created_at, "
    "e.id";

static const struct {
    const char *name, *sql;
} tables[] = {
    {"coverage.jsonl.zst",
     "DECLARE release CURSOR FOR SELECT json_build_object('relay', c.relay_url, 'filter', "
     "c.filter::json, 'lo', c.lo, 'hi', c.hi, 'grade', c.grade, 'proved_at', c.proved_at)::text "
     "FROM relay_coverage c ORDER BY c.relay_url, c.filter, c.lo"},
    {"gaps.jsonl.zst",
     "DECLARE release CURSOR FOR SELECT json_build_object('relay', g.relay_url, 'filter', "
     "g.filter::json, 'lo', g.lo, 'hi', g.hi, 'reason', g.reason)::text FROM relay_gap g ORDER BY "
     "g.relay_url, g.filter, g.lo"},
    {"relays.jsonl.zst",
     "DECLARE release CURSOR FOR SELECT json_build_object('url', r.url, 'network', r.network, "
     "'known_since', r.inserted_at)::text FROM relays r ORDER BY r.url"},
};
enum { TABLES = sizeof(tables) / sizeof(tables[0]) };

static const char summary_sql[] =
    "SELECT json_build_object('relays', (SELECT count(DISTINCT relay_id) FROM coverage), 'grades', "
    "(SELECT coalesce(json_object_agg(g.name, json_build_object('spans', c.n, 'relays', c.relays)),"
    " '{}') FROM (SELECT grade, count(*) AS n, count(DISTINCT relay_id) AS relays FROM coverage "
    "GROUP BY 1) c JOIN grade g USING (grade)), 'gaps', (SELECT count(*) FROM gap))::text";

/* Files and their record */

static bool path_of(const struct release *r, const char *name, char path[PATH_MAX])
{
    int n = snprintf(path, PATH_MAX, "%s/%s", r->partial, name);

    return n > 0 && n < PATH_MAX;
}

/* One line at the end of `progress`, on the disk before anything rests on it. */
static int record(const struct release *r, const struct js *line, struct err *err)
{
    char path[PATH_MAX];
    FILE *f = path_of(r, "progress", path) ? fopen(path, "ae") : NULL;

    if (f == NULL)
        return packed_io_error(err, r->partial);
    js_print(line, JS_COMPACT, f);
    int bad = ferror(f) || fflush(f) != 0 || fsync(fileno(f)) != 0;
    return fclose(f) != 0 || bad ? packed_io_error(err, path) : 0;
}

static bool is_finished(const struct release *r, const char *name)
{
    for (size_t i = 0; i < js_count(r->files); i++)
        if (str_eq(js_str(js_get(js_at(r->files, i), "name"), STR("")), str_z(name)))
            return true;
    return false;
}

/* What an earlier start has finished.  A line that was cut is the last one, and its file is made
 * again. */
static int take_record(void *owner, uint64_t number, struct str line)
{
    struct release *r = owner;
    struct err bad;
    struct js *js = js_parse(line, LINE_MAX_BYTES, LINE_DEPTH, &bad);
    struct str name = js_str(js_get(js, "name"), STR(""));
    char z[NAME_MAX_BYTES], path[PATH_MAX];
    struct stat st;

    (void)number;
    if (js_get(js, "as_of") != NULL) {
        r->as_of = js_int(js_get(js, "as_of"), 0);
        r->coverage = js_copy(js_get(js, "coverage"));
    } else if (name.n > 0 && str_copy(z, sizeof(z), name) && path_of(r, z, path) &&
               stat(path, &st) == 0 && st.st_size == js_int(js_get(js, "bytes"), -1)) {
        js_add(r->files, js_copy(js));
    }
    js_free(js);
    return 0;
}

static int resume(struct release *r, FILE *f, struct err *err)
{
    if (lines_read(f, take_record, r, err) < 0)
        return -1;
    (void)fprintf(stderr, "going on in %s: %zu files are done\n", r->partial, js_count(r->files));
    return r->as_of > 0 ? 0 : err_set(err, ERR_IO, "%s holds no release: delete it", r->partial);
}

/* Rows */

static void on_row(void *owner, const struct result *res, int row)
{
    struct release *r = owner;
    char kind[16];

    r->fetched++;
    if (r->failed)
        return;
    if (r->kinds != NULL && result_int(res, row, 2) != 0) {
        r->withheld++;
        return;
    }
    r->failed = packed_line(r->out, result_str(res, row, 0), &r->err) < 0;
    r->rows++;
    progress_add(&r->progress, 1);
    if (r->kinds == NULL)
        return;
    (void)snprintf(kind, sizeof(kind), "%" PRId64, result_int(res, row, 1));
    js_set_int(r->kinds, kind, js_int(js_get(r->kinds, kind), 0) + 1);
}

/* All rows of a cursor into r->out, in one transaction of its own. */
static int copy_rows(struct release *r, const char *sql, const struct params *p, struct err *err)
{
    char fetch[48];
    int rc;

    (void)snprintf(fetch, sizeof(fetch), "FETCH %d FROM release", FETCH_EVENTS);
    rc = archive_query(r->a, "BEGIN READ ONLY", NULL, NULL, NULL, err);
    if (rc == 0)
        rc = archive_query(r->a, sql, p, NULL, NULL, err);
    for (r->fetched = FETCH_EVENTS; rc == 0 && !r->failed && r->fetched > 0;) {
        r->fetched = 0;
        rc = archive_query(r->a, fetch, NULL, on_row, r, err);
    }
    if (rc < 0)
        return -1;
    if (r->failed) {
        *err = r->err;
        return -1;
    }
    return archive_query(r->a, "COMMIT", NULL, NULL, NULL, err);
}

/* One file, unless it is there; one of events without events is not kept. */
static int make_file(struct release *r, const char *name, const char *sql, const struct params *p,
                     bool events, struct err *err)
{
    struct packed_facts facts;
    struct err later;

    if (is_finished(r, name))
        return 0;
    r->rows = r->withheld = 0;
    r->kinds = events ? js_new_object() : NULL;
    r->out = packed_open(r->partial, name, err);
    if (r->out == NULL || copy_rows(r, sql, p, err) < 0) {
        if (r->out != NULL)
            (void)!packed_close(r->out, NULL, &later);
        js_free(r->kinds);
        return -1;
    }
    bool empty = events && r->rows == 0 && r->withheld == 0;
    struct js *file = js_new_object();
    int rc = packed_close(r->out, empty ? NULL : &facts, err);
    js_set_z(file, "name", name);
    if (!empty && rc == 0) {
        js_set_z(file, "sha256", facts.sha256);
        js_set_int(file, "bytes", (int64_t)facts.bytes);
        js_set_int(file, "bytes_uncompressed", (int64_t)facts.bytes_plain);
        js_set_int(file, events ? "events" : "rows", (int64_t)r->rows);
        if (events)
            js_set_int(file, "withheld", (int64_t)r->withheld);
    }
    if (events)
        js_set(file, "kinds", r->kinds);
    if (!empty && rc == 0 && (rc = record(r, file, err)) == 0)
        js_add(r->files, js_copy(file));
    js_free(file);
    return rc;
}

/* The first second of a month; months beyond 12 are of the next year. */
static int64_t month_begins(int year, int month)
{
    struct tm tm = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = 1};

    return (int64_t)timegm(&tm);
}

static int make_month(struct release *r, const char *name, int64_t from, int64_t to,
                      struct err *err)
{
    struct params p;

    params_init(&p);
    params_int8(&p, from);
    params_int8(&p, to);
    params_int8(&p, r->as_of);
    return make_file(r, name, events_sql, &p, true, err);
}

/* Everything before 2020 is one file, and so is what claims to come after the month of as_of. */
static int make_events(struct release *r, struct err *err)
{
    char name[NAME_MAX_BYTES];
    time_t t = (time_t)r->as_of;
    struct tm now;
    int year = FIRST_YEAR, month = 1;

    if (gmtime_r(&t, &now) == NULL)
        return err_set(err, ERR_IO, "the clock cannot be read");
    (void)snprintf(name, sizeof(name), "events-before-%d.jsonl.zst", FIRST_YEAR);
    if (make_month(r, name, 0, month_begins(year, 1) - 1, err) < 0)
        return -1;
    while (year < now.tm_year + 1900 || (year == now.tm_year + 1900 && month <= now.tm_mon + 1)) {
        (void)snprintf(name, sizeof(name), "events-%04d-%02d.jsonl.zst", year, month);
        if (make_month(r, name, month_begins(year, month), month_begins(year, month + 1) - 1, err) <
            0)
            return -1;
        year += month == 12;
        month = month % 12 + 1;
    }
    return make_month(r, "events-later.jsonl.zst", month_begins(year, month), INT64_MAX, err);
}

/* What describes it */

static int64_t total(const struct release *r, const char *key)
{
    int64_t n = 0;

    for (size_t i = 0; i < js_count(r->files); i++)
        n += js_int(js_get(js_at(r->files, i), key), 0);
    return n;
}

static struct js *manifest(const struct release *r)
{
    struct js *m = js_new_object(), *kinds = js_new_object(), *n;
    struct str kind;

    for (size_t i = 0; i < js_count(r->files); i++)
        for (void *at = NULL; js_next(js_get(js_at(r->files, i), "kinds"), &at, &kind, &n);) {
            char z[NAME_MAX_BYTES];
            if (str_copy(z, sizeof(z), kind))
                js_set_int(kinds, z, js_int(js_get(kinds, z), 0) + js_int(n, 0));
        }
    js_set_int(m, "format", FORMAT);
    js_set_z(m, "made_by", "bigbrotr " BIGBROTR_VERSION);
    js_set_int(m, "as_of", r->as_of);
    js_set_int(m, "events", total(r, "events"));
    js_set_int(m, "withheld", total(r, "withheld"));
    js_set(m, "kinds", kinds);
    js_set(m, "coverage", js_copy(r->coverage));
    js_set(m, "files", js_copy(r->files));
    return m;
}

static void write_readme(const struct release *r, FILE *f)
{
    char as_of[HUMAN_TIME_SIZE];

    (void)fprintf(
        f,
        "# Nostr events, as of %s UTC\n\n%" PRId64
        " events, each verified (id and signature), archived "
        "by bigbrotrd from relays.\n\n"
        "- `events-YYYY-MM.jsonl.zst`: one event a line, as NIP-01 has it, by the month (UTC) of "
        "created_at, ordered by created_at, then id\n"
        "- `coverage.jsonl.zst`: for each relay the spans of created_at of which everything that "
        "it "
        "served was archived, and how that was proven (grade; best first: negentropy, finish, "
        "walk, "
        "walk-kinds, live, heuristic)\n"
        "- `gaps.jsonl.zst`: spans that could not be read completely, and why\n"
        "- `relays.jsonl.zst`: the relays that were known\n"
        "- `manifest.json`: files, sums, counts by kind\n\n"
        "What no coverage claims may be missing. Not in here: %" PRId64 " events that their author "
        "has asked to delete (NIP-09) or that have expired (NIP-40).\n\n"
        "Check it with `sha256sum -c SHA256SUMS`; read it with `zstd -dc events-*.jsonl.zst`.\n",
        human_time(as_of, r->as_of), total(r, "events"), total(r, "withheld"));
}

static int write_text(struct release *r, const char *name,
                      void (*write_it)(struct release *, FILE *), struct err *err)
{
    char path[PATH_MAX];
    FILE *f = path_of(r, name, path) ? fopen(path, "we") : NULL;

    if (f == NULL)
        return packed_io_error(err, r->partial);
    write_it(r, f);
    int bad = fflush(f) != 0 || fsync(fileno(f)) != 0;
    return fclose(f) != 0 || bad ? packed_io_error(err, path) : 0;
}

static void put_manifest(struct release *r, FILE *f)
{
    struct js *m = manifest(r);

    js_print(m, JS_PRETTY, f);
    js_free(m);
}

static void put_readme(struct release *r, FILE *f)
{
    write_readme(r, f);
}

static void put_sums(struct release *r, FILE *f)
{
    static const char *const texts[] = {"README.md", "manifest.json"};
    char path[PATH_MAX], sum[65];

    for (size_t i = 0; i < js_count(r->files); i++)
        (void)fprintf(f, STR_FMT "  " STR_FMT "\n",
                      STR_ARG(js_str(js_get(js_at(r->files, i), "sha256"), STR(""))),
                      STR_ARG(js_str(js_get(js_at(r->files, i), "name"), STR(""))));
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (!path_of(r, texts[i], path) || packed_hash(path, sum, &r->err) < 0)
            r->failed = true;
        else
            (void)fprintf(f, "%s  %s\n", sum, texts[i]);
}

/* Its life */

static int begin(struct release *r, struct err *err)
{
    char path[PATH_MAX], *text = NULL;
    FILE *f = path_of(r, "progress", path) ? fopen(path, "re") : NULL;

    if (f != NULL) {
        int rc = resume(r, f, err);
        (void)fclose(f);
        return rc;
    }
    if (mkdir(r->partial, 0755) != 0 && errno != EEXIST)
        return packed_io_error(err, r->partial);
    r->as_of = clock_wall_s();
    if (archive_text(r->a, summary_sql, NULL, &text, err) < 0)
        return -1;
    r->coverage = js_parse(str_z(text), LINE_MAX_BYTES, LINE_DEPTH, err);
    free(text);
    struct js *line = js_new_object();
    js_set_int(line, "as_of", r->as_of);
    js_set(line, "coverage", r->coverage != NULL ? js_copy(r->coverage) : js_new_null());
    int rc = r->coverage == NULL ? -1 : record(r, line, err);
    js_free(line);
    return rc;
}

static int make(struct release *r, struct err *err)
{
    char path[PATH_MAX];

    if (begin(r, err) < 0)
        return -1;
    for (int i = 0; i < TABLES; i++)
        if (make_file(r, tables[i].name, tables[i].sql, NULL, false, err) < 0)
            return -1;
    if (make_events(r, err) < 0 || write_text(r, "README.md", put_readme, err) < 0 ||
        write_text(r, "manifest.json", put_manifest, err) < 0 ||
        write_text(r, "SHA256SUMS", put_sums, err) < 0)
        return -1;
    if (r->failed) {
        *err = r->err;
        return -1;
    }
    if (path_of(r, "progress", path))
        (void)unlink(path);
    if (packed_sync_dir(r->partial, err) < 0)
        return -1;
    return rename(r->partial, r->dir) != 0 ? packed_io_error(err, r->dir) : 0;
}

static int finish(const struct command *c, struct release *r, int rc, const struct err *err)
{
    progress_done(&r->progress);
    if (rc < 0) {
        (void)fprintf(stderr,
                      "bigbrotr: what is finished stays in %s: say the same again to go on\n",
                      r->partial);
        return command_fail(err);
    }
    struct js *m = manifest(r);
    if (c->json)
        js_print(m, JS_PRETTY, stdout);
    else
        (void)printf("%s: %" PRId64 " events in %zu files, %" PRId64 " left out (deleted by their "
                     "author, or expired)\n",
                     r->dir, total(r, "events"), js_count(r->files), total(r, "withheld"));
    js_free(m);
    return COMMAND_DONE;
}

int command_release(const struct command *c)
{
    struct release *r = calloc(1, sizeof(*r));
    struct err err;
    int code = COMMAND_USAGE, n;

    if (r == NULL)
        abort();
    n = c->argc == 1 ? snprintf(r->dir, sizeof(r->dir), "%s", c->argv[0]) : -1;
    while (n > 1 && r->dir[n - 1] == '/')
        r->dir[--n] = '\0';
    int m = snprintf(r->partial, sizeof(r->partial), "%.*s.partial", PATH_MAX - 16, r->dir);
    if (n <= 0 || m < 0 || n > PATH_MAX - 100 || c->argv[0][0] == '-') {
        (void)fputs("usage: bigbrotr release DIR    DIR: a new directory\n", stderr);
    } else if (access(r->dir, F_OK) == 0) {
        (void)fprintf(stderr, "bigbrotr: %s is there already: name a new directory\n", r->dir);
    } else if ((r->a = archive_open(c->cfg, &err)) == NULL) {
        code = command_fail(&err);
    } else {
        r->files = js_new_array();
        progress_start(&r->progress, "released");
        int rc = make(r, &err);
        archive_close(r->a);
        code = finish(c, r, rc, &err);
        js_free(r->files);
        js_free(r->coverage);
    }
    free(r);
    return code;
}
