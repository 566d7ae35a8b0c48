/* The event scanner against jansson: both must agree on what is JSON and on every value in it; and
 * against a second writer of the canonical form: with the id that it computes, the event is
 * accepted and comes back the same from event_json().
 *
 * Where policy differs (depth, numbers too large for jansson, NUL in keys), nothing is compared. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "check.h"
#include "core/buf.h"
#include "core/hex.h"
#include "core/sha256.h"
#include "nostr/event.h"

static struct arena arena;
static const struct event_limits *limits;

/* From a copy of exact length that is gone afterwards: nothing may be read behind it or later. */
static enum reject scan(const void *data, size_t size, struct event *e)
{
    char *exact = malloc(size > 0 ? size : 1);
    enum reject why;

    CHECK(exact != NULL);
    memcpy(exact, data, size);
    if (event_scan((struct str){exact, size}, limits, &arena, e, &why) == 0)
        why = REJECT_NONE;
    free(exact);
    return why;
}

/* jansson's string as ours: U+FFFD for NUL. */
static bool same_text(struct str ours, const json_t *theirs)
{
    const char *p = json_string_value(theirs);
    size_t n = json_string_length(theirs), at = 0;

    for (size_t i = 0; i < n; i++) {
        size_t step = p[i] == 0 ? 3 : 1;

        if (ours.n - at < step ||
            memcmp(ours.p + at, p[i] == 0 ? "\xef\xbf\xbd" : p + i, step) != 0)
            return false;
        at += step;
    }
    return at == ours.n;
}

static bool same_number(int64_t ours, const json_t *theirs)
{
    if (json_is_integer(theirs))
        return json_integer_value(theirs) == ours;
    return json_is_real(theirs) && json_real_value(theirs) == (double)ours;
}

static void compare_tags(const struct event *e, const json_t *tags)
{
    CHECK(json_array_size(tags) == e->tags_n);
    for (uint32_t i = 0; i < e->tags_n; i++) {
        const json_t *tag = json_array_get(tags, i);

        CHECK(json_array_size(tag) == e->tag_start[i + 1] - e->tag_start[i]);
        for (uint32_t j = e->tag_start[i]; j < e->tag_start[i + 1]; j++)
            CHECK(same_text(e->elements[j], json_array_get(tag, j - e->tag_start[i])));
    }
}

/* The canonical form once more, written the plain way from jansson's values. */
static void put_string(struct buf *b, const json_t *s)
{
    static const char from[] = "\b\t\n\f\r\"\\", to[] = "btnfr\"\\";
    const char *p = json_string_value(s);

    buf_append_char(b, '"');
    for (size_t i = 0; i < json_string_length(s); i++) {
        const char *hit = p[i] == 0 ? NULL : strchr(from, p[i]);

        if (hit != NULL)
            buf_printf(b, "\\%c", to[hit - from]);
        else if ((unsigned char)p[i] < 0x20)
            buf_printf(b, "\\u%04x", (unsigned)p[i]);
        else
            buf_append_char(b, p[i]);
    }
    buf_append_char(b, '"');
}

static void put_tags(struct buf *b, const json_t *tags)
{
    size_t i, j;
    json_t *tag, *element;

    buf_append_char(b, '[');
    json_array_foreach(tags, i, tag)
    {
        buf_append_str(b, i == 0 ? STR("[") : STR(",["));
        json_array_foreach(tag, j, element)
        {
            if (j > 0)
                buf_append_char(b, ',');
            put_string(b, element);
        }
        buf_append_char(b, ']');
    }
    buf_append_char(b, ']');
}

static void right_id(const struct event *e, const json_t *j, char hex[64])
{
    uint8_t digest[SHA256_BYTES];
    struct buf b;

    buf_init(&b, 64 << 20);
    buf_printf(&b, "[0,\"%s\",%lld,%d,", json_string_value(json_object_get(j, "pubkey")),
               (long long)e->created_at, (int)e->kind);
    put_tags(&b, json_object_get(j, "tags"));
    buf_append_char(&b, ',');
    put_string(&b, json_object_get(j, "content"));
    buf_append_char(&b, ']');
    sha256_of(buf_str(&b).p, buf_str(&b).n, digest);
    hex_encode(hex, digest, sizeof(digest));
    buf_done(&b);
}

/* The input with the right id in place of the stated one must be accepted, and so must what we make
 * of it.  Only where the stated digits occur once, so that nothing else changes. */
static void check_with_right_id(const uint8_t *data, size_t size, const struct event *e,
                                const json_t *j)
{
    char stated[64], right[64], *copy, *at;
    struct event fixed, again;
    struct str json;

    hex_encode(stated, e->id.b, sizeof(e->id.b));
    right_id(e, j, right);
    copy = malloc(size);
    CHECK(copy != NULL);
    memcpy(copy, data, size);
    at = memmem(copy, size, stated, sizeof(stated));
    if (at != NULL &&
        memmem(at + 1, size - (size_t)(at + 1 - copy), stated, sizeof(stated)) == NULL) {
        memcpy(at, right, sizeof(right));
        CHECK(scan(copy, size, &fixed) == REJECT_NONE);
        CHECK(fixed.variant == EVENT_VARIANT_JS && fixed.lossy == (fixed.canonical.n > 0));
        json = event_json(&fixed, &arena);
        CHECK(scan(json.p, json.n, &again) == REJECT_NONE);
        CHECK(str_eq(fixed.content, again.content) && str_eq(fixed.tags, again.tags) &&
              str_eq(fixed.canonical, again.canonical) && fixed.taghash_n == again.taghash_n);
    }
    free(copy);
}

static bool begins_as_object(const uint8_t *data, size_t size)
{
    struct str s = str_trim((struct str){(const char *)data, size});

    return s.n > 0 && s.p[0] == '{';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct event_limits all;
    json_error_t error;
    struct event e;
    enum reject why;
    json_t *j;

    if (limits == NULL) {
        all = event_limits_default();
        limits = &all;
        arena_init(&arena, 65536);
    }
    why = scan(data, size, &e);
    j = json_loadb((const char *)data, size, JSON_ALLOW_NUL, &error);
    if (why == REJECT_NONE || why == REJECT_ID_MISMATCH) {
        if (j == NULL) {
            enum json_error_code code = json_error_code(&error);

            CHECK(code == json_error_numeric_overflow || code == json_error_null_byte_in_key);
        } else {
            CHECK(same_text(e.content, json_object_get(j, "content")));
            CHECK(same_number(e.created_at, json_object_get(j, "created_at")));
            CHECK(same_number(e.kind, json_object_get(j, "kind")));
            compare_tags(&e, json_object_get(j, "tags"));
            check_with_right_id(data, size, &e, j);
        }
    } else if (why == REJECT_SYNTAX || why == REJECT_BAD_UTF8) {
        /* jansson takes a NUL behind a number for white space. */
        CHECK(j == NULL || !begins_as_object(data, size) || memchr(data, 0, size) != NULL);
    }
    json_decref(j);
    arena_reset(&arena);
    return 0;
}
