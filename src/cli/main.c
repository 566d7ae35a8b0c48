/* bigbrotr: the command for people.  Finds the configuration, then hands over to one sub-command.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "core/clock.h"

/* What of the configuration each command needs: a mistake elsewhere is the daemon's business. */
static const char *const status_keys[] = {"daemon.state_dir", "database.url", NULL};
#define ARCHIVE_KEYS \
    "daemon.state_dir", "database.url", "database.password_file", "database.statement_timeout"
/* For connections of a command's own (outside.h), and to walk over them. */
#define OUTSIDE_KEYS                                                                             \
    "identity.secret_key_file", "identity.contact", "network.allow_addresses",                   \
        "network.bandwidth_max", "network.proxy_tor", "network.proxy_i2p", "network.proxy_loki", \
        "network.dns_servers", "network.dns_timeout", "network.connect_timeout",                 \
        "network.tls_timeout", "network.upgrade_timeout", "network.overlay_timeout",             \
        "network.tls_ca_file", "network.tls_verify", "network.message_max"
#define WALK_KEYS                                                                          \
    "synchronizer.page", "synchronizer.idle_timeout", "synchronizer.idle_timeout_overlay", \
        "synchronizer.request_timeout"

static const char *const archive_keys[] = {ARCHIVE_KEYS, "finder.enabled", NULL};
static const char *const import_keys[] = {ARCHIVE_KEYS, "finder.enabled", "retention", NULL};
static const char *const check_keys[] = {OUTSIDE_KEYS, "monitor.geo_city_file",
                                         "monitor.geo_asn_file", NULL};
static const char *const fetch_keys[] = {OUTSIDE_KEYS, WALK_KEYS, NULL};
static const char *const plan_keys[] = {
    ARCHIVE_KEYS, OUTSIDE_KEYS, WALK_KEYS, "network.connections_max", "filter", "retention", NULL};
static const char *const rescue_keys[] = {ARCHIVE_KEYS, OUTSIDE_KEYS, WALK_KEYS, NULL};
static const char *const backup_keys[] = {"daemon.state_dir", "daemon.user",
                                          "database.url",     "database.password_file",
                                          "database.bin_dir", "database.statement_timeout",
                                          "backup.dir",       NULL};
static const char *const key_keys[] = {"identity.secret_key_file", NULL};
static const char *const no_keys[] = {NULL};

