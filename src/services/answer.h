/* answer: what a settled request says to the walk, for the visits of the daemon and for `fetch`. */
#ifndef SERVICES_ANSWER_H
#define SERVICES_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include "relay/session.h"
#include "services/walk/walk.h"

/* Refused, but not for the form of the question. */
bool answer_is_too_fast(const struct settlement *s);

/* All but the events, which the caller adds.  `asked_at`: UNIX seconds when the REQ was sent. */
struct walk_page answer_page(const struct settlement *s, int64_t asked_at);

#endif
