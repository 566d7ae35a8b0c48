/* check --proxy: is there a way into the Tor network?  Nobody but the proxy and Tor's own directory
 * is asked, and nothing is told that says who or what is of interest:
 *
 *     proxy     does somebody speak SOCKS5 there, with a name and password for each circuit?
 *     onions    an address that cannot be one: Tor knows it at once, by itself (PROTOCOL 1.16)
 *     network   an address that is well formed, and nobody's: Tor has to look for it, and can only
 *               say that it is not there when its circuits work
 *
 * The address that cannot be one has a wrong checksum: no byte of it leaves the proxy. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "cli/check.h"
#include "core/clock.h"
#include "core/hex.h"
#include "net/dial.h"
#include "nostr/sha3.h"

enum { ONION_BYTES = 35, ONION_NAME = 56, ONION_PORT = 80, ONION_VERSION = 3 };

/* Public keys whose private ones were thrown away when they were made.  Tor looks for no address
 * whose key is not a point of order l on the curve, and of 32 bytes made by chance one in sixteen
 * is. */
static const char *const nobodys[] = {
    "2355770d55cc15a5ad1aa258b7829d2749baf48a4f4bb1bb215e7104c49f5773",
    "044301144036616f48d5c920263ad687f1250793a4dea7d841a6ae45cb5ec5e7",
    "77f9e04f15892b20030d995dca6f318b8adc1d0505edf2d538d77854aa33245f",
    "d0f4ea8f8979b06e5ceff9e5788093990c0fa1e498da9c02f5d552b1c29def2f"};

struct trial {
    struct loop *loop;
    bool connected;
    struct err err;
    int64_t took_ms;
};

static void on_connected(void *owner, int fd)
{
    struct trial *t = owner;

    (void)close(fd);
    t->connected = true;
    loop_stop(t->loop);
}

static void on_failed(void *owner, const struct err *err)
{
    struct trial *t = owner;

    t->err = *err;
    loop_stop(t->loop);
}

/* RFC 4648, without padding: 35 bytes are 56 characters exactly. */
static void base32(char to[ONION_NAME + 1], const uint8_t *bytes)
{
    static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
    unsigned bits = 0, held = 0;
    size_t n = 0;

    for (size_t i = 0; i < ONION_BYTES; i++) {
        held = held << 8 | bytes[i];
        for (bits += 8; bits >= 5; bits -= 5)
            to[n++] = digits[held >> (bits - 5) & 31];
    }
    to[n] = '\0';
}

/* key | checksum | version; the checksum is SHA3-256(".onion checksum" | key | version), its first
 * two bytes (Tor's rend-spec-v3, section 6). */
static void onion_name(char to[ONION_NAME + sizeof(".onion")], bool valid)
{
    static const char label[] = ".onion checksum";
    uint8_t bytes[ONION_BYTES], text[sizeof(label) - 1 + 33], sum[SHA3_256_BYTES];
    char name[ONION_NAME + 1];
    uint8_t which;

    if (getrandom(&which, sizeof(which), 0) != sizeof(which) ||
        !hex_decode(bytes, str_z(nobodys[which % (sizeof(nobodys) / sizeof(nobodys[0]))]), 32))
        abort();
    bytes[34] = ONION_VERSION;
    memcpy(text, label, sizeof(label) - 1);
    memcpy(text + sizeof(label) - 1, bytes, 32);
    text[sizeof(text) - 1] = ONION_VERSION;
    sha3_256(text, sizeof(text), sum);
    bytes[32] = sum[0];
    bytes[33] = (uint8_t)(valid ? sum[1] : sum[1] ^ 1);
    base32(name, bytes);
    (void)snprintf(to, ONION_NAME + sizeof(".onion"), "%s.onion", name);
}

static void try_onion(const struct outside *outside, bool valid, struct trial *t)
{
    static const struct dial_ops ops = {on_connected, on_failed};
    char name[ONION_NAME + sizeof(".onion")];
    const struct dial_target target = {.network = NETWORK_TOR, .host = name, .port = ONION_PORT};
    int64_t began = clock_mono_ms();
    struct dial *dial;

    onion_name(name, valid);
    *t = (struct trial){.loop = outside->loop};
    dial = dial_open(outside->net, &target, &ops, t);
    loop_run(outside->loop);
    dial_close(dial);
    t->took_ms = clock_mono_ms() - began;
}

