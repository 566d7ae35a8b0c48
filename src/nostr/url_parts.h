/* Between the files of the URL parser: hosts by kind (url_host.c), address literals
 * (url_address.c), the path (url_path.c). */
#ifndef NOSTR_URL_PARTS_H
#define NOSTR_URL_PARTS_H

#include "nostr/url.h"

/* From the host as written (without port, brackets of IPv6 included) to out->host, network and
 * ip_literal. */
enum url_refusal url_read_host(struct str written, const struct url_policy *policy,
                               struct relay_url *out);

/* `name` looks like IPv4 to some reader: then it must be a dotted quad in decimal.  Otherwise
 * *is_address is false. */
enum url_refusal url_read_ipv4(struct str name, const struct url_policy *policy, bool *is_address);

/* Between the brackets; writes RFC 5952 to `host`. */
enum url_refusal url_read_ipv6(struct str inside, const struct url_policy *policy,
                               char host[URL_HOST_MAX + 1]);

/* Path and query as written (fragment gone) to normal form: "" or "/...", NUL-terminated. */
enum url_refusal url_read_path(struct str written, char *to, size_t size);

/* The byte that %xx at p stands for, or -1. */
int url_percent(const char *p, const char *end);

#endif
