/* SPDX-License-Identifier: MIT */
/*
 * An agent's check of its way: the handshake of a control channel with `check=1`. The secret is
 * looked at as ever, but nothing is claimed: no name, no lease, no listener, and no session that
 * the device has is touched. The channel that follows answers pings, and says what it is told, for
 * a few seconds.
 */
#ifndef TAUPE_RELAY_CHECK_H
#define TAUPE_RELAY_CHECK_H

#include "relay/upgrade.h"
#include "wire/control_msg.h"

/* Begin, when entry_grant() has let it in; takes the upgrade. */
void check_start(struct upgrade *upgrade, const struct http_head *head,
    const struct control_params *params);
/* Drop all (at the end of the process), before the upgrades are. */
void checks_free_all(struct relay *relay);

#endif
