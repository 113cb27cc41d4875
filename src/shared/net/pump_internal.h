/* SPDX-License-Identifier: MIT */
/* What pump.c (movement) and pump_away.c (by which thread) need of each other. */
#ifndef TAUPE_NET_PUMP_INTERNAL_H
#define TAUPE_NET_PUMP_INTERNAL_H

#include "net/pump.h"

/* Decode all of pump->inbound, and let the raw side have it. */
enum pump_verdict pump_decode_inbound(struct pump *pump);
/* Decode the next thing of it. PUMP_GONE: the pump may also be on its way home, where the rest is
 * decoded. */
enum pump_verdict pump_decode(
    struct pump *pump, uint8_t *data, size_t len, struct pump_step *step);
/* Tell the owner, at home: touch nothing any more. */
void pump_tell(struct pump *pump, enum pump_news news);
/* At the end of a callback that has moved bytes: is this the right thread for them? Touch nothing any
 * more. */
void pump_consider(struct pump *pump);

#endif
