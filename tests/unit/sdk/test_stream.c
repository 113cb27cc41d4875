/* SPDX-License-Identifier: MIT */
/*
 * The table of docs/PROTOCOL.md section 8.2, as scripts: each letter is something that one
 * side does, and the stream's answers are letters again, so that a row of the table is a
 * line here. All scripts run on whole messages and with every message cut in pieces of
 * each length, right before an inaccessible page.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

static const struct taupe_service services[] = {
    {"web", TAUPE_HTTP}, {"ssh", TAUPE_TCP}};
static const struct taupe_config config = {
    .name = "alice",
    .services = services,
    .n_services = COUNT(services),
    .random_cb = test_random_cb,
};
static const struct taupe_relay relay = {"r1.example.com", 8000, false};
static const char id[] = "9f86d081884c7d659a2feaa0c55ad015";

struct bench {
	struct taupe_stream stream;
	uint8_t buffer[1024];
	char trace[2000]; /* what the stream did, in letters */
	size_t cut;	  /* longest piece that is handed in */
	unsigned visit;	  /* as the relay counts */
};

static void
note(struct bench *b, const char *what)
{
	ck_assert_uint_lt(strlen(b->trace) + strlen(what), sizeof(b->trace));
	strcat(b->trace, what);
}

/* What goes to the relay: o opened, r refused, a abort, b bytes, e end, g pong, x close. */
static void
note_sent(struct bench *b, const uint8_t *data, size_t len)
{
	uint8_t copy[TAUPE_MESSAGE_MAX], *at = copy;
	char text[TAUPE_MESSAGE_MAX], expected[64];

	memcpy(copy, data, len);
	while (len > 0) {
		switch (agent_frame(&at, &len, text, sizeof(text))) {
		case WS_OP_TEXT:
			snprintf(
			    expected, sizeof(expected), "&visit=%u", b->visit);
			ck_assert_ptr_nonnull(strstr(text, expected));
			note(b,
			    strstr(text, "op=opened&")	      ? "o"
				: strstr(text, "op=refused&") ? "r"
				: strstr(text, "op=abort&")   ? "a"
							      : "?");
			break;
		case WS_OP_BINARY:
			note(b, text[0] == '\0' ? "e" : "b");
			break;
		case WS_OP_PONG:
			ck_assert_str_eq(text, "probe");
			note(b, "g");
			break;
		case WS_OP_CLOSE:
			note(b, "x");
			break;
		default:
			ck_abort_msg("a frame that no agent sends");
		}
	}
}

static void
note_step(struct bench *b, const struct taupe_step *step)
{
	switch (step->type) {
	case TAUPE_STEP_NONE:
		break;
	case TAUPE_STEP_READY:
		note(b, "R");
		break;
	case TAUPE_STEP_OPEN:
		note(b, step->service == 0 ? "O" : "S");
		break;
	case TAUPE_STEP_DATA:
		for (size_t i = 0; i < step->payload_len; i++)
			note(b, (char[]){(char)step->payload[i], '\0'});
		break;
	case TAUPE_STEP_EOF:
		note(b, "E");
		break;
	case TAUPE_STEP_ABORT:
		note(b, "A");
		break;
	case TAUPE_STEP_CLOSED:
		note(b, "C");
		break;
	case TAUPE_STEP_FAILED:
		note(b, "F");
		break;
	case TAUPE_STEP_CREDIT:
	case TAUPE_STEP_MOVED:
		ck_abort_msg("a step of a shared channel");
	}
}

/* Where it foresees payload, nothing else comes. */
static void
check_foresight(bool payload, const struct taupe_step *step)
{
	if (!payload)
		return;
	ck_assert(
	    step->type == TAUPE_STEP_DATA || step->type == TAUPE_STEP_NONE);
	ck_assert_uint_eq(step->output.len, 0);
}

static void
hear(struct bench *b, const struct bytes *in)
{
	for (size_t from = 0; from < in->len; from += b->cut) {
		size_t len = in->len - from < b->cut ? in->len - from : b->cut;
		uint8_t *data = guarded(in->data + from, len);

		while (len > 0) {
			struct taupe_step step;
			bool payload =
			    taupe_stream_is_at_payload(&b->stream, data, len);
			size_t done =
			    taupe_stream_input(&b->stream, data, len, &step);

			check_foresight(payload, &step);
			ck_assert_uint_gt(done, 0);
			ck_assert_uint_le(done, len);
			note_step(b, &step);
			note_sent(b, step.output.bytes, step.output.len);
			data += done;
			len -= done;
		}
	}
}

