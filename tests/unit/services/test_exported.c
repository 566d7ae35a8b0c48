/* Files of expired events: in the manifest when they are right, never before; resumed wherever the
 * process was killed; nothing is written over. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/hex.h"
#include "core/json.h"
#include "nostr/sign.h"
#include "services/keeper/exported.h"
#include "services/keeper/packed.h"

#define SECRET "67dea2ed018072d675f5415ecfaed7d2597555e202d85b3d65ea4e58d2d92ffa"

enum { MAY = 1777593600, EVENTS = 5 };

#define FILE_1 "old-2026-05.jsonl.zst"
#define FILE_2 "old-2026-05-2.jsonl.zst"

static char dir[64];
static struct signer *signer;
static struct arena arena;

static int setup(void **state)
{
    struct err err;

    (void)state;
    (void)snprintf(dir, sizeof(dir), "/tmp/bigbrotr-test-XXXXXX");
    arena_init(&arena, 65536);
    signer = signer_new(SECRET, &err);
    return signer == NULL || mkdtemp(dir) == NULL;
}

static int teardown(void **state)
{
    char path[512];
    DIR *d = opendir(dir);
    struct dirent *e;

    (void)state;
    signer_free(signer);
    arena_done(&arena);
    while (d != NULL && (e = readdir(d)) != NULL) {
        (void)snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
        (void)unlink(path);
    }
    if (d != NULL)
        (void)closedir(d);
    return rmdir(dir);
}

static const char *in_dir(const char *name)
{
    static char path[256];

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

static bool is_there(const char *name)
{
    return access(in_dir(name), F_OK) == 0;
}

static struct str event_of(int64_t at, struct id32 *id)
{
    const uint32_t no_tags[] = {0};
    const struct event_draft draft = {
        .created_at = at, .kind = 1, .tag_start = no_tags, .content = STR("what was")};

    return sign_event(signer, &draft, &arena, id);
}

static struct exported *opened(bool pending)
{
    struct exported *x = exported_new(dir, "old");
    bool is_pending = !pending;
    struct err err = {0};

    if (exported_load(x, &is_pending, &err) < 0)
        fail_msg("%s", err.detail);
    assert_int_equal(is_pending, pending);
    return x;
}

static void add(struct exported *x, int64_t month, int n)
{
    struct err err;

    for (int i = 0; i < n; i++) {
        struct id32 id;
        struct str json = event_of(month + i, &id);
        assert_int_equal(exported_add(x, month, &id, json, &err), 0);
        arena_reset(&arena);
    }
}

/* Calls it takes; the error, or "". */
static int check(struct exported *x, struct err *err)
{
    bool more = true;
    int n = 0;

    *err = (struct err){0};
    for (; more; n++)
        if (exported_check(x, &more, err) < 0)
            return -1;
    return n;
}

static void checked(struct exported *x)
{
    struct err err;

    if (check(x, &err) < 0)
        fail_msg("%s", err.detail);
}

static void refused(struct exported *x, const char *says)
{
    struct err err;

    assert_int_equal(check(x, &err), -1);
    assert_int_equal(err.code, ERR_IO);
    if (strstr(err.detail, says) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.detail, says);
}

static bool is_early(const void *owner, const struct event *e)
{
    return e->created_at < *(const int64_t *)owner;
}

/* How many of the file, in order, were created before so long. */
static int take(struct exported *x, int64_t before)
{
    struct id32 ids[2], id;
    int64_t ats[2];
    struct exported_take t = {
        .wanted = is_early, .owner = &before, .ids = ids, .ats = ats, .room = 2, .more = true};
    struct err err;
    int n = 0;

    while (t.more) {
        assert_int_equal(exported_take(x, &t, &err), 0);
        for (size_t i = 0; i < t.n; i++, n++) {
            assert_int_equal(ats[i], MAY + n);
            (void)event_of(MAY + n, &id);
            assert_memory_equal(&ids[i], &id, sizeof(id));
        }
    }
    return n;
}

static void done(struct exported *x)
{
    struct err err;

    assert_int_equal(exported_done(x, &err), 0);
}

static struct exported *closed(int64_t month, int n)
{
    struct exported *x = opened(false);
    struct err err;

