/* SPDX-License-Identifier: MIT */
/*
 * Where agents come in: the listeners for those with and those without TLS, the certificate
 * that the former see, and what follows for how this relay announces itself.
 */
#ifndef TAUPE_RELAY_AGENT_DOOR_H
#define TAUPE_RELAY_AGENT_DOOR_H

#include "relay/relay.h"

/* Listen, and set relay->self and relay->self_route. 0, or the exit code when what was
 * wrong has been logged. */
int agent_doors_open(struct relay *relay);
/* Show the certificate that the files hold now to those who connect from here on; when it
 * is of no use the old one stays, and the log says why. */
void agent_doors_reload(
    struct relay *relay, const struct relay_options *fresh);
void agent_doors_close(struct relay *relay);

#endif
