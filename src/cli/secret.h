/* The secret key that a command signs with: from a file, from standard input ("-"), or the one of
 * the configuration.  Never from the command line, which everybody on the machine can read. */
#ifndef CLI_SECRET_H
#define CLI_SECRET_H

#include "cli/command.h"
#include "nostr/sign.h"

enum { SECRET_TEXT_MAX = 128 };

/* Its text, as it was written (hexadecimal or nsec1..), in secret memory (nostr/keys.h) of
 * SECRET_TEXT_MAX bytes that is the caller's to free.  `from` may be NULL.  NULL with err. */
char *secret_read(const struct command *c, const char *from, struct err *err) MUST_USE;

/* A signer with it. */
struct signer *secret_signer(const struct command *c, const char *from, struct err *err) MUST_USE;

/* The same where a key is no must: `*signer` is NULL when none was named and none is configured. */
int secret_signer_maybe(const struct command *c, const char *from, struct signer **signer,
                        struct err *err) MUST_USE;

#endif