    add(x, month, n);
    assert_int_equal(exported_close(x, &err), 0);
    return x;
}

/* Member i of the manifest's files; NULL: there are no more. */
static struct js *entry(size_t i)
{
    static struct js *manifest;
    static char text[8192];
    FILE *f = fopen(in_dir("old-manifest.json"), "r");
    struct err err;

    js_free(manifest);
    manifest = NULL;
    if (f == NULL)
        return NULL;
    size_t n = fread(text, 1, sizeof(text), f);
    (void)fclose(f);
    manifest = js_parse((struct str){text, n}, sizeof(text), 8, &err);
    assert_non_null(manifest);
    return js_at(js_get(manifest, "files"), i);
}

static void test_a_file(void **state)
{
    struct exported *x = closed(MAY, EVENTS);
    char sum[65], text[65];
    struct stat st;
    struct err err;

    (void)state;
    assert_false(is_there(FILE_1));
    assert_null(entry(0));
    checked(x);
    assert_string_equal(exported_file(x), FILE_1);
    assert_false(is_there(FILE_1 ".unchecked"));
    assert_int_equal(packed_hash(in_dir(FILE_1), sum, &err), 0);
    assert_true(str_copy(text, sizeof(text), js_str(js_get(entry(0), "sha256"), STR(""))));
    assert_string_equal(text, sum);
    assert_int_equal(stat(in_dir(FILE_1), &st), 0);
    assert_int_equal(js_int(js_get(entry(0), "bytes"), -1), st.st_size);
    assert_int_equal(js_int(js_get(entry(0), "events"), -1), EVENTS);
    assert_false(js_bool(js_get(entry(0), "deleted"), true));
    assert_int_equal(take(x, INT64_MAX), EVENTS);
    done(x);
    assert_true(js_bool(js_get(entry(0), "deleted"), false));
    exported_free(x);

    /* More of the same month, and what is older than all months. */
    x = closed(MAY, 1);
    checked(x);
    assert_string_equal(exported_file(x), FILE_2);
    done(x);
    add(x, 0, 1);
    assert_int_equal(exported_close(x, &err), 0);
    checked(x);
    assert_string_equal(exported_file(x), "old-before-2020.jsonl.zst");
    done(x);
    assert_null(entry(3));
    exported_free(x);
    (void)entry(99);
}

/* The rule is about others now. */
static void test_only_what_is_wanted(void **state)
{
    struct exported *x = closed(MAY, EVENTS);

    (void)state;
    checked(x);
    assert_int_equal(take(x, MAY + 3), 3);
    exported_free(x);
}

enum moment { ADDING, CLOSED, CHECKED, TAKING, DONE, MOMENTS };

