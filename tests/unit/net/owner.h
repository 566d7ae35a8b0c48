/* The owner of a connection in the tests: writes down what it is told, and closes where it is asked
 * to. */
#ifndef TEST_OWNER_H
#define TEST_OWNER_H

#include "listener.h"
#include "net/wsconn.h"
#include "rig.h"

struct owner {
    struct rig *rig;
    struct wsconn *conn;
    int opened, closed, messages, pongs;
    size_t bytes;
    char last[256];
    struct err err;
    struct wsconn_report report;
    const char *send_on_open;
    int ping_on_open;
    int close_in_open, close_in_message, close_in_closed, close_in_pong;
};

/* To /path?x=1; fails the test when something is told from inside wsconn_open(). */
void open_to(struct owner *o, struct rig *r, const char *host, uint16_t port, bool tls);
void end(struct owner *o); /* closes it unless that was done */

/* A relay that sends back every message.  `arg`: NULL, or 4096 bytes for the head of the request.
 */
guest_script play_echo;

/* Opens to an echoing relay again and again, and closes one turn of the loop later each time. */
void close_in_every_tick(struct listener *l, bool tls, const char *ca_file);

#endif
