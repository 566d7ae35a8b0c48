/* Between the files of the filter: what a spec holds. */
#ifndef NOSTR_FILTER_SPEC_H
#define NOSTR_FILTER_SPEC_H

#include "nostr/filter.h"

/* 32 bytes: an id or a public key. */
struct hash32 {
    uint8_t b[32];
};

struct hashes {
    struct hash32 *at; /* sorted, distinct */
    size_t n;
};

struct tag_rule {
    char *name;
    struct str *values; /* sorted, distinct; each malloc'd */
    size_t n;
};

/* The positive or the `not_*` half of a section; an empty list says nothing. */
struct filter_part {
    int32_t *kinds; /* sorted, distinct */
    size_t kinds_n;
    struct hashes authors, ids;
    struct tag_rule *tags; /* sorted by name */
    size_t tags_n;
    int64_t since, until; /* -1: not given */
};

struct filter_spec {
    char *name;
    struct filter_part want, except;
};

/* A new rule in its place by name; NULL when there is one already. */
struct tag_rule *filter_add_tag(struct filter_part *part, const char *name);

/* NIP-01 can ask for tags of one letter only. */
bool filter_tag_askable(const struct tag_rule *rule);

/* Values of the configuration, added to what is there.  -1 and ERR_CONFIG without the key, which
 * the caller adds. */
int filter_read_kinds(struct str value, struct filter_part *part, struct err *err);
int filter_read_hashes(struct str value, bool authors, struct hashes *out, struct err *err);
int filter_read_tag(struct str value, struct tag_rule *rule, struct err *err);
int filter_add_tag_value(struct str item, struct tag_rule *rule, struct err *err);
void filter_tag_done(struct tag_rule *rule); /* sorts them */
int filter_read_time(struct str value, int64_t *out, struct err *err);

#endif
