/* key: makes a secret key, shows its public half, writes it in its other form.
 *
 * A secret is printed only where it was asked for, and never taken from the command line. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "cli/secret.h"
#include "cli/words.h"
#include "core/hex.h"
#include "nostr/keys.h"
#include "nostr/nip19.h"

enum { TRIES = 8, KEY_BYTES = 32 };

static int usage(void)
{
    (void)fputs(
        "usage: bigbrotr key generate [FILE]    a new secret key, into FILE or to standard "
        "output\n"
        "       bigbrotr key show [FILE]        its public key; FILE: \"-\" for standard "
        "input;\n"
        "                                       without: that of [identity] "
        "secret_key_file\n"
        "       bigbrotr key convert [FILE]     nsec1.. from hexadecimal, and the reverse\n",
        stderr);
    return COMMAND_USAGE;
}

static void print_public(const struct command *c, const struct signer *signer, FILE *out)
{
    struct pubkey32 pubkey = signer_pubkey(signer);
    char npub[NIP19_PLAIN_MAX], hex[65] = {0};
    struct js *facts;

    nip19_encode(NIP19_NPUB, pubkey.b, npub);
    hex_encode(hex, pubkey.b, sizeof(pubkey.b));
    if (!c->json) {
        (void)fprintf(out, "npub  %s\nhex   %s\n", npub, hex);
        return;
    }
    facts = js_new_object();
    js_set_z(facts, "npub", npub);
    js_set_z(facts, "pubkey", hex);
    js_print(facts, JS_PRETTY, out);
    js_free(facts);
}

/* One line to a descriptor, around stdio's buffers. */
static bool write_line(int fd, char *text, size_t size)
{
    size_t n = strlen(text), at = 0;

    if (n + 1 >= size)
        return false;
    text[n++] = '\n';
    while (at < n) {
        ssize_t wrote = write(fd, text + at, n - at);

        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            break;
        at += (size_t)wrote;
    }
    text[n - 1] = '\0';
    return at == n;
}

/* A random key as nsec1.. in `text`, and its signer.  Any 32 bytes but one in 2^128 are a key. */
static struct signer *make(char *text, struct err *err)
{
    unsigned char *key = secret_new(KEY_BYTES);
    struct signer *signer = NULL;

    for (int i = 0; i < TRIES && signer == NULL; i++) {
        if (getrandom(key, KEY_BYTES, 0) != KEY_BYTES) {
            (void)err_set(err, ERR_IO, "the system gives no random numbers: %s", strerror(errno));
            break;
        }
        nip19_encode(NIP19_NSEC, key, text);
        signer = signer_new(text, err);
    }
    secret_free(key, KEY_BYTES);
    return signer;
}

static int save(const char *path, char *text, struct err *err)
{
    char shown[256];
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool ok;

    (void)str_escape(shown, sizeof(shown), str_z(path));
    if (fd < 0)
        return err_set(err, ERR_IO, "%s cannot be made: %s%s", shown, strerror(errno),
                       errno == EEXIST ? "; a key that is there is never written over" : "");
    ok = write_line(fd, text, SECRET_TEXT_MAX) && fsync(fd) == 0;
    if (close(fd) == 0 && ok)
        return 0;
    (void)unlink(path);
    return err_set(err, ERR_IO, "%s cannot be written: %s", shown, strerror(errno));
}

static int generate(const struct command *c, const char *path)
{
    char *text = secret_new(SECRET_TEXT_MAX);
    struct err err;
    struct signer *signer = make(text, &err);
    int rc = signer == NULL ? -1 : 0;

    if (rc == 0 && path != NULL) {
        rc = save(path, text, &err);
        if (rc == 0)
            print_public(c, signer, stdout);
    } else if (rc ==
               0) { /* the secret to standard output, so that it can be piped; the rest beside it */
        print_public(c, signer, stderr);
        if (!write_line(STDOUT_FILENO, text, SECRET_TEXT_MAX))
            rc = err_set(&err, ERR_IO, "standard output cannot be written: %s", strerror(errno));
    }
    signer_free(signer);
    secret_free(text, SECRET_TEXT_MAX);
    return rc == 0 ? COMMAND_DONE : command_fail(&err);
}

static int show(const struct command *c, const char *from)
{
    struct err err;
    struct signer *signer = secret_signer(c, from, &err);

    if (signer == NULL)
        return command_fail(&err);
    print_public(c, signer, stdout);
    signer_free(signer);
    return COMMAND_DONE;
}

static int convert(const struct command *c, const char *from)
{
    unsigned char *key = secret_new(KEY_BYTES);
    struct err err;
    char *text = secret_read(c, from, &err);
    int rc = -1;

    if (text != NULL) {
        struct str trimmed = str_trim(str_z(text));
        bool was_hex = trimmed.n == (size_t)2 * KEY_BYTES;

        if (!secret_key_read(trimmed, key)) {
            (void)err_set(&err, ERR_CONFIG,
                          "this is no secret key: 64 hexadecimal digits or nsec1..");
        } else {
            explicit_bzero(text, SECRET_TEXT_MAX);
            if (was_hex)
                nip19_encode(NIP19_NSEC, key, text);
            else
                hex_encode(text, key, KEY_BYTES);
            rc = write_line(STDOUT_FILENO, text, SECRET_TEXT_MAX)
                     ? 0
                     : err_set(&err, ERR_IO, "standard output cannot be written: %s",
                               strerror(errno));
        }
        secret_free(text, SECRET_TEXT_MAX);
    }
    secret_free(key, KEY_BYTES);
    return rc == 0 ? COMMAND_DONE : command_fail(&err);
}

int command_key(const struct command *c)
{
    struct word_option none[] = {{0}};
    struct words words;
    const char *file;

    if (!words_read(c, none, &words) || words.n < 1 || words.n > 2)
        return usage();
    file = words.n == 2 ? words.plain[1] : NULL;
    if (strcmp(words.plain[0], "generate") == 0)
        return generate(c, file);
    if (strcmp(words.plain[0], "show") == 0)
        return show(c, file);
    if (strcmp(words.plain[0], "convert") == 0)
        return convert(c, file);
    return usage();
}
