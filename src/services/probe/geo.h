/* geo: where an address is, by databases in MaxMind's format that a person has put on the disk.
 *
 * Optional twice: without libmaxminddb at build time geo_open() says so, and without files nothing
 * is opened.  The files are mapped, not read; a lookup costs microseconds and never blocks for
 * longer than a page fault.  The doorway to libmaxminddb. */
#ifndef SERVICES_GEO_H
#define SERVICES_GEO_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"

/* Empty strings and 0: not known.  Text is escaped. */
struct geo_place {
    char country[3]; /* ISO 3166-1 alpha-2 */
    char city[64];   /* in English */
    char
        geohash[10]; /* of the coordinates, 9 characters: some 5 m, far below what they are worth */
    uint32_t asn;
    char as_name[96];
};

struct geo;

/* "" or NULL: without that database.  NULL with err->code ERR_NONE when both are, with ERR_CONFIG
 * when a file cannot be used, or this program was built without the library. */
struct geo *geo_open(const char *city_file, const char *asn_file, struct err *err) MUST_USE;
void geo_close(struct geo *g); /* NULL is fine */

/* `address`: a literal.  What is not found stays empty. */
void geo_find(const struct geo *g, const char *address, struct geo_place *place);

/* Base-32 geohash of 9 characters and a NUL. */
void geo_hash(double latitude, double longitude, char to[10]);

#endif
