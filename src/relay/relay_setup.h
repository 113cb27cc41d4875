/* SPDX-License-Identifier: MIT */
/* From the configuration to the parts of a relay, and what is wrong with it. */
#ifndef TAUPE_RELAY_RELAY_SETUP_H
#define TAUPE_RELAY_RELAY_SETUP_H

#include "relay/relay.h"

/* Make every part of a relay whose options are set. 0, or the exit code (sysexits), when
 * what was wrong has been logged. */
int relay_setup(struct relay *relay, registry_event_cb event_cb);
/* Steps of it: say that something listens, or why it does not (the exit code). */
void relay_log_listening(const char *what, const struct address *address);
int relay_cannot_bind(const char *key, const struct address *address);
/* Take what may change while it runs from freshly read options. */
void relay_apply(struct relay *relay, const struct relay_options *fresh);
/* Free everything that relay_setup() made. */
void relay_teardown(struct relay *relay);

#endif
