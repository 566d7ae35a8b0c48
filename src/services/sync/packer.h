/* packer: sightings of live tails are packed when their hour is over.
 *
 *     every second: a few relays, one bounded statement after the other, until there is nothing for
 *     some of them, or enough of the second is used; a relay that has more is taken again; when all
 *     had their turn, a pause until the next hour
 *
 * A statement holds the relay's lock, for which what is new of the relay waits: so it takes only as
 * many rows as the database has lately managed in a short time.
 *
 * Live tails write a row for each second and relay; packed they take a tenth of that.  Nothing is
 * remembered but how far the round is: a packing is one transaction, a crash costs nothing. */
#ifndef SERVICES_PACKER_H
#define SERVICES_PACKER_H

#include "services/roster.h"

struct packer {
    struct db *db;
    const struct roster *roster;
    uint32_t next;    /* index in the roster */
    uint32_t left;    /* statements that this tick may still ask for */
    uint32_t rows;    /* in one statement; 0: before the first */
    int64_t spent_ms; /* by this tick's statements */
    int64_t asked_ms; /* when the one under way was asked for, monotonic */
    int64_t round_ms; /* when the round began, monotonic; 0: never */
    bool busy;
};

/* Once a second, as long as its owner and the database live: a statement that is under way at the
 * end dies with the database, which then calls back while the owner is still there. */
void packer_tick(struct packer *p, int64_t now_ms);

/* Rows for the next statement, when one with `rows` that had something to do took so long. */
uint32_t packer_rows(uint32_t rows, int64_t took_ms);

#endif
