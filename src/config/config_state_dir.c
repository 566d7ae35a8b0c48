/* Where the state directory is: one rule for the daemon, which makes it, and the tools, which look
 * for it. */
#include <string.h>

#include "config/config.h"
#include "config/config_internal.h"

int config_state_dir(const struct config *cfg, char *const *env, bool root, char *to, size_t size,
                     struct err *err)
{
    const char *state = config_env_get(env, "STATE_DIRECTORY");
    const char *xdg = config_env_get(env, "XDG_STATE_HOME"), *home = config_env_get(env, "HOME");
    int n;

    if (cfg->daemon_state_dir[0] != '\0')
        n = snprintf(to, size, "%s", cfg->daemon_state_dir);
    else if (state != NULL && state[0] == '/') /* several are separated by colons */
        n = snprintf(to, size, "%.*s", (int)strcspn(state, ":"), state);
    else if (root)
        n = snprintf(to, size, "%s", CONFIG_STATE_DIR_SYSTEM);
    else if (xdg != NULL && xdg[0] == '/') /* a relative one is to be ignored, says XDG */
        n = snprintf(to, size, "%s/bigbrotr", xdg);
    else if (home != NULL && home[0] == '/')
        n = snprintf(to, size, "%s/.local/state/bigbrotr", home);
    else
        return err_set(err, ERR_CONFIG, "no home directory: set [daemon] state_dir");
    if (n < 0 || (size_t)n >= size)
        return err_set(err, ERR_CONFIG, "the path of the state directory is too long");
    if (to[0] != '/')
        return err_set(err, ERR_CONFIG, "[daemon] state_dir must begin with /, not be %s", to);
    return 0;
}
