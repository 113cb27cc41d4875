/* SPDX-License-Identifier: MIT */
/*
 * Giving a device another secret while it is connected. The agent draws it and sends its
 * hash; the registry's record changes if it is still the one that the session came with; the
 * session then counts as one with the new secret. What is under way is known here, so that
 * nobody takes the new hash in the record for an operator's.
 */
#ifndef TAUPE_RELAY_ROTATION_H
#define TAUPE_RELAY_ROTATION_H

#include "relay/device.h"

/* Ask the agent for another secret, if that is what the record says and it is connected. */
void rotation_ask(struct device *device, const struct device_record *record);
/* The agent's op=secret. */
void rotation_take(struct device *device, const struct control_msg *msg);
/* Is that the secret that is being written for the device? */
bool rotation_expects(
    const struct device *device, const uint8_t secret_sha256[SECRET_HASH_LEN]);
/* At the end of the process, when the registry calls back no more. */
void rotations_free_all(struct relay *relay);

#endif
