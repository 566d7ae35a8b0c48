/* dns_answer: the names in a DNS message (RFC 1035, 4.1), beside the addresses that c-ares reads:
 * the way of CNAMEs, and the name servers of a domain.
 *
 * The message is a stranger's: at most DNS_RECORDS_MAX records are looked at and DNS_NAMES_MAX
 * names kept, in so many bytes; what does not fit is left out, and a message that is broken ends
 * where it breaks.  Names come in lower case (RFC 4343; resolvers that mix cases would make the
 * same answer look new each time); those with anything but letters, digits, '-', '_' and '.' are
 * left out, so that a list of names can have spaces between.  No state. */
#ifndef NET_DNS_ANSWER_H
#define NET_DNS_ANSWER_H

#include <stddef.h>

enum { DNS_RECORDS_MAX = 64, DNS_NAMES_MAX = 16, DNS_NAMES_BYTES = 512 };

/* The names behind `name`, from CNAME to CNAME, the last of them the owner of the addresses; "":
 * none. */
void dns_read_aliases(const unsigned char *message, size_t n, const char *name,
                      char to[DNS_NAMES_BYTES]);

/* The targets of the NS records of `name`, sorted: servers turn the order. */
void dns_read_name_servers(const unsigned char *message, size_t n, const char *name,
                           char to[DNS_NAMES_BYTES]);

#endif