static void
start_with(struct bench *b, size_t cut, const struct taupe_config *with,
    const struct taupe_relay *to)
{
	struct bytes in = {.len = 0};
	const uint8_t *request;
	size_t len;

	memset(b, 0, sizeof(*b));
	b->cut = cut;
	ck_assert(taupe_stream_init(
	    &b->stream, with, to, id, b->buffer, sizeof(b->buffer)));
	request = taupe_stream_request(&b->stream, &len);
	relay_accept(&in, request, len);
	hear(b, &in);
	ck_assert_str_eq(b->trace, "R");
	b->trace[0] = '\0';
}

static void
start(struct bench *b, size_t cut)
{
	start_with(b, cut, &config, &relay);
}

/* What the relay does: capital letters; see the switch. */
static void
relay_does(struct bench *b, char what)
{
	struct bytes in = {.len = 0};
	char text[200];

	switch (what) {
	case 'O': /* open the next visit, for web */
	case 'S': /* for ssh */
	case 'N': /* for a service that is not ours */
		snprintf(text, sizeof(text),
		    "op=open&visit=%u&service=%s&from=192.0.2.1:50312",
		    ++b->visit,
		    what == 'O'	      ? "web"
			: what == 'S' ? "ssh"
				      : "127.0.0.1");
		if (what == 'N')
			snprintf(text, sizeof(text),
			    "op=open&visit=%u&service=none", b->visit);
		relay_text(&in, text);
		break;
	case 'J': /* open a visit out of turn */
		snprintf(text, sizeof(text), "op=open&visit=%u&service=web",
		    b->visit + 2);
		relay_text(&in, text);
		break;
	case 'I': /* open with an id, as on the control channel */
		relay_text(&in,
		    "op=open&id=00000000000000000000000000000000&service=web");
		break;
	case 'D': /* payload in two fragments, with a ping's length between them */
		bytes_add(&in, "\x02\x02xy\x80\x01z", 7);
		break;
	case 'Y': /* payload whose last fragment is empty: no end */
		bytes_add(&in, "\x02\x02xy\x80\x00", 6);
		break;
	case 'E': /* the end */
		relay_frame(&in, WS_OP_BINARY, "", 0);
		break;
	case 'V': /* the end, as two empty fragments */
		bytes_add(&in, "\x02\x00\x80\x00", 4);
		break;
	case 'A':
		snprintf(text, sizeof(text),
		    "op=abort&visit=%u&reason=visitor%%20reset", b->visit);
		relay_text(&in, text);
		break;
	case 'L': /* an abort that is late */
		snprintf(text, sizeof(text), "op=abort&visit=%u",
		    b->visit > 1 ? b->visit - 1 : 99);
		relay_text(&in, text);
		break;
	case 'P':
		relay_frame(&in, WS_OP_PING, "probe", 5);
		break;
	case 'G':
		relay_frame(&in, WS_OP_PONG, "", 0);
		break;
	case 'C':
		relay_close(&in, 1000, "idle");
		break;
	case 'U': /* from the future */
		relay_text(&in, "op=dance&visit=1&partner=you");
		break;
	case 'M':
		relay_text(&in, "op=open&visit=-1&service=web");
		break;
	case 'W':
		relay_text(&in, "op=move");
		break;
	case 'K': /* masked, as only an agent may */
		bytes_add(&in, "\x82\x81\x01\x02\x03\x04q", 7);
		break;
	default:
		ck_abort_msg("no such letter: %c", what);
	}
	hear(b, &in);
}

/* What the driver does: small letters. */
static void
agent_does(struct bench *b, char what)
{
	uint8_t out[TAUPE_MESSAGE_MAX], mask[4];
	size_t len = 0;

	switch (what) {
	case 'o':
		len = taupe_stream_opened(&b->stream, out);
		break;
	case 'r':
		len =
		    taupe_stream_refused(&b->stream, "connection refused", out);
		break;
	case 'e':
		len = taupe_stream_eof(&b->stream, out);
		break;
	case 'a':
		len = taupe_stream_abort(&b->stream, out);
		break;
	case 'b':
		len = taupe_stream_frame(&b->stream, 3, out, mask);
		if (len > 0) {
			memcpy(out + len, "abc", 3);
			taupe_mask(out + len, 3, mask, 0);
			len += 3;
		}
		break;
	case 'x':
		len = taupe_stream_close(&b->stream, out);
		break;
	default:
		ck_abort_msg("no such letter: %c", what);
	}
	note_sent(b, out, len);
}

