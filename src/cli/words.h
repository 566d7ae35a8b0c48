/* The words behind a command: options that have a value, in any order, and what is left. */
#ifndef CLI_WORDS_H
#define CLI_WORDS_H

#include <stdbool.h>

#include "cli/command.h"
#include "nostr/url.h"

enum { WORDS_MAX = 32 };

struct word_option {
    const char *name;    /* "--relay" */
    const char **values; /* room for `max`; NULL: it has no value, as --yes */
    int max;
    int n; /* how many came */
};

struct words {
    const char *plain[WORDS_MAX]; /* in their order */
    int n;
};

/* False when an option is unknown, has no value or comes too often, or there are too many words.
 * "--" ends the options; "-" is a word.  `options` ends with a row without a name. */
bool words_read(const struct command *c, struct word_option *options, struct words *words);

/* -1, and said on standard error, when one of the n words is no relay's URL. */
int words_relay_urls(const char *const *words, int n, struct relay_url *urls) MUST_USE;

#endif
