/* daemon: the composition.  Everything is made here, in order, and unmade in reverse; nothing else
 * in the tree knows all rooms.
 *
 *     CLUSTER (private database starts) -> DATABASE (connects, migrates) -> SEEDING -> ARCHIVING ->
 * STOPPING -> gone
 *
 * daemon.c runs the phases, daemon_retention.c and daemon_monitor.c and daemon_finder.c make their
 * services, daemon_options.c turns the configuration into options, daemon_user.c chooses the state
 * directory and drops root, daemon_watch.c looks at the running parts once a second: status,
 * terminal, disk.
 */
#ifndef DAEMON_H
#define DAEMON_H

#include <stdbool.h>

#include "config/config.h"
#include "db/cluster.h"
#include "http/control.h"
#include "http/server.h"
#include "http/status.h"
#include "ingest/ingest.h"
#include "loop/loop.h"
#include "services/finder/finder.h"
#include "services/initializer.h"
#include "services/keeper/keeper.h"
#include "services/monitor/monitor.h"
#include "services/sync/synchronizer.h"

struct daemon_args {
    const char *config_path; /* NULL: none */
    bool init_only;          /* migrate, seed, exit */
    bool dry_run;            /* what would be published is printed */
};

/* Memory_max divided into pools. */
struct daemon_pools {
    uint64_t batches, known_ids, messages, connections, relays;
};

enum daemon_phase { PHASE_CLUSTER, PHASE_DATABASE, PHASE_SEEDING, PHASE_ARCHIVING, PHASE_STOPPING };

struct watch;

struct daemon {
    const struct daemon_args *args;
    struct config *cfg;
    enum daemon_phase phase;
    char phase_text[96];
    int exit_code;
    bool stopping;
    int64_t started_wall_s, started_mono_ms, stop_began_ms;
    char state_dir[CONFIG_TEXT_SIZE];
    char database_text[STATUS_TEXT_MAX];

    struct loop *loop;
    struct workers *workers;
    struct net *net;
    struct cluster *cluster; /* NULL: the person's own server */
    struct db *db;
    struct ingest *ingest;
    struct roster roster;
    struct budget *budget; /* of connections: archive and checks share it */
    struct synchronizer *synchronizer;
    struct keeper *keeper;
    struct finder *finder;       /* NULL: nothing is looked for */
    struct monitor *monitor;     /* NULL: nothing is checked, as the next two */
    struct publisher *publisher; /* NULL: nothing is published */
    struct geo *geo;
    const char *check_names[8]; /* for the publisher */
    struct signer *signer;
    struct access *access; /* whom a person wants */
    struct control *control;
    struct server *server; /* NULL: none */
    struct watch *watch;
    uv_timer_t drain_timer, again_timer;
    struct daemon_pools pools;

    struct filter_spec **filters;
    size_t filters_n;
    struct retention_rule *retention;
    size_t retention_n;
    bool seeded;
};

/* Runs until it is told to stop.  Returns the exit code; takes the configuration. */
int daemon_run(struct config *cfg, const struct daemon_args *args);
void daemon_stop(struct daemon *d, int exit_code);
void daemon_relays_added(struct daemon *d); /* to the database: they are read, checked, archived */

/* daemon_lists.c */
struct initializer_list *daemon_seeds(struct daemon *d, struct err *err); /* NULL: cannot be read */
struct relay *daemon_relay(struct daemon *d, const char *url);            /* NULL: not known */
void daemon_mark_relays(struct daemon *d, bool complain); /* what lists and sections say of each */
struct access *options_access(const struct config *cfg,
                              struct config_errors *errors); /* NULL: errors were added */
void daemon_access_open(struct daemon *d);
void daemon_denied_json(const struct daemon *d, const struct relay *relay, struct js *json);
void daemon_lists_changed(struct daemon *d); /* by a reload: what follows from it */

/* daemon_options.c */
void options_pools(const struct config *cfg, struct daemon_pools *pools);
void options_log(const struct config *cfg);
void options_net(const struct config *cfg, const struct daemon_pools *pools, struct net_options *o);
void options_ingest(const struct daemon *d, struct ingest_options *o);
void options_budget(const struct daemon *d, struct budget_limits *o);
void options_synchronizer(const struct daemon *d, struct synchronizer_options *o);
int options_filters(struct daemon *d, struct config_errors *errors); /* -1: errors were added */
int options_check(const struct config *cfg,
                  struct config_errors
                      *errors); /* what only higher rooms can judge: filters, relay URLs, the key */

/* daemon_monitor.c */
void options_check_monitor(const struct config *cfg, struct config_errors *errors);
void daemon_monitor_open(struct daemon *d);
void daemon_monitor_reconfigure(struct daemon *d);
void daemon_monitor_start(struct daemon *d); /* and with it the synchronizer */
void daemon_monitor_stop(struct daemon *d);
void daemon_monitor_close(struct daemon *d);

/* daemon_finder.c */
void options_check_finder(const struct config *cfg, struct config_errors *errors);
void daemon_finder_open(struct daemon *d);
void daemon_finder_reconfigure(struct daemon *d);
void daemon_finder_close(struct daemon *d);

/* daemon_retention.c */
void options_check_retention(const struct config *cfg, struct config_errors *errors);
int daemon_retention_make(struct daemon *d, struct err *err) MUST_USE; /* after root was dropped */
void daemon_retention_free(struct daemon *d);
void daemon_keeper_open(struct daemon *d);
void daemon_keeper_reconfigure(struct daemon *d);

/* daemon_user.c */
int user_prepare(struct daemon *d,
                 struct err *err) MUST_USE; /* state directory, root dropped, limits raised */

/* daemon_http.c */
void options_check_http(const struct config *cfg, struct config_errors *errors);
int daemon_http_open(struct daemon *d, struct err *err) MUST_USE;
char *daemon_status_text(void *owner); /* the JSON of /status; the caller's to free */

/* Is the process alive, whatever the database does?  False: `why` says what stands still. */
bool daemon_makes_progress(const struct daemon *d, char *why, size_t size);
/* Can it archive?  False: `why` says what is missing. */
bool daemon_is_ready(const struct daemon *d, char *why, size_t size);

/* daemon_watch.c */
struct watch *watch_open(struct daemon *d);
void watch_now(struct watch *w); /* draws again at once: the phase has changed */
void watch_status(const struct watch *w, struct status *s);
void watch_log_state(struct watch *w); /* SIGUSR1: everything that /status says, line by line */
void watch_summary(struct watch *w);   /* the last words */
void watch_close(struct watch *w);

#endif
