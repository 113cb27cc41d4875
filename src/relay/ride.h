/* SPDX-License-Identifier: MIT */
/*
 * Visits that ride on the control channel (docs/PROTOCOL.md section 5.9): a session whose agent
 * wants no other connection is a shared channel as well, and everything that is said to the
 * session comes through that. Nobody else sees a difference.
 */
#ifndef TAUPE_RELAY_RIDE_H
#define TAUPE_RELAY_RIDE_H

#include "relay/session.h"

/* The session's channel carries visits from now on. -1: no memory. */
WIRE_MUST_CHECK int ride_begin(struct session *session);
/* Bytes that came with the handshake; the session may be gone afterwards. False: it carries
 * no visits, the bytes are its own. */
bool ride_feed(struct session *session, const uint8_t *data, size_t len);
/* The session ends. outlive: what runs on its channel goes on, and that with it. True: so it
 * is, or was lost: the connection is the session's no more. */
WIRE_MUST_CHECK bool ride_end(struct session *session, bool outlive);

#endif
