/* plan: what archiving will cost, before anything is downloaded.
 *
 *     relays: named | from a file | of the archive or built in, by lot
 *       -> each: COUNT and a few pages (services/plan/survey.h)
 *       -> each: which of the others' events does it have? -> how much is stored once
 *       -> table and totals (plan_print.c)
 *
 * No more is written anywhere; a database is only read, for its list of relays. */
#include "cli/plan.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cli/outside.h"
#include "cli/secret.h"
#include "cli/words.h"
#include "core/hex.h"
#include "core/siphash.h"
#include "services/fetch.h"
#include "services/initializer.h"
#include "services/keeper/retention_rules.h"

enum {
    AT_ONCE = 16, /* relays */
    SAMPLE = 20,  /* of known relays, when nobody says how many */
    SAMPLE_MAX = 100000,
    FILE_BYTES_MAX = 64 * 1024 * 1024,
    MESSAGES_MAX = 64 * 1024 * 1024,
    KNOWN_OF_ONE_MAX = 65536,
    IDS = 256,          /* drawn of all relays together */
    IDS_A_FILTER = 100, /* relays refuse longer lists */
    DEADLINE_MS = 90000
};

struct running {
    struct plan *plan;
    struct outside outside;
    struct signer *signer;
    struct task *tasks; /* AT_ONCE places */
    size_t next, open;  /* the next part, or relay */
    struct id32 *ids;   /* what relays are asked for; of which part each is */
    struct id_place {
        size_t relay, filter;
        uint32_t nth;
    } * places;
    bool *at_this; /* by place: the asked relay has it.  AT_ONCE rows */
    size_t ids_n;
    struct progress progress;
    bool stopped;
};

struct task {
    struct running *running;
    struct survey *survey;
    struct fetch *fetch;
    struct filter_spec *asked; /* of fetch */
    size_t nth;                /* its part, or relay */
    size_t from;               /* of the ids */
    bool busy;
};

/* In the order in which they run. */
static void survey_next(struct running *r);
static void ask_next(struct running *r);

/* ---- which relays ---- */

static void set_relays(struct plan *p, const struct initializer_list *list)
{
    p->relays = calloc(list->n + 1, sizeof(*p->relays));
    p->relays_n = p->known = list->n;
    for (uint32_t i = 0; i < list->n; i++) {
        if (p->relays == NULL || (p->relays[i].url = strdup(list->relays[i].url)) == NULL)
            abort();
    }
}

/* By lot; those that go are freed. */
static void draw_relays(struct plan *p, size_t n)
{
    struct siphash_key lot;

    siphash_key_random(&lot);
    for (size_t i = 0; i < n && i < p->relays_n; i++) {
        size_t at = i + siphash(&lot, &i, sizeof(i)) % (p->relays_n - i);
        char *url = p->relays[i].url;

        p->relays[i].url = p->relays[at].url;
        p->relays[at].url = url;
    }
    for (size_t i = n; i < p->relays_n; i++)
        free(p->relays[i].url);
    if (n < p->relays_n)
        p->relays_n = n;
}

static void add_line(void *owner, const struct result *res, int row)
{
    struct buf *text = owner;

    (void)(buf_append_str(text, result_str(res, row, 0)) && buf_append_char(text, '\n'));
}

/* False: there is no archive that answers. */
static bool read_archive(const struct config *cfg, struct buf *text)
{
    struct err err;
    struct archive *a = archive_open(cfg, &err);
    bool read =
        a != NULL && archive_query(a, "SELECT url FROM relays", NULL, add_line, text, &err) == 0;

    if (a != NULL)
        archive_close(a);
    return read && buf_str(text).n > 0;
}

static int read_file(const char *path, struct buf *text, struct err *err)
{
    FILE *f = fopen(path, "re");
    size_t n = 1;
    char *room;

    if (f == NULL)
        return err_set(err, ERR_CONFIG, "%s: %s", path, strerror(errno));
    while (n > 0 && (room = buf_reserve(text, 65536)) != NULL) {
        n = fread(room, 1, 65536, f);
        buf_added(text, n);
    }
    (void)fclose(f);
    return 0;
}

/* Of a file, or what is known. */
static int list_relays(struct plan *p, const char *file, struct err *err)
{
    struct buf text;
    struct initializer_list *list;
    int rc = 0;

    buf_init(&text, FILE_BYTES_MAX);
    if (file != NULL) {
        p->source = file;
        rc = read_file(file, &text, err);
    } else if (read_archive(p->command->cfg, &text)) {
        p->source = "the archive";
    } else {
        p->source = "the list that is built in";
        buf_clear(&text);
    }
    if (rc == 0) {
        bool builtin = file == NULL && buf_str(&text).n == 0;
        list = initializer_parse(builtin ? initializer_seed_relays() : buf_str(&text),
                                 &url_any_address);
        set_relays(p, list);
        initializer_list_free(list);
        if (p->relays_n == 0)
            rc = err_set(err, ERR_CONFIG, "%s names no relay: one URL a line, as wss://..",
                         p->source);
    }
    buf_done(&text);
    return rc;
}

