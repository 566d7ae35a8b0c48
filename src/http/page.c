/* page: see page.h.  The JSON of /status walked once; whatever is added there appears here. */
#include "http/page.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/human.h"

static const char head[] =
    "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">"
    "<meta http-equiv=\"refresh\" content=\"5\">"
    "<meta name=\"viewport\" content=\"width=device-width\"><title>bigbrotrd</title><style>"
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;"
    "color:#222;background:#fff}h2{margin:1.5rem 0 .3rem;font-size:1.1rem}"
    "table{border-collapse:collapse;width:100%}"
    "td{padding:.15rem .5rem;border-bottom:1px solid #ddd;vertical-align:top}"
    "td+td{text-align:right;font-variant-numeric:tabular-nums}"
    "@media(prefers-color-scheme:dark){body{color:#ddd;background:#16181c}"
    "td{border-color:#333}a{color:#8ab4f8}}"
    "</style></head><body><h1>bigbrotrd</h1>";
static const char foot[] =
    "<p><a href=\"/metrics\">metrics</a> <a href=\"/status\">status as JSON</a> "
    "<a href=\"/ready\">ready</a> <a href=\"/health\">health</a></p></body></html>\n";

/* Some texts came from relays or from the database's server. */
static void put_text(FILE *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        switch (s.p[i]) {
        case '<':
            (void)fputs("&lt;", out);
            break;
        case '>':
            (void)fputs("&gt;", out);
            break;
        case '&':
            (void)fputs("&amp;", out);
            break;
        case '"':
            (void)fputs("&quot;", out);
            break;
        case '\0':
            (void)fputs("\xef\xbf\xbd", out);
            break;
        default:
            (void)fputc(s.p[i], out);
        }
    }
}

static bool ends_with(struct str key, const char *end)
{
    size_t n = strlen(end);

    return key.n >= n && memcmp(key.p + key.n - n, end, n) == 0;
}

/* "database_bytes" reads "database", and its number 12.3 MiB; "growth_bytes_per_hour", "growth per
 * hour". */
static void put_key(FILE *out, struct str key)
{
    static const char bytes[] = "_bytes", seconds[] = "_seconds", per[] = "_bytes_per_";

    if (ends_with(key, bytes))
        key.n -= sizeof(bytes) - 1;
    else if (ends_with(key, seconds))
        key.n -= sizeof(seconds) - 1;
    for (size_t i = 0; i < key.n; i++) {
        if (key.n - i >= sizeof(per) - 1 && memcmp(key.p + i, per, sizeof(per) - 1) == 0)
            i += sizeof(bytes) - 1;
        put_text(out, (struct str){key.p[i] == '_' ? " " : key.p + i, 1});
    }
}

static bool is_bytes(struct str key)
{
    return ends_with(key, "_bytes") || ends_with(key, "_bytes_per_second") ||
           ends_with(key, "_bytes_per_hour");
}

static bool is_time(struct str key)
{
    return ends_with(key, "_at") || ends_with(key, "_up_to");
}

static void put_number(FILE *out, struct str key, double number)
{
    char text[32], time[HUMAN_TIME_SIZE];

    if (number == -1 && ends_with(key, "_bytes"))
        (void)fputs("not known", out);
    else if (is_time(key) && number > 0)
        (void)fprintf(out, "%s UTC", human_time(time, (int64_t)number));
    else if (is_time(key))
        (void)fputs("&ndash;", out);
    else if (is_bytes(key))
        (void)fputs(human_bytes(text, sizeof(text), number), out);
    else if (ends_with(key, "_seconds"))
        (void)fputs(human_duration(text, sizeof(text), number), out);
    else if (number == (double)(int64_t)number)
        (void)fprintf(out, "%" PRId64, (int64_t)number);
    else
        (void)fprintf(out, "%.1f", number);
}

static void put_value(FILE *out, struct str key, const struct js *v)
{
    struct str of = {0};
    struct js *inner = NULL;
    void *at = NULL;
    bool first = true;

    switch (js_type(v)) {
    case JS_STRING:
        put_text(out, js_str(v, str_z("")));
        break;
    case JS_BOOL:
        (void)fputs(js_bool(v, false) ? "yes" : "no", out);
        break;
    case JS_INT:
    case JS_REAL:
        put_number(out, key, js_real(v, (double)js_int(v, 0)));
        break;
    case JS_OBJECT:
        while (js_next(v, &at, &of, &inner)) {
            (void)fputs(first ? "" : "<br>", out);
            first = false;
            put_key(out, of);
            (void)fputs(": ", out);
            if (js_type(inner) == JS_OBJECT)
                (void)fputs("..", out); /* status.c makes none that is so deep */
            else
                put_value(out, of, inner);
        }
        break;
    default:
        (void)fputs("&ndash;", out);
    }
}

static void put_row(FILE *out, struct str key, const struct js *v)
{
    (void)fputs("<tr><td>", out);
    put_key(out, key);
    (void)fputs("</td><td>", out);
    put_value(out, key, v);
    (void)fputs("</td></tr>", out);
}

static void put_section(FILE *out, const struct js *object, bool objects_too)
{
    struct str key;
    struct js *v;
    void *at = NULL;

    (void)fputs("<table>", out);
    while (js_next(object, &at, &key, &v))
        if (objects_too || js_type(v) != JS_OBJECT)
            put_row(out, key, v);
    (void)fputs("</table>", out);
}

char *page_html(const struct js *status)
{
    char *text = NULL;
    size_t n = 0;
    struct str key;
    struct js *v;
    void *at = NULL;
    FILE *out = open_memstream(&text, &n);

    if (out == NULL)
        abort();
    (void)fputs(head, out);
    put_section(out, status, false);
    while (js_next(status, &at, &key, &v)) {
        if (js_type(v) != JS_OBJECT || js_count(v) == 0)
            continue;
        (void)fputs("<h2>", out);
        put_key(out, key);
        (void)fputs("</h2>", out);
        put_section(out, v, true);
    }
    (void)fputs(foot, out);
    (void)fclose(out);
    return text;
}
