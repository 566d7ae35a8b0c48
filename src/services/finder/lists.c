/* lists: see lists.h.  Reading order: making, whose turn it is, one GET, what came, storing, the
 * end, stopping. */
#include "services/finder/lists.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/human.h"
#include "core/json.h"
#include "core/list.h"
#include "core/log.h"
#include "core/metrics.h"
#include "core/sha256.h"
#include "db/store_finder.h"
#include "db/store_state.h"
#include "loop/workers.h"
#include "net/http_get.h"
#include "net/net.h"
#include "services/finder/lists_read.h"

enum {
    LOOK_EVERY_MS = 250,
    RETRY_MIN_MS = 60 * 1000,
    RETRY_MAX_MS = 24 * 60 * 60 * 1000,
    DATABASE_WAIT_MS = 5000,
    PROXY_WAIT_MS = 10 * 1000,
    WHOLE_EVERY_MS = 7 * 24 * 60 * 60 * 1000, /* so that what was forgotten is mentioned again */
    ROWS_AT_ONCE = 500,
    WHAT_MAX = 3072,
    STATE_BYTES = 8192,
    STATE_DEPTH = 4,
    DOUBLINGS_MAX = 20
};

struct source {
    struct list link;
    struct lists *lists;
    struct lists_source is;
    char what[WHAT_MAX]; /* url, format, path: another one is another list */
    char key[96];        /* of service_state */

    /* Remembered. */
    bool known, asked;
    char etag[256], last_modified[128];
    int64_t next_at_ms, whole_at_ms; /* UNIX; when it was last read as a whole */
    uint32_t failures, relays;
    enum err_code error;

    /* While it is read. */
    struct http_get *get;
    const char *host; /* that holds a place in the budget, or NULL */
    bool conditional;
    struct worker_job job;
    struct str body;
    struct lists_read read;
    struct err read_err;
    int read_result;
    uint32_t stored;
    bool working, storing; /* a worker or the database has it */
    bool gone;             /* of the configuration */
};

struct lists {
    struct lists_parts parts;
    struct list sources;
    struct source *busy; /* NULL: none is being read */
    int64_t look_at_ms;
    bool stopped;
};

static void on_state(void *owner, struct str json, const struct err *err);
static void on_done(void *owner, const struct http_get_result *result);
static void on_failed(void *owner, const struct err *err);
static void read_run(struct worker_job *job);
static void read_done(struct worker_job *job);
static void store(struct source *s);

static const struct http_get_ops http_ops = {on_done, on_failed};

/* Making */

static void describe(struct source *s)
{
    const struct http_url *u = &s->is.url;

    (void)snprintf(s->what, sizeof(s->what), "%s://%s:%u%s %s %s", u->tls ? "https" : "http",
                   u->host, u->port, u->path, s->is.json ? "json" : "lines", s->is.path);
    (void)snprintf(s->key, sizeof(s->key), "list %s", s->is.name);
}

static void add(struct lists *l, const struct lists_source *is)
{
    struct source *s = calloc(1, sizeof(*s));

    if (s == NULL)
        abort();
    s->lists = l;
    s->is = *is;
    describe(s);
    list_add_tail(&l->sources, &s->link);
}

struct lists *lists_open(const struct lists_parts *parts, const struct lists_options *options)
{
    struct lists *l = calloc(1, sizeof(*l));

    if (l == NULL)
        abort();
    l->parts = *parts;
    list_init(&l->sources);
    for (size_t i = 0; i < options->sources_n; i++)
        add(l, &options->sources[i]);
    return l;
}

static struct source *find(struct lists *l, const char *name)
{
    LIST_FOR_EACH(link, &l->sources)
    {
        struct source *s = CONTAINER_OF(link, struct source, link);
        if (strcmp(s->is.name, name) == 0 && !s->gone)
            return s;
    }
    return NULL;
}

static bool is_idle(const struct source *s)
{
    return s->lists->busy != s && !s->asked;
}

static void forget(struct source *s)
{
    list_remove(&s->link);
    free(s);
}

void lists_reconfigure(struct lists *l, const struct lists_options *options)
{
    LIST_FOR_EACH(link, &l->sources)
    {
        struct source *s = CONTAINER_OF(link, struct source, link);
        const struct lists_source *is = NULL;
        struct source now;

        for (size_t i = 0; i < options->sources_n; i++)
            if (strcmp(options->sources[i].name, s->is.name) == 0)
                is = &options->sources[i];
        if (is != NULL) {
            now.is = *is;
            describe(&now);
        }
        if (is != NULL && strcmp(now.what, s->what) == 0) {
            s->is.interval_ms = is->interval_ms; /* the rest may be a worker's */
            s->is.timeout_ms = is->timeout_ms;
            s->is.bytes_max = is->bytes_max;
            s->is.via_tor = is->via_tor;
            if (s->next_at_ms > clock_wall_ms() + is->interval_ms && s->failures == 0)
                s->next_at_ms = clock_wall_ms() + is->interval_ms;
            continue;
        }
        s->gone = true;
        if (is_idle(s))
            forget(s);
    }
    for (size_t i = 0; i < options->sources_n; i++)
        if (find(l, options->sources[i].name) == NULL)
            add(l, &options->sources[i]);
}