/* ---- first: how much does each hold? ---- */

static struct task *free_task(struct running *r)
{
    for (size_t i = 0; i < AT_ONCE; i++)
        if (!r->tasks[i].busy) {
            r->tasks[i] = (struct task){.running = r, .busy = true};
            r->open++;
            return &r->tasks[i];
        }
    return NULL;
}

static void end_task(struct task *t)
{
    struct running *r = t->running;

    survey_close(t->survey);
    fetch_close(t->fetch);
    filter_spec_free(t->asked);
    t->survey = NULL;
    t->fetch = NULL;
    t->asked = NULL;
    t->busy = false;
    r->open--;
}

static struct plan_part *part_of(const struct plan *p, size_t nth)
{
    return &p->relays[nth / p->filters_n].parts[nth % p->filters_n];
}

static void on_surveyed(void *owner, const struct survey_report *report)
{
    struct task *t = owner;
    struct running *r = t->running;

    part_of(r->plan, t->nth)->report = *report;
    if ((t->nth + 1) % r->plan->filters_n == 0)
        progress_add(&r->progress, 1);
    end_task(t);
    survey_next(r);
}

static uint32_t ids_of_each(const struct plan *p)
{
    size_t n = IDS / (p->relays_n * p->filters_n);

    return n > SURVEY_IDS_MAX ? SURVEY_IDS_MAX : n < 1 ? 1 : (uint32_t)n;
}

static void survey_next(struct running *r)
{
    struct plan *p = r->plan;
    struct relay_url url;
    struct task *t;

    while (r->next < p->relays_n * p->filters_n && (t = free_task(r)) != NULL) {
        t->nth = r->next++;
        if (url_parse(str_z(p->relays[t->nth / p->filters_n].url), &url_any_address, &url) !=
            URL_OK)
            abort(); /* it was made of one */
        const struct fetch_options walk = fetch_options_of(p->command->cfg, url.network);
        const struct survey_options options = {.url = &url,
                                               .filter = p->filters[t->nth % p->filters_n],
                                               .rules = p->rules,
                                               .rules_n = p->rules_n,
                                               .signer = r->signer,
                                               .idle_ms = walk.idle_ms,
                                               .total_ms = walk.total_ms,
                                               .deadline_ms = DEADLINE_MS,
                                               .ids = ids_of_each(p)};
        t->survey = survey_open(r->outside.net, &options, on_surveyed, t);
    }
    if (r->open == 0)
        loop_stop(r->outside.loop);
}

/* ---- then: who has which of the others' events? ---- */

static bool was_read(const struct plan_relay *relay, size_t filters)
{
    for (size_t i = 0; i < filters; i++)
        if (relay->parts[i].report.err.code != ERR_NONE)
            return false;
    return true;
}

static void gather_ids(struct running *r)
{
    const struct plan *p = r->plan;
    size_t most = p->relays_n * p->filters_n * SURVEY_IDS_MAX;

    if (most > IDS)
        most = IDS;
    r->ids = calloc(most, sizeof(*r->ids));
    r->places = calloc(most, sizeof(*r->places));
    r->at_this = calloc((size_t)AT_ONCE * IDS, sizeof(*r->at_this));
    if (r->ids == NULL || r->places == NULL || r->at_this == NULL)
        abort();
    for (size_t i = 0; i < p->relays_n * p->filters_n; i++) {
        struct plan_part *part = part_of(p, i);

        for (uint32_t k = 0; k < part->report.ids_n && r->ids_n < most; k++) {
            r->ids[r->ids_n] = part->report.ids[k];
            r->places[r->ids_n++] = (struct id_place){i / p->filters_n, i % p->filters_n, k};
            part->held[k] = 1;
        }
    }
}

static bool *row_of(const struct task *t)
{
    const struct running *r = t->running;

    return r->at_this + (size_t)(t - r->tasks) * IDS;
}

static void on_event(void *owner, const struct event *e)
{
    struct task *t = owner;
    struct running *r = t->running;

    for (size_t i = 0; i < r->ids_n; i++)
        if (memcmp(r->ids[i].b, e->id.b, sizeof(e->id.b)) == 0)
            row_of(t)[i] = true;
}

static void on_pause(void *owner)
{
    (void)owner;
}

static void on_trouble(void *owner, const struct err *err, uint32_t again_ms)
{
    (void)owner; /* it has answered before: what does not come is taken for not being there */
    (void)err;
    (void)again_ms;
}

