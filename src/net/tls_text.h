/* Words for what TLS peers send. Pure. */
#ifndef NET_TLS_TEXT_H
#define NET_TLS_TEXT_H

#include <stddef.h>

const char *tls_alert_name(unsigned alert); /* RFC 8446 6: "handshake_failure"; "" when unknown */

/* `kind` and then n bytes of a name, printable and without spaces (others as \xNN), so that names
 * can stand in a list; cut to `size`. */
void tls_put_name(char *to, size_t size, const char *kind, const unsigned char *p, size_t n);

#endif
