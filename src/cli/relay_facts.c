/* relay_facts: see relay_facts.h. */
#include "cli/relay_facts.h"

#include <stdio.h>
#include <stdlib.h>

#include "cli/words.h"

enum { ANSWER_MAX = 64 * 1024 * 1024, ANSWER_DEPTH = 8, QUESTIONS_MAX = 2 };

/* NULL with err; ERR_NONE: the archive does not know it. */
static struct js *ask(struct archive *a, const struct relay_question *q, const char *url,
                      struct err *err)
{
    struct params p;
    struct js *facts;
    char *text = NULL;

    *err = (struct err){.code = ERR_NONE};
    params_init(&p);
    params_text(&p, str_z(url));
    for (int i = 0; i < QUESTIONS_MAX && q->sql[i] != NULL && text == NULL; i++)
        if (archive_text(a, q->sql[i], &p, &text, err) < 0)
            return NULL;
    if (text == NULL)
        return NULL;
    facts = js_parse(str_z(text), ANSWER_MAX, ANSWER_DEPTH, err);
    free(text);
    return facts;
}

static int show(const struct command *c, const struct relay_question *q, const char *url)
{
    struct err err;
    struct archive *a = archive_open(c->cfg, &err);
    struct js *facts;

    if (a == NULL)
        return command_fail(&err);
    facts = ask(a, q, url, &err);
    archive_close(a);
    if (facts == NULL && err.code != ERR_NONE)
        return command_fail(&err);
    if (facts == NULL) {
        (void)fprintf(stderr, "bigbrotr: the archive does not know %s\n", url);
        return COMMAND_FAILED;
    }
    if (c->json)
        js_print(facts, JS_PRETTY, stdout);
    else
        q->print(c, url, facts);
    js_free(facts);
    return COMMAND_DONE;
}

int relay_facts(const struct command *c, const struct relay_question *q)
{
    struct relay_url *url;
    int code = COMMAND_USAGE;

    if (c->argc != 1) {
        (void)fprintf(stderr, "usage: %s\n", q->usage);
        return code;
    }
    url = malloc(sizeof(*url));
    if (url == NULL)
        abort();
    if (words_relay_urls((const char *const *)c->argv, 1, url) == 0)
        code = show(c, q, url->text);
    free(url);
    return code;
}
