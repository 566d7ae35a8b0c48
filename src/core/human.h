/* human: sizes and durations as people read them. */
#ifndef CORE_HUMAN_H
#define CORE_HUMAN_H

#include <stddef.h>
#include <stdint.h>

const char *human_bytes(char *to, size_t size, double bytes);      /* "1.5 GiB" */
const char *human_duration(char *to, size_t size, double seconds); /* "3 days" */

/* The word that fits the number: 1 relay, 2 relays, 0 relays. */
static inline const char *human_noun(int64_t n, const char *one, const char *many)
{
    return n == 1 ? one : many;
}

#endif
