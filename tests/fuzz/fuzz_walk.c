/* Pages that nobody would send: whatever a relay answers, a walk asks only questions that may be
 * asked, claims nothing outside its span or above its first question, ends, and has then said of
 * every second what became of it.  What it has learnt survives its text.
 *
 * The input: a few bytes for the walk, then a page at a time; after its end, empty pages. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "services/walk/coverage.h"
#include "services/walk/walk.h"

enum { PAGE_EVENTS = 64, QUESTIONS_MAX = 40000 };
#define NOW      INT64_C(1700000000)
#define TIME_MAX (((int64_t)1 << 53) - 1)

struct input {
    const uint8_t *at;
    size_t n;
};

static uint8_t byte(struct input *in)
{
    if (in->n == 0)
        return 0;
    in->n--;
    return *in->at++;
}

static int64_t clamp(int64_t t)
{
    return t < 0 ? 0 : t > TIME_MAX ? TIME_MAX : t;
}

/* Near the edges of what was asked, in the middle of it, of the last event, or anywhere. */
static int64_t some_time(struct input *in, const struct walk_ask *ask, int64_t last)
{
    uint8_t b = byte(in);
    int64_t near = byte(in) - 128, lo = ask->since > 0 ? ask->since : 0;
    int64_t hi = ask->until > 0 ? ask->until : NOW;

    switch (b % 8) {
    case 0:
        return clamp(hi - (near & 15));
    case 1:
        return clamp(hi + near);
    case 2:
        return clamp(lo + near);
    case 3:
        return clamp(lo + (hi - lo) / 256 * (near + 128));
    case 4:
        return clamp(last - (near & 3));
    case 5:
        return clamp(last + near);
    case 6:
        return clamp(NOW + near * 1000);
    default:
        return clamp(((int64_t)near + 128) << (b / 8 + 16));
    }
}

static void fill(struct input *in, const struct walk_ask *ask, struct walk_page *page,
                 struct walk_event *events)
{
    uint8_t how = byte(in), n = byte(in) % (PAGE_EVENTS + 1);
    int64_t last = ask->until > 0 ? ask->until : NOW;

    *page = (struct walk_page){.events = events, .events_n = n, .raw = n};
    page->how = how < 200 ? SETTLE_EOSE : (enum settle)(how % SETTLE__COUNT);
    if (page->how == SETTLE_CLOSED) {
        page->refused = how & 1;
        page->auth = how == 255;
    }
    page->hint = how % 16 == 1 ? WALK_HINT_FINISH : how % 16 == 2 ? WALK_HINT_MORE : WALK_HINT_NONE;
    page->unproven = how % 64 == 3;
    if (how % 8 == 4)
        page->raw += byte(in);
    for (size_t i = 0; i < n; i++) {
        uint8_t b = byte(in);
        last = some_time(in, ask, last);
        events[i] = (struct walk_event){.created_at = last,
                                        .fingerprint = b,
                                        .kind = b & 1 ? b * 257 : b / 16,
                                        .matches = b != 2};
        if (ask->n_kinds > 0 && b & 4)
            events[i].kind = ask->kinds[b % ask->n_kinds];
        if (b & 8) /* the same one whenever it is of the same time, or one of a few */
            events[i].fingerprint = (uint64_t)last * 1000003 + b;
    }
}

static void check_question(const struct walk_ask *ask)
{
    CHECK(ask->limit >= 1);
    CHECK(ask->since == -1 || ask->since > 0);
    CHECK(ask->until == -1 || ask->until > 0);
    CHECK(ask->since < 0 || ask->until < 0 || ask->since <= ask->until);
    CHECK(ask->n_kinds == 0 || ask->kinds != NULL);
}

static void take(struct coverage *coverage, const struct walk_spans *spans, int64_t lo, int64_t hi,
                 int64_t first)
{
    for (size_t i = 0; i < spans->n; i++) {
        const struct walk_span *s = &spans->at[i];
        bool axis = s->gap && s->hi == INT64_MAX;
        CHECK(s->lo <= s->hi && s->lo >= lo);
        CHECK(axis || (s->hi <= hi && s->hi < first));
        coverage_add(coverage, &(struct store_span){.lo = s->lo,
                                                    .hi = s->hi,
                                                    .gap = s->gap,
                                                    .grade = s->grade,
                                                    .reason = s->reason,
                                                    .at = NOW});
    }
}

static void check_traits(const struct walk_traits *traits)
{
    char text[WALK_TRAITS_TEXT], again[WALK_TRAITS_TEXT];
    struct walk_traits back;

    CHECK(walk_traits_write(traits, text, sizeof(text)) > 0);
    walk_traits_read(&back, text);
    CHECK(walk_traits_write(&back, again, sizeof(again)) > 0);
    CHECK(strcmp(text, again) == 0);
}

static void walk_one(struct input *in, int64_t lo, int64_t hi, struct walk_traits *traits,
                     const struct walk_kinds *kinds)
{
    struct coverage *coverage = coverage_new();
    struct walk *w = walk_start(lo, hi, 1 + byte(in) * 4, traits, kinds);
    int64_t first = -1, now = NOW, from, to;
    unsigned questions = 0, retries = 0;
    enum walk_state state;
    struct walk_ask ask;

    while ((state = walk_next(w, &ask)) == WALK_ASK || state == WALK_RETRY) {
        struct walk_event events[PAGE_EVENTS];
        struct walk_spans spans;
        struct walk_page page;
        if (state == WALK_RETRY) {
            CHECK(++retries < QUESTIONS_MAX);
            continue;
        }
        CHECK(++questions < QUESTIONS_MAX);
        check_question(&ask);
        fill(in, &ask, &page, events);
        page.asked_at = now++;
        first = first < 0 ? page.asked_at : first;
        walk_answer(w, &page, &spans);
        take(coverage, &spans, lo, hi, first);
        (void)walk_reached(w);
    }
    struct coverage_query q = {
        .lo = lo, .hi = hi < first ? hi : first - 1, .now = NOW, .gap_retry_s = 1 << 30};
    CHECK(first < 0 || !coverage_next(coverage, &q, &from, &to));
    walk_free(w);
    coverage_free(coverage);
    check_traits(traits);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int32_t known[] = {1, 7, 0, 3, 6, 4, 1059, 2000, 2001, 2002, 2003};
    static const int32_t only[] = {1059, 13};
    struct input in = {data, size};
    struct walk_traits traits = {0};
    struct walk_kinds kinds = {.known = known, .known_n = sizeof(known) / sizeof(known[0])};
    uint8_t flags = byte(&in);

    if (flags & 1)
        kinds = (struct walk_kinds){.only = only, .only_n = 2};
    traits.restricts = flags & 2;
    traits.newest_first = (enum tri)(flags / 4 % 3);
    traits.honours_until = (enum tri)(flags / 16 % 3);
    traits.scraper = flags & 128;
    traits.cap = byte(&in);
    traits.page_max = 800;
    if (flags & 64) { /* .. or whatever an older version, or a person, has written */
        char text[256];
        size_t n = byte(&in);
        for (size_t i = 0; i < n; i++)
            text[i] = (char)byte(&in);
        text[n] = 0;
        walk_traits_read(&traits, text);
        check_traits(&traits);
    }
    for (int walks = 0; walks < 3; walks++) {
        uint8_t span = byte(&in);
        int64_t lo = span & 1 ? NOW - (int64_t)span * span * 1000 : span & 2 ? 1 : 0;
        walk_one(&in, lo,
                 span & 4   ? NOW - span
                 : span & 8 ? lo + span / 16
                            : INT64_MAX,
                 &traits, &kinds);
    }
    return 0;
}
