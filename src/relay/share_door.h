/* SPDX-License-Identifier: MIT */
/*
 * Where share links are opened: "https://HOST/.taupe/share/TOKEN". A proxy leads these paths of any
 * device's host name to a relay, whichever, and the built-in front calls us by itself. Who opens a
 * link is noted as an event, and gets a cookie that lets them in for the rest of its time.
 */
#ifndef TAUPE_RELAY_SHARE_DOOR_H
#define TAUPE_RELAY_SHARE_DOOR_H

#include "net/conn.h"
#include "relay/page.h"
#include "relay/relay.h"
#include "wire/http_head.h"

/* Is the request for us? Nothing of a device is under these paths. */
bool share_door_is_meant(const struct http_head *head);

/* Answer it; takes the connection, which is as after conn_fini() then. The head is not needed any
 * more afterwards. https: whether the visitor's own connection is encrypted. */
void share_door_open(struct relay *relay, struct conn *conn,
    const struct http_head *head, bool https, const struct address *from);

/* The same of a request that is not the first of its connection, so that the answer goes behind those before
 * it, and the connection ends with it: it is *answer, from malloc, or a page, and *answer is NULL.
 * False: it has to come on a connection of its own. */
bool share_door_answer(struct relay *relay, const struct http_head *head,
    bool https, const struct address *from, char **answer, enum page *page);

/* Forget those that wait for the registry, which calls back no more. */
void share_door_free_all(struct relay *relay);

#endif
