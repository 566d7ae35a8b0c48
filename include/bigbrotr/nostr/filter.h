/* Filters: what to ask a relay for (NIP-01), and what to keep of what it sends.
 *
 * A `struct filter_spec` is one [filter NAME] section of the configuration: its positive part can
 * be asked for, its `not_*` part and tags of more than one letter are applied after download.  Keys
 * within one are AND-ed; several specs are OR-ed by whoever holds them. */
#ifndef NOSTR_FILTER_H
#define NOSTR_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/names.h"
#include "core/str.h"
#include "nostr/event.h"

struct filter_spec; /* immutable once made */

/* From the keys and values of one section.  Lists are separated by commas:
 *
 *     kinds = 0, 1, 30000-39999        authors = hex or npub1..      ids = hex or note1..
 *     tag_t = bitcoin, nostr           since, until = seconds or RFC 3339 ("2024-05-01")
 *
 * and `not_` before each: any one exception is enough to be unwanted; not_since leaves out what is
 * at that second or later, not_until what is at that second or earlier.  `#t` may be written for
 * tag_t where the format of the file lets a key begin so.  tag_p and tag_e take npub and note too.
 * An unknown key, a bad value or a key given twice: -1 and ERR_CONFIG, the key first in the detail;
 * the spec is then good for filter_spec_free() only. */
struct filter_spec *filter_spec_new(const char *name);
int filter_spec_set(struct filter_spec *f, const char *key, const char *value,
                    struct err *err) MUST_USE;
void filter_spec_free(struct filter_spec *f);

/* From a filter as NIP-01 writes it: {"kinds":[1],"authors":["..","npub1.."],"#t":["a,
 * b"],"since":0}. `limit` is left to the caller: -1 when there is none.  At most 256 KiB; what
 * NIP-01 does not name is an error, since nobody would notice that it has no effect.  NULL with
 * ERR_SYNTAX. */
struct filter_spec *filter_spec_from_json(struct str json, int64_t *limit,
                                          struct err *err) MUST_USE;

/* The canonical JSON of the whole spec: equal text means the same archive, so it identifies
 * coverage.
 * `{}` for the filter that wants everything.  malloc'd. */
char *filter_spec_identity(const struct filter_spec *f);

/* What the walk needs to know of the askable part. */
const int32_t *filter_spec_kinds(const struct filter_spec *f, size_t *n); /* n 0: any kind */
int64_t filter_spec_since(const struct filter_spec *f); /* 0: from the beginning */
int64_t filter_spec_until(const struct filter_spec *f); /* INT64_MAX: open */

/* One question: the spec's askable part, narrowed. */
struct filter_ask {
    int64_t since, until; /* -1: not sent */
    int limit;            /* -1: not sent (never on a page: see PROTOCOL 1.2) */
    const int32_t *kinds; /* replaces the spec's kinds when n_kinds > 0 */
    size_t n_kinds;
};

/* Writes the filter object as JSON into buf.  Returns its length, or -1 when it does not fit. */
int filter_write(const struct filter_spec *f, const struct filter_ask *ask, char *buf, size_t size);

/* Does the event match what was asked (so that it counts for the page)? */
bool filter_asked(const struct filter_spec *f, const struct filter_ask *ask, const struct event *e);

/* Does the event belong into the archive, `not_*` and long tag names included? */
bool filter_wanted(const struct filter_spec *f, const struct event *e);

/* Does every event of this kind belong into the archive by this filter alone? */
bool filter_takes_kind(const struct filter_spec *f, int32_t kind);

#endif
