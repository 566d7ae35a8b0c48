/* log_line: see log_line.h. */
#include "core/log_line.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/str.h"

enum {
    STAMP_SIZE = 32,
    PAIRS_MAX = 32,
    PAIR_MARKS = 6 /* around a key and its value: ,"":"" */
};

struct pair {
    const char *key, *value;
    size_t key_n, value_n;
};

/* The message without its pairs, and the pairs. */
struct fields {
    const char *text;
    size_t text_n;
    struct pair pairs[PAIRS_MAX];
    int pairs_n;
};

struct out {
    char *to;
    size_t n, size; /* size leaves room for what ends the line */
};

static const char *const level_words[] = {"error", "warning", "info", "debug"};

static void put(struct out *o, const char *p, size_t n)
{
    size_t room = o->size - o->n;

    if (n > room)
        n = room;
    memcpy(o->to + o->n, p, n);
    o->n += n;
}

static void put_z(struct out *o, const char *z)
{
    put(o, z, strlen(z));
}

static void put_stamp(struct out *o, int64_t wall_ms)
{
    time_t s = (time_t)(wall_ms / 1000);
    char stamp[STAMP_SIZE] = "", ms[8];
    struct tm tm;

    if (gmtime_r(&s, &tm) != NULL)
        (void)strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(ms, sizeof(ms), ".%03dZ", (int)(wall_ms % 1000));
    put_z(o, stamp);
    put_z(o, ms);
}

static bool key_char(char c, bool first)
{
    return (c >= 'a' && c <= 'z') || c == '_' || (!first && c >= '0' && c <= '9');
}

/* One key=value at p; returns what is behind it, NULL when there is none. */
static const char *read_pair(const char *p, struct pair *pair)
{
    pair->key = p;
    while (key_char(*p, p == pair->key))
        p++;
    pair->key_n = (size_t)(p - pair->key);
    if (pair->key_n == 0 || *p != '=')
        return NULL;
    p++;
    if (*p == '"') {
        const char *end = strchr(p + 1, '"');
        if (end == NULL || (end[1] != ' ' && end[1] != '\0'))
            return NULL;
        pair->value = p + 1;
        pair->value_n = (size_t)(end - pair->value);
        return end + 1;
    }
    pair->value = p;
    pair->value_n = strcspn(p, " ");
    return p + pair->value_n;
}

/* Pairs and nothing else from p to the end? */
static bool read_pairs(const char *p, struct fields *f)
{
    f->pairs_n = 0;
    while (p != NULL && *p != '\0') {
        p += strspn(p, " ");
        if (*p == '\0')
            break;
        if (f->pairs_n == PAIRS_MAX)
            return false;
        p = read_pair(p, &f->pairs[f->pairs_n++]);
    }
    return p != NULL;
}

static void split(const char *text, struct fields *f)
{
    const char *p = text;

    f->text = text;
    f->text_n = strlen(text);
    while (*p != '\0') {
        const char *start = p + strspn(p, " ");
        if (read_pairs(start, f) && f->pairs_n > 0) {
            f->text_n = (size_t)(p - text);
            return;
        }
        p = start + strcspn(start, " ");
    }
    f->pairs_n = 0;
}

static bool is_escaped(char c)
{
    return c == '"' || c == '\\';
}

/* Inside double quotes, for logfmt and JSON alike: text from elsewhere may hold both. */
static void put_escaped(struct out *o, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (is_escaped(p[i]))
            put(o, "\\", 1);
        put(o, p + i, 1);
    }
}

static void put_quoted(struct out *o, const char *p, size_t n)
{
    put(o, "\"", 1);
    put_escaped(o, p, n);
    put(o, "\"", 1);
}

/* A pair that does not fit is left out whole: half a quote would take what follows for its own. */
static bool fits(const struct out *o, size_t key_n, const char *p, size_t n)
{
    size_t need = key_n + n + PAIR_MARKS;

    for (size_t i = 0; i < n; i++)
        need += is_escaped(p[i]);
    return o->size - o->n >= need;
}

static void put_logfmt_pair(struct out *o, const char *key, size_t key_n, const char *p, size_t n)
{
    bool plain = n > 0;

    if (!fits(o, key_n, p, n))
        return;
    for (size_t i = 0; i < n; i++)
        plain = plain && p[i] != ' ' && p[i] != '"' && p[i] != '=' && p[i] != '\\';
    put(o, " ", 1);
    put(o, key, key_n);
    put(o, "=", 1);
    if (plain)
        put(o, p, n);
    else
        put_quoted(o, p, n);
}

static void put_json_pair(struct out *o, const char *key, size_t key_n, const char *p, size_t n)
{
    if (!fits(o, key_n, p, n))
        return;
    put_z(o, ",");
    put_quoted(o, key, key_n);
    put_z(o, ":");
    put_quoted(o, p, n);
}

