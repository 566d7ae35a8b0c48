/* A name server for the tests: a thread with a UDP socket on loopback that asks a script for each
 * answer. */
#ifndef TEST_DNS_SERVER_H
#define TEST_DNS_SERVER_H

#include <stdbool.h>
#include <stdint.h>

enum { DNS_TYPE_A = 1, DNS_TYPE_NS = 2, DNS_TYPE_AAAA = 28, DNS_REPLY_MAX = 24 };

struct dns_reply {
    bool silent; /* no answer at all */
    int rcode;   /* 0 fine, 2 SERVFAIL, 3 NXDOMAIN, 5 REFUSED */
    int count;
    const char *addresses[DNS_REPLY_MAX]; /* literals of the family that was asked for, or names */
    uint32_t ttl;
    const char *cname; /* NULL, or the addresses are this name's */
};

/* In the server's thread. */
typedef void dns_script(const char *name, int type, struct dns_reply *reply, void *arg);

struct dns_server;

struct dns_server *dns_server_open(dns_script *script, void *arg);
struct dns_server *dns_server_open_at(const char *ip, uint16_t port, dns_script *script,
                                      void *arg);           /* NULL: not free */
const char *dns_server_address(const struct dns_server *s); /* "127.0.0.1:12345" */
int dns_server_questions(struct dns_server *s);
void dns_server_close(struct dns_server *s);

#endif
