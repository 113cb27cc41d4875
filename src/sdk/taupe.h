/* SPDX-License-Identifier: MIT */
/*
 * libtaupe: the device's side of taupe's protocol as a state machine, for whoever
 * writes an agent: the one that ships as taupe-agent, or one inside a firmware.
 *
 * It does no I/O, has no clock and allocates nothing. The driver owns the sockets: it
 * hands in what it received and the time, and is told what to send, whom to connect to,
 * and which bytes of the buffer at hand are payload. Payload is never copied here.
 *
 * Two objects:
 *   taupe_session  the control channel: whom to connect to and when, the handshake, the
 *                  welcome, heartbeats, redirects, moves;
 *   taupe_stream   one transfer channel: its handshake, and visit after visit on it.
 *
 * docs/PROTOCOL.md specifies what they say; docs/SDK.md shows a driver.
 * Nothing here is thread-safe; two sessions are independent of each other.
 */
#ifndef TAUPE_H
#define TAUPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
