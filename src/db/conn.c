/* libpq on libuv.  libpq may change its socket between two steps of connecting, and libuv wants a
 * handle closed before its descriptor is: so every step of connecting gets a fresh uv_poll_t, on
 * the heap, that outlives what it polls by one turn. */
#include "db/conn.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "core/buf.h"
#include "db/pg_error.h"

enum { HOSTS_MAX = 4, ADDRESSES_MAX = 8, PARAMS_CONN_MAX = 64 };

enum conn_state { CONN_RESOLVING, CONN_CONNECTING, CONN_IDLE, CONN_BUSY, CONN_LOST, CONN_CLOSED };

struct poller {
    uv_poll_t poll;
    struct conn *conn; /* NULL: nobody listens any more */
};

struct conn {
    uv_loop_t *loop;
    const struct conn_ops *ops;
    void *owner;
    enum conn_state state;
    int pending; /* the timer and the running look-up */

    PQconninfoOption *info;
    char *password;
    char *hosts[HOSTS_MAX]; /* to be resolved, in order */
    int hosts_n, host_at;
    char *ports[HOSTS_MAX];
    struct buf host_list, address_list, port_list; /* comma-separated, one entry an address */
    int addresses_n;
    uv_getaddrinfo_t lookup;
    uv_timer_t timer; /* connecting takes too long; or, at once, tells the owner of a failure in
                         conn_query */

    PGconn *pg;
    struct poller *poller;
    PostgresPollingStatusType polling;

    bool script; /* what runs is a script, not a pipeline */
    bool flush_more;
    int step;
    bool has_err;
    struct err err; /* the first of the segment that runs, or why the connection is lost */
    char sqlstate[6];
};

static void resolve_next(struct conn *c);
static void start_connecting(struct conn *c);
static void run_connecting(struct conn *c);
static void lose(struct conn *c, const struct err *err);

/* ---- errors ---- */

static void note_result_error(struct conn *c, const PGresult *res)
{
    const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);

    if (c->has_err)
        return;
    c->has_err = true;
    str_copy(c->sqlstate, sizeof(c->sqlstate), str_z(state));
    pg_error_set(&c->err, state ? pg_error_code(state) : ERR_DB_AWAY,
                 message ? message : PQresultErrorMessage(res));
}

/* ---- open ---- */

static void on_timer(uv_timer_t *timer)
{
    struct conn *c = timer->data;
    struct err err;

    if (c->state == CONN_CLOSED || c->state == CONN_LOST)
        return;
    if (c->has_err)
        err = c->err;
    else if (c->state == CONN_RESOLVING || c->state == CONN_CONNECTING)
        err_set(&err, ERR_DB_AWAY, "no connection to the database in time");
    else
        pg_error_set(&err, ERR_DB_AWAY, PQerrorMessage(c->pg));
    lose(c, &err);
}

/* From inside a call of the owner: it hears of it on the next turn of the loop. */
static void lose_soon(struct conn *c, enum err_code code, const char *message)
{
    if (!c->has_err) {
        c->has_err = true;
        pg_error_set(&c->err, code, message);
    }
    uv_timer_start(&c->timer, on_timer, 0, 0);
}

static const char *option(const struct conn *c, const char *name)
{
    for (PQconninfoOption *o = c->info; o && o->keyword; o++) {
        if (strcmp(o->keyword, name) == 0)
            return o->val && *o->val ? o->val : NULL;
    }
    return NULL;
}

static void split(const char *list, char **to, int *n)
{
    struct str rest = str_z(list), item;

    while (*n < HOSTS_MAX && str_cut(&rest, ',', &item))
        to[(*n)++] = strndup(item.p, item.n);
}

/* Which of the hosts have to be looked up?  None when hostaddr is given or every host is a socket
 * directory. */
