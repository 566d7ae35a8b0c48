/* The lower-case names that are made from the enumerators of a .def table.
 *
 * The preprocessor cannot change case, so the owner of a table lowers its names once, under
 * pthread_once, into an array of its own; from then on they are constants for every thread. */
#ifndef CORE_LOWER_H
#define CORE_LOWER_H

enum { LOWER_NAME_MAX = 31 };

static inline void lower_name(char to[LOWER_NAME_MAX + 1], const char *from)
{
    int i = 0;

    for (; from[i] != '\0' && i < LOWER_NAME_MAX; i++)
        to[i] = (char)(from[i] >= 'A' && from[i] <= 'Z' ? from[i] - 'A' + 'a' : from[i]);
    to[i] = '\0';
}

#endif