static void
play(struct bench *b, const char *script)
{
	for (; *script != '\0'; script++) {
		if (*script >= 'A' && *script <= 'Z')
			relay_does(b, *script);
		else
			agent_does(b, *script);
	}
	note(b, taupe_stream_is_idle(&b->stream) ? "." : "!");
}

static const struct {
	const char *script, *trace; /* '.': idle at the end, '!': not */
} rows[] = {
    /* a visit as it should be, and the next on the same channel */
    {"OoDbEe", "OoxyzbEe."},
    {"ODobeE", "OxyzobeE."},
    {"OoYDeE", "OoxyxyzeE."},
    {"ODVoe", "OxyzEoe."},
    {"OoEeSobDeE", "OoEeSobxyzeE."},
    {"Ob", "Ob!"}, /* payload says that it was opened */
    {"Obo", "Ob!"},
    {"Oee", "Oe!"},
    {"Oeo", "Oe!"},
    {"Oeb", "Oe!"},
    /* idle */
    {"", "."},
    {"e", "."},
    {"a", "."},
    {"r", "."},
    {"o", "."},
    {"b", "."},
    {"D", "Fx!"},
    {"E", "Fx!"},
    {"J", "Fx!"},
    {"I", "Fx!"},
    {"OEeD", "OEeFx!"},
    {"OEeJ", "OEeFx!"},
    {"OEeA", "OEe."},
    {"OEeL", "OEe."},
    {"OEeU", "OEe."},
    /* open during a visit */
    {"OO", "OFx!"},
    {"OoO", "OoFx!"},
    {"OeO", "OeFx!"},
    {"OEO", "OEFx!"},
    {"OrO", "OrFx!"},
    /* dialling */
    {"OAo", "OAa."},
    {"OLo", "Oo!"},
    {"OEr", "OEr."},
    {"Or", "Or!"},
    {"OrE", "Or."},
    {"OEoe", "OEoe."},
    /* both directions open */
    {"OoA", "OoAa."},
    {"OoAb", "OoAa."},
    {"OoAe", "OoAa."},
    {"OoAa", "OoAa."},
    {"Ooa", "Ooa!"},
    {"OoaDE", "Ooa."},
    {"OoaDA", "Ooa."},
    {"Oor", "Ooa!"}, /* too late to refuse */
    /* our direction has ended */
    {"OoeDE", "OoexyzE."},
    {"OoeA", "OoeA."},
    {"OoeaDE", "Ooea."},
    {"OoeaA", "Ooea."},
    /* the relay's direction has ended */
    {"OoED", "OoEFx!"},
    {"OoEE", "OoEFx!"},
    {"OoEA", "OoEAa."},
    {"OoEa", "OoEa."},
    {"OoEbe", "OoEbe."},
    /* what was discarded does not disturb the next visit */
    {"OrDDESoDeE", "OrSoxyzeE."},
    {"OoaDASobEe", "OoaSobEe."},
    /* crossing aborts */
    {"OoaASoEe", "OoaSoEe."},
    {"OoEeAS", "OoEeS!"},
    {"OoEeOLoEe", "OoEeOoEe."},
    /* a service that we do not have: the channel stays */
    {"N", "r!"},
    {"NE", "r."},
    {"NDA", "r."},
    {"NDDEOoEe", "rOoEe."},
    /* pings are answered in every state */
    {"PG", "g."},
    {"OP", "Og!"},
    {"OoP", "Oog!"},
    {"OoeP", "Ooeg!"},
    {"OrP", "Org!"},
    /* malformed, misplaced, unknown */
    {"M", "Fx!"},
    {"OM", "OFx!"},
    {"W", "Fx!"},
    {"K", "Fx!"},
    {"U", "."},
    {"OU", "O!"},
    /* the end of the channel */
    {"C", "Cx!"},
    {"OoC", "OoCx!"},
    {"OrC", "OrCx!"},
    {"CODEA", "Cx!"},
    {"MODEAP", "Fx!"},
    {"x", "x!"},
    {"xx", "x!"},
    {"OoxDb", "Oox!"},
    {"Cx", "Cx!"},
};

