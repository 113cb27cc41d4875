/* SPDX-License-Identifier: MIT */
/*
 * A dig: an agent was asked for a transfer channel, and given an id of 128 random bits
 * that opens it, once and for a short time. The channel serves whoever waits longest
 * when it comes.
 */
#ifndef TAUPE_RELAY_DIG_H
#define TAUPE_RELAY_DIG_H

#include "relay/device.h"

void digs_init(struct relay *relay);

/* Ask the device's agent for one more channel, or for a shared one. Precondition: it has a
 * session. False: there is no memory, or the agent does not read what it is sent. */
bool dig_start(struct device *device, bool shared);
/* Redeem an id: its device, and what sort of channel it is; NULL when it is unknown, used or
 * expired. */
struct device *dig_redeem(struct relay *relay, struct str id, bool *shared);
/* The agent says that it cannot make the channel: if fewer are under way now than visitors
 * wait, the first of them is refused; no stream waits for one any more. Without a shared one, visits
 * get channels of their own as long as the session stands. */
void dig_refused(struct device *device, struct str id, struct str reason);
/* The session has ended: none of its ids is good any more. */
void digs_forget(struct device *device);

#endif