/* What was asked of Tor, and what its answer means. */
enum tor { TOR_YES, TOR_PLAIN, TOR_NO_SOCKS, TOR_NO_ONIONS, TOR_NO_NETWORK };

static const struct {
    const char *name, *text;
} meanings[] = {
    [TOR_YES] = {"ok", "Tor answers, knows onion addresses, and finds its way through its network"},
    [TOR_PLAIN] = {"ok", "Tor finds its way, but does not say why a service cannot be reached: "
                         "write \"SocksPort 9050 ExtendedErrors\" into torrc"},
    [TOR_NO_SOCKS] = {"no_proxy",
                      "nobody who speaks SOCKS5 can be reached there: start tor, or set "
                      "[network] proxy_tor"},
    [TOR_NO_ONIONS] = {"not_tor",
                       "the proxy speaks SOCKS5, but connects to what cannot be an onion "
                       "address: it is not Tor"},
    [TOR_NO_NETWORK] = {"no_circuits", "Tor answers, but has found no way through its network yet: "
                                       "wait for \"Bootstrapped 100%\" in its log"},
};

static bool is_proxy_error(enum err_code code)
{
    return code == ERR_PROXY_DOWN || code == ERR_PROXY_NONE || code == ERR_PROXY_PROTOCOL;
}

static enum tor judge(const struct trial *impossible, const struct trial *nobody)
{
    if (is_proxy_error(impossible->err.code))
        return TOR_NO_SOCKS;
    if (impossible->connected || nobody->connected)
        return TOR_NO_ONIONS;
    if (nobody->err.code == ERR_ONION_DESCRIPTOR)
        return TOR_YES;
    return nobody->err.code == ERR_CONNECT_UNREACHABLE ? TOR_PLAIN : TOR_NO_NETWORK;
}

static const char *answer_name(const struct trial *t)
{
    return t->connected ? "connected" : err_name(t->err.code);
}

static void print_json(const char *address, enum tor verdict, const struct trial *impossible,
                       const struct trial *nobody)
{
    struct js *o = js_new_object();

    js_set_z(o, "proxy", address);
    js_set_z(o, "verdict", meanings[verdict].name);
    js_set_z(o, "text", meanings[verdict].text);
    js_set_z(o, "impossible_address", answer_name(impossible));
    js_set_int(o, "impossible_address_ms", impossible->took_ms);
    if (verdict != TOR_NO_SOCKS) {
        js_set_z(o, "unknown_address", answer_name(nobody));
        js_set_int(o, "unknown_address_ms", nobody->took_ms);
    }
    js_print(o, JS_PRETTY, stdout);
    js_free(o);
}

static void print_text(const char *address, enum tor verdict, const struct trial *impossible,
                       const struct trial *nobody)
{
    (void)printf("%-22s %s\n", "proxy", address);
    (void)printf("%-22s %s, %lld ms\n", "an impossible address", answer_name(impossible),
                 (long long)impossible->took_ms);
    if (verdict != TOR_NO_SOCKS)
        (void)printf("%-22s %s, %lld ms\n", "an unknown address", answer_name(nobody),
                     (long long)nobody->took_ms);
    (void)printf("%-22s %s\n", "so", meanings[verdict].text);
}

int check_proxy(const struct command *c)
{
    struct trial impossible = {0}, nobody = {0};
    struct outside outside;
    char address[300];
    struct err err;
    enum tor verdict;

    if (outside_open(&outside, c->cfg, CHECK_MESSAGES_MAX, &err) != 0) {
        outside_close(&outside);
        return command_fail(&err);
    }
    try_onion(&outside, false, &impossible);
    if (!is_proxy_error(impossible.err.code))
        try_onion(&outside, true, &nobody);
    verdict = judge(&impossible, &nobody);
    (void)str_copy(address, sizeof(address), str_z(net_proxy_address(outside.net, NETWORK_TOR)));
    if (address[0] == '\0')
        (void)str_copy(address, sizeof(address), str_z(c->cfg->network_proxy_tor));
    outside_close(&outside);
    (c->json ? print_json : print_text)(address, verdict, &impossible, &nobody);
    return verdict == TOR_YES || verdict == TOR_PLAIN ? COMMAND_DONE : COMMAND_FAILED;
}