static void find_hosts(struct conn *c)
{
    const char *host = option(c, "host"), *port = option(c, "port");
    int ports_n = 0;

    if (!host)
        host = getenv("PGHOST");
    if (option(c, "hostaddr") || (getenv("PGHOSTADDR") && !option(c, "host")) || !host || !*host)
        return;
    split(host, c->hosts, &c->hosts_n);
    if (port)
        split(port, c->ports, &ports_n);
    for (int i = 0; i < c->hosts_n; i++) {
        if (c->hosts[i][0] == '/' || c->hosts[i][0] == '@' || c->hosts[i][0] == '\0') {
            for (int j = 0; j < c->hosts_n;
                 j++) { /* a mixture with socket paths is left to libpq as it is */
                free(c->hosts[j]);
                free(c->ports[j]);
                c->hosts[j] = c->ports[j] = NULL;
            }
            c->hosts_n = 0;
            return;
        }
    }
    for (int i = 1; i < c->hosts_n && ports_n == 1; i++) /* one port for all */
        c->ports[i] = strdup(c->ports[0]);
}

struct conn *conn_open(uv_loop_t *loop, const struct conn_options *options,
                       const struct conn_ops *ops, void *owner)
{
    struct conn *c = calloc(1, sizeof(*c));
    char *message = NULL;

    assert(c && options->conninfo && ops->on_ready && ops->on_result && ops->on_settled &&
           ops->on_lost);
    c->loop = loop;
    c->ops = ops;
    c->owner = owner;
    buf_init(&c->host_list, 16384);
    buf_init(&c->address_list, 4096);
    buf_init(&c->port_list, 4096);
    uv_timer_init(loop, &c->timer);
    c->timer.data = c;
    c->pending = 1;
    uv_timer_start(&c->timer, on_timer, options->connect_timeout_ms, 0);
    if (options->password)
        c->password = strdup(options->password);
    c->info = PQconninfoParse(options->conninfo, &message);
    if (!c->info) {
        lose_soon(c, ERR_CONFIG, message ? message : "the database URL cannot be read");
        PQfreemem(message);
        return c;
    }
    find_hosts(c);
    resolve_next(c);
    return c;
}

static void add_address(struct conn *c, const struct addrinfo *a)
{
    char text[64];
    const char *port = c->ports[c->host_at] ? c->ports[c->host_at] : "";

    if (a->ai_family == AF_INET)
        uv_ip4_name((const struct sockaddr_in *)(const void *)a->ai_addr, text, sizeof(text));
    else if (a->ai_family == AF_INET6)
        uv_ip6_name((const struct sockaddr_in6 *)(const void *)a->ai_addr, text, sizeof(text));
    else
        return;

    const char *comma = c->addresses_n++ > 0 ? "," : "";

    buf_printf(&c->host_list, "%s%s", comma, c->hosts[c->host_at]);
    buf_printf(&c->address_list, "%s%s", comma, text);
    buf_printf(&c->port_list, "%s%s", comma, port);
}

static void release(struct conn *c);

static void on_looked_up(uv_getaddrinfo_t *req, int status, struct addrinfo *list)
{
    struct conn *c = req->data;

    c->pending--;
    if (c->state == CONN_RESOLVING) {
        for (struct addrinfo *a = list; a && c->addresses_n < ADDRESSES_MAX; a = a->ai_next)
            add_address(c, a);
        if (status < 0 && !c->has_err) /* another host may still be found */
            err_set(&c->err, ERR_DB_AWAY, "cannot resolve the database host: %s",
                    uv_strerror(status));
        c->host_at++;
        resolve_next(c);
    }
    uv_freeaddrinfo(list);
    release(c);
}

static void resolve_next(struct conn *c)
{
    static const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC};

    c->state = CONN_RESOLVING;
    if (c->host_at == c->hosts_n) {
        if (c->hosts_n > 0 && c->addresses_n == 0)
            lose_soon(c, ERR_DB_AWAY, c->err.detail);
        else
            start_connecting(c);
        return;
    }
    c->lookup.data = c;

    int rc = uv_getaddrinfo(c->loop, &c->lookup, on_looked_up, c->hosts[c->host_at], NULL, &hints);

    if (rc == 0)
        c->pending++;
    else
        lose_soon(c, ERR_DB_AWAY, uv_strerror(rc));
}

/* ---- connecting ---- */

static void ignore_notice(void *arg, const char *message)
{
    (void)arg;
    (void)message;
}

