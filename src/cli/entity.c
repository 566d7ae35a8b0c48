/* encode, decode: NIP-19 for people: npub and its kin from hexadecimal and back. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/words.h"
#include "core/hex.h"
#include "nostr/nip19.h"

enum { RELAYS_MAX = 16, KIND_MAX = 65535 };

static const struct {
    const char *name;
    enum nip19_type type;
    bool list;
} forms[] = {
    {"npub", NIP19_NPUB, false},        {"note", NIP19_NOTE, false},
    {"nprofile", NIP19_NPROFILE, true}, {"nevent", NIP19_NEVENT, true},
    {"naddr", NIP19_NADDR, true},
};

static int encode_usage(void)
{
    (void)fputs("usage: bigbrotr encode npub KEY\n"
                "       bigbrotr encode note ID\n"
                "       bigbrotr encode nprofile KEY [--relay URL]..\n"
                "       bigbrotr encode nevent ID [--author KEY] [--kind N] [--relay URL]..\n"
                "       bigbrotr encode naddr KEY --kind N --identifier D [--relay URL]..\n"
                "KEY is 64 hexadecimal digits or npub1.., ID hexadecimal digits or note1..; secret "
                "keys: bigbrotr key\n",
                stderr);
    return COMMAND_USAGE;
}

/* 32 bytes from hexadecimal, or from the plain NIP-19 form `type`. */
static bool read_key(const char *text, enum nip19_type type, uint8_t key[32])
{
    struct nip19 x;

    if (hex_decode(key, str_z(text), 32))
        return true;
    if (!nip19_decode(str_z(text), &x) || x.type != type)
        return false;
    memcpy(key, x.key, 32);
    return true;
}

static void print_text(const struct command *c, const char *text)
{
    struct js *out;

    if (!c->json) {
        (void)puts(text);
        return;
    }
    out = js_new_object();
    js_set_z(out, "text", text);
    js_print(out, JS_PRETTY, stdout);
    js_free(out);
}

static int encode_list(const struct command *c, enum nip19_type type, const uint8_t key[32],
                       const struct word_option *options)
{
    const struct word_option *relay = &options[0], *author = &options[1], *kind = &options[2],
                             *identifier = &options[3];
    struct str relays[RELAYS_MAX];
    uint8_t author_key[32];
    char text[NIP19_TEXT_MAX];
    uint64_t number = 0;
    bool naddr = type == NIP19_NADDR, nevent = type == NIP19_NEVENT;
    struct nip19_list list = {
        .type = type, .key = key, .kind = -1, .relays = relays, .relays_n = (size_t)relay->n};

    for (int i = 0; i < relay->n; i++)
        relays[i] = str_z(relay->values[i]);
    if ((author->n > 0 && !nevent) || (identifier->n > 0) != naddr ||
        (kind->n > 0 && !nevent && !naddr) || (kind->n == 0 && naddr))
        return encode_usage();
    if (author->n > 0 && !read_key(author->values[0], NIP19_NPUB, author_key))
        return encode_usage();
    if (kind->n > 0 && (!str_u64(str_z(kind->values[0]), &number) || number > KIND_MAX)) {
        (void)fputs("bigbrotr: a kind is a number from 0 to 65535\n", stderr);
        return COMMAND_USAGE;
    }
    if (author->n > 0)
        list.author = author_key;
    if (kind->n > 0)
        list.kind = (int64_t)number;
    if (naddr)
        list.identifier = str_z(identifier->values[0]);
    if (!nip19_encode_list(&list, text)) {
        (void)fputs("bigbrotr: too long: a relay or identifier has at most 255 bytes, and all of "
                    "it 5,000 characters\n",
                    stderr);
        return COMMAND_USAGE;
    }
    print_text(c, text);
    return COMMAND_DONE;
}

