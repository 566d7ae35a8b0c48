/* Errors: what went wrong, whose fault it was, and one line of detail.
 *
 * A function that can fail takes `struct err *err` last and returns 0 or -1.  It fills *err and
 * does not log.  Whoever decides what to do about the error logs it, once.  A struct err owns no
 * memory, can be copied, and can be stored in a row. */
#ifndef CORE_ERR_H
#define CORE_ERR_H

#include "core/names.h"
#include "core/str.h"

#define MUST_USE     __attribute__((warn_unused_result))
#define PRINTF(f, a) __attribute__((format(printf, f, a)))

enum err_code {
    ERR_NONE = 0,
#define ERR(name, blame, text) ERR_##name,
#include "core/err.def"
    ERR__COUNT
};

/* Blame decides what happens next: see the head of err.def. */
enum err_blame { ERR_BLAME_NONE, ERR_BLAME_SELF, ERR_BLAME_PEER, ERR_BLAME_PATH, ERR_BLAME_USER };

enum { ERR_DETAIL_MAX = 192 };

struct err {
    enum err_code code;
    char detail[ERR_DETAIL_MAX]; /* always NUL-terminated, may be "" */
};

/* Fill *err; always returns -1 so that `return err_set(err, ERR_DNS, ...)` reads as one thought.
 * Bytes that came from the network are escaped by the caller (str_escape). */
int err_set(struct err *err, enum err_code code, const char *fmt, ...) PRINTF(3, 4);

const char *
err_name(enum err_code code); /* "dns_timeout": metrics label, log key, database value */
enum err_code err_named(struct str name); /* ERR_NONE when there is none */
const char *err_text(enum err_code code);
enum err_blame err_blame(enum err_code code);

#endif
