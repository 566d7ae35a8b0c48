/* daemon_retention: the rules of retention and the keeper in the composition. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/daemon.h"
#include "services/keeper/retention_rules.h"

/* Can we make files there? */
static int check_folder(const char *path, struct err *err)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return err_set(err, ERR_CONFIG,
                       "export = %s: %s; make the folder, and give it to the user "
                       "of the daemon",
                       path, strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return err_set(err, ERR_CONFIG, "export = %s is no folder: name one", path);
    if (access(path, R_OK | W_OK | X_OK) == 0)
        return 0;
    return err_set(err, ERR_CONFIG, "export = %s cannot be written to: %s; %s", path,
                   strerror(errno),
                   errno == EROFS ? "under systemd, name it in ReadWritePaths= of the service"
                                  : "give it to the user of the daemon");
}

static struct retention_rule *make_rules(const struct config *cfg, size_t *n,
                                         struct config_errors *errors)
{
    struct retention_rule *rules = retention_rules_new(cfg, n, errors);
    struct err err;

    for (size_t i = 0; i < *n; i++)
        if (rules[i].export != NULL && check_folder(rules[i].export, &err) < 0)
            config_errors_add(errors, cfg->path, cfg->retentions[i].line, "[retention %s] %s",
                              rules[i].name, err.detail);
    return rules;
}

void options_check_retention(const struct config *cfg, struct config_errors *errors)
{
    size_t n;
    struct retention_rule *rules = make_rules(cfg, &n, errors);

    retention_rules_free(rules, n);
}

static void options_keeper(const struct config *cfg, struct keeper_options *o)
{
    *o = (struct keeper_options){.vanish = cfg->archive_vanish == CONFIG_VANISH_HONOUR};
}

int daemon_retention_make(struct daemon *d, struct err *err)
{
    struct config_errors wrong = {
        0}; /* checked by main(), perhaps as root, who may write anywhere */
    int rc = 0;

    d->retention = make_rules(d->cfg, &d->retention_n, &wrong);
    if (wrong.n > 0)
        rc = err_set(err, ERR_CONFIG, "%s", wrong.items[0].text);
    config_errors_free(&wrong);
    return rc;
}

void daemon_retention_free(struct daemon *d)
{
    retention_rules_free(d->retention, d->retention_n);
}

void daemon_keeper_open(struct daemon *d)
{
    struct keeper_options options;

    options_keeper(d->cfg, &options);
    d->keeper =
        keeper_open(loop_uv(d->loop), d->workers, d->db, &options, d->retention, d->retention_n);
}

void daemon_keeper_reconfigure(struct daemon *d)
{
    struct keeper_options options;

    options_keeper(d->cfg, &options);
    keeper_reconfigure(d->keeper, &options);
}
