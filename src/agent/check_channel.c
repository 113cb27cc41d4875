/* SPDX-License-Identifier: MIT */
/*
 * Of what comes back libtaupe tells nothing, as it means nothing to a session: it is counted. What
 * whoever answers has said is shown without control characters.
 */
#include "config.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "agent/check_channel.h"
#include "agent/frame.h"
#include "net/crypto.h"

#define READ_BYTES 4096
#define START "GET /v1/control?"
#define CHECK "check=1&"
#define MASK_BYTES 4
#define CLOSE_NORMAL 1000

/* A relay's way to say that it is no session which it has welcomed (docs/PROTOCOL.md section 4.10). */
#define CHECK_LABEL "check"
#define CHECK_EPOCH 1

static void
random_cb(void *ctx, void *out, size_t len)
{
	(void)ctx;
	crypto_random(out, len);
}

static void
show(struct taupe_text text, char *out, size_t cap)
{
	size_t len = text.len < cap ? text.len : cap - 1;

	if (len > 0)
		memcpy(out, text.ptr, len);
	out[len] = '\0';
	for (; *out != '\0'; out++)
		if (*out < 0x20 || *out > 0x7e)
			*out = '?';
}

static void
tell(struct check_channel *channel, const char *text)
{
	show((struct taupe_text){text, strlen(text)}, channel->text,
	    sizeof(channel->text));
}

/* What is waited for has come, or never will. */
static void
finish(struct check_channel *channel)
{
	channel->done = true;
	timer_clear(channel->loop, &channel->timer);
	loop_stop(channel->loop);
}

static void
decide(struct check_channel *channel, enum check_outcome outcome)
{
	channel->outcome = outcome;
	if (!channel->waits_for_bytes)
		finish(channel);
}

static void
wait_for_it(struct check_channel *channel)
{
	channel->done = false;
	timer_set(channel->loop, &channel->timer, channel->timeout_ms);
	while (!channel->done && conn_is_open(&channel->conn) &&
	    loop_run(channel->loop) == 0)
		;
	timer_clear(channel->loop, &channel->timer);
}

/* ---- what libtaupe makes of it ---- */

static void
take_refused(struct check_channel *channel, const struct taupe_event *event)
{
	channel->status = event->status;
	show(event->error, channel->error, sizeof(channel->error));
	if (channel->error[0] != '\0') {
		show(event->text, channel->text, sizeof(channel->text));
		decide(channel, CHECK_REFUSED);
		return;
	}
	snprintf(channel->text, sizeof(channel->text),
	    "something that is no relay answers with %u", event->status);
	decide(channel, CHECK_FOREIGN);
}

static void
take_welcome(struct check_channel *channel, const struct taupe_event *event)
{
	bool is_check = event->epoch == CHECK_EPOCH &&
	    event->label.len == strlen(CHECK_LABEL) &&
	    memcmp(event->label.ptr, CHECK_LABEL, event->label.len) == 0;

	channel->credential = event->credential;
	decide(channel, is_check ? CHECK_OPEN : CHECK_OLD);
}

static void
take_event(struct check_channel *channel, const struct taupe_event *event)
{
	switch (event->type) {
	case TAUPE_EVENT_WELCOME:
		take_welcome(channel, event);
		break;
	case TAUPE_EVENT_REFUSED:
		take_refused(channel, event);
		break;
	case TAUPE_EVENT_OTHER_SECRET:
		decide(channel, CHECK_AGAIN);
		break;
	case TAUPE_EVENT_REDIRECT:
	case TAUPE_EVENT_REDIRECT_REFUSED:
		decide(channel, CHECK_MOVED);
		break;
	case TAUPE_EVENT_FAILED:
		tell(channel, event->reason);
		decide(channel, CHECK_FOREIGN);
		break;
	case TAUPE_EVENT_CLOSED:
		tell(channel, "the relay closed the channel");
		decide(channel, CHECK_FOREIGN);
		break;
	default:
		break;
	}
}

/* The connection is of no use any more. */
static void
lose(struct check_channel *channel, const char *reason)
{
	struct taupe_event event;

	conn_fini(&channel->conn);
	tell(channel, reason);
	taupe_session_lost(
	    &channel->session, 0, channel->now_ms, reason, &event);
	take_event(channel, &event);
	finish(channel);
}

/* ---- the connection ---- */

static void
feed(struct check_channel *channel, uint8_t *data, size_t len)
{
	struct taupe_event event;

	while (len > 0) {
		size_t done = taupe_session_input(&channel->session, 0, data,
		    len, channel->now_ms, &event);

		(void)conn_write(
		    &channel->conn, event.output.bytes, event.output.len);
		take_event(channel, &event);
		data += done;
		len -= done;
	}
}

static void
count(struct check_channel *channel, size_t len)
{
	channel->awaited -= len < channel->awaited ? len : channel->awaited;
	if (channel->awaited == 0)
		finish(channel);
}

