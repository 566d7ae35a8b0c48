/* daemon_http: what the HTTP server asks of the daemon: numbers, state, and the two short questions
 * of whoever supervises it: is it alive, can it archive?
 *
 * Health is about the process: a database that is away or slow is not a daemon that hangs, and a
 * restart would not help it.  Readiness is about the archive. */
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "daemon/daemon.h"
#include "http/page.h"
#include "http/process.h"
#include "services/relay_metrics.h"

enum { TOKEN_BYTES_MIN = 16 };

static char *metrics_text(void *owner)
{
    const struct daemon *d = owner;
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);

    if (out == NULL)
        abort();
    metrics_print(out);
    relay_metrics_print(out, &d->roster, (uint32_t)d->cfg->http_relay_metrics_max, clock_wall_ms());
    process_metrics_print(out);
    (void)fclose(out);
    return text;
}

static struct js *status_of(const struct daemon *d)
{
    struct status status;

    if (d->watch == NULL)
        return js_new_object();
    watch_status(d->watch, &status);
    return status_json(&status);
}

char *daemon_status_text(void *owner)
{
    struct js *json = status_of(owner);
    char *text = js_text(json, JS_COMPACT);

    js_free(json);
    return text;
}

static char *page_text(void *owner)
{
    struct js *json = status_of(owner);
    char *text = page_html(json);

    js_free(json);
    return text;
}

static bool is_healthy(void *owner, char why[SERVER_WHY_MAX])
{
    return daemon_makes_progress(owner, why, SERVER_WHY_MAX);
}

static bool is_ready(void *owner, char why[SERVER_WHY_MAX])
{
    return daemon_is_ready(owner, why, SERVER_WHY_MAX);
}

static const struct server_ops server_ops = {.metrics = metrics_text,
                                             .status = daemon_status_text,
                                             .page = page_text,
                                             .healthy = is_healthy,
                                             .ready = is_ready};

/* Long work of a worker takes milliseconds, of the loop less; what asks for this is answered by the
 * loop, so a loop that stands still does not answer at all. */
enum { WORKERS_STILL_MS = 60 * 1000 };

bool daemon_makes_progress(const struct daemon *d, char *why, size_t size)
{
    uint64_t still = d->workers != NULL ? workers_still_ms(d->workers) : 0;

    if (still < WORKERS_STILL_MS)
        return true;
    (void)snprintf(why, size,
                   "the workers have not finished anything for %llu s: restart the daemon, and "
                   "please report it",
                   (unsigned long long)still / 1000);
    return false;
}

bool daemon_is_ready(const struct daemon *d, char *why, size_t size)
{
    int64_t waits_ms = d->db != NULL ? db_waits_ms(d->db) : 0;

    if (d->db != NULL && !db_is_up(d->db))
        (void)snprintf(why, size, "the database is %s", d->database_text);
    else if (waits_ms > d->cfg->database_statement_timeout)
        (void)snprintf(why, size, "the database has not answered for %lld s",
                       (long long)waits_ms / 1000);
    else if (d->phase != PHASE_ARCHIVING)
        (void)snprintf(why, size, "%s", d->phase_text);
    else
        return true;
    return false;
}

/* The configuration */

static void check_address(const struct config *cfg, const char *key, const char *text,
                          struct config_errors *errors)
{
    struct listen_address at;
    struct err err;

    if (text[0] == '\0')
        return;
    if (listen_parse(text, &at, &err) < 0)
        config_errors_add(errors, cfg->path, 0, "[http] %s: %s", key, err.detail);
    else if (!at.loopback && config_secret(cfg, "http", "token") == NULL)
        config_errors_add(errors, cfg->path, 0,
                          "[http] %s: %s can be reached by other machines; set [http] token_file, "
                          "or listen on 127.0.0.1 behind a proxy of your own",
                          key, text);
}

void options_check_http(const struct config *cfg, struct config_errors *errors)
{
    const char *token = config_secret(cfg, "http", "token");

    check_address(cfg, "listen", cfg->http_listen, errors);
    check_address(cfg, "health_listen", cfg->http_health_listen, errors);
    if (token != NULL && strlen(token) < TOKEN_BYTES_MIN)
        config_errors_add(errors, cfg->path, 0,
                          "[http] token_file: a token has at least %d characters; "
                          "`openssl rand -hex 32` makes one",
                          TOKEN_BYTES_MIN);
}

/* What we listen on is never dialled as a relay, whatever allow_addresses lets through. */
static void deny(struct daemon *d, const struct listen_address *at, uint16_t port)
{
    if (!at->unix_socket)
        (void)net_deny_service(d->net, ADDR_SERVICE_HTTP, at->host, port);
}

int daemon_http_open(struct daemon *d, struct err *err)
{
    const struct config *cfg = d->cfg;
    struct listen_address listen, health;
    bool with_health = cfg->http_health_listen[0] != '\0';

    if (cfg->http_listen[0] == '\0' || d->args->init_only)
        return 0;
    if (listen_parse(cfg->http_listen, &listen, err) < 0 ||
        (with_health && listen_parse(cfg->http_health_listen, &health, err) < 0))
        return -1;
    const struct server_options options = {.listen = &listen,
                                           .health = with_health ? &health : NULL,
                                           .token = config_secret(cfg, "http", "token")};
    d->server = server_open(loop_uv(d->loop), &options, &server_ops, d, err);
    if (d->server == NULL && !config_was_set(cfg, "http", "listen") &&
        !config_was_set(cfg, "http", "health_listen")) {
        /* Nobody asked for these addresses: that one is taken must not keep the archive from
         * running. */
        log_warning("http", "no metrics for programs: %s; set [http] listen and health_listen",
                    err->detail);
        return 0;
    }
    if (d->server == NULL)
        return -1;
    deny(d, &listen, server_port(d->server, false));
    if (with_health)
        deny(d, &health, server_port(d->server, true));
    log_info("http", "listening on %s%s%s", cfg->http_listen,
             with_health ? ", and for /health alone on " : "", cfg->http_health_listen);
    return 0;
}
