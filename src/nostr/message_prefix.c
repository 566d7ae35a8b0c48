/* What a relay means by its refusal: the prefixes of NIP-01 and NIP-42 first, then the words that
 * relays use in prose (PROTOCOL 1.3, 1.17). */
#include <string.h>

#include "nostr/message.h"

struct meaning {
    const char *words;
    enum message_prefix prefix;
};

/* What may stand before the first colon. */
static const struct meaning prefixes[] = {
    {"duplicate", PREFIX_DUPLICATE},
    {"pow", PREFIX_POW},
    {"blocked", PREFIX_BLOCKED},
    {"rate-limited", PREFIX_RATE_LIMITED},
    {"invalid", PREFIX_INVALID},
    {"bad req", PREFIX_INVALID},
    {"bad msg", PREFIX_INVALID},
    {"restricted", PREFIX_RESTRICTED},
    {"mute", PREFIX_MUTE},
    {"error", PREFIX_ERROR},
    {"unsupported", PREFIX_UNSUPPORTED},
    {"auth-required", PREFIX_AUTH_REQUIRED},
};

/* What may stand anywhere, at the beginning of a word; the first that fits counts. */
static const struct meaning prose[] = {
    {"auth-required", PREFIX_AUTH_REQUIRED},
    {"authentication", PREFIX_AUTH_REQUIRED},
    {"authenticate", PREFIX_AUTH_REQUIRED},
    {"auth required", PREFIX_AUTH_REQUIRED},
    {"must auth", PREFIX_AUTH_REQUIRED},
    {"requires auth", PREFIX_AUTH_REQUIRED},
    {"rate", PREFIX_RATE_LIMITED},
    {"too many", PREFIX_RATE_LIMITED},
    {"too fast", PREFIX_RATE_LIMITED},
    {"too much", PREFIX_RATE_LIMITED},
    {"slow down", PREFIX_RATE_LIMITED},
    {"throttl", PREFIX_RATE_LIMITED},
    {"payment", PREFIX_RESTRICTED},
    {"paid", PREFIX_RESTRICTED},
    {"members", PREFIX_RESTRICTED},
    {"whitelist", PREFIX_RESTRICTED},
    {"restricted", PREFIX_RESTRICTED},
    {"not allowed", PREFIX_RESTRICTED},
    {"not authorized", PREFIX_RESTRICTED},
    {"blocked", PREFIX_BLOCKED},
    {"banned", PREFIX_BLOCKED},
    {"forbidden", PREFIX_BLOCKED},
    {"denied", PREFIX_BLOCKED},
    {"unsupported", PREFIX_UNSUPPORTED},
    {"not supported", PREFIX_UNSUPPORTED},
    {"unknown", PREFIX_UNSUPPORTED},
    {"unrecognized", PREFIX_UNSUPPORTED},
    {"not implemented", PREFIX_UNSUPPORTED},
    {"bad req", PREFIX_INVALID},
    {"bad msg", PREFIX_INVALID},
    {"could not parse", PREFIX_INVALID},
    {"invalid", PREFIX_INVALID},
};

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Does the text hold the words, not in the middle of another one ("generate" is no "rate")? */
static bool holds(struct str text, const char *words)
{
    struct str w = str_z(words);

    for (size_t i = 0; i + w.n <= text.n; i++)
        if ((i == 0 || !is_letter(text.p[i - 1])) &&
            str_eq_nocase((struct str){text.p + i, w.n}, w))
            return true;
    return false;
}

/* "prefix: the rest"; leaves the rest in *text. */
static enum message_prefix take_prefix(struct str *text)
{
    const char *colon = text->n > 0 ? memchr(text->p, ':', text->n) : NULL;
    struct str before;

    if (colon == NULL)
        return PREFIX_NONE;
    before = str_trim((struct str){text->p, (size_t)(colon - text->p)});
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
        if (str_eq_nocase(before, str_z(prefixes[i].words))) {
            *text = str_trim((struct str){colon + 1, (size_t)(text->p + text->n - colon - 1)});
            return prefixes[i].prefix;
        }
    return PREFIX_NONE;
}

enum message_prefix message_prefix(struct str text)
{
    enum message_prefix prefix = take_prefix(&text), inner;

    if (prefix != PREFIX_NONE && prefix != PREFIX_ERROR)
        return prefix;
    if (prefix == PREFIX_ERROR) { /* "ERROR: auth-required: ..": the inner word says more */
        inner = take_prefix(&text);
        if (inner != PREFIX_NONE)
            return inner;
    }
    for (size_t i = 0; i < sizeof(prose) / sizeof(prose[0]); i++)
        if (holds(text, prose[i].words))
            return prose[i].prefix;
    return prefix;
}

/* The same, and no longer word either ("author" is no "auth"). */
static bool holds_word(struct str text, const char *word)
{
    struct str w = str_z(word);

    for (size_t i = 0; i + w.n <= text.n; i++)
        if ((i == 0 || !is_letter(text.p[i - 1])) &&
            (i + w.n == text.n || !is_letter(text.p[i + w.n])) &&
            str_eq_nocase((struct str){text.p + i, w.n}, w))
            return true;
    return false;
}

bool message_notice_refuses(struct str text)
{
    static const char *const refusals[] = {
        "bad req", "too many", "slow", "invalid", "authenticat", "could not parse", "unsupported"};

    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
        if (holds(text, refusals[i]))
            return true;
    return holds_word(text, "auth") || holds_word(text, "rate");
}
