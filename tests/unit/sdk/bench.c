/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "bench.h"

const struct taupe_service bench_services[BENCH_SERVICES] = {
    {"web", TAUPE_HTTP}, {"ssh", TAUPE_TCP}};
static const char *const relays[] = {
    "ws://r1.example.com:8000", "ws://r2.example.net"};
static const char *const domains[] = {"example.com"};

static void
note(struct bench *b, const char *what)
{
	ck_assert_uint_lt(
	    strlen(b->trace) + strlen(what) + 1, sizeof(b->trace));
	if (b->trace[0] != '\0')
		strcat(b->trace, " ");
	strcat(b->trace, what);
}

/* What is sent, as words: ping, pong, close:1000, or the text of a message. */
static void
note_sent(struct bench *b, const struct taupe_output *output)
{
	uint8_t copy[TAUPE_OUTPUT_MAX], *at = copy;
	char text[TAUPE_OUTPUT_MAX], word[40];
	size_t len = output->len;

	memcpy(copy, output->bytes, len);
	while (len > 0) {
		enum ws_opcode opcode =
		    agent_frame(&at, &len, text, sizeof(text));

		if (opcode == WS_OP_CLOSE) {
			snprintf(word, sizeof(word), "close:%u",
			    (unsigned)((uint8_t)text[0] << 8 |
				(uint8_t)text[1]));
			note(b, word);
		} else {
			note(b,
			    opcode == WS_OP_PING       ? "ping"
				: opcode == WS_OP_PONG ? "pong"
						       : text);
		}
	}
}

static void
remember_event(struct bench *b, const struct taupe_event *event)
{
	note_sent(b, &event->output);
	if (event->type == TAUPE_EVENT_NONE)
		return;
	b->event = *event;
	snprintf(b->text, sizeof(b->text), "%.*s", (int)event->text.len,
	    event->text.ptr != NULL ? event->text.ptr : "");
}

void
act(struct bench *b)
{
	struct taupe_action action;
	char word[400];

	for (;;) {
		taupe_session_next(&b->session, b->now, &action);
		switch (action.type) {
		case TAUPE_WAIT:
			ck_assert_uint_gt(action.until_ms, b->now);
			b->until = action.until_ms;
			return;
		case TAUPE_DIAL:
			snprintf(word, sizeof(word), "dial%u %s%s:%u",
			    action.link, action.relay.secure ? "s:" : "",
			    action.relay.host, action.relay.port);
			note(b, word);
			break;
		case TAUPE_SEND:
			note_sent(b, &action.output);
			break;
		case TAUPE_CLOSE:
			note_sent(b, &action.output);
			snprintf(word, sizeof(word), "close%u(%s)", action.link,
			    action.reason != NULL ? action.reason : "");
			note(b, word);
			break;
		}
	}
}

void
hear(struct bench *b, unsigned link, const struct bytes *in)
{
	for (size_t from = 0; from < in->len; from += b->cut) {
		size_t len = in->len - from < b->cut ? in->len - from : b->cut;
		uint8_t *data = guarded(in->data + from, len);

		while (len > 0) {
			struct taupe_event event;
			size_t done = taupe_session_input(
			    &b->session, link, data, len, b->now, &event);

			ck_assert_uint_gt(done, 0);
			ck_assert_uint_le(done, len);
			remember_event(b, &event);
			data += done;
			len -= done;
		}
	}
	act(b);
}

void
hear_raw(struct bench *b, unsigned link, const char *text)
{
	struct bytes in = {.len = 0};

	bytes_add_text(&in, text);
	hear(b, link, &in);
}

void
hear_text(struct bench *b, unsigned link, const char *text)
{
	struct bytes in = {.len = 0};

	relay_text(&in, text);
	hear(b, link, &in);
}

void
hear_close(struct bench *b, unsigned link, unsigned code, const char *reason)
{
	struct bytes in = {.len = 0};

	relay_close(&in, code, reason);
	hear(b, link, &in);
}

void
init(struct bench *b)
{
	memset(b, 0, sizeof(*b));
	test_jitter = 1;
	b->now = 1000000;
	b->cut = 4096;
	b->config = (struct taupe_config){
	    .name = "alice",
	    .secret = "q3vJ0mB7yZkR1sT5uXnEwA",
	    .services = bench_services,
	    .n_services = COUNT(bench_services),
	    .relays = relays,
	    .n_relays = COUNT(relays),
	    .domains = domains,
	    .n_domains = COUNT(domains),
	    .random_cb = test_random_cb,
	    .buffer = b->buffer,
	    .buffer_size = sizeof(b->buffer),
	    .memory = b->memory,
	    .memory_size = sizeof(b->memory),
	};
}

void
begin(struct bench *b)
{
	ck_assert_ptr_null(taupe_session_init(&b->session, &b->config));
}

void
connected(struct bench *b, unsigned link)
{
	b->request_len[link] = taupe_session_connected(&b->session, link,
	    b->now, b->request[link], sizeof(b->request[link]));
	ck_assert_uint_gt(b->request_len[link], 0);
	act(b);
}

void
accepted(struct bench *b, unsigned link)
{
	struct bytes in = {.len = 0};

	connected(b, link);
	relay_accept(&in, b->request[link], b->request_len[link]);
	hear(b, link, &in);
}

void
lost(struct bench *b, unsigned link)
{
	struct taupe_event event;

	taupe_session_lost(&b->session, link, b->now, "gone", &event);
	remember_event(b, &event);
	act(b);
}

void
lost_and_dialled(struct bench *b, unsigned link)
{
	b->trace[0] = '\0';
	lost(b, link);
	while (strstr(b->trace, "dial") == NULL) {
		b->now = b->until;
		act(b);
	}
}

void
bring_up(struct bench *b)
{
	begin(b);
	act(b);
	accepted(b, 0);
	hear_text(b, 0,
	    WELCOME("ws://r1.example.com:8000",
		"&peer=ws://r3.example.org&peer=ws://"
		"r4.example.org:81&lease=token"));
	ck_assert(taupe_session_is_up(&b->session));
	b->trace[0] = '\0';
}

void
pass(struct bench *b, uint64_t ms)
{
	uint64_t end = b->now + ms;

	while (b->until <= end) {
		b->now = b->until;
		act(b);
	}
	b->now = end;
	act(b);
}
