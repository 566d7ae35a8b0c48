/* Files that the configuration names, and the secrets in some of them. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config_internal.h"

/* One page of its own: locked, not in a core dump, wiped in the end. */
struct config_secrets {
    struct config_secret_slot {
        const struct config_row *row;
        char text[CONFIG_SECRET_SIZE - sizeof(void *)];
    } slots[CONFIG_SECRETS_MAX];
};

void config_secrets_new(struct config *cfg)
{
    void *p = mmap(NULL, sizeof(struct config_secrets), PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        abort();
    /* Both may be refused (RLIMIT_MEMLOCK); the secret then is as safe as any memory. */
    (void)mlock(p, sizeof(struct config_secrets));
    (void)madvise(p, sizeof(struct config_secrets), MADV_DONTDUMP);
    cfg->secrets = p;
}

void config_secrets_free(struct config *cfg)
{
    explicit_bzero(cfg->secrets, sizeof(*cfg->secrets));
    (void)munmap(cfg->secrets, sizeof(*cfg->secrets));
    cfg->secrets = NULL;
}

static struct config_secret_slot *slot_of(struct config_secrets *secrets,
                                          const struct config_row *row)
{
    int i = 0;

    while (i < CONFIG_SECRETS_MAX && secrets->slots[i].row != NULL && secrets->slots[i].row != row)
        i++;
    assert(i < CONFIG_SECRETS_MAX); /* more SECRET rows than slots: our bug */
    return &secrets->slots[i];
}

int config_secret_set(struct config *cfg, const struct config_row *row, struct str value,
                      struct err *err)
{
    struct config_secret_slot *slot = slot_of(cfg->secrets, row);

    while (value.n > 0 && (value.p[value.n - 1] == '\n' || value.p[value.n - 1] == '\r'))
        value.n--; /* what an editor leaves */
    if (value.n == 0)
        return err_set(err, ERR_CONFIG, "is an empty secret");
    if (value.n >= sizeof(slot->text))
        return err_set(err, ERR_CONFIG, "is a secret of more than %zu bytes",
                       sizeof(slot->text) - 1);
    for (size_t i = 0; i < value.n; i++)
        if ((unsigned char)value.p[i] < 0x20)
            return err_set(err, ERR_CONFIG, "is a secret of more than one line");
    slot->row = row;
    (void)str_copy(slot->text, sizeof(slot->text), value);
    return 0;
}

static bool is_secret_of(const struct config_row *row, const char *section, const char *key)
{
    size_t n = strlen(key);

    return row != NULL && strcmp(row->section, section) == 0 && strncmp(row->key, key, n) == 0 &&
           strcmp(row->key + n, "_file") == 0;
}

const char *config_secret(const struct config *cfg, const char *section, const char *key)
{
    for (int i = 0; i < CONFIG_SECRETS_MAX; i++)
        if (is_secret_of(cfg->secrets->slots[i].row, section, key))
            return cfg->secrets->slots[i].text;
    return NULL;
}

static int open_regular(const char *path, struct stat *st, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0) {
        (void)err_set(err, ERR_CONFIG, "cannot be read: %s", strerror(errno));
        return -1;
    }
    if (fstat(fd, st) == 0 && S_ISREG(st->st_mode))
        return fd;
    (void)close(fd);
    (void)err_set(err, ERR_CONFIG, "is not a file");
    return -1;
}

int config_read_file(const char *path, size_t max, char **text, size_t *n, unsigned *mode,
                     struct err *err)
{
    struct stat st = {0};
    int fd = open_regular(path, &st, err);
    char *data;
    ssize_t got = 0;