START_TEST(table_on_whole_messages_and_at_every_cut)
{
	for (size_t i = 0; i < COUNT(rows); i++)
		for (size_t cut = 1; cut <= 70; cut++) {
			struct bench b;

			start(&b, cut == 70 ? 4096 : cut);
			play(&b, rows[i].script);
			ck_assert_msg(strcmp(b.trace, rows[i].trace) == 0,
			    "script %s, cut %zu: %s, not %s", rows[i].script,
			    cut, b.trace, rows[i].trace);
		}
}
END_TEST

START_TEST(request_is_what_the_protocol_shows)
{
	static const struct {
		struct taupe_relay relay;
		const char *host;
	} places[] = {
	    {{"r1.example.com", 80, false}, "r1.example.com"},
	    {{"r1.example.com", 443, true}, "r1.example.com"},
	    {{"r1.example.com", 443, false}, "r1.example.com:443"},
	    {{"2001:db8::1", 8000, false}, "[2001:db8::1]:8000"},
	    {{"2001:db8::1", 443, true}, "[2001:db8::1]"},
	};
	struct taupe_stream stream;
	uint8_t buffer[TAUPE_BUFFER_MIN];
	const uint8_t *request;
	size_t len;

	for (size_t i = 0; i < COUNT(places); i++) {
		ck_assert(taupe_stream_init(&stream, &config, &places[i].relay,
		    id, buffer, sizeof(buffer)));
		request = taupe_stream_request(&stream, &len);
		ck_assert_int_eq(
		    memcmp(request,
			"GET /v1/transfer?id=9f86d081884c7d659a2feaa0c55ad015 "
			"HTTP/1.1\r\n",
			63),
		    0);
		ck_assert_str_eq(
		    request_field(request, len, "Host"), places[i].host);
		ck_assert_str_eq(request_field(request, len, "User-Agent"),
		    "libtaupe/" TAUPE_VERSION);
		ck_assert_str_eq(
		    request_field(request, len, "Authorization"), "");
	}
}
END_TEST

START_TEST(two_channels_have_two_keys)
{
	struct taupe_stream stream;
	uint8_t buffer[TAUPE_BUFFER_MIN];
	const uint8_t *request;
	char key[64];
	size_t len;

	ck_assert(taupe_stream_init(
	    &stream, &config, &relay, id, buffer, sizeof(buffer)));
	request = taupe_stream_request(&stream, &len);
	strcpy(key, request_field(request, len, "Sec-WebSocket-Key"));
	ck_assert(taupe_stream_init(
	    &stream, &config, &relay, id, buffer, sizeof(buffer)));
	request = taupe_stream_request(&stream, &len);
	ck_assert_str_ne(key, request_field(request, len, "Sec-WebSocket-Key"));
}
END_TEST

START_TEST(too_small_a_buffer_is_noticed)
{
	struct taupe_stream stream;
	uint8_t buffer[100];

	ck_assert(!taupe_stream_init(
	    &stream, &config, &relay, id, buffer, sizeof(buffer)));
}
END_TEST

/* The handshake's buffer is for something else by then. */
START_TEST(another_buffer_serves_from_the_handshake_on)
{
	uint8_t small[TAUPE_BUFFER_MIN];
	struct bench b;

	for (size_t cut = 1; cut < 80; cut += 7) {
		start(&b, cut);
		taupe_stream_set_buffer(&b.stream, small, sizeof(small));
		memset(b.buffer, 0xff, sizeof(b.buffer));
		relay_does(&b, 'O');
		relay_does(&b, 'A');
		ck_assert_str_eq(b.trace, "OAa");
		for (size_t i = 0; i < sizeof(b.buffer); i++)
			ck_assert_uint_eq(b.buffer[i], 0xff);
	}
}
END_TEST

