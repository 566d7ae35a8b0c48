/* answer: see answer.h. */
#include "services/answer.h"

static enum walk_hint hint_of(const struct settlement *s)
{
    if (s->finish)
        return WALK_HINT_FINISH;
    return s->more ? WALK_HINT_MORE : WALK_HINT_NONE;
}

bool answer_is_too_fast(const struct settlement *s)
{
    return s->how == SETTLE_CLOSED && s->prefix == PREFIX_RATE_LIMITED;
}

struct walk_page answer_page(const struct settlement *s, int64_t asked_at)
{
    bool closed = s->how == SETTLE_CLOSED;

    return (struct walk_page){.how = s->how,
                              .hint = hint_of(s),
                              .unproven = s->unproven,
                              .refused = closed,
                              .auth = closed && s->prefix == PREFIX_AUTH_REQUIRED,
                              .slow = answer_is_too_fast(s),
                              .passing = closed && s->prefix == PREFIX_ERROR,
                              .raw = s->events,
                              .asked_at = asked_at};
}
