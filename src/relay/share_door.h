/* SPDX-License-Identifier: MIT */
/*
 * Where share links are opened: "https://HOST/.taupe/share/TOKEN". A proxy leads these paths of any
 * device's host name to a relay, whichever, and the built-in front calls us by itself. Who opens a
 * link is noted as an event, and gets a cookie that lets them in for the rest of its time.
 */
#ifndef TAUPE_RELAY_SHARE_DOOR_H
#define TAUPE_RELAY_SHARE_DOOR_H

#include "net/conn.h"
#include "relay/relay.h"
#include "wire/http_head.h"

/* Is the request for us? Nothing of a device is under these paths. */
bool share_door_is_meant(const struct http_head *head);

/* Answer it; takes the connection, which is as after conn_fini() then. The head is not needed any
 * more afterwards. https: whether the visitor's own connection is encrypted. */
void share_door_open(struct relay *relay, struct conn *conn,
    const struct http_head *head, bool https, const struct address *from);

/* Forget those that wait for the registry, which calls back no more. */
void share_door_free_all(struct relay *relay);

#endif
