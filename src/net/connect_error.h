/* What it means when connect() fails.  Pure. */
#ifndef NET_CONNECT_ERROR_H
#define NET_CONNECT_ERROR_H

#include <stdbool.h>

#include "core/err.h"

/* `error` of errno; `at_once`: connect() itself said so, before anything was sent. */
enum err_code connect_error(int error, int family, bool at_once);

/* Of two of them, or ERR_NONE: a refusal says more than silence, and "no route" from a machine
 * without IPv6 says nothing about the relay. */
bool connect_error_tells_more(enum err_code code, enum err_code than);

#endif