/* Of the message as much as there is room for. */
static void put_message(struct out *o, const struct fields *f,
                        void (*put_pair)(struct out *o, const char *key, size_t key_n,
                                         const char *p, size_t n))
{
    static const char key[] = "msg", dots[] = "...";
    char text[LOG_LINE_MAX];
    size_t room = o->size - o->n - (sizeof(key) - 1) - PAIR_MARKS - (sizeof(dots) - 1), n = 0;

    if (fits(o, sizeof(key) - 1, f->text, f->text_n)) {
        put_pair(o, key, sizeof(key) - 1, f->text, f->text_n);
        return;
    }
    for (size_t used = 0; n < f->text_n && n < sizeof(text) - sizeof(dots); n++) {
        used += 1 + is_escaped(f->text[n]);
        if (used > room)
            break;
        text[n] = f->text[n];
    }
    memcpy(text + n, dots, sizeof(dots));
    put_pair(o, key, sizeof(key) - 1, text, n + sizeof(dots) - 1);
}

static void put_logfmt(struct out *o, const struct log_record *r)
{
    struct fields f;

    split(r->text, &f);
    put_z(o, "time=");
    put_stamp(o, r->wall_ms);
    put_z(o, " level=");
    put_z(o, level_words[r->level]);
    put_z(o, " module=");
    put_z(o, r->module);
    put_message(o, &f, put_logfmt_pair);
    for (int i = 0; i < f.pairs_n; i++)
        put_logfmt_pair(o, f.pairs[i].key, f.pairs[i].key_n, f.pairs[i].value, f.pairs[i].value_n);
}

static void put_json(struct out *o, const struct log_record *r)
{
    struct fields f;

    split(r->text, &f);
    o->size--; /* the closing brace */
    put_z(o, "{\"time\":\"");
    put_stamp(o, r->wall_ms);
    put_z(o, "\"");
    put_json_pair(o, "level", 5, level_words[r->level], strlen(level_words[r->level]));
    put_json_pair(o, "module", 6, r->module, strlen(r->module));
    put_message(o, &f, put_json_pair);
    for (int i = 0; i < f.pairs_n; i++)
        put_json_pair(o, f.pairs[i].key, f.pairs[i].key_n, f.pairs[i].value, f.pairs[i].value_n);
    o->size++;
}

static void put_swallowed(struct out *o, enum log_format format, uint32_t swallowed)
{
    char number[16];

    (void)snprintf(number, sizeof(number), "%u", swallowed);
    if (format == LOG_FORMAT_JSON)
        put_json_pair(o, "swallowed", 9, number, strlen(number));
    else
        put_logfmt_pair(o, "swallowed", 9, number, strlen(number));
}

/* The last defence, whatever the caller has escaped: control characters move a terminal's cursor,
 * and bytes that are no UTF-8 (also what a cut has left of a character) make a line that no program
 * reads. */
static void disarm(struct out *o)
{
    for (size_t i = 0; i < o->n;) {
        uint32_t point = 0;
        size_t n = str_utf8((struct str){o->to + i, o->n - i}, &point);
        bool harmful = n == 0 || point < 0x20 || (point >= 0x7f && point < 0xa0);

        n = n == 0 ? 1 : n;
        if (harmful)
            memset(o->to + i, '?', n);
        i += n;
    }
}

size_t log_line(char *to, size_t size, enum log_format format, const struct log_record *r)
{
    static const char *const priorities[] = {"<3>", "<4>", "<6>", "<7>"};
    struct out o = {0};

    o.to = to;
    o.size = size - LOG_LINE_TAIL;
    switch (format) {
    case LOG_FORMAT_LOGFMT:
        put_logfmt(&o, r);
        break;
    case LOG_FORMAT_JSON:
        put_json(&o, r);
        break;
    case LOG_FORMAT_JOURNALD:
        put_z(&o, priorities[r->level]);
        put_z(&o, r->module);
        put_z(&o, ": ");
        put_z(&o, r->text);
        break;
    case LOG_FORMAT_TEXT:
    case LOG_FORMAT_AUTO:
        put_stamp(&o, r->wall_ms);
        put_z(&o, " ");
        put_z(&o, level_words[r->level]);
        put_z(&o, " ");
        put_z(&o, r->module);
        put_z(&o, " ");
        put_z(&o, r->text);
    }
    if (o.n == o.size && format != LOG_FORMAT_JSON && format != LOG_FORMAT_LOGFMT)
        memcpy(o.to + o.n - 3, "...", 3);
    o.size = size - 1;
    if (r->swallowed > 0)
        put_swallowed(&o, format, r->swallowed);
    if (format == LOG_FORMAT_JSON)
        put_z(&o, "}");
    disarm(&o);
    o.to[o.n++] = '\n';
    return o.n;
}
