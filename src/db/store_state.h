/* store_state: what a service remembers between runs, as JSON under a name (table service_state).
 */
#ifndef DB_STORE_STATE_H
#define DB_STORE_STATE_H

#include "core/str.h"
#include "db/db.h"

/* `json` is valid in the call only; n 0: nothing is remembered. */
typedef void store_state_found(void *owner, struct str json, const struct err *err);
void store_state_get(struct db *db, const char *service, const char *name, store_state_found *found,
                     void *owner);

/* All three are copied.  done may be NULL. */
typedef void store_state_done(void *owner, const struct err *err);
void store_state_put(struct db *db, const char *service, const char *name, const char *json,
                     store_state_done *done, void *owner);

#endif