/* As kill -9 in a moment leaves the folder. */
static void killed(enum moment moment)
{
    pid_t pid = fork();
    int status = -1;

    assert_true(pid >= 0);
    if (pid == 0) {
        struct err err;
        signer = signer_new(SECRET, &err); /* a child does not inherit it */
        struct exported *x = opened(false);

        add(x, MAY, EVENTS);
        if (moment >= CLOSED && exported_close(x, &err) < 0)
            _exit(1);
        if (moment >= CHECKED && check(x, &err) < 0)
            _exit(1);
        if (moment >= TAKING)
            (void)take(x, MAY + 2);
        if (moment >= DONE)
            done(x);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void test_killed(void **state)
{
    (void)state;
    for (enum moment m = ADDING; m < MOMENTS; m++) {
        struct exported *x;

        killed(m);
        x = opened(m == CHECKED || m == TAKING);
        if (m < CHECKED) {
            struct err err;
            add(x, MAY, EVENTS);
            assert_int_equal(exported_close(x, &err), 0);
        }
        if (m < DONE) {
            checked(x);
            assert_string_equal(exported_file(x), FILE_1);
            assert_int_equal(take(x, INT64_MAX), EVENTS);
            done(x);
        }
        exported_free(x);
        assert_true(js_bool(js_get(entry(0), "deleted"), false));
        assert_null(entry(1));
        assert_false(is_there(FILE_1 ".unchecked"));
        assert_false(is_there(FILE_1 ".unchecked.part"));
        assert_false(is_there(FILE_2));
        (void)teardown(NULL);
        assert_int_equal(setup(NULL), 0);
    }
}

/* In the manifest, and killed before it had its name. */
static void test_killed_before_the_name(void **state)
{
    char named[256];
    struct exported *x;

    (void)state;
    killed(CHECKED);
    (void)snprintf(named, sizeof(named), "%s", in_dir(FILE_1));
    assert_int_equal(rename(named, in_dir(FILE_1 ".unchecked")), 0);
    x = opened(true);
    checked(x);
    assert_true(is_there(FILE_1));
    assert_int_equal(take(x, INT64_MAX), EVENTS);
    done(x);
    exported_free(x);
}

static void spoil(const char *name, long at)
{
    FILE *f = fopen(in_dir(name), "r+");
    int c;

    assert_non_null(f);
    assert_int_equal(fseek(f, at, at < 0 ? SEEK_END : SEEK_SET), 0);
    c = fgetc(f);
    assert_int_equal(fseek(f, at, at < 0 ? SEEK_END : SEEK_SET), 0);
    assert_int_equal(fputc(c ^ 1, f), c ^ 1);
    assert_int_equal(fclose(f), 0);
}

/* The disk did not keep what was written: nothing stands in the manifest, and it is made again. */
static void test_broken_before_it_counts(void **state)
{
    struct exported *x = closed(MAY, EVENTS);

    (void)state;
    spoil(FILE_1 ".unchecked", 100);
    refused(x, FILE_1);
    exported_free(x);
    assert_null(entry(0));
    x = closed(MAY, EVENTS);
    spoil(FILE_1 ".unchecked", -1); /* what is compressed is right, its checksum not */
    refused(x, "damaged");
    exported_free(x);
    x = closed(MAY, EVENTS);
    assert_int_equal(truncate(in_dir(FILE_1 ".unchecked"), 0), 0);
    refused(x, "does not hold what was written");
    exported_free(x);
    x = closed(MAY, EVENTS);
    assert_int_equal(truncate(in_dir(FILE_1 ".unchecked"), 200), 0);
    refused(x, "cut short");
    exported_free(x);
    x = closed(MAY, EVENTS);
    checked(x);
    exported_free(x);
}

/* Other events than were said: as sound a file as any. */
static void test_not_the_same_events(void **state)
{
    struct exported *x = opened(false);
    struct id32 id, other;
    struct err err;
    struct str json = event_of(MAY, &id);

    (void)state;
    (void)event_of(MAY + 1, &other);
    assert_int_equal(exported_add(x, MAY, &other, json, &err), 0);
    assert_int_equal(exported_close(x, &err), 0);
    refused(x, "does not hold what was written");
    exported_free(x);
    assert_null(entry(0));

    /* And one whose content is not what its id says. */
    char text[1024];
    assert_true(str_copy(text, sizeof(text), json));
    *strstr(text, "what was") = 'W';
    x = opened(false);
    assert_int_equal(exported_add(x, MAY, &id, str_z(text), &err), 0);
    assert_int_equal(exported_close(x, &err), 0);
    refused(x, "no event");
    exported_free(x);

    /* And the same events with another signature, which no id knows of. */
    x = closed(MAY, 1);
    struct packed *other_file = packed_open(dir, FILE_1 ".unchecked", &err);
    struct packed_facts facts;
    assert_non_null(other_file);
    assert_int_equal(packed_line(other_file, event_of(MAY, &id), &err), 0);
    assert_int_equal(packed_close(other_file, &facts, &err), 0);
    refused(x, "does not hold what was written");
    exported_free(x);
    assert_null(entry(0));
}

/* Nothing more may be deleted from it, and nothing else is exported before a person has looked. */
static void test_changed_afterwards(void **state)
{
    struct exported *x;
    char saved[256];

    (void)state;
    killed(TAKING);
    spoil(FILE_1, 100);
    x = opened(true);
    refused(x, "bring it back");
    spoil(FILE_1, 100); /* it is right again */
    exported_free(x);
    x = opened(true);
    checked(x);
    exported_free(x);
    (void)snprintf(saved, sizeof(saved), "%s", in_dir(FILE_1));
    assert_int_equal(rename(saved, in_dir("elsewhere")), 0);
    x = opened(true);
    refused(x, "bring it back");
    exported_free(x);
}

static void test_nothing_is_written_over(void **state)
{
    struct exported *x = closed(MAY, EVENTS);
    struct err err;
    bool pending;

    (void)state;
    checked(x);
    done(x);
    exported_free(x);
    assert_int_equal(unlink(in_dir("old-manifest.json")), 0);
    x = closed(MAY, 1);
    checked(x);
    assert_string_equal(exported_file(x), FILE_2);
    exported_free(x);
    FILE *f = fopen(in_dir("old-manifest.json"), "w");
    assert_non_null(f);
    assert_true(fputs("[]\n", f) >= 0);
    assert_int_equal(fclose(f), 0);
    x = exported_new(dir, "old");
    assert_int_equal(exported_load(x, &pending, &err), -1);
    assert_non_null(strstr(err.detail, "move it away"));
    exported_free(x);
}

static void test_a_full_disk(void **state)
{
    struct exported *x = opened(false);
    struct err err;

    (void)state;
    assert_int_equal(symlink("/dev/full", in_dir(FILE_1 ".unchecked.part")), 0);
    add(x, MAY, EVENTS);
    assert_int_equal(exported_close(x, &err), -1);
    assert_int_equal(err.code, ERR_DISK_FULL);
    assert_false(is_there(FILE_1 ".unchecked"));
    exported_free(x);

    /* And when only the manifest finds no room. */
    assert_int_equal(symlink("/dev/full", in_dir("old-manifest.json.part")), 0);
    x = closed(MAY, EVENTS);
    assert_int_equal(check(x, &err), -1);
    assert_int_equal(err.code, ERR_DISK_FULL);
    assert_false(is_there(FILE_1));
    exported_free(x);
    assert_null(entry(0));
}

static void test_one_daemon_alone(void **state)
{
    struct exported *x = opened(false), *y = exported_new(dir, "old");
    struct err err;
    bool pending;

    (void)state;
    assert_int_equal(exported_load(y, &pending, &err), -1);
    assert_non_null(strstr(err.detail, "another daemon"));
    exported_free(x);
    assert_int_equal(exported_load(y, &pending, &err), 0);
    exported_free(y);
}

static void make(const char *name)
{
    FILE *f = fopen(in_dir(name), "w");

    assert_non_null(f);
    assert_int_equal(fclose(f), 0);
}

/* What was left of this rule's files goes, and nothing of another's. */
static void test_leftovers(void **state)
{
    static const char *const ours[] = {"old-2026-04.jsonl.zst.unchecked",
                                       "old-2026-04-12.jsonl.zst.unchecked.part",
                                       "old-before-2020.jsonl.zst.unchecked.part"};
    static const char *const others[] = {
        "old-2026-04.jsonl.zst",           "old-er-2026-04.jsonl.zst.unchecked",
        "old2026-04.jsonl.zst.unchecked",  "old-2026-04-2026-05.jsonl.zst.unchecked",
        "old-202-04.jsonl.zst.unchecked",  "ol-2026-04.jsonl.zst.unchecked",
        "old-2026-4.jsonl.zst.unchecked",  "old-2026-04.jsonl.zst.unchecked.mine",
        "old-20266-4.jsonl.zst.unchecked", "older-before-2020.jsonl.zst.unchecked"};

    (void)state;
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        make(ours[i]);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        make(others[i]);
    exported_free(opened(false));
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        assert_false(is_there(ours[i]));
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_true(is_there(others[i]));
}

/* No call goes through a whole file. */
static void test_in_steps(void **state)
{
    struct exported *x = closed(MAY, 9000);
    struct err err;

    (void)state;
    assert_in_range(check(x, &err), 3, 10);
    assert_int_equal(take(x, MAY + 8500), 8500);
    exported_free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_only_what_is_wanted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_killed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_killed_before_the_name, setup, teardown),
        cmocka_unit_test_setup_teardown(test_broken_before_it_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_the_same_events, setup, teardown),
        cmocka_unit_test_setup_teardown(test_changed_afterwards, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing_is_written_over, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_full_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_daemon_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_leftovers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_in_steps, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
