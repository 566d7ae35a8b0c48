/* Events as text for the tests: scanned from a copy of exact length that is gone afterwards. */
#ifndef EVENT_FIXTURE_H
#define EVENT_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>

#include "nostr/event.h"
#include "unit.h"

#define PK "a48380f4cfcc1ad5378294fcac36439770f9c878dd880ffa94bb74ea54a6f243"
#define SIG                                                                                        \
    "00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000" \
    "000000000000000000000000000000000000"

static struct arena arena;
static struct event event;

static inline int setup(void **state)
{
    (void)state;
    arena_init(&arena, 65536);
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    arena_done(&arena);
    return 0;
}

/* The verdict on an event: REJECT_NONE when it is accepted. */
static inline enum reject scan(const char *json, size_t n)
{
    struct event_limits limits = event_limits_default();
    enum reject why;
    /* A buffer of exactly the length, so that a sanitizer sees every byte read behind it. */
    char *exact = malloc(n > 0 ? n : 1);

    assert_non_null(exact);
    memcpy(exact, json, n);
    if (event_scan((struct str){exact, n}, &limits, &arena, &event, &why) == 0)
        why = REJECT_NONE;
    free(exact);
    return why;
}

static inline enum reject scan_z(const char *json)
{
    return scan(json, strlen(json));
}

/* An event of the given parts with the given id. */
static inline enum reject scan_parts(const char *id, const char *created_at, const char *kind,
                                     const char *tags, const char *content)
{
    char json[16384];
    int n = snprintf(json, sizeof(json),
                     "{\"id\":\"%s\",\"pubkey\":\"" PK "\",\"created_at\":%s,\"kind\":%s,"
                     "\"tags\":%s,\"content\":%s,\"sig\":\"" SIG "\"}",
                     id, created_at, kind, tags, content);

    assert_in_range(n, 0, sizeof(json) - 1);
    return scan(json, (size_t)n);
}

/* What the contents are when the id need not fit: everything but the id has been accepted then. */
#define ANY_ID PK

static inline void assert_str(struct str got, const char *want, size_t n)
{
    assert_int_equal(got.n, n);
    assert_memory_equal(got.p, want, n);
}

#define ASSERT_STR(got, literal) assert_str(got, literal, sizeof(literal) - 1)

/* Writes `n` copies of `piece`, separated by commas, between brackets. */
static inline char *repeated(const char *piece, size_t n, const char *rest)
{
    char *text = malloc(n * (strlen(piece) + 1) + strlen(rest) + 3), *p = text;

    assert_non_null(text);
    *p++ = '[';
    for (size_t i = 0; i < n; i++)
        p += sprintf(p, "%s%s", i == 0 ? "" : ",", piece);
    sprintf(p, "]%s", rest);
    return text;
}

static inline enum reject scan_tags_only(const char *tags)
{
    size_t n = strlen(tags) + 16;
    char *json = malloc(n);
    enum reject why;

    assert_non_null(json);
    snprintf(json, n, "{\"tags\":%s}", tags);
    why = scan_z(json);
    free(json);
    return why;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