static void
readable_cb(struct conn *conn)
{
	struct check_channel *channel = conn->owner;
	uint8_t data[READ_BYTES];
	ssize_t got = conn_read(conn, data, sizeof(data));

	if (got == CONN_AGAIN)
		return;
	if (got <= 0) {
		lose(channel,
		    got == 0 ? "the connection was ended"
			     : "the connection was reset");
		return;
	}
	feed(channel, data, (size_t)got);
	if (channel->outcome != CHECK_WAITS && channel->outcome != CHECK_OPEN)
		finish(channel);
	else if (channel->waits_for_bytes)
		count(channel, (size_t)got);
}

static void
broken_cb(struct conn *conn)
{
	lose(conn->owner, "the connection was reset");
}

static const struct conn_ops channel_ops = {
    .readable_cb = readable_cb,
    .broken_cb = broken_cb,
};

static void
timer_cb(void *ctx)
{
	lose(ctx, "no answer came in time");
}

/* ---- the request ---- */

/* Have libtaupe come to where it wants a connection: its first wait is for the sake of crowds. */
static void
come_to_dial(struct check_channel *channel)
{
	struct taupe_action action;

	do {
		taupe_session_next(
		    &channel->session, channel->now_ms, &action);
		if (action.type != TAUPE_WAIT)
			continue;
		assert(action.until_ms != TAUPE_FOREVER);
		channel->now_ms = action.until_ms;
	} while (action.type != TAUPE_DIAL);
}

/* A check is a request for a control channel that says so. */
static size_t
say_check(char *request, size_t len)
{
	size_t start = strlen(START), more = strlen(CHECK);

	if (len < start || memcmp(request, START, start) != 0)
		return 0;
	memmove(request + start + more, request + start, len - start);
	memcpy(request + start, CHECK, more);
	return len + more;
}

enum check_outcome
check_channel_ask(struct check_channel *channel)
{
	char request[TAUPE_REQUEST_MAX + sizeof(CHECK)];
	size_t len;

	channel->outcome = CHECK_WAITS;
	channel->waits_for_bytes = false;
	channel->status = 0;
	come_to_dial(channel);
	len = say_check(request,
	    taupe_session_connected(&channel->session, 0, channel->now_ms,
		request, TAUPE_REQUEST_MAX));
	conn_set_owner(&channel->conn, &channel_ops, channel);
	conn_resume(&channel->conn);
	(void)conn_write_secret(&channel->conn, request, len);
	crypto_wipe(request, sizeof(request));
	wait_for_it(channel);
	if (channel->outcome == CHECK_WAITS)
		channel->outcome = CHECK_FOREIGN; /* lose() has said why */
	if (channel->outcome != CHECK_OPEN && channel->outcome != CHECK_OLD)
		conn_fini(&channel->conn);
	return channel->outcome;
}

/* ---- frames of our own ---- */

/* How many bytes of a frame come back, without a mask. */
static size_t
send_frame(
    struct check_channel *channel, uint8_t op, const void *payload, size_t len)
{
	uint8_t frame[FRAME_HEADER_MAX + CHECK_ECHO_BYTES];
	size_t frame_len = frame_write(op, payload, len, frame);

	(void)conn_write(&channel->conn, frame, frame_len);
	return frame_len - MASK_BYTES;
}

static const char *
expect(
    struct check_channel *channel, uint8_t op, const void *payload, size_t len)
{
	if (!conn_is_open(&channel->conn))
		return "the channel has ended";
	channel->waits_for_bytes = true;
	channel->awaited = send_frame(channel, op, payload, len);
	wait_for_it(channel);
	return channel->awaited == 0 ? NULL : channel->text;
}

const char *
check_channel_ping(struct check_channel *channel)
{
	return expect(channel, FRAME_PING, "check", 5);
}

const char *
check_channel_echo(struct check_channel *channel)
{
	static const char head[] = "op=check&pad=";
	char message[CHECK_ECHO_BYTES];

	memset(message, 'x', sizeof(message));
	memcpy(message, head, sizeof(head) - 1);
	return expect(channel, FRAME_TEXT, message, sizeof(message));
}

void
check_channel_leave(struct check_channel *channel)
{
	static const uint8_t code[] = {CLOSE_NORMAL >> 8, CLOSE_NORMAL & 0xff};

	if (!conn_is_open(&channel->conn))
		return;
	(void)send_frame(channel, FRAME_CLOSE, code, sizeof(code));
	conn_fini(&channel->conn);
}

/* ---- its life ---- */

const char *
check_channel_init(struct check_channel *channel, struct loop *loop,
    const struct taupe_config *config, uint64_t timeout_ms)
{
	memset(channel, 0, sizeof(*channel));
	channel->loop = loop;
	channel->timeout_ms = timeout_ms;
	channel->conn = (struct conn)CONN_CLOSED;
	timer_init(&channel->timer, timer_cb, channel);
	channel->config = *config;
	channel->config.random_cb = random_cb;
	channel->config.buffer = channel->buffer;
	channel->config.buffer_size = sizeof(channel->buffer);
	return taupe_session_init(&channel->session, &channel->config);
}

void
check_channel_fini(struct check_channel *channel)
{
	timer_clear(channel->loop, &channel->timer);
	conn_fini(&channel->conn);
}