static void ask_some(struct task *t);

static void on_ended(void *owner, const struct err *err)
{
    struct task *t = owner;
    struct running *r = t->running;

    fetch_close(t->fetch);
    filter_spec_free(t->asked);
    t->fetch = NULL;
    t->asked = NULL;
    if (err == NULL && t->from < r->ids_n) {
        ask_some(t);
        return;
    }
    for (size_t i = 0; i < r->ids_n; i++) {
        struct id_place at = r->places[i];

        if (row_of(t)[i] && at.relay != t->nth)
            r->plan->relays[at.relay].parts[at.filter].held[at.nth]++;
    }
    progress_add(&r->progress, 1);
    end_task(t);
    ask_next(r);
}

static const struct fetch_ops ops = {
    .on_event = on_event, .on_pause = on_pause, .on_trouble = on_trouble, .on_ended = on_ended};

/* The next ids, in a filter of their own. */
static void ask_some(struct task *t)
{
    struct running *r = t->running;
    struct relay_url url;
    struct buf list;
    struct err err;
    char hex[2 * sizeof(r->ids->b) + 1] = "";
    size_t n = r->ids_n - t->from < IDS_A_FILTER ? r->ids_n - t->from : IDS_A_FILTER;

    buf_init(&list, IDS_A_FILTER * (sizeof(hex) + 1));
    for (size_t i = 0; i < n; i++) {
        hex_encode(hex, r->ids[t->from + i].b, sizeof(r->ids->b));
        if (!buf_append_str(&list, str_z(hex)) || !buf_append_char(&list, i + 1 < n ? ',' : '\0'))
            abort();
    }
    t->asked = filter_spec_new("ids");
    if (filter_spec_set(t->asked, "ids", buf_str(&list).p, &err) < 0 ||
        url_parse(str_z(r->plan->relays[t->nth].url), &url_any_address, &url) != URL_OK)
        abort();
    buf_done(&list);
    t->from += n;
    struct fetch_options options = fetch_options_of(r->plan->command->cfg, url.network);
    options.url = &url;
    options.filter = t->asked;
    options.signer = r->signer;
    options.newest = n;
    options.known_bytes_max = KNOWN_OF_ONE_MAX;
    t->fetch = fetch_open(r->outside.net, &options, &ops, t);
}

static void ask_next(struct running *r)
{
    struct plan *p = r->plan;
    struct task *t;

    for (; r->next < p->relays_n; r->next++) {
        if (!was_read(&p->relays[r->next], p->filters_n))
            continue;
        if ((t = free_task(r)) == NULL)
            return;
        t->nth = r->next;
        memset(row_of(t), 0, IDS * sizeof(bool));
        ask_some(t);
    }
    if (r->open == 0)
        loop_stop(r->outside.loop);
}

/* ---- both ---- */

static void on_signal(void *owner, int signum)
{
    struct running *r = owner;

    (void)signum;
    r->stopped = true;
    loop_stop(r->outside.loop);
}

static void round_of(struct running *r, const char *what, void (*next)(struct running *))
{
    if (r->stopped)
        return;
    r->next = r->open = 0;
    progress_start(&r->progress, what);
    next(r);
    if (r->open > 0)
        loop_run(r->outside.loop);
    progress_done(&r->progress);
    for (size_t i = 0; i < AT_ONCE; i++) /* a signal has stopped it */
        if (r->tasks[i].busy)
            end_task(&r->tasks[i]);
}

static int ask_relays(struct plan *p, struct signer *signer, struct err *err)
{
    struct running r = {.plan = p, .signer = signer};
    size_t readable = 0;
    int rc = outside_open(&r.outside, p->command->cfg, MESSAGES_MAX, err);

    r.tasks = calloc(AT_ONCE, sizeof(*r.tasks));
    if (r.tasks == NULL)
        abort();
    if (rc == 0) {
        loop_on_signal(r.outside.loop, SIGINT, on_signal, &r);
        loop_on_signal(r.outside.loop, SIGTERM, on_signal, &r);
        round_of(&r, "relays asked", survey_next);
        for (size_t i = 0; i < p->relays_n; i++)
            readable += was_read(&p->relays[i], p->filters_n);
        gather_ids(&r);
        if (readable > 1 && r.ids_n > 0)
            round_of(&r, "relays compared", ask_next);
        p->drawn = (uint32_t)r.ids_n;
        if (r.stopped)
            rc = err_set(err, ERR_CANCELLED, "ended before all relays were asked");
    }
    outside_close(&r.outside);
    free(r.tasks);
    free(r.ids);
    free(r.places);
    free(r.at_this);
    return rc;
}

/* ---- the command ---- */

