/* outage: see outage.h. */
#include "services/probe/outage.h"

static int64_t slot_ms(const struct outage_limits *limits)
{
    return limits->window_ms >= OUTAGE_SLOTS ? limits->window_ms / OUTAGE_SLOTS : 1;
}

static bool seems_down(const struct outage *o, int64_t now, const struct outage_limits *limits)
{
    uint64_t good = 0, bad = 0, new_good = 0, new_bad = 0;
    int64_t number = now / slot_ms(limits);

    for (int i = 0; i < OUTAGE_SLOTS; i++) {
        const struct outage_slot *slot = &o->slots[i];
        if (number - slot->number >= OUTAGE_SLOTS)
            continue;
        good += slot->good;
        bad += slot->bad;
        new_good += slot->new_good;
        new_bad += slot->new_bad;
    }
    if (good + bad >= OUTAGE_SAMPLES_MIN)
        return bad * 1000 >= (good + bad) * limits->rate_permille;
    return good == 0 && new_good == 0 && bad + new_bad >= OUTAGE_SAMPLES_MIN &&
           now - o->silent_since_ms >= limits->patience_ms;
}

bool outage_enter(struct outage *o, enum outage_sort sort, bool failed, int64_t now,
                  const struct outage_limits *limits)
{
    int64_t number = now / slot_ms(limits);
    struct outage_slot *slot = &o->slots[number % OUTAGE_SLOTS];

    if (slot->number != number)
        *slot = (struct outage_slot){.number = number};
    if (!failed)
        o->silent_since_ms = 0;
    else if (o->silent_since_ms == 0)
        o->silent_since_ms = now;
    switch (sort) {
    case OUTAGE_WAS_GOOD:
        slot->good += !failed;
        slot->bad += failed;
        break;
    case OUTAGE_NEVER_SEEN:
        slot->new_good += !failed;
        slot->new_bad += failed;
        break;
    case OUTAGE_WAS_BAD:
        slot->new_good += !failed; /* one that comes back shows that we are there */
        break;
    }
    if (!o->down || !failed)
        o->down = seems_down(o, now, limits);
    return o->down;
}
