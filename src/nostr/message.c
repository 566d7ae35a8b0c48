/* Relay messages, taken apart by position.
 *
 *     ["EVENT","sub",{ ... the event, not looked into ... }]
 *                    ^ from the second comma               ^ to the last bracket
 *
 * What stands between is the event scanner's business: it refuses whatever is not one object. */
#include "nostr/message.h"

#include "nostr/scan.h"

enum { ELEMENTS_MAX = 5 };

static const struct {
    struct str word;
    enum message_type type;
} words[] = {
    {{"EVENT", 5}, MESSAGE_EVENT},     {{"EOSE", 4}, MESSAGE_EOSE},
    {{"CLOSED", 6}, MESSAGE_CLOSED},   {{"NOTICE", 6}, MESSAGE_NOTICE},
    {{"OK", 2}, MESSAGE_OK},           {{"AUTH", 4}, MESSAGE_AUTH},
    {{"COUNT", 5}, MESSAGE_COUNT},     {{"NEG-MSG", 7}, MESSAGE_NEG_MSG},
    {{"NEG-ERR", 7}, MESSAGE_NEG_ERR},
};

/* The elements behind the word: raw JSON, the first few of them kept. */
struct elements {
    struct str at[ELEMENTS_MAX];
    size_t n;
};

static bool is_string(struct str raw)
{
    return raw.n >= 2 && raw.p[0] == '"';
}

/* The inside of element i when it is a string, else nothing. */
static struct str string_at(const struct elements *e, size_t i)
{
    if (i >= e->n || !is_string(e->at[i]))
        return (struct str){NULL, 0};
    return (struct str){e->at[i].p + 1, e->at[i].n - 2};
}

static struct str raw_at(const struct elements *e, size_t i)
{
    return i < e->n ? e->at[i] : (struct str){NULL, 0};
}

/* `["WORD"`; false when the text does not begin so. */
static bool read_word(struct scan *s, enum message_type *type)
{
    struct str word;
    bool escaped;

    if (!scan_char(s, '[') || !scan_char(s, '"') || scan_raw(s, &word, &escaped) != REJECT_NONE)
        return false;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (str_eq(word, words[i].word)) {
            *type = words[i].type;
            return true;
        }
    return false;
}

/* Everything up to the closing bracket, which must be the last of the text. */
static bool read_elements(struct scan *s, struct elements *e)
{
    while (scan_char(s, ',')) {
        const char *start;

        if (!scan_space(s))
            return false;
        start = s->p;
        if (scan_skip(s, 1) != REJECT_NONE)
            return false;
        if (e->n < ELEMENTS_MAX)
            e->at[e->n++] = (struct str){start, (size_t)(s->p - start)};
    }
    return scan_char(s, ']') && !scan_space(s);
}

/* An object follows, and perhaps more behind it, up to the end of the text. */
static bool read_event(struct scan *s, struct message *out)
{
    struct elements rest = {0};
    struct str body = str_trim((struct str){s->p, (size_t)(s->end - s->p)});

    if (body.n < 3 || body.p[0] != '{' || body.p[body.n - 1] != ']')
        return false;
    body = str_trim((struct str){body.p, body.n - 1});
    if (body.p[body.n - 1] != '}') { /* something behind the event: find where it ends */
        const char *start = body.p;

        s->p = start;
        if (scan_skip(s, 1) != REJECT_NONE)
            return false;
        body = (struct str){start, (size_t)(s->p - start)};
        if (!read_elements(s, &rest))
            return false;
    }
    out->event = body;
    return true;
}

static bool read_event_message(struct scan *s, struct message *out)
{
    bool escaped;

    if (!scan_char(s, ',') || !scan_space(s))
        return false;
    if (*s->p == '"') {
        s->p++;
        if (scan_raw(s, &out->sub, &escaped) != REJECT_NONE || !scan_char(s, ','))
            return false;
    }
    return read_event(s, out);
}

/* NIP-67: a list of words. */
static void read_hints(struct message *out)
{
    struct scan s = {.p = out->extra.p, .end = out->extra.p + out->extra.n, .depth_max = 1};

    if (out->extra.n == 0 || !scan_char(&s, '['))
        return;
    do {
        struct str hint;
        bool escaped;

        if (!scan_char(&s, '"') || scan_raw(&s, &hint, &escaped) != REJECT_NONE)
            return;
        out->hint_finish |= str_eq(hint, STR("finish"));
        out->hint_more |= str_eq(hint, STR("more"));
    } while (scan_char(&s, ','));
}

/* Puts the elements where they belong; false when one is missing that the message is nothing
 * without. */
static bool place(const struct elements *e, struct message *out)
{
    switch (out->type) {
    case MESSAGE_EOSE:
        out->sub = string_at(e, 0);
        out->extra = raw_at(e, out->sub.p != NULL || e->n > 1 ? 1 : 0);
        read_hints(out);
        return true;
    case MESSAGE_CLOSED:
        out->sub = string_at(e, 0);
        out->text = string_at(e, 1);
        return out->sub.n > 0;
    case MESSAGE_NOTICE:
        out->text = string_at(e, 0);
        return true;
    case MESSAGE_OK:
        out->sub = string_at(e, 0);
        out->ok = str_eq(raw_at(e, 1), STR("true"));
        out->text = string_at(e, 2);
        return out->sub.n > 0;
    case MESSAGE_AUTH:
        out->text = string_at(e, 0);
        return out->text.n > 0;
    case MESSAGE_COUNT:
        out->sub = string_at(e, 0);
        out->extra = raw_at(e, 1);
        return out->sub.n > 0;
    case MESSAGE_NEG_MSG:
    case MESSAGE_NEG_ERR:
        out->sub = string_at(e, 0);
        out->text = string_at(e, 1);
        out->extra = raw_at(e, 2);
        return out->sub.n > 0;
    case MESSAGE_INVALID:
    case MESSAGE_EVENT:
        break;
    }
    return false;
}

void message_parse(struct str text, struct message *out)
{
    struct scan s = {.p = text.p, .end = text.p + text.n, .depth_max = SCAN_DEPTH_MAX};
    struct elements e = {0};
    enum message_type type;
    bool ok;

    *out = (struct message){.type = MESSAGE_INVALID};
    if (!read_word(&s, &type))
        return;
    out->type = type;
    if (type == MESSAGE_EVENT)
        ok = read_event_message(&s, out);
    else
        ok = read_elements(&s, &e) && place(&e, out);
    if (!ok)
        *out = (struct message){.type = MESSAGE_INVALID};
}
