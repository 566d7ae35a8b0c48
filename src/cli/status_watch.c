/* status --watch: the daemon is asked again and again.
 *
 *     ask --> a picture over the last one (terminal) | a line | an object on a line --> wait --+
 *      ^---------------------------------------------------------------------------------------+
 *
 * Nothing is held that must be given back, so a signal ends the program where it is; only while a
 * picture or a line is being written it waits. */
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/status.h"
#include "core/human.h"
#include "core/metrics.h"

enum { WIDTH = 80, ROWS = 24 }; /* of a terminal that does not say */

struct watching {
    bool json, terminal;
    uint32_t drawn; /* lines of the picture that is on the terminal */
    bool away;      /* the daemon did not answer when it was asked last */
};

static void on_signal(int signum)
{
    (void)signum;
    _exit(COMMAND_DONE);
}

static void signals_end_it(void)
{
    struct sigaction action = {.sa_handler = on_signal};

    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

/* While something is being written, so that no line is cut. */
static void signals_wait(bool wait)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGTERM);
    (void)sigprocmask(wait ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

static const char *now_text(char to[32])
{
    time_t t = time(NULL);
    struct tm tm;

    if (gmtime_r(&t, &tm) == NULL || strftime(to, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        to[0] = '\0';
    return to;
}

/* ---- a terminal ---- */

/* The text over the last one; what is wider or higher than the terminal would move it, so it is
 * cut. */
static void draw(struct watching *w, const char *text)
{
    struct winsize size = {0};
    bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;
    size_t width = known && size.ws_col > 0 ? size.ws_col : WIDTH;
    uint32_t rows = known && size.ws_row > 1 ? size.ws_row : ROWS;

    if (w->drawn > 0)
        (void)printf("\033[%" PRIu32 "A", w->drawn);
    (void)fputs("\r\033[J", stdout);
    for (w->drawn = 0; *text != '\0' && w->drawn + 1 < rows; w->drawn++) {
        size_t n = strcspn(text, "\n");

        (void)printf("%.*s\n", (int)(n < width ? n : width), text);
        text += n + (text[n] == '\n');
    }
}

static void draw_status(struct watching *w, const struct js *root)
{
    char *text = NULL;
    size_t n;
    FILE *out = open_memstream(&text, &n);

    if (out == NULL)
        abort();
    status_print(out, root);
    if (fclose(out) != 0)
        abort();
    draw(w, text);
    free(text);
}

/* ---- a line ---- */

/* The words of the daemon's own line in its log, behind the time. */
static void print_line(const struct js *root)
{
    const struct js *relays = js_get(root, "relays"), *run = js_get(root, "run"),
                    *archive = js_get(root, "archive");
    struct str paused = js_str(js_get(root, "paused"), STR(""));
    char at[32], bytes[32];

    (void)printf("%s " STR_FMT ": relays=%" PRId64 " connected=%" PRId64, now_text(at),
                 STR_ARG(js_str(js_get(root, "phase"), STR("?"))),
                 js_int(js_get(relays, "known"), 0), js_int(js_get(relays, "connected"), 0));
    for (int i = 0; i < RELAY_STATE__COUNT; i++)
        (void)printf(
            " %s=%" PRId64, relay_state_name((enum relay_state)i),
            js_int(js_get(js_get(relays, "by_state"), relay_state_name((enum relay_state)i)), 0));
    (void)printf(
        " archived=%" PRId64 " per_second=%.0f duplicates=%" PRId64 " complete=%" PRId64 "/%" PRId64
        " gaps=%" PRId64 " size=\"%s\"",
        js_int(js_get(run, "archived"), 0), js_real(js_get(run, "archived_per_second"), 0),
        js_int(js_get(run, "duplicates"), 0), js_int(js_get(relays, "ever_in_sync"), 0),
        js_int(js_get(relays, "ever_ready"), 0), js_int(js_get(archive, "gaps"), 0),
        human_bytes(bytes, sizeof(bytes), (double)js_int(js_get(archive, "database_bytes"), 0)));
    if (paused.n > 0)
        (void)printf(" paused=\"" STR_FMT "\"", STR_ARG(paused));
    (void)putchar('\n');
}

/* ---- */

static void say_status(struct watching *w, const struct js *root)
{
    w->away = false;
    if (w->json)
        js_print(root, JS_COMPACT, stdout);
    else if (w->terminal)
        draw_status(w, root);
    else
        print_line(root);
}

/* Where programs read it stands beside their lines, once until it answers again. */
static void say_away(struct watching *w, const struct err *err)
{
    char at[32], text[sizeof(err->detail) + 128];

    (void)snprintf(text, sizeof(text), "not answering; trying again%s%s", w->terminal ? "\n" : ": ",
                   err->detail);
    if (w->json && !w->away)
        (void)fprintf(stderr, "bigbrotr: %s\n", text);
    else if (w->terminal)
        draw(w, text);
    else if (!w->json)
        (void)printf("%s %s\n", now_text(at), text);
    w->away = true;
}

int status_watch(const struct command *c, time_t seconds)
{
    const char *term = getenv("TERM");
    struct watching w = {.json = c->json,
                         .terminal = !c->json && isatty(STDOUT_FILENO) == 1 && term != NULL &&
                                     strcmp(term, "dumb") != 0};
    const struct timespec pause = {.tv_sec = seconds};
    struct err err;

    signals_end_it();
    for (;;) {
        struct js *json = daemon_ask_json(c->cfg, "status", &err);

        signals_wait(true);
        if (json != NULL)
            say_status(&w, json);
        else
            say_away(&w, &err);
        js_free(json);
        if (fflush(stdout) != 0)
            return COMMAND_FAILED; /* nobody reads it any more */
        signals_wait(false);
        (void)nanosleep(&pause, NULL);
    }
}
