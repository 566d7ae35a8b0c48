/* confirm: see confirm.h. */
#include "cli/confirm.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

bool confirm_possible(void)
{
    return isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1;
}

bool confirm(bool yes, const char *question)
{
    char line[16] = "";

    if (yes)
        return true;
    if (!confirm_possible()) {
        (void)fputs("bigbrotr: nobody can be asked here: say --yes when it is meant\n", stderr);
        return false;
    }
    (void)fprintf(stderr, "%s [y/N] ", question);
    if (fgets(line, sizeof(line), stdin) == NULL)
        line[0] = '\0';
    line[strcspn(line, "\n")] = '\0';
    if (strcasecmp(line, "y") == 0 || strcasecmp(line, "yes") == 0)
        return true;
    (void)fputs("bigbrotr: nothing was done\n", stderr);
    return false;
}
