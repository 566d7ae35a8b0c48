/* retention_rules: [retention NAME] sections as rules, for the daemon and for `bigbrotr import`, so
 * that what one deletes the other does not bring back. */
#ifndef SERVICES_KEEPER_RETENTION_RULES_H
#define SERVICES_KEEPER_RETENTION_RULES_H

#include "config/config.h"
#include "nostr/retention.h"

/* One for each section, in their order; what is wrong with any is added to *errors.  They outlive
 * the configuration. */
struct retention_rule *retention_rules_new(const struct config *cfg, size_t *n,
                                           struct config_errors *errors) MUST_USE;
void retention_rules_free(struct retention_rule *rules, size_t n); /* NULL is fine with n 0 */

#endif
