/* secret: see secret.h. */
#include "cli/secret.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/config.h"
#include "nostr/keys.h"

/* Reads without a buffer of stdio's, which would keep a copy. */
static int read_stdin(char *to, size_t *n, struct err *err)
{
    ssize_t got;

    *n = 0;
    while (*n < SECRET_TEXT_MAX && (got = read(STDIN_FILENO, to + *n, SECRET_TEXT_MAX - *n)) > 0)
        *n += (size_t)got;
    return *n < SECRET_TEXT_MAX
               ? 0
               : err_set(err, ERR_CONFIG, "standard input is too long for a secret key");
}

static int read_file(const char *path, char *to, size_t *n, struct err *err)
{
    char *text = NULL, shown[256];
    struct err why;
    unsigned mode = 0;
    int rc = 0;

    (void)str_escape(shown, sizeof(shown), str_z(path));
    if (config_read_file(path, SECRET_TEXT_MAX - 1, &text, n, &mode, &why) < 0 || text == NULL)
        return err_set(err, ERR_CONFIG, "%s %s", shown, why.detail);
    if ((mode & 0027) != 0)
        rc = err_set(err, ERR_CONFIG,
                     "%s may be read or changed by others (mode %04o); run: chmod 600 %s", shown,
                     mode, shown);
    else
        memcpy(to, text, *n);
    explicit_bzero(text, *n);
    free(text);
    return rc;
}

char *secret_read(const struct command *c, const char *from, struct err *err)
{
    const char *configured = config_secret(c->cfg, "identity", "secret_key");
    char *text = secret_new(SECRET_TEXT_MAX);
    size_t n = 0;
    int rc;

    if (from == NULL && configured == NULL)
        rc = err_set(err, ERR_CONFIG,
                     "no secret key: name a file that holds one, \"-\" for standard input, or set "
                     "[identity] secret_key_file");
    else if (from == NULL)
        rc = str_copy(text, SECRET_TEXT_MAX, str_z(configured))
                 ? 0
                 : err_set(err, ERR_CONFIG, "the configured secret key is too long to be one");
    else
        rc = strcmp(from, "-") == 0 ? read_stdin(text, &n, err) : read_file(from, text, &n, err);
    if (rc == 0)
        return text; /* ends with a NUL: the page was zero */
    secret_free(text, SECRET_TEXT_MAX);
    return NULL;
}

struct signer *secret_signer(const struct command *c, const char *from, struct err *err)
{
    char *text = secret_read(c, from, err);
    struct signer *signer = text != NULL ? signer_new(text, err) : NULL;

    secret_free(text, SECRET_TEXT_MAX);
    return signer;
}

int secret_signer_maybe(const struct command *c, const char *from, struct signer **signer,
                        struct err *err)
{
    *signer = NULL;
    if (from == NULL && config_secret(c->cfg, "identity", "secret_key") == NULL)
        return 0;
    *signer = secret_signer(c, from, err);
    return *signer != NULL ? 0 : -1;
}
