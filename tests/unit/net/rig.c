/* See rig.h. */
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

void rig_init(struct rig *r)
{
    memset(r, 0, sizeof(*r));
    assert_int_equal(uv_loop_init(&r->loop), 0);
    r->workers = workers_open(&r->loop, 2);
    r->options = (struct net_options){.user_agent = "bigbrotrd/test (+nobody)",
                                      .allow_addresses = "127.0.0.0/8 ::1",
                                      .dns_servers = "127.0.0.1:1",
                                      .tls_ca_file = "",
                                      .proxy = {"none", "none", "none", "none"},
                                      .dns_timeout_ms = 2000,
                                      .connect_timeout_ms = 5000,
                                      .tls_timeout_ms = 5000,
                                      .upgrade_timeout_ms = 5000,
                                      .overlay_timeout_ms = 5000,
                                      .message_bytes_max = 1024 * 1024,
                                      .assembly_bytes_max = 64 * 1024 * 1024};
}

void rig_start(struct rig *r)
{
    struct err err = {ERR_NONE, ""};

    r->net = net_open(&r->loop, r->workers, &r->options, &err);
    assert_string_equal(err.detail, "");
    assert_non_null(r->net);
}

static void on_late(uv_timer_t *t)
{
    *(int *)t->data = 1;
}

static void on_tick(uv_timer_t *t)
{
    (void)t;
}

void rig_run_until(struct rig *r, const int *flag)
{
    uv_timer_t late, tick;
    int too_late = 0;

    uv_timer_init(&r->loop, &late);
    uv_timer_init(&r->loop,
                  &tick); /* some of what is waited for does not keep the loop awake by itself */
    late.data = &too_late;
    uv_timer_start(&late, on_late, 10000, 0);
    uv_timer_start(&tick, on_tick, 5, 5);
    while (*flag == 0 && !too_late)
        uv_run(&r->loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&late, NULL);
    uv_close((uv_handle_t *)&tick, NULL);
    uv_run(&r->loop, UV_RUN_NOWAIT);
    assert_false(too_late);
}

void rig_finish(struct rig *r)
{
    if (r->net != NULL) {
        while (net_connections(r->net) >
               0) /* whose owners have closed them: they only wait for their handles */
            uv_run(&r->loop, UV_RUN_ONCE);
        net_close(r->net);
    }
    workers_close(r->workers);
    uv_run(&r->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&r->loop), 0);
}
