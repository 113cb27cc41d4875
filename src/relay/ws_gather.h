/* SPDX-License-Identifier: MIT */
/* What comes in pieces and has to be whole: text messages, and a control frame's payload. */
#ifndef TAUPE_RELAY_WS_GATHER_H
#define TAUPE_RELAY_WS_GATHER_H

#include "wire/control_msg.h"
#include "wire/ws_reader.h"

/*
 * Take a piece of a text message. *kept, NULL before the first one, holds what came so far; the
 * owner frees it with itself. WIRE_DONE: the message is text[0..len), to be given to
 * ws_text_done() when it was read, even if its owner is gone by then; WIRE_BAD: no memory.
 */
enum wire_result ws_text_take(
    char **kept, const struct ws_event *event, char **text, size_t *len);
void ws_text_done(const struct ws_event *event, char *text);

/* For WS_NEED_ROOM: the reader's room, to be freed with it. -1: no memory. */
int ws_lend_room(struct ws_reader *reader);

#endif
