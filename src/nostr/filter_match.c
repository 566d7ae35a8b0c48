/* Asking with a filter, and judging what comes. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/hex.h"
#include "nostr/canonical.h"
#include "nostr/filter_spec.h"

struct writer {
    char *p, *end;
    bool first, full;
};

static void put(struct writer *w, const char *p, size_t n)
{
    if (w->full || (size_t)(w->end - w->p) < n) {
        w->full = true;
        return;
    }
    memcpy(w->p, p, n);
    w->p += n;
}

static void put_number(struct writer *w, int64_t value)
{
    char digits[20];

    put(w, digits, (size_t)(canonical_number(digits, (uint64_t)value) - digits));
}

/* `"name":`, with a comma before all but the first; `name` needs no escapes. */
static void put_name(struct writer *w, const char *name)
{
    put(w, ",", w->first ? 0 : 1);
    w->first = false;
    put(w, "\"", 1);
    put(w, name, strlen(name));
    put(w, "\":", 2);
}

static void put_kinds(struct writer *w, const int32_t *kinds, size_t n)
{
    if (n == 0)
        return;
    put_name(w, "kinds");
    for (size_t i = 0; i < n; i++) {
        put(w, i == 0 ? "[" : ",", 1);
        put_number(w, kinds[i]);
    }
    put(w, "]", 1);
}

static void put_hashes(struct writer *w, const char *name, const struct hashes *list)
{
    if (list->n == 0)
        return;
    put_name(w, name);
    for (size_t i = 0; i < list->n; i++) {
        char hex[64];

        hex_encode(hex, list->at[i].b, sizeof(list->at[i].b));
        put(w, i == 0 ? "[\"" : ",\"", 2);
        put(w, hex, sizeof(hex));
        put(w, "\"", 1);
    }
    put(w, "]", 1);
}

static void put_escaped(struct writer *w, struct str text)
{
    for (size_t i = 0; i < text.n; i++) {
        char one[6];

        put(w, one, (size_t)(canonical_escape(one, (struct str){text.p + i, 1}) - one));
    }
}

static void put_tags(struct writer *w, const struct filter_part *part)
{
    for (size_t i = 0; i < part->tags_n; i++) {
        const struct tag_rule *rule = &part->tags[i];
        char name[3] = {'#', rule->name[0], '\0'};

        if (!filter_tag_askable(rule))
            continue;
        put_name(w, name);
        for (size_t j = 0; j < rule->n; j++) {
            put(w, j == 0 ? "[\"" : ",\"", 2);
            put_escaped(w, rule->values[j]);
            put(w, "\"", 1);
        }
        put(w, "]", 1);
    }
}

/* The narrower of what the section and the question say; -1: neither says anything. */
static int64_t ask_since(const struct filter_spec *f, const struct filter_ask *ask)
{
    return f->want.since > ask->since ? f->want.since : ask->since;
}

static int64_t ask_until(const struct filter_spec *f, const struct filter_ask *ask)
{
    if (f->want.until < 0 || ask->until < 0)
        return f->want.until < 0 ? ask->until : f->want.until;
    return f->want.until < ask->until ? f->want.until : ask->until;
}

int filter_write(const struct filter_spec *f, const struct filter_ask *ask, char *buf, size_t size)
{
    struct writer w = {.p = buf, .end = buf + size, .first = true};
    int64_t since = ask_since(f, ask), until = ask_until(f, ask);

    put(&w, "{", 1);
    put_hashes(&w, "ids", &f->want.ids);
    put_hashes(&w, "authors", &f->want.authors);
    if (ask->n_kinds > 0)
        put_kinds(&w, ask->kinds, ask->n_kinds);
    else
        put_kinds(&w, f->want.kinds, f->want.kinds_n);
    put_tags(&w, &f->want);
    /* Relays disagree about 0 (PROTOCOL 1.2): a since of 0 is none; until 1 asks for a second more.
     */
    if (since > 0) {
        put_name(&w, "since");
        put_number(&w, since);
    }
    if (until >= 0) {
        put_name(&w, "until");
        put_number(&w, until > 0 ? until : 1);
    }
    if (ask->limit >= 0) {
        put_name(&w, "limit");
        put_number(&w, ask->limit);
    }
    put(&w, "}", 2); /* with its NUL */
    return w.full ? -1 : (int)(w.p - buf - 1);
}

