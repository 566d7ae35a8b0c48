/* human: see human.h. */
#include "core/human.h"

#include <math.h>
#include <stdio.h>

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