START_TEST(messages_are_held_to_the_other_buffer)
{
	uint8_t small[TAUPE_BUFFER_MIN];
	char text[TAUPE_BUFFER_MIN + 2] = "op=later&x=";
	struct bytes in = {.len = 0};
	struct bench b;

	memset(text + strlen(text), 'x', TAUPE_BUFFER_MIN - strlen(text));
	start(&b, SIZE_MAX);
	taupe_stream_set_buffer(&b.stream, small, sizeof(small));
	relay_text(&in, text);
	hear(&b, &in);
	ck_assert_str_eq(b.trace, "");
	strcat(text, "x");
	in.len = 0;
	relay_text(&in, text);
	hear(&b, &in);
	ck_assert_str_eq(b.trace, "Fx");
}
END_TEST

START_TEST(may_be_moved_in_memory_between_inputs)
{
	struct bench *before = malloc(sizeof(*before)), b;
	struct bytes in = {.len = 0}, rest = {.len = 0};

	ck_assert_ptr_nonnull(before);
	start(before, SIZE_MAX);
	relay_frame(&in, WS_OP_PING, "probe", 5);
	bytes_add(&rest, in.data + 4, in.len - 4);
	in.len = 4;
	hear(before, &in);
	b = *before;
	free(before);
	hear(&b, &rest);
	ck_assert_str_eq(b.trace, "g");
}
END_TEST

/* Hand a whole answer in, in pieces; the code of the failure. */
static unsigned
refused_with(const char *answer, size_t cut)
{
	struct taupe_stream stream;
	uint8_t buffer[TAUPE_BUFFER_MIN];
	size_t from = 0, total = strlen(answer);
	struct taupe_step step = {.type = TAUPE_STEP_NONE};

	ck_assert(taupe_stream_init(
	    &stream, &config, &relay, id, buffer, sizeof(buffer)));
	while (from < total && step.type == TAUPE_STEP_NONE) {
		size_t len = total - from < cut ? total - from : cut;

		from += taupe_stream_input(
		    &stream, guarded(answer + from, len), len, &step);
		ck_assert_uint_eq(step.output.len, 0);
	}
	ck_assert_int_eq(step.type, TAUPE_STEP_FAILED);
	ck_assert_ptr_nonnull(step.reason);
	return step.code;
}

START_TEST(answers_that_are_no_channel)
{
	static char endless[2000];
	static const struct {
		const char *answer;
		unsigned code;
	} answers[] = {
	    {"HTTP/1.1 404 Not Found\r\nContent-Length: 10\r\n\r\nerror=gone",
		404},
	    {"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\n\r\n", 503},
	    {"HTTP/1.1 302 Found\r\nLocation: "
	     "ws://r2.example.com/v1/transfer\r\n\r\n",
		302},
	    {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
	     "Connection: Upgrade\r\nSec-WebSocket-Accept: "
	     "AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n"
	     "Sec-WebSocket-Protocol: taupe.v1\r\n\r\n",
		0},
	    {"HTTP/1.1 101 Switching Protocols\r\n\r\n", 0},
	    {"SSH-2.0-OpenSSH_9.2\r\n\r\n", 0},
	    {"HTTP/1.1 200 OK\r\nbad\x01header: 1\r\n\r\n", 0},
	    {endless, 0},
	};

	snprintf(endless, sizeof(endless), "HTTP/1.1 200 OK\r\nX: %01900d", 0);
	for (size_t i = 0; i < COUNT(answers); i++)
		for (size_t cut = 1; cut <= 64; cut *= 2)
			ck_assert_uint_eq(refused_with(answers[i].answer, cut),
			    answers[i].code);
}
END_TEST

START_TEST(open_names_service_and_visitor)
{
	struct bytes in = {.len = 0};
	struct taupe_step step;
	struct bench b;

	start(&b, 4096);
	relay_text(&in, "op=open&visit=1&service=ssh&from=[2001:db8::1]:40022");
	ck_assert_uint_eq(
	    taupe_stream_input(&b.stream, in.data, in.len, &step), in.len);
	ck_assert_int_eq(step.type, TAUPE_STEP_OPEN);
	ck_assert_uint_eq(step.service, 1);
	ck_assert_uint_eq(step.from.len, 19);
	ck_assert_int_eq(memcmp(step.from.ptr, "[2001:db8::1]:40022", 19), 0);
	ck_assert_uint_eq(taupe_stream_visit(&b.stream), 1);
}
END_TEST

#define SHARED "0c5f1a3e9d7b42868e0f6a1b2c3d4e5f"

