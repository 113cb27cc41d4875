/* SPDX-License-Identifier: MIT */
/*
 * Digging a channel to the relay: connect, send the request, wait for the answer. It lives
 * until the handshake is done; what the channel is for, its owner knows.
 */
#ifndef TAUPE_AGENT_DIG_H
#define TAUPE_AGENT_DIG_H

#include "agent/agent.h"

struct dig;

struct dig_ops {
	/* libtaupe's request and input of the channel. */
	const uint8_t *(*request)(void *owner, size_t *len);
	size_t (*input)(void *owner, uint8_t *data, size_t len,
	    struct taupe_step *step);
	/* The handshake is done, and rest came behind it. The owner gives libtaupe another
	 * buffer, frees the dig and sets the connection's callbacks. */
	void (*ready)(void *owner, const uint8_t *rest, size_t len);
	/* It has failed, which was logged; the connection is closed. The owner frees the dig. */
	void (*failed)(void *owner, const char *reason);
};

/* NULL, or why there cannot be one more channel. The connection is the owner's, not open. */
const char *dig_new(struct dig **dig, struct agent *agent, struct conn *channel,
    const struct dig_ops *ops, void *owner);
/* Room for libtaupe until the handshake is done. */
uint8_t *dig_buffer(struct dig *dig, size_t *size);
/* Begin to connect. NULL, or why it cannot be done. */
const char *dig_start(struct dig *dig, const struct taupe_relay *relay);
/* Clears the pointer; NULL is fine. A connection that is not there yet is given up; one that is
 * stays open. */
void dig_free(struct dig **dig);

#endif
