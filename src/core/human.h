/* human: sizes and durations as people read them. */
#ifndef CORE_HUMAN_H
#define CORE_HUMAN_H

#include <stddef.h>

const char *human_bytes(char *to, size_t size, double bytes);      /* "1.5 GiB" */
const char *human_duration(char *to, size_t size, double seconds); /* "3 days" */

#endif