static const struct {
    const char *name, *arguments, *help;
    const char *const *keys;
    int (*run)(const struct command *c);
} commands[] = {
    {"status", "[--watch [SECONDS]]", "what the running daemon does, and how the archive grows",
     status_keys, command_status},
    {"relay", "URL", "what the archive knows of one relay: coverage, gaps, last visit",
     archive_keys, command_relay},
    {"check", "URL | --proxy",
     "check a relay now, from here, without a daemon; or the way into Tor", check_keys,
     command_check},
    {"plan", "[--relays FILE] [--sample N] [URL..]",
     "what archiving relays will cost, before anything is downloaded", plan_keys, command_plan},
    {"fetch", "[--follow] [--limit N] URL [FILTER]",
     "every event of one relay, as JSONL, newest first; no archive is needed", fetch_keys,
     command_fetch},
    {"rescue", "[--from URL].. [--to URL].. NPUB",
     "what one author has signed, from every readable relay; and on wish to others", rescue_keys,
     command_rescue},
    {"publish", "URL..", "signed events from standard input to relays", fetch_keys,
     command_publish},
    {"trace", "URL", "follow one relay on the running daemon, in full detail", status_keys,
     command_trace},
    {"export", "", "every event as JSONL on standard output, ordered by created_at, then id",
     archive_keys, command_export},
    {"import", "", "events as JSONL from standard input, each verified", import_keys,
     command_import},
    {"discover", "--from-archive",
     "relays that the archive mentions, by the rules of today; goes on where it was ended",
     archive_keys, command_discover},
    {"verify", "[--sample N]", "recompute ids and signatures of all events, or of one in N",
     archive_keys, command_verify},
    {"backup", "[DIR] [--keep N]", "one more backup, verified; N are kept, 7 without it",
     backup_keys, command_backup},
    {"restore", "DIR [--until TIME]", "the archive from a backup, to a second, where none is",
     backup_keys, command_restore},
    {"maintenance", "[--orphans]",
     "packs, vacuums and makes room ahead; says first how long it takes", archive_keys,
     command_maintenance},
    {"purge", "ID|AUTHOR --reason TEXT", "delete an event, or all of an author, and keep it out",
     archive_keys, command_purge},
    {"vanish", "PUBKEY --reason TEXT", "what an author wrote up to now, and gift wraps to them",
     archive_keys, command_vanish},
    {"relays", "[--network N] [--state S]", "every relay: state, events, proof, last check, uptime",
     archive_keys, command_relays},
    {"events", "[FILTER] [--kind N]..", "events by a filter (NIP-01), newest first, as JSONL",
     archive_keys, command_events},
    {"report", "URL", "a page for a relay's operator, as HTML", archive_keys, command_report},
    {"release", "DIR", "a dataset that can be cited: events by month, coverage, sums", archive_keys,
     command_release},
    {"sql", "[PSQL-ARGUMENT...]", "psql on the archive, as a role that may only read", archive_keys,
     command_sql},
    {"key", "generate | show | convert", "a secret key: a new one, its public half, its other form",
     key_keys, command_key},
    {"event", "id | sign | verify", "events or drafts from standard input, one a line", key_keys,
     command_event},
    {"encode", "FORM KEY", "npub, note, nprofile, nevent, naddr from hexadecimal (NIP-19)", no_keys,
     command_encode},
    {"decode", "TEXT", "what an npub, note, nprofile, nevent or naddr says", no_keys,
     command_decode},
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static void usage(FILE *out)
{
    (void)fprintf(out,
                  "bigbrotr %s: looks into the archive of bigbrotrd.\n\nusage: bigbrotr [-c FILE] "
                  "[--json] COMMAND\n\n",
                  BIGBROTR_VERSION);
    for (int i = 0; i < COMMANDS; i++)
        (void)fprintf(out, "  %-8s %-27s %s\n", commands[i].name, commands[i].arguments,
                      commands[i].help);
    (void)fputs("\n  -c, --config FILE   the daemon's configuration, when it has one\n"
                "      --json          facts as JSON\n"
                "      --version, -h, --help\n",
                out);
}

int command_fail(const struct err *err)
{
    if (err->code == ERR_CONFIG) /* says itself what is wrong, and is seldom a line of the file */
        (void)fprintf(stderr, "bigbrotr: %s\n", err->detail);
    else
        (void)fprintf(stderr, "bigbrotr: %s: %s\n", err_text(err->code), err->detail);
    return err_blame(err->code) == ERR_BLAME_USER ? COMMAND_USAGE : COMMAND_FAILED;
}

int command_flush(void)
{
    static bool said;
    int why;

    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return COMMAND_DONE;
    why = errno != 0 ? errno : EIO;
    if (!said)
        (void)fprintf(stderr, "bigbrotr: standard output did not take all of it: %s\n",
                      strerror(why));
    said = true;
    return COMMAND_FAILED;
}

void progress_start(struct progress *p, const char *what)
{
    *p = (struct progress){
        .what = what, .started_ms = clock_mono_ms(), .terminal = isatty(STDERR_FILENO) == 1};
    p->shown_ms = p->started_ms;
}

static void progress_show(const struct progress *p, const char *end)
{
    int64_t ms = clock_mono_ms() - p->started_ms;

    (void)fprintf(stderr, "\r%s: %llu (%.0f/s)%s", p->what, (unsigned long long)p->n,
                  ms > 0 ? (double)p->n * 1000.0 / (double)ms : 0.0, end);
}

void progress_add(struct progress *p, uint64_t n)
{
    p->n += n;
    if (!p->terminal || clock_mono_ms() - p->shown_ms < 1000)
        return;
    p->shown_ms = clock_mono_ms();
    progress_show(p, "");
}

void progress_done(struct progress *p)
{
    if (p->terminal)
        progress_show(p, "\n");
}

/* psql has an -h of its own. */
static bool asks_for_help(const struct command *c, const char *name)
{
    for (int i = 0; i < c->argc; i++)
        if (strcmp(c->argv[i], "--help") == 0 ||
            (strcmp(c->argv[i], "-h") == 0 && strcmp(name, "sql") != 0))
            return true;
    return false;
}

static int run(const char *config_path, struct command *c, const char *name)
{
    struct config_errors errors = {0};
    struct config *cfg;
    int code = COMMAND_USAGE, at;

    for (at = 0; at < COMMANDS; at++)
        if (strcmp(commands[at].name, name) == 0)
            break;
    if (at == COMMANDS) {
        (void)fprintf(stderr, "bigbrotr: there is no command \"%s\"; see bigbrotr --help\n", name);
        return COMMAND_USAGE;
    }
    if (asks_for_help(c, name)) {
        (void)printf("usage: bigbrotr [-c FILE] [--json] %s%s%s\n\n%s.\nMore: man bigbrotr\n", name,
                     commands[at].arguments[0] != '\0' ? " " : "", commands[at].arguments,
                     commands[at].help);
        return command_flush();
    }
    cfg = config_load_only(config_path, environ, commands[at].keys, &errors);
    config_errors_print(&errors, stderr);
    if (cfg == NULL && config_path != NULL && access(config_path, R_OK) < 0 && errno == EACCES)
        (void)fputs("bigbrotr: the configuration is not for everybody: run this with sudo\n",
                    stderr);
    config_errors_free(&errors);
    if (cfg == NULL)
        return COMMAND_USAGE;
    c->cfg = cfg;
    code = commands[at].run(c);
    config_free(cfg);
    if (code != COMMAND_USAGE && command_flush() != COMMAND_DONE)
        code = COMMAND_FAILED;
    return code;
}

int main(int argc, char **argv)
{
    enum { OPT_JSON = 256, OPT_VERSION };
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"json", no_argument, NULL, OPT_JSON},
                                            {"version", no_argument, NULL, OPT_VERSION},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    struct command c = {0};
    const char *config_path = NULL;
    int opt, fd;

    /* Nothing that is opened may become standard output. */
    while ((fd = open("/dev/null", O_RDWR)) >= 0 && fd <= STDERR_FILENO) {
    }
    if (fd > STDERR_FILENO)
        (void)close(fd);
    (void)setlocale(LC_CTYPE, "C.UTF-8");
    while ((opt = getopt_long(argc, argv, "+c:h", options, NULL)) != -1) {
        switch (opt) {
        case 'c':
            config_path = optarg;
            break;
        case OPT_JSON:
            c.json = true;
            break;
        case OPT_VERSION:
            (void)printf("bigbrotr %s\n", BIGBROTR_VERSION);
            return command_flush();
        case 'h':
            usage(stdout);
            return command_flush();
        default:
            usage(stderr);
            return COMMAND_USAGE;
        }
    }
    if (optind >= argc) {
        usage(stderr);
        return COMMAND_USAGE;
    }
    /* --json may stand behind the command as well. */
    c.argv = argv + optind + 1;
    for (int i = optind + 1; i < argc; i++)
        if (strcmp(argv[i], "--json") == 0)
            c.json = true;
        else
            c.argv[c.argc++] = argv[i];
    return run(config_path, &c, argv[optind]);
}
