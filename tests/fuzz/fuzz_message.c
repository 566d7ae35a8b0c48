/* Relay messages: views stay inside the text, and what is taken for a message is JSON to jansson
 * too (but for the event, which nobody has looked into). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "check.h"
#include "nostr/message.h"

static void check_inside(struct str view, const char *text, size_t size)
{
    CHECK(view.n == 0 || (view.p >= text && view.p + view.n <= text + size));
}

static void check_against_jansson(const struct message *m, const char *text, size_t size)
{
    json_error_t error;
    json_t *j = json_loadb(text, size, JSON_ALLOW_NUL, &error);

    if (m->type == MESSAGE_INVALID || m->type == MESSAGE_EVENT) {
        json_decref(j);
        return;
    }
    if (j == NULL) {
        enum json_error_code code = json_error_code(&error);

        /* UTF-8 is the WebSocket's business. */
        CHECK(code == json_error_numeric_overflow || code == json_error_null_byte_in_key ||
              code == json_error_invalid_utf8);
        return;
    }
    CHECK(json_is_array(j) && json_is_string(json_array_get(j, 0)));
    CHECK(m->type != MESSAGE_OK || m->ok == json_is_true(json_array_get(j, 2)));
    CHECK(m->type != MESSAGE_AUTH || json_string_length(json_array_get(j, 1)) > 0);
    json_decref(j);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size > 0 ? size : 1);
    struct message m;

    CHECK(text != NULL);
    memcpy(text, data, size);
    message_parse((struct str){text, size}, &m);
    check_inside(m.sub, text, size);
    check_inside(m.event, text, size);
    check_inside(m.text, text, size);
    check_inside(m.extra, text, size);
    CHECK(m.type != MESSAGE_EVENT || (m.event.p[0] == '{' && m.event.p[m.event.n - 1] == '}'));
    check_against_jansson(&m, text, size);
    (void)message_prefix(m.text);
    (void)message_prefix((struct str){text, size});
    (void)message_notice_refuses((struct str){text, size});
    free(text);
    return 0;
}
