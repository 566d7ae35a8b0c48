/* bigbrotrd: what the command line says, and the configuration; the rest is daemon.c. */
#include <getopt.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/daemon.h"
#include "db/conn.h"
#include "net/tls.h"

enum { EXIT_USAGE = 2 };

enum mode { MODE_RUN, MODE_CHECK, MODE_PRINT };

static const char usage[] =
    "bigbrotrd " BIGBROTR_VERSION ": archives Nostr relays into PostgreSQL.\n"
    "\n"
    "usage: bigbrotrd [-c FILE] [--init | --dry-run | --check-config | --print-config]\n"
    "\n"
    "  -c, --config FILE   the configuration; without it a private database and the built-in "
    "relays are used\n"
    "      --init          prepare the database, load the relays, and exit\n"
    "      --dry-run       run, but print what would be published, one event a line, instead of "
    "publishing it\n"
    "      --check-config  say what is wrong with the configuration, all at once, and exit\n"
    "      --print-config  print the configuration in force, what differs from the default marked, "
    "and exit\n"
    "      --example       print a commented example of a configuration file, and exit\n"
    "      --version       print versions and exit\n"
    "  -h, --help          print this and exit\n"
    "\n"
    "Stop it with Ctrl-C; look at it with `bigbrotr status`.\n";

static int print_version(void)
{
    (void)printf("bigbrotrd %s\nlibuv %s, mbedTLS %s, libpq %d\n", BIGBROTR_VERSION,
                 uv_version_string(), tls_library_version(), conn_library_version());
    return EXIT_SUCCESS;
}

static int load(const struct daemon_args *args, enum mode mode)
{
    struct config_errors errors = {0};
    struct config *cfg = config_load(args->config_path, environ, &errors);

    struct access *access = cfg != NULL ? options_access(cfg, &errors) : NULL;
    if (cfg != NULL && (options_check(cfg, &errors) < 0 || access == NULL)) {
        config_free(cfg);
        cfg = NULL;
    }
    access_free(access); /* only looked at */
    config_errors_print(&errors, stderr);
    if (cfg == NULL)
        (void)fprintf(
            stderr,
            "bigbrotrd: %zu error%s in the configuration; `bigbrotrd --example` shows every key\n",
            errors.n, errors.n == 1 ? "" : "s");
    config_errors_free(&errors);
    if (cfg == NULL)
        return EXIT_USAGE;
    if (args->dry_run && config_secret(cfg, "identity", "secret_key") == NULL) {
        (void)fputs("bigbrotrd: --dry-run signs what it prints: set [identity] secret_key_file\n",
                    stderr);
        config_free(cfg);
        return EXIT_USAGE;
    }
    if (mode == MODE_RUN)
        return daemon_run(cfg, args);
    if (mode == MODE_PRINT)
        config_print(cfg, stdout);
    else
        (void)printf("the configuration is valid\n");
    config_free(cfg);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    enum { OPT_INIT = 256, OPT_DRY, OPT_CHECK, OPT_PRINT, OPT_EXAMPLE, OPT_VERSION };
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"init", no_argument, NULL, OPT_INIT},
                                            {"dry-run", no_argument, NULL, OPT_DRY},
                                            {"check-config", no_argument, NULL, OPT_CHECK},
                                            {"print-config", no_argument, NULL, OPT_PRINT},
                                            {"example", no_argument, NULL, OPT_EXAMPLE},
                                            {"version", no_argument, NULL, OPT_VERSION},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    struct daemon_args args = {0};
    enum mode mode = MODE_RUN;
    int opt;

    (void)setlocale(LC_CTYPE, "C.UTF-8");
    while ((opt = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        switch (opt) {
        case 'c':
            args.config_path = optarg;
            break;
        case 'h':
            (void)fputs(usage, stdout);
            return EXIT_SUCCESS;
        case OPT_INIT:
            args.init_only = true;
            break;
        case OPT_DRY:
            args.dry_run = true;
            break;
        case OPT_CHECK:
            mode = MODE_CHECK;
            break;
        case OPT_PRINT:
            mode = MODE_PRINT;
            break;
        case OPT_EXAMPLE:
            config_default_ini(stdout);
            return EXIT_SUCCESS;
        case OPT_VERSION:
            return print_version();
        default:
            (void)fputs("bigbrotrd: see --help\n", stderr);
            return EXIT_USAGE;
        }
    }
    if (optind < argc) {
        (void)fprintf(stderr, "bigbrotrd: \"%s\" was not expected; see --help\n", argv[optind]);
        return EXIT_USAGE;
    }
    return load(&args, mode);
}