void lists_status(const struct lists *l, struct lists_status *s)
{
    *s = (struct lists_status){0};
    LIST_FOR_EACH(link, &l->sources)
    {
        const struct source *source = CONTAINER_OF(link, struct source, link);
        s->lists += !source->gone;
        s->failing += !source->gone && source->failures > 0;
    }
}

/* Whose turn it is */

static void on_state(void *owner, struct str json, const struct err *err)
{
    struct source *s = owner;
    struct err ignored;
    struct js *root;

    s->asked = false;
    if (s->gone && s->lists->busy != s) {
        forget(s);
        return;
    }
    if (err != NULL)
        return; /* asked again */
    s->known = true;
    root = json.n > 0 ? js_parse(json, STATE_BYTES, STATE_DEPTH, &ignored) : NULL;
    if (str_eq(js_str(js_get(root, "what"), STR("")), str_z(s->what))) {
        (void)str_copy(s->etag, sizeof(s->etag), js_str(js_get(root, "etag"), STR("")));
        (void)str_copy(s->last_modified, sizeof(s->last_modified),
                       js_str(js_get(root, "last_modified"), STR("")));
        s->next_at_ms = js_int(js_get(root, "next_at_ms"), 0);
        s->whole_at_ms = js_int(js_get(root, "read_at_ms"), 0);
        s->failures = (uint32_t)js_int(js_get(root, "failures"), 0);
        s->relays = (uint32_t)js_int(js_get(root, "relays"), 0);
        if (s->next_at_ms > clock_wall_ms() + s->is.interval_ms + RETRY_MAX_MS)
            s->next_at_ms = 0; /* a clock was wrong */
    }
    js_free(root);
}

static enum network way_of(const struct source *s)
{
    return s->is.via_tor && s->is.url.network == NETWORK_CLEARNET ? NETWORK_TOR : s->is.url.network;
}

/* 0: it is under way.  Else ask again after so many milliseconds. */
static int64_t begin(struct source *s, int64_t now)
{
    struct lists *l = s->lists;
    enum network way = way_of(s);
    int64_t wait;

    if (way != NETWORK_CLEARNET && net_proxy_state(l->parts.net, way) != NET_PROXY_UP)
        return PROXY_WAIT_MS; /* `bigbrotr status` says so */
    wait = budget_take(l->parts.budget, BUDGET_FINDER, s->is.url.host, 1, clock_mono_ms());
    if (wait > 0)
        return wait;
    s->host = s->is.url.host;
    s->conditional = now - s->whole_at_ms < WHOLE_EVERY_MS &&
                     (s->etag[0] != '\0' || s->last_modified[0] != '\0');
    const struct http_get_options options = {
        .url = &s->is.url,
        .accept = s->is.json ? "application/json" : "text/plain",
        .if_none_match = s->conditional ? s->etag : "",
        .if_modified_since = s->conditional ? s->last_modified : "",
        .body_bytes_max = s->is.bytes_max,
        .timeout_ms = s->is.timeout_ms,
        .wanted = true, /* a person has named it */
        .via = way};
    l->busy = s;
    s->get = http_get_open(l->parts.net, &options, &http_ops, s);
    return 0;
}

void lists_tick(struct lists *l)
{
    int64_t mono = clock_mono_ms(), now = clock_wall_ms();

    if (l->stopped || mono < l->look_at_ms || !db_is_up(l->parts.db))
        return;
    l->look_at_ms = mono + LOOK_EVERY_MS;
    LIST_FOR_EACH(link, &l->sources)
    {
        struct source *s = CONTAINER_OF(link, struct source, link);
        if (!s->known && !s->asked && !s->gone) {
            s->asked = true;
            store_state_get(l->parts.db, "finder", s->key, on_state, s);
        }
        if (!s->known || s->gone || l->busy != NULL || now < s->next_at_ms)
            continue;
        int64_t wait = begin(s, now);
        if (wait > 0)
            s->next_at_ms = now + wait;
    }
}

/* The end of one reading */

static void give_place(struct source *s)
{
    struct budget *budget = s->lists->parts.budget;
    int64_t mono = clock_mono_ms();

    if (s->host == NULL)
        return;
    budget_dialled(budget, s->host, mono);
    budget_release(budget, BUDGET_FINDER, s->host, 1, mono);
    s->host = NULL;
}

