/* log_line: see log_line.h. */
#include "core/log_line.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { STAMP_SIZE = 32, PAIRS_MAX = 32 };

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

/* Inside double quotes, for logfmt and JSON alike: text from elsewhere may hold both. */
static void put_escaped(struct out *o, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '"' || p[i] == '\\') {
            if (o->size - o->n < 2)
                return;
            put(o, "\\", 1);
        }
        put(o, p + i, 1);
    }
}

static void put_quoted(struct out *o, const char *p, size_t n)
{
    put(o, "\"", 1);
    put_escaped(o, p, n);
    put(o, "\"", 1);
}

static void put_logfmt_pair(struct out *o, const char *key, size_t key_n, const char *p, size_t n)
{
    bool plain = n > 0;

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
    /* A pair that does not fit is left out whole, so that the line stays JSON. */
    if (o->size - o->n < key_n + 2 * n + 8)
        return;
    put_z(o, ",");
    put_quoted(o, key, key_n);
    put_z(o, ":");
    put_quoted(o, p, n);
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
    put_logfmt_pair(o, "msg", 3, f.text, f.text_n);
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
    while (f.text_n > 0 && o->size - o->n < 2 * f.text_n + 16)
        f.text_n--;
    put_json_pair(o, "msg", 3, f.text, f.text_n);
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

size_t log_line(char *to, size_t size, enum log_format format, const struct log_record *r)
{
    static const char *const priorities[] = {"<3>", "<4>", "<6>", "<7>"};
    struct out o = {0};
    bool cut = false;

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
    cut = o.n == o.size && format != LOG_FORMAT_JSON;
    if (cut)
        memcpy(o.to + o.n - 3, "...", 3);
    o.size = size - 1;
    if (r->swallowed > 0)
        put_swallowed(&o, format, r->swallowed);
    if (format == LOG_FORMAT_JSON)
        put_z(&o, "}");
    for (size_t i = 0; i < o.n; i++)
        if ((unsigned char)o.to[i] < 0x20 || o.to[i] == 0x7f)
            o.to[i] = '?';
    o.to[o.n++] = '\n';
    return o.n;
}
