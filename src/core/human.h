/* human: sizes, durations and times as people read them. */
#ifndef CORE_HUMAN_H
#define CORE_HUMAN_H

#include <stddef.h>
#include <stdint.h>

const char *human_bytes(char *to, size_t size, double bytes);      /* "1.5 GiB" */
const char *human_duration(char *to, size_t size, double seconds); /* "3 days" */

/* Seconds since 1970, in UTC: "2024-05-01", "2024-05-01 12:00", "2024-05-01 12:00:00".  What no
 * year of four digits holds is written as the number that it is. */
enum { HUMAN_TIME_SIZE = 24 };
const char *human_day(char to[HUMAN_TIME_SIZE], int64_t seconds);
const char *human_minute(char to[HUMAN_TIME_SIZE], int64_t seconds);
const char *human_time(char to[HUMAN_TIME_SIZE], int64_t seconds);

/* The word that fits the number: 1 relay, 2 relays, 0 relays. */
static inline const char *human_noun(int64_t n, const char *one, const char *many)
{
    return n == 1 ? one : many;
}

#endif
