/* refusal: see refusal.h. */
#include "relay/refusal.h"

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* At the beginning of a word, any case. */
static bool says(const char *text, const char *word)
{
    struct str s = str_z(text), w = str_z(word);

    for (size_t i = 0; i + w.n <= s.n; i++)
        if ((i == 0 || !is_letter(s.p[i - 1])) && str_eq_nocase((struct str){s.p + i, w.n}, w))
            return true;
    return false;
}

static bool says_payment(const char *text)
{
    static const char *const words[] = {"pay",  "paid",    "payment",      "invoice",
                                        "sats", "satoshi", "admission fee"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (says(text, words[i]))
            return true;
    return false;
}

enum err_code refusal_code(enum message_prefix prefix, const char *text)
{
    switch (prefix) {
    case PREFIX_AUTH_REQUIRED:
        return ERR_AUTH_REQUIRED;
    case PREFIX_RATE_LIMITED:
        return ERR_RATE_LIMITED;
    case PREFIX_BLOCKED:
    case PREFIX_RESTRICTED:
    case PREFIX_MUTE:
    case PREFIX_POW:
        return says_payment(text) ? ERR_PAYMENT_REQUIRED : ERR_BLOCKED;
    case PREFIX_INVALID:
    case PREFIX_UNSUPPORTED:
        return ERR_UNSUPPORTED;
    case PREFIX_NONE:
    case PREFIX_DUPLICATE:
    case PREFIX_ERROR:
        break;
    }
    return says_payment(text) ? ERR_PAYMENT_REQUIRED : ERR_REFUSED;
}

bool refusal_by_policy(enum err_code code)
{
    return code == ERR_AUTH_REQUIRED || code == ERR_BLOCKED || code == ERR_PAYMENT_REQUIRED ||
           code == ERR_RATE_LIMITED;
}