int command_encode(const struct command *c)
{
    const char *relays[RELAYS_MAX], *author, *kind, *identifier;
    struct word_option options[] = {{"--relay", relays, RELAYS_MAX, 0},
                                    {"--author", &author, 1, 0},
                                    {"--kind", &kind, 1, 0},
                                    {"--identifier", &identifier, 1, 0},
                                    {0}};
    char text[NIP19_PLAIN_MAX];
    enum nip19_type type;
    struct words words;
    uint8_t key[32];
    size_t form = 0;

    if (!words_read(c, options, &words) || words.n != 2)
        return encode_usage();
    while (form < sizeof(forms) / sizeof(forms[0]) && strcmp(forms[form].name, words.plain[0]) != 0)
        form++;
    if (form == sizeof(forms) / sizeof(forms[0]))
        return encode_usage();
    type = forms[form].type;
    bool event = type == NIP19_NOTE || type == NIP19_NEVENT;
    if (!read_key(words.plain[1], event ? NIP19_NOTE : NIP19_NPUB, key)) {
        (void)fprintf(stderr, "bigbrotr: \"%s\" is neither 64 hexadecimal digits nor a %s1..\n",
                      words.plain[1], event ? "note" : "npub");
        return COMMAND_USAGE;
    }
    if (forms[form].list)
        return encode_list(c, type, key, options);
    for (const struct word_option *o = options; o->name != NULL; o++)
        if (o->n > 0)
            return encode_usage();
    nip19_encode(type, key, text);
    print_text(c, text);
    return COMMAND_DONE;
}

static void set_hex(struct js *out, const char *name, const uint8_t key[32])
{
    char hex[64];

    hex_encode(hex, key, 32);
    js_set_str(out, name, (struct str){hex, sizeof(hex)});
}

static struct js *describe(const struct nip19 *x)
{
    struct js *out = js_new_object(), *relays = js_new_array();
    bool event = x->type == NIP19_NOTE || x->type == NIP19_NEVENT;
    struct str text;
    size_t at = 0;

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
        if (forms[i].type == x->type)
            js_set_z(out, "type", forms[i].name);
    set_hex(out, event ? "id" : "pubkey", x->key);
    if (x->has_author && event)
        set_hex(out, "author", x->author);
    if (x->kind >= 0)
        js_set_int(out, "kind", x->kind);
    if (nip19_identifier(x, &text))
        js_set_str(out, "identifier", text);
    while (nip19_relay(x, &at, &text))
        js_add(relays, js_new_str(text));
    if (js_count(relays) > 0)
        js_set(out, "relays", relays);
    else
        js_free(relays);
    return out;
}

/* "name      value" for each fact, what strangers wrote escaped. */
static void print_facts(const struct js *facts)
{
    char shown[1024];
    struct js *value;
    struct str name;
    void *at = NULL;

    while (js_next(facts, &at, &name, &value)) {
        size_t n = js_type(value) == JS_ARRAY ? js_count(value) : 1;

        for (size_t i = 0; i < n; i++) {
            const struct js *one = js_type(value) == JS_ARRAY ? js_at(value, i) : value;

            if (js_type(one) == JS_INT)
                (void)printf("%-10.*s %" PRId64 "\n", (int)name.n, name.p, js_int(one, 0));
            else
                (void)printf("%-10.*s %s\n", (int)name.n, name.p,
                             str_escape(shown, sizeof(shown), js_str(one, STR(""))));
        }
    }
}

int command_decode(const struct command *c)
{
    struct word_option none[] = {{0}};
    struct words words;
    struct js *facts;
    struct nip19 x;

    if (!words_read(c, none, &words) || words.n != 1) {
        (void)fputs("usage: bigbrotr decode npub1.. | note1.. | nprofile1.. | nevent1.. | "
                    "naddr1..\n",
                    stderr);
        return COMMAND_USAGE;
    }
    if (!nip19_decode(str_z(words.plain[0]), &x)) {
        (void)fputs("bigbrotr: this is no NIP-19 text, or a letter of it is wrong: copy it again, "
                    "whole\n",
                    stderr);
        return COMMAND_USAGE;
    }
    if (x.type == NIP19_NSEC) {
        (void)fputs("bigbrotr: this is a secret key, and everybody on this machine can read a "
                    "command line: treat it as known, and see bigbrotr key show\n",
                    stderr);
        return COMMAND_USAGE;
    }
    facts = describe(&x);
    if (c->json)
        js_print(facts, JS_PRETTY, stdout);
    else
        print_facts(facts);
    js_free(facts);
    return COMMAND_DONE;
}