static int read_filters(struct plan *p, struct err *err)
{
    const struct config *cfg = p->command->cfg;

    p->filters_n = cfg->n_filters > 0 ? cfg->n_filters : 1;
    p->filters = calloc(p->filters_n, sizeof(struct filter_spec *));
    if (p->filters == NULL)
        abort();
    if (cfg->n_filters == 0)
        p->filters[0] = filter_spec_new("everything");
    for (size_t i = 0; i < cfg->n_filters; i++) {
        const struct config_filter *section = &cfg->filters[i];

        p->filters[i] = filter_spec_new(section->name);
        for (size_t k = 0; k < section->n_pairs; k++)
            if (filter_spec_set(p->filters[i], section->pairs[k].key, section->pairs[k].value,
                                err) < 0)
                return -1;
    }
    return 0;
}

static int read_rules(struct plan *p, struct err *err)
{
    struct config_errors wrong = {0};

    p->rules = retention_rules_new(p->command->cfg, &p->rules_n, &wrong);
    int rc = wrong.n > 0 ? err_set(err, ERR_CONFIG, "%s", wrong.items[0].text) : 0;
    config_errors_free(&wrong);
    return rc;
}

static int read_words(struct plan *p, struct err *err)
{
    const char *file = NULL, *sample = NULL;
    struct word_option options[] = {{"--relays", &file, 1, 0}, {"--sample", &sample, 1, 0}, {0}};
    uint64_t n = SAMPLE;
    struct words words;

    if (!words_read(p->command, options, &words) ||
        (words.n > 0 && (file != NULL || sample != NULL)) ||
        (sample != NULL && (!str_u64(str_z(sample), &n) || n == 0 || n > SAMPLE_MAX))) {
        (void)fputs("usage: bigbrotr plan [URL..]\n"
                    "       bigbrotr plan [--relays FILE] [--sample N]\n"
                    "without URL and FILE: 20 of the relays that the archive knows, else of those "
                    "that are built in, by lot\n",
                    stderr);
        return COMMAND_USAGE;
    }
    if (words.n == 0) {
        if (list_relays(p, file, err) < 0)
            return command_fail(err);
        if (file == NULL || sample != NULL)
            draw_relays(p, (size_t)n);
        return COMMAND_DONE;
    }
    struct buf text;
    struct relay_url url;
    buf_init(&text, FILE_BYTES_MAX);
    for (int i = 0; i < words.n; i++) {
        enum url_refusal why = url_parse(str_z(words.plain[i]), &url_any_address, &url);
        if (why != URL_OK) {
            (void)fprintf(stderr, "bigbrotr: \"%s\" %s\n", words.plain[i], url_refusal_text(why));
            buf_done(&text);
            return COMMAND_USAGE;
        }
        (void)(buf_append_str(&text, str_z(words.plain[i])) && buf_append_char(&text, '\n'));
    }
    struct initializer_list *list = initializer_parse(buf_str(&text), &url_any_address);
    set_relays(p, list);
    initializer_list_free(list);
    buf_done(&text);
    p->source = "the command line";
    return COMMAND_DONE;
}

static int run(struct plan *p, struct err *err)
{
    struct signer *signer = NULL;
    size_t readable = 0;

    if (read_filters(p, err) < 0 || read_rules(p, err) < 0)
        return command_fail(err);
    if (config_secret(p->command->cfg, "identity", "secret_key") != NULL &&
        (signer = secret_signer(p->command, NULL, err)) == NULL)
        return command_fail(err);
    for (size_t i = 0; i < p->relays_n; i++)
        if ((p->relays[i].parts = calloc(p->filters_n, sizeof(struct plan_part))) == NULL)
            abort();
    int rc = ask_relays(p, signer, err);
    signer_free(signer);
    if (rc < 0)
        return command_fail(err);
    plan_add_up(p);
    if (p->command->json)
        plan_print_json(p);
    else
        plan_print(p);
    for (size_t i = 0; i < p->relays_n; i++)
        readable += p->relays[i].err == NULL;
    if (readable == 0)
        return COMMAND_FAILED;
    return readable < p->relays_n && p->known == p->relays_n ? COMMAND_FOUND : COMMAND_DONE;
}

int command_plan(const struct command *c)
{
    struct plan p = {.command = c};
    struct err err;
    int code = read_words(&p, &err);

    if (code == COMMAND_DONE)
        code = run(&p, &err);
    for (size_t i = 0; i < p.relays_n; i++) {
        free(p.relays[i].url);
        free(p.relays[i].parts);
    }
    for (size_t i = 0; p.filters != NULL && i < p.filters_n; i++)
        filter_spec_free(p.filters[i]);
    free(p.filters);
    retention_rules_free(p.rules, p.rules_n);
    free(p.relays);
    return code;
}
