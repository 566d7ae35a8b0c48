/* The lines of a configuration file.  The doorway to inih.
 *
 * The library decides what is a comment, a section, a key and its value.  As Debian builds it, it
 * has habits that would surprise, so it never sees a line as it stands in the file:
 *   - a line that begins with white space continues the one before: lines are trimmed;
 *   - lines beyond 199 bytes and names beyond 49 are cut silently (an onion relay's [section] has
 * 70): it is handed the beginning, and the whole comes from our copy of the line;
 *   - " ;" in a value begins a comment, " #" does not: both are refused;
 *   - only the first bad line is reported: a line on which it calls nobody back is one. */
#include <ini.h>
#include <string.h>

#include "config/config_internal.h"

enum {
    LINE_BYTES_MAX = 65536, /* a thousand authors in one filter */
    INI_LINE = 190,         /* what the library takes of a line */
    INI_NAME = 49           /* and of a name */
};

struct reader {
    const char *name;
    struct config_errors *errors;
    config_line_fn *on_line;
    void *owner;

    struct str rest; /* of the text */
    struct str line; /* the current one, trimmed */
    int number;
    bool expects_pair; /* the library has been handed a line that must call us back */
    struct str kind, section_name;
};

static void complain(struct reader *r, const char *text)
{
    config_errors_add(r->errors, r->name, r->number, "%s", text);
}

static void begin_section(struct reader *r)
{
    struct str inside = {r->line.p + 1, r->line.n - 1};
    struct config_line out;
    size_t space = 0;

    r->kind = r->section_name = STR("");
    if (!str_ends(inside, STR("]"))) {
        complain(r, "a section ends with ] and nothing behind it");
        return;
    }
    inside.n--;
    inside = str_trim(inside);
    while (space < inside.n && inside.p[space] != ' ' && inside.p[space] != '\t')
        space++;
    r->kind = str_trim((struct str){inside.p, space});
    r->section_name = str_trim((struct str){inside.p + space, inside.n - space});
    out = (struct config_line){
        .number = r->number,
        .is_section = true,
        .section_kind = r->kind,
        .section_name = r->section_name,
    };
    r->on_line(r->owner, &out);
}

/* Fits the line at r->line, or says why not.  False: the library shall see an empty line. */
static bool prepare(struct reader *r)
{
    if (r->line.n == 0 || r->line.p[0] == '#' || r->line.p[0] == ';') {
        /* What NIP-01 writes as #t would be a comment and silently widen a filter. */
        if (str_eq(r->kind, STR("filter")) && r->line.n > 2 && r->line.p[1] != ' ' &&
            str_starts(str_trim((struct str){r->line.p + 2, r->line.n - 2}), STR("=")))
            complain(r, "this is a comment; a filter's tag is written tag_t = ...");
        return false;
    }
    if (r->line.n > LINE_BYTES_MAX) {
        complain(r, "the line is longer than 65536 bytes");
        return false;
    }
    if (memchr(r->line.p, '\0', r->line.n) != NULL) {
        complain(r, "a NUL byte");
        return false;
    }
    if (r->line.p[0] == '[') {
        begin_section(r);
        return false;
    }
    r->expects_pair = true;
    return true;
}

static bool next_line(struct reader *r)
{
    struct str raw;

    if (r->expects_pair)
        complain(r, "neither a [section], nor key = value, nor a # comment");
    r->expects_pair = false;
    if (!str_cut(&r->rest, '\n', &raw))
        return false;
    r->number++;
    if (r->number == 1 && str_starts(raw, STR("\xef\xbb\xbf"))) {
        raw.p += 3; /* a byte order mark */
        raw.n -= 3;
    }
    r->line = str_trim(raw);
    return true;
}

/* Called by inih for each line: as fgets. */
static char *read_line(char *to, int size, void *stream)
{
    struct reader *r = stream;
    struct str line;

    if (!next_line(r))
        return NULL;
    line = prepare(r) ? r->line : STR("");
    if (line.n > INI_LINE)
        line.n = INI_LINE;
    (void)snprintf(to, (size_t)size, STR_FMT "\n", STR_ARG(line));
    return to;
}

bool config_has_comment(struct str value)
{
    for (size_t i = 1; i < value.n; i++)
        if ((value.p[i] == '#' || value.p[i] == ';') &&
            (value.p[i - 1] == ' ' || value.p[i - 1] == '\t'))
            return true;
    return str_starts(value, STR(";"));
}

/* Called by inih for each key. */
static int on_pair(void *owner, const char *section, const char *name, const char *value)
{
    struct reader *r = owner;
    struct config_line out = {
        .number = r->number, .section_kind = r->kind, .section_name = r->section_name};
    size_t equals = 0;

    (void)section;
    (void)value;
    r->expects_pair = false;
    while (equals < r->line.n && r->line.p[equals] != '=' && r->line.p[equals] != ':')
        equals++;
    out.key = str_trim((struct str){r->line.p, equals});
    if (equals == r->line.n || out.key.n > INI_NAME || !str_eq(out.key, str_z(name))) {
        complain(r, "the name of a key has at most 49 bytes, then comes =");
        return 1;
    }
    out.value = str_trim((struct str){r->line.p + equals + 1, r->line.n - equals - 1});
    if (config_has_comment(out.value))
        complain(r, "a comment needs a line of its own");
    else if (r->kind.n == 0)
        complain(r, "a key before the first [section], or behind a bad one");
    else
        r->on_line(r->owner, &out);
    return 1;
}

void config_ini_read(const char *name, struct str text, struct config_errors *errors,
                     config_line_fn *on_line, void *owner)
{
    struct reader r = {
        .name = name,
        .errors = errors,
        .on_line = on_line,
        .owner = owner,
        .rest = text,
        .kind = STR(""),
    };

    (void)ini_parse_stream(read_line, &r, on_pair, &r); /* its one error is among ours */
}