static void start_connecting(struct conn *c)
{
    const char *keys[PARAMS_CONN_MAX], *values[PARAMS_CONN_MAX];
    int n = 0;

    buf_append_char(&c->host_list, '\0');
    buf_append_char(&c->address_list, '\0');
    buf_append_char(&c->port_list, '\0');
    keys[n] = "fallback_application_name", values[n++] = "bigbrotrd";
    /* What the URL says of these comes later, and wins.  The system would wait two hours for an
     * answer from a machine that is gone. */
    keys[n] = "keepalives_idle", values[n++] = "30";
    keys[n] = "keepalives_interval", values[n++] = "10";
    keys[n] = "keepalives_count", values[n++] = "3";
    for (PQconninfoOption *o = c->info; o->keyword && n < PARAMS_CONN_MAX - 6; o++) {
        if (o->val && *o->val)
            keys[n] = o->keyword, values[n++] = o->val;
    }
    if (c->addresses_n > 0) {
        keys[n] = "host", values[n++] = buf_str(&c->host_list).p;
        keys[n] = "hostaddr", values[n++] = buf_str(&c->address_list).p;
        if (c->ports[0])
            keys[n] = "port", values[n++] = buf_str(&c->port_list).p;
    }
    if (c->password)
        keys[n] = "password", values[n++] = c->password;
    keys[n] = "client_encoding", values[n++] = "UTF8";
    keys[n] = NULL, values[n] = NULL;

    c->state = CONN_CONNECTING;
    c->pg = PQconnectStartParams(keys, values, 0);
    if (!c->pg || PQstatus(c->pg) == CONNECTION_BAD) {
        lose_soon(c, ERR_DB_AWAY, c->pg ? PQerrorMessage(c->pg) : "out of memory");
        return;
    }
    PQsetNoticeProcessor(c->pg, ignore_notice, NULL);
    c->polling = PGRES_POLLING_WRITING; /* as PQconnectPoll's manual says */
    run_connecting(c);
}

static void on_poller_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void stop_polling(struct conn *c)
{
    if (!c->poller)
        return;
    c->poller->conn = NULL;
    uv_poll_stop(&c->poller->poll);
    uv_close((uv_handle_t *)&c->poller->poll, on_poller_closed);
    c->poller = NULL;
}

static void on_poll(uv_poll_t *poll, int status, int events);

static bool poll_for(struct conn *c, int events)
{
    if (!c->poller) {
        struct poller *p = calloc(1, sizeof(*p));

        assert(p);
        p->poll.data = p;
        p->conn = c;
        if (uv_poll_init(c->loop, &p->poll, PQsocket(c->pg)) != 0) {
            free(p);
            lose_soon(c, ERR_DB_AWAY, "cannot watch the connection to the database");
            return false;
        }
        c->poller = p;
    }
    uv_poll_start(&c->poller->poll, events, on_poll);
    return true;
}

/* Waits for what libpq wants next. */
static void run_connecting(struct conn *c)
{
    switch (c->polling) {
    case PGRES_POLLING_READING:
        poll_for(c, UV_READABLE);
        return;
    case PGRES_POLLING_WRITING:
        poll_for(c, UV_WRITABLE);
        return;
    case PGRES_POLLING_OK:
        if (PQsetnonblocking(c->pg, 1) != 0 || !poll_for(c, UV_READABLE))
            return;
        uv_timer_stop(&c->timer);
        c->state = CONN_IDLE;
        c->ops->on_ready(c->owner);
        return;
    case PGRES_POLLING_FAILED:
    case PGRES_POLLING_ACTIVE:
        break;
    }

    struct err err;

    pg_error_set(&err, ERR_DB_AWAY, PQerrorMessage(c->pg));
    lose(c, &err);
}

/* ---- talking ---- */

static void send_more(struct conn *c)
{
    int rc = PQflush(c->pg);

    if (rc < 0) /* what the server said before it went can still be read */
        rc = 0;
    c->flush_more = rc > 0;
    poll_for(c, UV_READABLE | (c->flush_more ? UV_WRITABLE : 0));
}

static bool enter_pipeline(struct conn *c)
{
    if (PQpipelineStatus(c->pg) == PQ_PIPELINE_OFF && !PQenterPipelineMode(c->pg)) {
        lose_soon(c, ERR_DB_AWAY, PQerrorMessage(c->pg));
        return false;
    }
    return true;
}

