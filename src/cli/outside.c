/* outside: see outside.h. */
#include "cli/outside.h"

#include <stdio.h>

#include "net/net_config.h"

int outside_open(struct outside *o, const struct config *cfg, size_t messages_max, struct err *err)
{
    struct net_options options;

    *o = (struct outside){.loop = loop_open()};
    net_config(cfg, "bigbrotr", &options);
    options.assembly_bytes_max = messages_max;
    o->workers = workers_open(loop_uv(o->loop), 1);
    o->net = net_open(loop_uv(o->loop), o->workers, &options, err);
    return o->net == NULL ? -1 : 0;
}

void outside_close(struct outside *o)
{
    /* A handshake step may still be with a worker. */
    while (o->net != NULL && net_connections(o->net) > 0)
        (void)uv_run(loop_uv(o->loop), UV_RUN_ONCE);
    if (o->net != NULL)
        net_close(o->net);
    workers_close(o->workers);
    loop_close(o->loop);
}