START_TEST(a_visit_of_a_shared_channel_is_a_fault_where_none_was_offered)
{
	struct bytes in = {.len = 0};
	struct taupe_step step;
	struct bench b;

	start(&b, 4096);
	relay_text(&in, "op=open&visit=1&service=web&stream=7&shared=" SHARED);
	ck_assert_uint_eq(
	    taupe_stream_input(&b.stream, in.data, in.len, &step), in.len);
	ck_assert_int_eq(step.type, TAUPE_STEP_FAILED);
	ck_assert_uint_gt(step.output.len, 0);
}
END_TEST

START_TEST(open_names_the_shared_channel_that_a_visit_comes_from)
{
	struct bytes in = {.len = 0};
	struct taupe_step step;
	struct taupe_config sharing = config;
	struct bench b;

	sharing.mux_visits = 1;
	start_with(&b, 4096, &sharing, &relay);
	/* it has a service already: whether we offer it any more is no matter */
	relay_text(&in,
	    "op=open&visit=1&service=gone&from=192.0.2.1:5&stream=7&"
	    "shared=" SHARED);
	ck_assert_uint_eq(
	    taupe_stream_input(&b.stream, in.data, in.len, &step), in.len);
	ck_assert_int_eq(step.type, TAUPE_STEP_OPEN);
	ck_assert_uint_eq(step.stream, 7);
	ck_assert_uint_eq(step.shared.len, TAUPE_ID_LEN);
	ck_assert_int_eq(memcmp(step.shared.ptr, SHARED, TAUPE_ID_LEN), 0);
	ck_assert_uint_eq(step.from.len, strlen("192.0.2.1:5"));
	ck_assert_uint_eq(step.output.len, 0);
	b.visit = 1;
	play(&b, "obDEe");
	ck_assert_str_eq(b.trace, "obxyzEe.");
}
END_TEST

START_TEST(open_names_both_or_none_of_shared_and_stream)
{
	static const char *const halves[] = {
	    "op=open&visit=1&service=web&stream=7",
	    "op=open&visit=1&service=web&shared=" SHARED,
	};

	for (size_t i = 0; i < COUNT(halves); i++) {
		struct bytes in = {.len = 0};
		struct bench b;

		start(&b, 4096);
		relay_text(&in, halves[i]);
		hear(&b, &in);
		ck_assert_str_eq(b.trace, "Fx");
	}
}
END_TEST

START_TEST(payload_is_foreseen_and_nothing_else)
{
	struct bytes data = {.len = 0}, ping = {.len = 0}, end = {.len = 0};
	struct bytes in = {.len = 0};
	struct bench b;

	relay_frame(&data, WS_OP_BINARY, "payload", 7);
	relay_frame(&ping, WS_OP_PING, "probe", 5);
	relay_frame(&end, WS_OP_BINARY, "", 0);
	start(&b, 4096);
	/* without a visit it is a fault */
	ck_assert(!taupe_stream_is_at_payload(&b.stream, data.data, data.len));
	relay_text(&in, "op=open&visit=1&service=ssh&from=192.0.2.1:40022");
	hear(&b, &in);
	ck_assert(taupe_stream_is_at_payload(&b.stream, data.data, data.len));
	ck_assert(taupe_stream_is_at_payload(&b.stream, data.data, 1));
	ck_assert(!taupe_stream_is_at_payload(&b.stream, ping.data, ping.len));
	ck_assert(!taupe_stream_is_at_payload(&b.stream, end.data, end.len));
	hear(&b, &end);
	/* after the end it is a fault again */
	ck_assert(!taupe_stream_is_at_payload(&b.stream, data.data, data.len));
}
END_TEST

START_TEST(payload_is_where_it_was_handed_in)
{
	struct bytes in = {.len = 0};
	struct taupe_step step;
	struct bench b;
	uint8_t *data;
	size_t done;

	start(&b, 4096);
	relay_does(&b, 'O');
	relay_frame(&in, WS_OP_BINARY, "hello", 5);
	relay_frame(&in, WS_OP_BINARY, "world", 5);
	data = guarded(in.data, in.len);
	done = taupe_stream_input(&b.stream, data, in.len, &step);
	ck_assert_int_eq(step.type, TAUPE_STEP_DATA);
	ck_assert_ptr_eq(step.payload, data + 2);
	ck_assert_uint_eq(step.payload_len, 5);
	ck_assert_uint_eq(done, 7);
}
END_TEST