static void give_back(struct source *s)
{
    if (s->get != NULL)
        http_get_close(s->get);
    s->get = NULL;
    give_place(s);
}

static void remember(const struct source *s)
{
    struct js *json = js_new_object();
    char *text;

    js_set_z(json, "what", s->what);
    js_set_z(json, "etag", s->etag);
    js_set_z(json, "last_modified", s->last_modified);
    js_set_int(json, "next_at_ms", s->next_at_ms);
    js_set_int(json, "read_at_ms", s->whole_at_ms);
    js_set_int(json, "failures", s->failures);
    js_set_int(json, "relays", s->relays);
    js_set_z(json, "error", s->failures > 0 ? err_name(s->error) : "");
    text = js_text(json, JS_COMPACT);
    store_state_put(s->lists->parts.db, "finder", s->key, text, NULL, NULL);
    free(text);
    js_free(json);
}

static void leave(struct source *s)
{
    give_back(s);
    s->lists->busy = NULL;
    if (s->gone && !s->asked)
        forget(s);
}

static void good(struct source *s)
{
    s->failures = 0;
    s->error = ERR_NONE;
    s->next_at_ms = clock_wall_ms() + s->is.interval_ms;
    remember(s);
    leave(s);
}

/* What a person can do about it. */
static const char *advice(enum err_code code)
{
    switch ((int)code) { /* the others speak for themselves */
    case ERR_ADDRESS_DENIED:
        return "; a list in your own network needs [network] allow_addresses";
    case ERR_TLS_CERT:
        return "; an authority of your own goes into [network] tls_ca_file";
    case ERR_HTTP_STATUS:
        return "; open its url in a browser";
    case ERR_HTTP_TOO_LARGE:
        return "; is it a list? else raise its max_size";
    case ERR_TIMEOUT:
        return "; if it goes on, raise its timeout";
    case ERR_SYNTAX:
        return "; look at its url, format and path";
    default:
        return "";
    }
}

static void bad(struct source *s, const struct err *err)
{
    int64_t interval = s->is.interval_ms;
    int64_t wait = interval < RETRY_MIN_MS ? interval : RETRY_MIN_MS;
    int64_t most = interval > RETRY_MAX_MS ? interval : RETRY_MAX_MS;
    char shown[32];

    for (uint32_t i = 0; i < s->failures && i < DOUBLINGS_MAX && wait < most; i++)
        wait *= 2;
    if (wait > most)
        wait = most;
    s->failures++;
    s->error = err->code;
    s->next_at_ms = clock_wall_ms() + wait;
    metrics.list_fetches_total[METRIC_FETCH_FAILED]++;
    log_warning("finder", "list %s: %s: %s%s; tried again in %s", s->is.name, err_text(err->code),
                err->detail, advice(err->code),
                human_duration(shown, sizeof(shown), (double)wait / 1000));
    remember(s);
    leave(s);
}

static void fails(struct source *s, enum err_code code, const char *fmt, ...) PRINTF(3, 4);

static void fails(struct source *s, enum err_code code, const char *fmt, ...)
{
    char text[ERR_DETAIL_MAX];
    struct err err;
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    (void)err_set(&err, code, "%s", text);
    bad(s, &err);
}

/* What came */

/* HTML is what servers send instead: a page about the list, an error, a login. */
static bool is_wrong_type(const struct source *s, struct str type)
{
    struct str rest = type, name;

    if (!str_cut(&rest, ';', &name))
        return false;
    name = str_trim(name);
    if (name.n == 0 || str_eq_nocase(name, STR("text/plain")) ||
        str_eq_nocase(name, STR("application/octet-stream")))
        return false;
    if (s->is.json)
        return !str_ends(name, STR("/json")) && !str_ends(name, STR("+json"));
    return !str_starts(name, STR("text/")) || str_eq_nocase(name, STR("text/html"));
}

static void on_done(void *owner, const struct http_get_result *r)
{
    struct source *s = owner;
    char shown[64];

    if (r->status == 304 && s->conditional) {
        metrics.list_fetches_total[METRIC_FETCH_UNCHANGED]++;
        log_debug("finder", "list %s: unchanged", s->is.name);
        good(s);
    } else if (r->status != 200) {
        fails(s, ERR_HTTP_STATUS, "status %d", r->status);
    } else if (is_wrong_type(s, r->content_type)) {
        fails(s, ERR_SYNTAX, "it is %s and not %s",
              str_escape(shown, sizeof(shown), r->content_type), s->is.json ? "JSON" : "text");
    } else {
        (void)str_copy(s->etag, sizeof(s->etag), r->etag);
        (void)str_copy(s->last_modified, sizeof(s->last_modified), r->last_modified);
        s->body = r->body; /* the GET's, which stays until it is read */
        give_place(s);
        s->working = true;
        s->job = (struct worker_job){.run = read_run, .done = read_done};
        list_init(&s->job.link);
        workers_submit(net_workers(s->lists->parts.net), WORKERS_LONG, &s->job);
    }
}

