/* human: see human.h. */
#include "core/human.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* The years 1000 to 9999: four digits. */
#define FIRST_SECOND INT64_C(-30610224000)
#define LAST_SECOND  INT64_C(253402300799)

const char *human_bytes(char *to, size_t size, double bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    int unit = 0;

    while (fabs(bytes) >= 1024 && unit < 4) {
        bytes /= 1024;
        unit++;
    }
    (void)snprintf(to, size, unit == 0 || fabs(bytes) >= 100 ? "%.0f %s" : "%.1f %s", bytes,
                   units[unit]);
    return to;
}

const char *human_duration(char *to, size_t size, double seconds)
{
    if (seconds < 120)
        (void)snprintf(to, size, "%.0f s", seconds);
    else if (seconds < 7200)
        (void)snprintf(to, size, "%.0f min", seconds / 60);
    else if (seconds < 48 * 3600.0)
        (void)snprintf(to, size, "%.0f h", seconds / 3600);
    else if (seconds < 730 * 86400.0)
        (void)snprintf(to, size, "%.0f days", seconds / 86400);
    else
        (void)snprintf(to, size, "%.0f years", seconds / (365.25 * 86400));
    return to;
}

/* "2024-05-01 12:00:00" without the last so many characters. */
static const char *put_time(char to[HUMAN_TIME_SIZE], int64_t seconds, size_t without)
{
    time_t t = (time_t)seconds;
    struct tm tm;

    if (seconds < FIRST_SECOND || seconds > LAST_SECOND || gmtime_r(&t, &tm) == NULL)
        (void)snprintf(to, HUMAN_TIME_SIZE, "%" PRId64, seconds);
    else
        to[strftime(to, HUMAN_TIME_SIZE, "%Y-%m-%d %H:%M:%S", &tm) - without] = '\0';
    return to;
}

const char *human_day(char to[HUMAN_TIME_SIZE], int64_t seconds)
{
    return put_time(to, seconds, strlen(" 12:00:00"));
}

const char *human_minute(char to[HUMAN_TIME_SIZE], int64_t seconds)
{
    return put_time(to, seconds, strlen(":00"));
}

const char *human_time(char to[HUMAN_TIME_SIZE], int64_t seconds)
{
    return put_time(to, seconds, 0);
}
