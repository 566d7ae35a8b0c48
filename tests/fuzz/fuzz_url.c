/* Relay URLs: what is accepted is a fixed point, plain ASCII, safe in a request line and a log, and
 * never a private address or a name that DNS must not see. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "nostr/url.h"

static void check_accepted(const struct relay_url *u)
{
    size_t n = strlen(u->text), path = strlen(u->path), host = strlen(u->host);
    struct relay_url again;
    char wire[URL_MAX + 2];

    CHECK(n > 0 && n <= URL_MAX && host > 0 && host <= URL_HOST_MAX && u->port > 0);
    for (size_t i = 0; i < n; i++) {
        char c = u->text[i];

        CHECK(c > ' ' && c < 0x7f && strchr("\"<>\\^`{|}#", c) == NULL);
        CHECK(c != '@' || u->text + i > u->path); /* no user name */
    }
    CHECK(u->path == u->text + n - path && (path == 0 || u->path[0] == '/') &&
          strcmp(u->path, "/") != 0);
    for (size_t i = 0; i < host; i++)
        CHECK(strchr("abcdefghijklmnopqrstuvwxyz0123456789-_.:", u->host[i]) != NULL);
    CHECK(u->ip_literal || (strchr(u->host, ':') == NULL && strchr(u->host, '.') != NULL));
    CHECK(url_parse(str_z(u->text), NULL, &again) == URL_OK);
    CHECK(strcmp(u->text, again.text) == 0 && strcmp(u->host, again.host) == 0);
    CHECK(u->port == again.port && u->tls == again.tls && u->network == again.network);
    url_wire(u, wire);
    CHECK(url_parse(str_z(wire), NULL, &again) == URL_OK || strlen(wire) > URL_MAX);
    CHECK(strlen(wire) > URL_MAX || strcmp(u->text, again.text) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size > 0 ? size : 1);
    struct relay_url u;
    enum url_refusal why;

    CHECK(text != NULL);
    memcpy(text, data, size);
    why = url_parse((struct str){text, size}, NULL, &u);
    CHECK(url_refusal_name(why) != NULL);
    if (why == URL_OK)
        check_accepted(&u);
    free(text);
    return 0;
}
