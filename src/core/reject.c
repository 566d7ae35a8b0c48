/* The table of reasons to refuse an event, made from reject.def; names are lowered on first use. */
#include "core/reject.h"

#include <assert.h>
#include <pthread.h>

#include "core/lower.h"

static const struct {
    const char *name;
    const char *text;
} table[REJECT__COUNT] = {
#define REJECT(name, text) [REJECT_##name] = {#name, text},
#include "core/reject.def"
};

#define REJECT(name, text) \
    _Static_assert(sizeof(#name) <= LOWER_NAME_MAX + 1, "too long a name: " #name);
#include "core/reject.def"

static char names[REJECT__COUNT][LOWER_NAME_MAX + 1];
static pthread_once_t names_once = PTHREAD_ONCE_INIT;

static void make_names(void)
{
    for (int i = 0; i < REJECT__COUNT; i++)
        lower_name(names[i], table[i].name);
}

const char *reject_name(enum reject why)
{
    assert(why >= REJECT_NONE);
    assert(why < REJECT__COUNT);
    if (why == REJECT_NONE)
        return "none";
    (void)pthread_once(&names_once, make_names);
    return names[why];
}

const char *reject_text(enum reject why)
{
    assert(why >= REJECT_NONE);
    assert(why < REJECT__COUNT);
    return why == REJECT_NONE ? "not refused" : table[why].text;
}