static void on_failed(void *owner, const struct err *err)
{
    bad(owner, err);
}

static void read_run(struct worker_job *job)
{
    struct source *s = CONTAINER_OF(job, struct source, job);

    s->read_result = lists_read(&s->read, s->body, s->is.json, s->is.path, &s->read_err);
}

/* It may not be asked for under a condition again: it was not stored. */
static void unread(struct source *s)
{
    lists_read_done(&s->read);
    s->etag[0] = s->last_modified[0] = '\0';
}

static void read_done(struct worker_job *job)
{
    struct source *s = CONTAINER_OF(job, struct source, job);
    struct lists *l = s->lists;

    s->working = false;
    give_back(s);
    if (l->stopped) {
        unread(s);
        leave(s);
    } else if (s->read_result < 0) {
        unread(s);
        bad(s, &s->read_err);
    } else if (s->read.n == 0) {
        const struct lists_read r = s->read;
        unread(s);
        if (r.entries == 0)
            fails(s, ERR_SYNTAX, "nothing stands in it%s", s->is.json ? " where path leads" : "");
        else
            fails(s, ERR_SYNTAX, "none of its %u entries is a relay, as \"%s\", which %s",
                  r.entries, r.example, url_refusal_text(r.why));
    } else {
        s->stored = 0;
        store(s);
    }
}

/* Storing */

/* Each list counts as a few authors, and each relay always as the same one of them. */
static int64_t author_of(const struct source *s, struct str url)
{
    struct sha256 h;
    uint8_t digest[SHA256_BYTES];
    uint8_t which;
    uint64_t key = 0;

    sha256_of(url.p, url.n, digest);
    which = digest[0] % LISTS_AUTHORS;
    sha256_init(&h);
    sha256_add(&h, s->is.name, strlen(s->is.name) + 1);
    sha256_add(&h, &which, 1);
    sha256_final(&h, digest);
    for (int i = 0; i < 8; i++)
        key = key << 8 | digest[i];
    return (int64_t)key;
}

static void tell(const struct source *s)
{
    const struct lists_read *r = &s->read;
    char refused[192] = "", beyond[64] = "";

    if (r->refused > 0)
        (void)snprintf(refused, sizeof(refused), "; %u %s none, as \"%s\", which %s", r->refused,
                       human_noun(r->refused, "is", "are"), r->example, url_refusal_text(r->why));
    if (r->beyond > 0)
        (void)snprintf(beyond, sizeof(beyond), "; %u beyond %d were not read", r->beyond,
                       LISTED_MAX);
    log_info("finder", "list %s: %u %s%s%s", s->is.name, r->n, human_noun(r->n, "relay", "relays"),
             refused, beyond);
}

static void on_stored(void *owner, const struct err *err)
{
    struct source *s = owner;

    s->storing = false;
    if (err == NULL && s->stored < s->read.n && !s->lists->stopped) {
        store(s);
        return;
    }
    if (err != NULL || s->lists->stopped) { /* later, from the beginning; nobody's fault */
        unread(s);
        s->next_at_ms = clock_wall_ms() + DATABASE_WAIT_MS;
        leave(s);
        return;
    }
    tell(s);
    s->relays = s->read.n;
    s->whole_at_ms = clock_wall_ms();
    lists_read_done(&s->read);
    metrics.list_fetches_total[METRIC_FETCH_READ]++;
    good(s);
}

static void store(struct source *s)
{
    struct store_mention_row rows[ROWS_AT_ONCE];
    uint32_t n = 0;

    for (; n < ROWS_AT_ONCE && s->stored < s->read.n; n++, s->stored++) {
        const struct listed *one = &s->read.relays[s->stored];
        rows[n] = (struct store_mention_row){.url = one->url,
                                             .network = one->network,
                                             .source = HINT_LIST,
                                             .events = 1,
                                             .authors = {author_of(s, one->url)},
                                             .authors_n = 1};
    }
    s->storing = true;
    store_mentions_add(s->lists->parts.db, rows, n, on_stored, s);
}

/* Stopping */

bool lists_stop(struct lists *l)
{
    struct source *s = l->busy;

    l->stopped = true;
    if (s != NULL && !s->working && !s->storing) {
        give_back(s);
        l->busy = NULL;
    }
    return l->busy == NULL;
}

/* The workers have ended and the database has answered all: nobody has one of ours. */
void lists_close(struct lists *l)
{
    assert(l->busy == NULL);
    LIST_FOR_EACH(link, &l->sources)
    free(CONTAINER_OF(link, struct source, link));
    free(l);
}
