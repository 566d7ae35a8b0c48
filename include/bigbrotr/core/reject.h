/* The reasons for which an event is refused; see reject.def. */
#ifndef CORE_REJECT_H
#define CORE_REJECT_H

#include "core/names.h"

enum reject {
    REJECT_NONE = -1,
#define REJECT(name, text) REJECT_##name,
#include "core/reject.def"
    REJECT__COUNT
};

const char *reject_name(enum reject why); /* "bad_utf8" */
const char *reject_text(enum reject why);

#endif
