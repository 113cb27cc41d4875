/* SPDX-License-Identifier: MIT */
/*
 * What can be said of a request for a control channel before anybody is asked: is it in order, may
 * its source try, does the certificate fit, are the services too many?
 */
#ifndef TAUPE_RELAY_ENTRY_H
#define TAUPE_RELAY_ENTRY_H

#include "relay/upgrade.h"
#include "wire/control_msg.h"

/* True: it may go on, and *params is what it says (its texts are in the head). False: it was refused,
 * and the upgrade is gone. */
bool entry_grant(struct upgrade *upgrade, struct http_head *head,
    struct control_params *params);

#endif
