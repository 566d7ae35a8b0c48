/* process: see process.h.  proc(5). */
#include "http/process.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { STAT_SIZE = 1024 };

struct process_stat {
    uint64_t user_ticks, system_ticks, started_ticks, virtual_bytes, resident_pages;
    unsigned threads;
};

static bool read_line(const char *path, char *to, size_t size)
{
    FILE *f = fopen(path, "re");
    bool good = f != NULL && fgets(to, (int)size, f) != NULL;

    if (f != NULL)
        (void)fclose(f);
    return good;
}

/* Fields are numbered from 1 in proc(5); the second is the name, in parentheses, and may hold
 * anything. */
static bool read_stat(struct process_stat *s)
{
    char line[STAT_SIZE];
    uint64_t fields[25] = {0};
    char *p;

    if (!read_line("/proc/self/stat", line, sizeof(line)) || (p = strrchr(line, ')')) == NULL ||
        p[1] == '\0')
        return false;
    p += 3; /* behind the state, field 3 */
    for (int i = 4; i < 25 && *p != '\0'; i++)
        fields[i] = strtoull(p, &p, 10);
    *s = (struct process_stat){.user_ticks = fields[14],
                               .system_ticks = fields[15],
                               .threads = (unsigned)fields[20],
                               .started_ticks = fields[22],
                               .virtual_bytes = fields[23],
                               .resident_pages = fields[24]};
    return true;
}

/* Not from /proc/stat, which a sandbox may hide.  Worked out once: two clocks that are read one
 * after the other never agree twice, and a start time that changes is a restart. */
static double start_time(double started_s)
{
    static double start;
    struct timespec now, up;

    if (start > 0)
        return start;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)clock_gettime(CLOCK_BOOTTIME, &up);
    start = (double)(now.tv_sec - up.tv_sec) + (double)(now.tv_nsec - up.tv_nsec) / 1e9 + started_s;
    return start;
}

static unsigned open_files(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned n = 0;

    if (dir == NULL)
        return 0;
    while (readdir(dir) != NULL)
        n++;
    (void)closedir(dir);
    return n > 3 ? n - 3 : 0; /* ".", "..", and the directory itself */
}

static void put(FILE *out, const char *name, const char *type, const char *help, double value)
{
    (void)fprintf(out, "# HELP %s %s\n# TYPE %s %s\n%s %.15g\n", name, help, name, type, name,
                  value);
}

void process_metrics_print(FILE *out)
{
    double ticks = (double)sysconf(_SC_CLK_TCK);
    struct process_stat s;
    struct rlimit files;

    (void)fprintf(out,
                  "# HELP bigbrotr_build_info Which program this is\n"
                  "# TYPE bigbrotr_build_info gauge\nbigbrotr_build_info{version=\"%s\"} 1\n",
                  BIGBROTR_VERSION);
    if (read_stat(&s)) {
        put(out, "process_cpu_seconds_total", "counter", "Processor time used, user and system",
            (double)(s.user_ticks + s.system_ticks) / ticks);
        put(out, "process_resident_memory_bytes", "gauge", "Memory in use",
            (double)s.resident_pages * (double)sysconf(_SC_PAGESIZE));
        put(out, "process_virtual_memory_bytes", "gauge", "Address space", (double)s.virtual_bytes);
        put(out, "process_start_time_seconds", "gauge", "When it was started, UNIX seconds",
            start_time((double)s.started_ticks / ticks));
        put(out, "process_threads", "gauge", "Threads", s.threads);
    }
    put(out, "process_open_fds", "gauge", "Open file descriptors", open_files());
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        put(out, "process_max_fds", "gauge", "How many may be open", (double)files.rlim_cur);
}