    if (fd < 0)
        return -1;
    data = malloc(max + 1); /* one more than allowed shows that it is too large */
    if (data == NULL)
        abort();
    *n = 0;
    while (*n <= max && (got = read(fd, data + *n, max + 1 - *n)) > 0)
        *n += (size_t)got;
    (void)close(fd);
    if (got >= 0 && *n <= max) {
        *text = data;
        *mode = st.st_mode & 07777;
        return 0;
    }
    explicit_bzero(data, *n);
    free(data);
    if (got < 0)
        return err_set(err, ERR_CONFIG, "cannot be read: %s", strerror(errno));
    return err_set(err, ERR_CONFIG, "is larger than %zu bytes", max);
}

static int load_secret(struct config *cfg, const struct config_row *row, const char *path,
                       struct err *err)
{
    char *text = NULL;
    unsigned mode = 0;
    size_t n = 0;
    int result;

    if (config_read_file(path, (size_t)2 * CONFIG_SECRET_SIZE, &text, &n, &mode, err) < 0 ||
        text == NULL)
        return -1; /* the second is for the analyser: success brings a text */
    if ((mode & 0027) != 0)
        result = err_set(err, ERR_CONFIG, "may be %s by others (mode %04o); run: chmod %s on it",
                         (mode & 0022) != 0 ? "changed" : "read", mode,
                         (mode & 0040) != 0 ? "640" : "600");
    else
        result = config_secret_set(cfg, row, (struct str){text, n}, err);
    explicit_bzero(text, n);
    free(text);
    return result;
}

/* A path that does not look like one may be the secret itself, put there by mistake. */
static void complain_of_file(const struct config *cfg, const struct config_row *row,
                             const char *path, const struct err *err, struct config_errors *errors)
{
    char shown[256];
    char text[512];

    if (path[0] != '/' && row->type == CONFIG_SECRET)
        (void)snprintf(text, sizeof(text), "the file that it names %s", err->detail);
    else
        (void)snprintf(text, sizeof(text), "%s %s", str_escape(shown, sizeof(shown), str_z(path)),
                       err->detail);
    config_complain(cfg, row, errors, text);
}

static void find_secret(struct config *cfg, const struct config_row *row, char *const *env,
                        struct config_errors *errors)
{
    const char *path = (const char *)cfg + row->offset;
    const char *directory = config_env_get(env, "CREDENTIALS_DIRECTORY");
    char credential[CONFIG_TEXT_SIZE + 128];
    struct err err;

    if (slot_of(cfg->secrets, row)->row == row)
        return; /* from the environment */
    if (path[0] == '\0' && directory != NULL) {
        (void)snprintf(credential, sizeof(credential), "%.1023s/%.*s", directory,
                       (int)(strlen(row->key) - strlen("_file")), row->key);
        /* One that may not be looked at is no missing one: without it we would be open. */
        path = access(credential, F_OK) == 0 || errno != ENOENT ? credential : "";
    }
    if (path[0] != '\0' && load_secret(cfg, row, path, &err) < 0)
        complain_of_file(cfg, row, path, &err, errors);
}

static int check_directory(const char *path, struct err *err)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return errno == ENOENT ? 0 /* made later */
                               : err_set(err, ERR_CONFIG, "cannot be used: %s", strerror(errno));
    return S_ISDIR(st.st_mode) ? 0 : err_set(err, ERR_CONFIG, "is not a directory");
}

void config_files_load(struct config *cfg, char *const *env, struct config_errors *errors)
{
    for (size_t i = 0; i < config_n_rows; i++) {
        const struct config_row *row = &config_rows[i];
        const char *path = (const char *)cfg + row->offset;
        struct err err;
        struct stat st;
        int result = 0;

        if (!config_wanted(cfg, row))
            continue;
        if (row->type == CONFIG_SECRET) {
            find_secret(cfg, row, env, errors);
        } else if (row->type == CONFIG_FILE && path[0] != '\0') {
            result = open_regular(path, &st, &err);
            if (result >= 0)
                (void)close(result);
        } else if (row->type == CONFIG_DIR && path[0] != '\0') {
            result = check_directory(path, &err);
        }
        if (result < 0)
            complain_of_file(cfg, row, path, &err, errors);
    }
}