static bool has_kind(const int32_t *kinds, size_t n, int32_t kind)
{
    for (size_t low = 0, high = n; low < high;) {
        size_t middle = low + (high - low) / 2;

        if (kinds[middle] == kind)
            return true;
        if (kinds[middle] < kind)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static bool has_hash(const struct hashes *list, const uint8_t hash[32])
{
    for (size_t low = 0, high = list->n; low < high;) {
        size_t middle = low + (high - low) / 2;
        int order = memcmp(list->at[middle].b, hash, 32);

        if (order == 0)
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static bool has_value(const struct tag_rule *rule, struct str value)
{
    for (size_t i = 0; i < rule->n; i++)
        if (str_eq(rule->values[i], value))
            return true;
    return false;
}

/* Has the event a tag of this name with one of the values? */
static bool tag_matches(const struct tag_rule *rule, const struct event *e)
{
    struct str name = str_z(rule->name);

    for (uint32_t i = 0; i < e->tags_n; i++) {
        const struct str *tag = e->elements + e->tag_start[i];

        if (e->tag_start[i + 1] - e->tag_start[i] >= 2 && str_eq(tag[0], name) &&
            has_value(rule, tag[1]))
            return true;
    }
    return false;
}

static bool lists_match(const struct filter_part *part, const struct event *e)
{
    return (part->authors.n == 0 || has_hash(&part->authors, e->pubkey.b)) &&
           (part->ids.n == 0 || has_hash(&part->ids, e->id.b));
}

bool filter_asked(const struct filter_spec *f, const struct filter_ask *ask, const struct event *e)
{
    int64_t since = ask_since(f, ask), until = ask_until(f, ask);
    bool kind = true;

    if (ask->n_kinds > 0) {
        kind = false;
        for (size_t i = 0; i < ask->n_kinds && !kind; i++)
            kind = ask->kinds[i] == e->kind;
    } else if (f->want.kinds_n > 0) {
        kind = has_kind(f->want.kinds, f->want.kinds_n, e->kind);
    }
    if (!kind || !lists_match(&f->want, e) || e->created_at < since ||
        (until >= 0 && e->created_at > until))
        return false;
    for (size_t i = 0; i < f->want.tags_n; i++)
        if (filter_tag_askable(&f->want.tags[i]) && !tag_matches(&f->want.tags[i], e))
            return false;
    return true;
}

static bool has_what_is_wanted(const struct filter_part *want, const struct event *e)
{
    if ((want->kinds_n > 0 && !has_kind(want->kinds, want->kinds_n, e->kind)) ||
        !lists_match(want, e) || e->created_at < want->since ||
        (want->until >= 0 && e->created_at > want->until))
        return false;
    for (size_t i = 0; i < want->tags_n; i++)
        if (!tag_matches(&want->tags[i], e))
            return false;
    return true;
}

/* Any one of the exceptions is enough. */
static bool is_excepted(const struct filter_part *except, const struct event *e)
{
    if (has_kind(except->kinds, except->kinds_n, e->kind) ||
        has_hash(&except->authors, e->pubkey.b) || has_hash(&except->ids, e->id.b) ||
        (except->since >= 0 && e->created_at >= except->since) ||
        (except->until >= 0 && e->created_at <= except->until))
        return true;
    for (size_t i = 0; i < except->tags_n; i++)
        if (tag_matches(&except->tags[i], e))
            return true;
    return false;
}

bool filter_wanted(const struct filter_spec *f, const struct event *e)
{
    return has_what_is_wanted(&f->want, e) && !is_excepted(&f->except, e);
}

static bool says_nothing_but_kinds(const struct filter_part *part)
{
    return part->authors.n == 0 && part->ids.n == 0 && part->tags_n == 0 && part->since < 0 &&
           part->until < 0;
}

bool filter_takes_kind(const struct filter_spec *f, int32_t kind)
{
    const struct filter_part *want = &f->want, *except = &f->except;

    return says_nothing_but_kinds(want) && says_nothing_but_kinds(except) &&
           (want->kinds_n == 0 || has_kind(want->kinds, want->kinds_n, kind)) &&
           !has_kind(except->kinds, except->kinds_n, kind);
}
