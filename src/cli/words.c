/* words: see words.h. */
#include "cli/words.h"

#include <stdio.h>
#include <string.h>

static struct word_option *find(struct word_option *options, const char *name)
{
    for (struct word_option *o = options; o->name != NULL; o++)
        if (strcmp(o->name, name) == 0)
            return o;
    return NULL;
}

bool words_read(const struct command *c, struct word_option *options, struct words *words)
{
    bool only_words = false;

    words->n = 0;
    for (int i = 0; i < c->argc; i++) {
        const char *word = c->argv[i];

        if (!only_words && strcmp(word, "--") == 0) {
            only_words = true;
        } else if (!only_words && word[0] == '-' && word[1] != '\0') {
            struct word_option *o = find(options, word);

            if (o == NULL || o->n == o->max || (o->values != NULL && ++i == c->argc))
                return false;
            if (o->values != NULL)
                o->values[o->n] = c->argv[i];
            o->n++;
        } else if (words->n == WORDS_MAX) {
            return false;
        } else {
            words->plain[words->n++] = word;
        }
    }
    return true;
}

int words_relay_urls(const char *const *words, int n, struct relay_url *urls)
{
    for (int i = 0; i < n; i++) {
        enum url_refusal why = url_parse(str_z(words[i]), &url_any_address, &urls[i]);

        if (why != URL_OK) {
            (void)fprintf(stderr, "bigbrotr: \"%s\" %s\n", words[i], url_refusal_text(why));
            return -1;
        }
    }
    return 0;
}
