/* relay_list: see relay_list.h.  Reading order: the path, a value, what follows it. */
#include "nostr/relay_list.h"

#include "nostr/scan.h"

/* Longer with its escapes than any URL: it is told without them being resolved. */
enum { ESCAPED_MAX = 16 * 1024 };

struct path {
    struct str part[RELAY_LIST_PARTS_MAX];
    int n;
};

/* How many parts of the path lead to a value, or OFF when it is not on it. */
enum { OFF = -1 };

struct frame {
    bool object;
    int at; /* of the container */
};

struct walk {
    struct scan s;
    struct path path;
    struct frame open[RELAY_LIST_DEPTH_MAX];
    uint32_t depth;
    relay_list_entry *entry;
    void *owner;
};

void relay_list_lines(struct str text, relay_list_entry *entry, void *owner)
{
    struct str rest = text, one;
    uint32_t line = 0;

    while (str_next_entry(&rest, &line, &one))
        entry(owner, one);
}

/* False: it has more parts than fit. */
static bool parse_path(struct path *p, const char *text)
{
    struct str rest = str_z(text), part;

    p->n = 0;
    if (rest.n == 0)
        return true;
    while (str_cut(&rest, '.', &part)) {
        if (p->n == RELAY_LIST_PARTS_MAX)
            return false;
        p->part[p->n++] = part;
    }
    return true;
}

int relay_list_path_check(const char *path, struct err *err)
{
    struct path p;

    if (!parse_path(&p, path))
        return err_set(err, ERR_CONFIG, "has more than %d parts", RELAY_LIST_PARTS_MAX);
    for (int i = 0; i < p.n; i++) {
        if (p.part[i].n == 0)
            return err_set(err, ERR_CONFIG,
                           "has an empty part: names with dots between them, as "
                           "relays.url");
        if (str_eq(p.part[i], STR("~")) && i + 1 < p.n)
            return err_set(err, ERR_CONFIG, "has a ~ that is not its last part");
    }
    return 0;
}

/* The inside of a string as it is meant. */
static void tell(const struct walk *w, struct str raw, bool escaped)
{
    char decoded[ESCAPED_MAX + SCAN_SLACK];
    struct scan inside = {.p = raw.p, .end = raw.p + raw.n + 1}; /* with its closing quote */
    unsigned flags = 0;
    size_t n;

    if (escaped && raw.n < ESCAPED_MAX && scan_text(&inside, decoded, &n, &flags) == REJECT_NONE)
        raw = (struct str){decoded, n};
    w->entry(w->owner, raw);
}

static bool names(const struct walk *w, int at, const char *part)
{
    return at >= 0 && at < w->path.n && str_eq(w->path.part[at], str_z(part));
}

/* The name of a member and its colon; *at is what the path says of its value. */
static bool member(struct walk *w, int *at)
{
    int container = w->open[w->depth - 1].at;
    struct str name;
    bool escaped;

    if (!scan_char(&w->s, '"') || scan_raw(&w->s, &name, &escaped) != REJECT_NONE ||
        !scan_char(&w->s, ':'))
        return false;
    *at = OFF;
    if (names(w, container, "~"))
        tell(w, name, escaped);
    else if (names(w, container, "*") ||
             (container >= 0 && container < w->path.n && str_eq(w->path.part[container], name)))
        *at = container + 1;
    return true;
}

/* One value.  True: *at is that of the next value, inside of the container that was opened. */
static bool value(struct walk *w, int *at, bool *good)
{
    struct str raw;
    bool escaped, object;

    *good = scan_space(&w->s);
    if (!*good)
        return false;
    if (*w->s.p == '"') {
        w->s.p++;
        *good = scan_raw(&w->s, &raw, &escaped) == REJECT_NONE;
        if (*good && *at == w->path.n)
            tell(w, raw, escaped);
        return false;
    }
    object = *w->s.p == '{';
    if (*at == OFF || (!object && *w->s.p != '[') || (object && *at == w->path.n) ||
        w->depth == RELAY_LIST_DEPTH_MAX) {
        *good = scan_skip(&w->s, w->depth) == REJECT_NONE;
        return false;
    }
    w->s.p++;
    if (scan_char(&w->s, object ? '}' : ']'))
        return false;
    w->open[w->depth++] = (struct frame){object, *at};
    *good = !object || member(w, at);
    return *good;
}

/* What follows a value.  True: *at is that of the next one. */
static bool next(struct walk *w, int *at, bool *good)
{
    while (w->depth > 0) {
        const struct frame *top = &w->open[w->depth - 1];
        if (scan_char(&w->s, ',')) {
            *at = top->at;
            *good = !top->object || member(w, at);
            return *good;
        }
        *good = scan_char(&w->s, top->object ? '}' : ']');
        if (!*good)
            return false;
        w->depth--;
    }
    return false;
}

int relay_list_json(struct str text, const char *path, relay_list_entry *entry, void *owner,
                    struct err *err)
{
    struct walk w = {.entry = entry, .owner = owner};
    bool good = true;
    int at = 0;

    if (str_starts(text, STR("\xef\xbb\xbf")))
        text = (struct str){text.p + 3, text.n - 3};
    w.s = (struct scan){.p = text.p, .end = text.p + text.n, .depth_max = RELAY_LIST_DEPTH_MAX};
    if (!parse_path(&w.path, path))
        return err_set(err, ERR_CONFIG, "the path has too many parts");
    do {
        while (value(&w, &at, &good))
            continue;
    } while (good && next(&w, &at, &good));
    if (good && !scan_space(&w.s))
        return 0;
    return err_set(err, ERR_SYNTAX, "no valid JSON at byte %zu of %zu", (size_t)(w.s.p - text.p),
                   text.n);
}
