/* initializer: see initializer.h. */
#include "services/initializer.h"

#include <stdlib.h>
#include <string.h>

#include "core/human.h"
#include "core/log.h"

enum { AT_ONCE = 2000 };

struct store_step {
    struct db *db;
    struct initializer_list *list;
    initializer_done *done;
    void *owner;
    uint32_t at;
};

static void store_next(struct store_step *step);

static int by_url(const void *a, const void *b)
{
    const struct store_new_relay *const *x = a, *const *y = b;
    int order = strcmp((*x)->url, (*y)->url);

    return order != 0 ? order : (*x > *y) - (*x < *y); /* the earlier line first */
}

/* Takes out what is there already under another spelling, keeping the order of the lines. */
static void drop_repeated(struct initializer_list *list)
{
    struct store_new_relay **sorted = calloc(list->n + 1, sizeof(struct store_new_relay *));
    uint32_t kept = 0;

    if (sorted == NULL)
        abort();
    for (uint32_t i = 0; i < list->n; i++)
        sorted[i] = &list->relays[i];
    qsort(sorted, list->n, sizeof(struct store_new_relay *), by_url);
    for (uint32_t i = list->n; i-- > 1;)
        if (strcmp(sorted[i]->url, sorted[i - 1]->url) == 0) {
            list->report.accepted[sorted[i]->network]--;
            list->report.repeated++;
            free((void *)(uintptr_t)sorted[i]->url);
            sorted[i]->url = NULL;
        }
    free(sorted);
    for (uint32_t i = 0; i < list->n; i++)
        if (list->relays[i].url != NULL)
            list->relays[kept++] = list->relays[i];
    list->n = kept;
}

static void note_refusal(struct initializer_report *report, enum url_refusal why, uint32_t line,
                         struct str text)
{
    uint32_t nth = report->refused[why]++;

    log_debug("initializer", "line %u refused: %s", line, url_refusal_text(why));
    if (nth < INITIALIZER_EXAMPLES) {
        report->examples[why][nth].line = line;
        (void)str_escape(report->examples[why][nth].text, sizeof(report->examples[why][nth].text),
                         text);
    }
}

static void add_line(struct initializer_list *list, struct str text, uint32_t number,
                     const struct url_policy *policy, struct relay_url *url)
{
    list->report.lines++;
    enum url_refusal why = url_parse(text, policy, url);
    if (why != URL_OK) {
        note_refusal(&list->report, why, number, text);
        return;
    }
    char *copy = strdup(url->text);
    if (copy == NULL)
        abort();
    list->report.accepted[url->network]++;
    list->relays[list->n++] = (struct store_new_relay){.url = copy, .network = url->network};
}

struct initializer_list *initializer_parse(struct str text, const struct url_policy *policy)
{
    struct initializer_list *list = calloc(1, sizeof(*list));
    struct relay_url *url = malloc(sizeof(*url));
    size_t lines = 2;
    struct str rest = text, entry;
    uint32_t number = 0;

    for (size_t i = 0; i < text.n; i++)
        lines += text.p[i] == '\n';
    if (list == NULL || url == NULL ||
        (list->relays = calloc(lines, sizeof(*list->relays))) == NULL)
        abort();
    while (str_next_entry(&rest, &number, &entry))
        add_line(list, entry, number, policy, url);
    free(url);
    drop_repeated(list);
    return list;
}

void initializer_list_free(struct initializer_list *list)
{
    for (uint32_t i = 0; i < list->n; i++)
        free((void *)(uintptr_t)list->relays[i].url);
    free(list->relays);
    free(list);
}

static void on_added(void *owner, uint32_t added, const struct err *err)
{
    struct store_step *step = owner;

    step->list->report.added += added;
    if (err != NULL || step->at == step->list->n) {
        struct store_step last = *step;
        free(step);
        last.done(last.owner, last.list, err);
        return;
    }
    store_next(step);
}

static void store_next(struct store_step *step)
{
    uint32_t from = step->at, n = step->list->n - from;

    if (n > AT_ONCE)
        n = AT_ONCE;
    step->at += n;
    store_relays_add(step->db, step->list->relays + from, n, on_added, step);
}

void initializer_store(struct db *db, struct initializer_list *list, initializer_done *done,
                       void *owner)
{
    struct store_step *step = malloc(sizeof(*step));

    if (step == NULL)
        abort();
    *step = (struct store_step){.db = db, .list = list, .done = done, .owner = owner};
    store_next(step);
}

void initializer_log(const struct initializer_report *r, const char *source)
{
    uint32_t accepted = 0, refused = 0;

    for (int i = 0; i < NETWORK__COUNT; i++)
        accepted += r->accepted[i];
    for (int i = 0; i < URL_REFUSAL__COUNT; i++)
        refused += r->refused[i];
    log_info("initializer",
             "%u %s accepted from %s: %u clearnet, %u tor, %u i2p, %u loki; %u refused, %u "
             "repeated, %u new to the archive",
             accepted, human_noun(accepted, "relay", "relays"), source,
             r->accepted[NETWORK_CLEARNET], r->accepted[NETWORK_TOR], r->accepted[NETWORK_I2P],
             r->accepted[NETWORK_LOKI], refused, r->repeated, r->added);
    for (int why = 1; why < URL_REFUSAL__COUNT; why++) {
        if (r->refused[why] == 0)
            continue;
        if (r->refused[why] == 1)
            log_info("initializer", "refused: line %u, because it %s: %s", r->examples[why][0].line,
                     url_refusal_text((enum url_refusal)why), r->examples[why][0].text);
        else
            log_info("initializer", "refused: %u lines, because each %s; as line %u: %s",
                     r->refused[why], url_refusal_text((enum url_refusal)why),
                     r->examples[why][0].line, r->examples[why][0].text);
    }
}
