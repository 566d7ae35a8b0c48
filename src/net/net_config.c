/* net_config: see net_config.h. */
#include "net/net_config.h"

#include <stdio.h>

void net_config(const struct config *cfg, const char *program, struct net_options *o)
{
    const char *contact = cfg->identity_contact;

    *o = (struct net_options){
        .allow_addresses = cfg->network_allow_addresses,
        .dns_servers = cfg->network_dns_servers,
        .tls_ca_file = cfg->network_tls_ca_file,
        .tls_record_only = cfg->network_tls_verify == CONFIG_TLS_RECORD,
        .proxy = {[NETWORK_CLEARNET] = "none",
                  [NETWORK_TOR] = cfg->network_proxy_tor,
                  [NETWORK_I2P] = cfg->network_proxy_i2p,
                  [NETWORK_LOKI] = cfg->network_proxy_loki},
        .dns_timeout_ms = (uint32_t)cfg->network_dns_timeout,
        .connect_timeout_ms = (uint32_t)cfg->network_connect_timeout,
        .tls_timeout_ms = (uint32_t)cfg->network_tls_timeout,
        .upgrade_timeout_ms = (uint32_t)cfg->network_upgrade_timeout,
        .overlay_timeout_ms = (uint32_t)cfg->network_overlay_timeout,
        .message_bytes_max = (uint32_t)cfg->network_message_max,
        .bandwidth_max = (uint64_t)cfg->network_bandwidth_max,
        .address_connections_max = (uint32_t)cfg->network_address_connections_max,
        .address_connects_per_second = (uint32_t)cfg->network_address_connects_per_second};
    (void)snprintf(o->user_agent, sizeof(o->user_agent), "%s/%s%s%.200s%s", program,
                   BIGBROTR_VERSION, contact[0] != '\0' ? " (+" : "", contact,
                   contact[0] != '\0' ? ")" : "");
}