static void begin_segment(struct conn *c)
{
    c->state = CONN_BUSY;
    c->step = 0;
    c->has_err = false;
    c->sqlstate[0] = '\0';
}

void conn_query(struct conn *c, const char *sql, const struct params *params)
{
    static const struct params none;

    if (c->state == CONN_LOST)
        return;
    assert(c->state == CONN_IDLE || c->state == CONN_BUSY);
    if (c->state == CONN_IDLE)
        begin_segment(c);
    if (!params)
        params = &none;
    if (!enter_pipeline(c))
        return;
    if (!PQsendQueryParams(c->pg, sql, params->n, params->types, params->values, params->lengths,
                           params->formats, 1))
        lose_soon(c, ERR_DB_AWAY, PQerrorMessage(c->pg));
}

void conn_sync(struct conn *c)
{
    if (c->state == CONN_LOST)
        return;
    assert(c->state == CONN_BUSY && !c->script);
    if (!PQpipelineSync(c->pg))
        lose_soon(c, ERR_DB_AWAY, PQerrorMessage(c->pg));
    else
        send_more(c);
}

void conn_script(struct conn *c, const char *sql)
{
    if (c->state == CONN_LOST)
        return;
    assert(c->state == CONN_IDLE);
    begin_segment(c);
    c->script = true;
    if ((PQpipelineStatus(c->pg) != PQ_PIPELINE_OFF && !PQexitPipelineMode(c->pg)) ||
        !PQsendQuery(c->pg, sql))
        lose_soon(c, ERR_DB_AWAY, PQerrorMessage(c->pg));
    else
        send_more(c);
}

static void settle(struct conn *c)
{
    struct err err = c->err;
    bool failed = c->has_err;

    c->state = CONN_IDLE;
    c->script = false;
    c->has_err = false;
    c->ops->on_settled(c->owner, failed ? &err : NULL);
}

/* One result; false when the segment has ended, or the owner closed us. */
static bool take_result(struct conn *c, PGresult *res)
{
    if (!res) {
        if (c->script) {
            settle(c);
            return false;
        }
        c->step++;
        return true;
    }

    bool more = true;

    switch (PQresultStatus(res)) {
    case PGRES_PIPELINE_SYNC:
        PQclear(res);
        settle(c);
        return false;
    case PGRES_TUPLES_OK:
    case PGRES_SINGLE_TUPLE:
    case PGRES_COMMAND_OK:
        if (!c->script)
            c->ops->on_result(c->owner, c->step, (const struct result *)res);
        more = c->state == CONN_BUSY;
        break;
    case PGRES_PIPELINE_ABORTED:
    case PGRES_NONFATAL_ERROR:
        break;
    case PGRES_COPY_IN:
    case PGRES_COPY_OUT:
    case PGRES_COPY_BOTH:
    case PGRES_EMPTY_QUERY:
#ifdef LIBPQ_HAS_CHUNK_MODE /* since libpq 17; never asked for */
    case PGRES_TUPLES_CHUNK:
#endif
    case PGRES_BAD_RESPONSE:
    case PGRES_FATAL_ERROR:
        note_result_error(c, res);
        break;
    }
    PQclear(res);
    return more;
}

static void on_input(struct conn *c)
{
    bool alive = PQconsumeInput(c->pg);

    while (c->state == CONN_BUSY && !PQisBusy(c->pg)) {
        /* Of a dead connection libpq gives one error for the statement that ran, then NULL for
         * ever. */
        if (PQstatus(c->pg) == CONNECTION_BAD) {
            PGresult *res = PQgetResult(c->pg);

            if (res && PQresultErrorField(res, PG_DIAG_SQLSTATE))
                note_result_error(c, res);
            PQclear(res);
            break;
        }
        if (!take_result(c, PQgetResult(c->pg)))
            return;
    }
    if (c->state != CONN_BUSY && c->state != CONN_IDLE)
        return;
    if (alive && PQstatus(c->pg) != CONNECTION_BAD)
        return;

    struct err err;

    if (c->has_err && c->err.code == ERR_DB_AWAY)
        err = c->err;
    else
        pg_error_set(&err, ERR_DB_AWAY, PQerrorMessage(c->pg));
    lose(c, &err);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct poller *p = poll->data;
    struct conn *c = p->conn;

    if (!c || c->state == CONN_LOST || c->state == CONN_CLOSED)
        return;
    if (c->state == CONN_CONNECTING) {
        stop_polling(c);
        c->polling = PQconnectPoll(c->pg);
        run_connecting(c);
        return;
    }
    if (c->flush_more && (events & UV_WRITABLE))
        send_more(c);
    if (status < 0 || (events & UV_READABLE))
        on_input(c);
}

