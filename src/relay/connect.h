/* SPDX-License-Identifier: MIT */
/*
 * Visitors who come over a WebSocket, GET /v1/connect: for those whom a firewall lets through to
 * nothing but port 443, and for services that nobody may visit at their public port. Who may come
 * is asked here; from then on they are visitors as any others.
 */
#ifndef TAUPE_RELAY_CONNECT_H
#define TAUPE_RELAY_CONNECT_H

#include "relay/page.h"
#include "relay/upgrade.h"

#define CONNECT_PATH "/v1/connect"

struct connect;
struct device;

void connect_admit(struct upgrade *upgrade, struct http_head *head);

/* Its visitor cannot be served, or is none any more. */
void connect_failed(struct connect *connect, enum page page);
void connect_parted(struct connect *connect);

/* The device's rules, or its share links, are others now: who has come by one that is
 * over or revoked is ended. */
void connects_recheck(const struct device *device);

void connects_free_all(struct relay *relay);

#endif
