/* What the private PostgreSQL runs with, and why.  Given on the command line, so that they hold
 * whatever stands in its files. */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "db/cluster.h"
#include "db/cluster_child.h"

enum { BUFFERS_MIN_MIB = 128, BUFFERS_MAX_MIB = 2048 };

/* An eighth of the memory: the kernel's cache serves the rest, and the daemon and the person's
 * other programs live here too. */
static const char *shared_buffers(void)
{
    static char value[16];
    int64_t mib = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE) / (1 << 20) / 8;

    if (mib < BUFFERS_MIN_MIB)
        mib = BUFFERS_MIN_MIB;
    if (mib > BUFFERS_MAX_MIB)
        mib = BUFFERS_MAX_MIB;
    if (mib % 1024 == 0) /* as SHOW writes it */
        snprintf(value, sizeof(value), "%" PRId64 "GB", mib / 1024);
    else
        snprintf(value, sizeof(value), "%" PRId64 "MB", mib);
    return value;
}

static int server_version;

void cluster_settings_for(int version)
{
    server_version = version;
}

static struct cluster_setting settings[] = {
    {"listen_addresses", "",
     "only the unix socket in a directory of our own: nobody else can reach it"},
    {"unix_socket_permissions", "0700", "only the user that runs the daemon"},
    {"max_connections", "20", "the daemon uses three; the rest is for people with psql"},
    {"superuser_reserved_connections", "2", "so that a person can always look"},
    {"max_locks_per_transaction", "512",
     "a statement may touch every partition, and a batch locks each relay that it is about"},
    {"shared_buffers", "",
     "an eighth of the memory, 128 MB to 2 GB: holds the upper levels of the indexes"},
    {"work_mem", "16MB", "researchers' sorts; the daemon's own transactions ask for 64 MB"},
    {"maintenance_work_mem", "128MB", "vacuum of large partitions in one pass over the indexes"},
    {"fsync", "on", "a crash of the machine must not lose what was acknowledged"},
    {"full_page_writes", "on", "the same for torn pages"},
    {"synchronous_commit", "on",
     "the daemon's memory of what is stored must be true after a crash of the server"},
    {"wal_level", "replica", "a backup can be made while it runs, and its log be kept"},
    {"max_wal_senders", "4", "one backup, its log beside it, and a person's own"},
    {"wal_compression", "",
     "lz4, from 15 on: full pages are most of the log under this load, and compress well"},
    {"max_wal_size", "2GB",
     "checkpoints far apart: each costs full page images of every index page that is touched"},
    {"min_wal_size", "128MB", "an idle archive does not keep the space"},
    {"checkpoint_timeout", "15min",
     "the same as max_wal_size; recovery after a crash reads at most 2 GB"},
    {"checkpoint_completion_target", "0.9", "spreads the writes: no bursts that stall reading"},
    {"jit", "off", "statements are short; compiling them costs more than it saves"},
    {"max_parallel_workers_per_gather", "2",
     "researchers' scans may use another core, not all of them"},
    {"random_page_cost", "1.5", "solid state and cached: an index is nearly always right here"},
    {"effective_io_concurrency", "32", "bitmap scans read ahead"},
    {"autovacuum", "on", "statistics, freezing, and flushing the pending lists of the GIN indexes"},
    {"autovacuum_naptime", "20s", "small and often: GIN's pending lists stay short"},
    {"autovacuum_vacuum_cost_limit", "1000",
     "keeps up with a first walk at thousands of events a second"},
    {"default_toast_compression", "lz4", "large events: five times less CPU than pglz"},
    {"track_io_timing", "off", "a clock read for every block"},
    {"log_min_messages", "warning", "its log is for problems"},
    {"log_line_prefix", "%m [%p] ", "time and process"},
    {"log_checkpoints", "off", "routine"},
    {"log_autovacuum_min_duration", "-1", "routine"},
    {"log_statement", "none", "contents of events do not belong in a log"},
    {"log_min_error_statement", "panic", "nor do statements that fail on them"},
    {"logging_collector", "off", "the daemon keeps the log, in a file of bounded size"},
    {"lc_messages", "C", "errors that are quoted to the person are English, as ours are"},
    {"update_process_title", "off", "a system call for every statement"},
};

const struct cluster_setting *cluster_settings(uint32_t *n)
{
    *n = sizeof(settings) / sizeof(settings[0]);
    for (uint32_t i = 0; i < *n; i++) {
        if (strcmp(settings[i].name, "shared_buffers") == 0)
            settings[i].value = shared_buffers();
        if (strcmp(settings[i].name, "wal_compression") == 0)
            settings[i].value = server_version == 14 ? "on" : "lz4";
    }
    return settings;
}