/* ---- the end ---- */

static void lose(struct conn *c, const struct err *err)
{
    struct err copy = *err;

    if (copy.detail[0] == '\0')
        err_set(&copy, copy.code, "the connection to the database was lost");
    stop_polling(c);
    uv_timer_stop(&c->timer);
    c->state = CONN_LOST;
    c->ops->on_lost(c->owner, &copy);
}

static void release(struct conn *c)
{
    if (c->state != CONN_CLOSED || c->pending > 0)
        return;
    if (c->password)
        explicit_bzero(c->password, strlen(c->password));
    free(c->password);
    PQconninfoFree(c->info);
    for (int i = 0; i < HOSTS_MAX; i++) {
        free(c->hosts[i]);
        free(c->ports[i]);
    }
    buf_done(&c->host_list);
    buf_done(&c->address_list);
    buf_done(&c->port_list);
    free(c);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct conn *c = handle->data;

    c->pending--;
    release(c);
}

void conn_close(struct conn *c)
{
    assert(c->state != CONN_CLOSED);
    if (c->state == CONN_RESOLVING)
        uv_cancel((uv_req_t *)&c->lookup);
    stop_polling(c);
    c->state = CONN_CLOSED;
    PQfinish(c->pg);
    c->pg = NULL;
    uv_close((uv_handle_t *)&c->timer, on_timer_closed);
}

/* ---- questions ---- */

bool conn_in_transaction(const struct conn *c)
{
    PGTransactionStatusType status = PQtransactionStatus(c->pg);

    return status == PQTRANS_INTRANS || status == PQTRANS_INERROR;
}

bool conn_is_local(const struct conn *c)
{
    const char *host = PQhost(c->pg);

    return host && (host[0] == '/' || host[0] == '@');
}

void conn_each_address(const struct conn *c,
                       void (*each)(void *owner, const char *ip_literal, uint16_t port),
                       void *owner)
{
    struct str ips = buf_str(&c->address_list), ports = buf_str(&c->port_list), ip, port;
    long used = strtol(PQport(c->pg), NULL, 10);

    /* The lists are empty when the URL says hostaddr. */
    each(owner, conn_is_local(c) ? "0.0.0.0" : PQhostaddr(c->pg), (uint16_t)used);
    while (c->addresses_n > 0 && str_cut(&ips, ',', &ip) && str_cut(&ports, ',', &port)) {
        char text[64];
        long number = strtol(port.p, NULL, 10); /* up to the comma or the end */

        if (str_copy(text, sizeof(text), ip))
            each(owner, text, (uint16_t)(number > 0 ? number : used));
    }
}

const char *conn_sqlstate(const struct conn *c)
{
    return c->sqlstate;
}

static PGresult *pg_result(const struct result *res)
{
    union {
        const struct result *in;
        PGresult *out;
    } u = {.in = res}; /* libpq takes no const */

    return u.out;
}

int result_rows(const struct result *res)
{
    return PQntuples(pg_result(res));
}

bool result_null(const struct result *res, int row, int col)
{
    return PQgetisnull(pg_result(res), row, col);
}

struct str result_str(const struct result *res, int row, int col)
{
    return (struct str){PQgetvalue(pg_result(res), row, col),
                        (size_t)PQgetlength(pg_result(res), row, col)};
}

int64_t result_int(const struct result *res, int row, int col)
{
    struct str s = result_str(res, row, col);

    return binary_int(s.p, s.n);
}

int conn_library_version(void)
{
    return PQlibVersion();
}
