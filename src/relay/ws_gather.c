/* SPDX-License-Identifier: MIT */
/* Whole messages, which is nearly all, are read where they are. */
#include "config.h"

#include <stdlib.h>

#include "relay/ws_gather.h"

static bool
is_whole(const struct ws_event *event)
{
	return event->first && event->last;
}

enum wire_result
ws_text_take(
    char **kept, const struct ws_event *event, char **text, size_t *len)
{
	size_t before = (size_t)event->message_length - event->len;

	*len = (size_t)event->message_length;
	if (is_whole(event)) {
		*text = (char *)event->data;
		return WIRE_DONE;
	}
	if (*kept == NULL && (*kept = malloc(CONTROL_MSG_MAX)) == NULL)
		return WIRE_BAD;
	if (event->len > 0)
		memcpy(*kept + before, event->data, event->len);
	if (!event->last)
		return WIRE_MORE;
	*text = *kept;
	*kept = NULL;
	return WIRE_DONE;
}

void
ws_text_done(const struct ws_event *event, char *text)
{
	if (!is_whole(event))
		free(text);
}

int
ws_lend_room(struct ws_reader *reader)
{
	uint8_t *room = malloc(WS_CONTROL_MAX);

	if (room == NULL)
		return -1;
	ws_reader_lend(reader, room);
	return 0;
}