START_TEST(reason_for_a_refusal_is_made_safe_and_short)
{
	char reason[1000], text[TAUPE_MESSAGE_MAX];
	uint8_t out[TAUPE_MESSAGE_MAX], *at = out;
	struct bench b;
	size_t len;

	memset(reason, '%', sizeof(reason) - 1);
	reason[0] = '\n';
	reason[1] = (char)0xc3;
	reason[sizeof(reason) - 1] = '\0';
	start(&b, 4096);
	relay_does(&b, 'O');
	len = taupe_stream_refused(&b.stream, reason, out);
	ck_assert_int_eq(
	    agent_frame(&at, &len, text, sizeof(text)), WS_OP_TEXT);
	ck_assert_ptr_nonnull(strstr(text, "reason=%3F%3F"));
	ck_assert_uint_eq(len, 0);
	start(&b, 4096);
	relay_does(&b, 'O');
	ck_assert_uint_gt(taupe_stream_refused(&b.stream, NULL, out), 0);
}
END_TEST

START_TEST(every_frame_has_a_fresh_mask)
{
	uint8_t first[TAUPE_HEADER_MAX], second[TAUPE_HEADER_MAX], mask[4],
	    other[4];
	struct bench b;

	start(&b, 4096);
	relay_does(&b, 'O');
	ck_assert_uint_eq(
	    taupe_stream_frame(&b.stream, 70000, first, mask), 14);
	ck_assert_uint_eq(
	    taupe_stream_frame(&b.stream, 70000, second, other), 14);
	ck_assert_int_ne(memcmp(mask, other, 4), 0);
	ck_assert_uint_eq(taupe_stream_frame(&b.stream, 0, first, mask), 0);
}
END_TEST

/* PROTOCOL section 2: inside TLS, or where the owner trusts the path. */
START_TEST(payload_has_a_zero_mask_only_where_nobody_can_misread_it)
{
	static const uint8_t zero[4];
	static const struct {
		bool secure, trusted;
	} paths[] = {{false, false}, {true, false}, {false, true}};
	struct taupe_relay to = relay;
	struct taupe_config own = config;

	for (size_t i = 0; i < COUNT(paths); i++) {
		bool expected = paths[i].secure || paths[i].trusted;
		uint8_t header[TAUPE_HEADER_MAX], out[TAUPE_MESSAGE_MAX];
		uint8_t mask[4] = {1, 1, 1, 1};
		struct bench b;

		to.secure = paths[i].secure;
		own.trusted_path = paths[i].trusted;
		start_with(&b, 4096, &own, &to);
		relay_does(&b, 'O');
		ck_assert_uint_eq(
		    taupe_stream_frame(&b.stream, 5, header, mask), 6);
		ck_assert_int_eq(memcmp(mask, zero, 4) == 0, expected);
		ck_assert_mem_eq(header + 2, mask, 4);
		ck_assert_int_eq(header[1], 0x80 | 5);
		/* what is ours is masked as ever */
		ck_assert_uint_gt(taupe_stream_abort(&b.stream, out), 6);
		ck_assert_mem_ne(out + 2, zero, 4);
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
	    table_on_whole_messages_and_at_every_cut,
	    request_is_what_the_protocol_shows,
	    two_channels_have_two_keys,
	    too_small_a_buffer_is_noticed,
	    another_buffer_serves_from_the_handshake_on,
	    messages_are_held_to_the_other_buffer,
	    may_be_moved_in_memory_between_inputs,
	    answers_that_are_no_channel,
	    open_names_service_and_visitor,
	    open_names_the_shared_channel_that_a_visit_comes_from,
	    a_visit_of_a_shared_channel_is_a_fault_where_none_was_offered,
	    open_names_both_or_none_of_shared_and_stream,
	    payload_is_where_it_was_handed_in,
	    payload_is_foreseen_and_nothing_else,
	    reason_for_a_refusal_is_made_safe_and_short,
	    every_frame_has_a_fresh_mask,
	    payload_has_a_zero_mask_only_where_nobody_can_misread_it,
	};

	return run_suite("stream", tests, COUNT(tests));
}
