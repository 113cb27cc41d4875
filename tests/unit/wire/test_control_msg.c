/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <stdio.h>

#include "wire/control_msg.h"

#define ID "9f86d081884c7d659a2feaa0c55ad015"
#define SHA256                                                                 \
	"8d969eef6ecad3c29a3a629280e686cf0c3f5d5a86aff3ca12020c923adc6c92"
#define HASH_ERROR "sha256: not 64 lower-case hexadecimal digits"
#define WELCOME_NEEDS                                                          \
	"op=welcome&epoch=1&heartbeat_ms=30000&lease_ms=3600000&label=k7x2&"   \
	"relay=ws://a"

static enum wire_result
decode(const char *text, struct control_msg *msg, const char **error)
{
	size_t len = strlen(text);

	return control_msg_decode(guard_copy(0, text, len), len, msg, error);
}

/* The messages of docs/PROTOCOL.md. */
static const char *const examples[] = {
    "op=welcome&epoch=1769834400000000&heartbeat_ms=30000&lease_ms=3600000&"
    "label=k7x2m9q4tz"
    "&relay=ws://r1.example.com&peer=ws://r2.example.com"
    "&url=web:https://k7x2m9q4tz.example.com/&url=ssh:tcp://example.com:20022"
    "&lease=eyJ0YXVwZSI6MX0.c2lnbmF0dXJl",
    "op=open&id=9f86d081884c7d659a2feaa0c55ad015&service=web",
    "op=refused&id=9f86d081884c7d659a2feaa0c55ad015&reason=out%20of%20sockets",
    "op=move&to=ws://r2.example.com&reason=drain",
    "op=open&visit=1&service=web&from=192.0.2.1:50312",
    "op=opened&visit=1",
    "op=refused&visit=1&reason=connection%20refused",
    "op=open&visit=2&service=ssh&from=[2001:db8::1]:40022",
    "op=abort&visit=2&reason=visitor%20reset",
    "op=abort&visit=2",
    "op=open&id=0c5f1a3e9d7b42868e0f6a1b2c3d4e5f&mux=1",
    "op=credit&visit=1&bytes=32768",
    "op=open&visit=1&service=web&from=192.0.2.1:50312"
    "&shared=0c5f1a3e9d7b42868e0f6a1b2c3d4e5f&stream=7",
    "op=moved&visit=7",
    "op=stays&visit=7",
    "op=rotate",
    "op=secret&sha256=" SHA256,
    "op=secret&error=no%20place%20to%20keep%20a%20secret",
    "op=heartbeat&heartbeat_ms=285000",
    "op=heartbeat&heartbeat_ms=285000&beat_bytes=160&budget_bytes=5000000",
    "op=health&service=web&error=answers%20with%20503",
    "op=health&service=web",
};

START_TEST(protocol_examples_come_back_byte_by_byte)
{
	for (size_t i = 0; i < COUNT(examples); i++) {
		char out[CONTROL_MSG_MAX];
		struct control_msg msg;
		struct writer w;
		const char *error;

		ck_assert_msg(decode(examples[i], &msg, &error) == WIRE_DONE,
		    "%s: %s", examples[i], error);
		writer_init(&w, out, sizeof(out));
		control_msg_encode(&w, &msg);
		ck_assert(!w.full);
		ck_assert_msg(
		    slice_is((struct str){out, writer_len(&w)}, examples[i]),
		    "%s", examples[i]);
	}
}
END_TEST

START_TEST(decodes_a_welcome)
{
	struct control_msg msg;
	const char *error;

	ck_assert_int_eq(decode(examples[0], &msg, &error), WIRE_DONE);
	ck_assert_int_eq(msg.op, CONTROL_WELCOME);
	ck_assert_uint_eq(msg.epoch, UINT64_C(1769834400000000));
	ck_assert_uint_eq(msg.heartbeat_ms, 30000);
	ck_assert_uint_eq(msg.lease_ms, 3600000);
	ck_assert(slice_is(msg.label, "k7x2m9q4tz"));
	ck_assert(slice_is(msg.relay, "ws://r1.example.com"));
	ck_assert_uint_eq(msg.n_peers, 1);
	ck_assert(slice_is(msg.peers[0], "ws://r2.example.com"));
	ck_assert_uint_eq(msg.n_urls, 2);
	ck_assert(slice_is(msg.urls[0].service, "web"));
	ck_assert(slice_is(msg.urls[0].url, "https://k7x2m9q4tz.example.com/"));
	ck_assert(slice_is(msg.urls[1].service, "ssh"));
	ck_assert(slice_is(msg.lease, "eyJ0YXVwZSI6MX0.c2lnbmF0dXJl"));
	ck_assert(slice_is(msg.id, NULL));
	ck_assert(slice_is(msg.reason, NULL));
	ck_assert_uint_eq(msg.visit, 0);
}
END_TEST

START_TEST(order_and_unknown_keys_do_not_matter)
{
	static const char *const cases[] = {
	    "service=web&visit=3&op=open",
	    "op=open&colour=%20&service=web&visit=3&colour=x",
	    "&&op=open&%73ervice=%77eb&visit=03&x",
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct control_msg msg;
		const char *error;

		ck_assert_int_eq(decode(cases[i], &msg, &error), WIRE_DONE);
		ck_assert_int_eq(msg.op, CONTROL_OPEN);
		ck_assert(slice_is(msg.service, "web"));
		ck_assert_uint_eq(msg.visit, 3);
	}
}
END_TEST

START_TEST(open_with_an_id_and_no_service)
{
	struct control_msg msg;
	const char *error;

	ck_assert_int_eq(decode("op=open&id=" ID, &msg, &error), WIRE_DONE);
	ck_assert(slice_is(msg.service, NULL));
	ck_assert(slice_is(msg.id, ID));
}
END_TEST

START_TEST(messages_of_shared_channels)
{
	struct control_msg msg;
	const char *error;

	ck_assert_int_eq(
	    decode("op=open&id=" ID "&mux=1", &msg, &error), WIRE_DONE);
	ck_assert_uint_eq(msg.mux, 1);
	ck_assert_int_eq(decode("op=open&id=" ID, &msg, &error), WIRE_DONE);
	ck_assert_uint_eq(msg.mux, 0);
	ck_assert_int_eq(decode("op=open&visit=1&service=web&stream=4294967295"
				"&shared=" ID,
			     &msg, &error),
	    WIRE_DONE);
	ck_assert(slice_is(msg.shared, ID));
	ck_assert_uint_eq(msg.stream, UINT32_MAX);
	ck_assert_int_eq(
	    decode("bytes=16777216&op=credit&visit=4294967296", &msg, &error),
	    WIRE_DONE);
	ck_assert_int_eq(msg.op, CONTROL_CREDIT);
	ck_assert_uint_eq(msg.bytes, 16777216);
	ck_assert_uint_eq(msg.visit, UINT64_C(4294967296));
	ck_assert_int_eq(decode("op=moved&visit=1", &msg, &error), WIRE_DONE);
	ck_assert_int_eq(msg.op, CONTROL_MOVED);
	ck_assert_int_eq(decode("op=stays&visit=1", &msg, &error), WIRE_DONE);
	ck_assert_int_eq(msg.op, CONTROL_STAYS);
}
END_TEST

START_TEST(messages_of_rotation)
{
	struct control_msg msg;
	const char *error;

	ck_assert_int_eq(decode("op=rotate", &msg, &error), WIRE_DONE);
	ck_assert_int_eq(msg.op, CONTROL_ROTATE);
	ck_assert(slice_is(msg.sha256, NULL));
	ck_assert_int_eq(
	    decode("sha256=" SHA256 "&op=secret&lease=a.b", &msg, &error),
	    WIRE_DONE);
	ck_assert_int_eq(msg.op, CONTROL_SECRET);
	ck_assert(slice_is(msg.sha256, SHA256));
	ck_assert(slice_is(msg.error, NULL));
	ck_assert(slice_is(msg.lease, "a.b"));
	ck_assert_int_eq(
	    decode("op=secret&error=read-only", &msg, &error), WIRE_DONE);
	ck_assert(slice_is(msg.error, "read-only"));
	ck_assert(slice_is(msg.sha256, NULL));
}
END_TEST

/* It may be of a later version, in which the keys have other shapes. */
START_TEST(messages_of_heartbeats)
{
	struct control_msg msg;
	const char *error;

	ck_assert_int_eq(decode(WELCOME_NEEDS
			     "&heartbeat_min_ms=10000&heartbeat_max_ms=3600000",
			     &msg, &error),
	    WIRE_DONE);
	ck_assert_uint_eq(msg.heartbeat_min_ms, 10000);
	ck_assert_uint_eq(msg.heartbeat_max_ms, 3600000);
	ck_assert_int_eq(
	    decode("op=heartbeat&heartbeat_ms=86400000&beat_bytes=1000000&"
		   "budget_bytes=1000000000000",
		&msg, &error),
	    WIRE_DONE);
	ck_assert_int_eq(msg.op, CONTROL_HEARTBEAT);
	ck_assert_uint_eq(msg.heartbeat_ms, 86400000);
	ck_assert_uint_eq(msg.beat_bytes, BEAT_BYTES_MAX);
	ck_assert_uint_eq(msg.budget_bytes, BUDGET_BYTES_MAX);
}
END_TEST

START_TEST(unknown_op_is_not_judged)
{
	static const char *const cases[] = {"op=dance", "op=", "op",
	    "op=dance&id=x&visit=-1", "id=x&op=OPEN",
	    "visit=1&visit=2&op=dance"};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct control_msg msg;
		const char *error;

		ck_assert_msg(decode(cases[i], &msg, &error) == WIRE_DONE, "%s",
		    cases[i]);
		ck_assert_int_eq(msg.op, CONTROL_UNKNOWN);
		ck_assert_uint_eq(msg.visit, 0);
		ck_assert(slice_is(msg.id, NULL));
	}
}
END_TEST

START_TEST(refuses_malformed_messages)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
	    {"", "no op"},
	    {"service=web", "no op"},
	    {"op=open&%", "malformed form encoding"},
	    {"op=dance&=", "malformed form encoding"},
	    {"op=open&op=open&service=web", "a key that must not repeat does"},
	    {"op=open&service=a&service=b", "a key that must not repeat does"},
	    {"op=open", "open needs a service or an id"},
	    {"op=open&visit=1", "open needs a service or an id"},
	    {"op=refused&visit=1",
		"refused needs a reason, and an id or a visit"},
	    {"op=refused&reason=x",
		"refused needs a reason, and an id or a visit"},
	    {"op=opened", "opened needs a visit"},
	    {"op=abort", "abort needs a visit"},
	    {"op=abort&reason=x", "abort needs a visit"},
	    {"op=open&id=9F86d081884c7d659a2feaa0c55ad015",
		"id: not 32 lower-case "
		"hexadecimal digits"},
	    {"op=open&id=", "id: not 32 lower-case hexadecimal digits"},
	    {"op=open&id=" ID "0", "id: not 32 lower-case hexadecimal digits"},
	    {"op=open&service=Web", "service: not a service name"},
	    {"op=open&service", "service: not a service name"},
	    {"op=open&service=web&visit=0", "visit: not a number from 1"},
	    {"op=open&service=web&visit=-1", "visit: not a number from 1"},
	    {"op=open&service=web&visit=18446744073709551616",
		"visit: not a number from 1"},
	    {"op=open&service=web&from=", "from: not an address"},
	    {"op=open&service=web&from=a+b", "from: not an address"},
	    {"op=open&id=" ID "&mux=0", "mux: not 1"},
	    {"op=open&id=" ID "&mux=2", "mux: not 1"},
	    {"op=open&id=" ID "&mux=", "mux: not 1"},
	    {"op=open&service=a&shared=0",
		"shared: not 32 lower-case "
		"hexadecimal digits"},
	    {"op=open&service=a&stream=0",
		"stream: not a number from 1 to 4294967295"},
	    {"op=open&service=a&stream=4294967296",
		"stream: not a number from 1 to 4294967295"},
	    {"op=credit", "credit needs visit and bytes"},
	    {"op=credit&visit=1", "credit needs visit and bytes"},
	    {"op=credit&bytes=1", "credit needs visit and bytes"},
	    {"op=credit&visit=1&bytes=0", "bytes: not 1 to 16777216"},
	    {"op=credit&visit=1&bytes=16777217", "bytes: not 1 to 16777216"},
	    {"op=credit&visit=1&bytes=-1", "bytes: not 1 to 16777216"},
	    {"op=credit&visit=1&bytes=1e3", "bytes: not 1 to 16777216"},
	    {"op=credit&visit=1&bytes=1&bytes=1",
		"a key that must not repeat does"},
	    {"op=credit&visit=0&bytes=1", "visit: not a number from 1"},
	    {"op=moved", "moved needs a visit"},
	    {"op=stays", "stays needs a visit"},
	    {"op=secret", "secret needs a sha256 or an error"},
	    {"op=secret&reason=x", "secret needs a sha256 or an error"},
	    {"op=secret&sha256=", HASH_ERROR},
	    {"op=secret&sha256=" SHA256 "0", HASH_ERROR},
	    {"op=secret&sha256=D" SHA256, HASH_ERROR},
	    {"op=secret&sha256=" ID, HASH_ERROR},
	    {"op=secret&sha256=" ID ID "&sha256=" ID ID,
		"a key that must not repeat does"},
	    {"op=move&to=http://a", "to: not a relay's URL"},
	    {"op=move&to=ws://a/v1", "to: not a relay's URL"},
	    {"op=move&to=ws://u@a", "to: not a relay's URL"},
	    {WELCOME_NEEDS "&peer=wss", "peer: not up to 8 relays' URLs"},
	    {WELCOME_NEEDS "&url=web", "url: not up to 16 of <service>:<url>"},
	    {WELCOME_NEEDS "&url=W:http://a",
		"url: not up to 16 of <service>:<url>"},
	    {WELCOME_NEEDS "&url=web:", "url: not up to 16 of <service>:<url>"},
	    {WELCOME_NEEDS "&url=web:a:80",
		"url: not up to 16 of <service>:<url>"},
	    {WELCOME_NEEDS "&url=web:http://",
		"url: not up to 16 of <service>:<url>"},
	    {WELCOME_NEEDS "&url=web:http://a+b",
		"url: not up to 16 of <service>:<url>"},
	    {WELCOME_NEEDS "&lease=",
		"lease: not 1 to 1024 visible characters"},
	    {WELCOME_NEEDS "&lease=a+b",
		"lease: not 1 to 1024 visible characters"},
	    {"op=welcome&heartbeat_ms=0",
		"heartbeat_ms: not 1 to 86400000 milliseconds"},
	    {"op=welcome&heartbeat_ms=86400001",
		"heartbeat_ms: not 1 to 86400000 milliseconds"},
	    {"op=welcome&label=ab", "label: not a label"},
	    {"op=heartbeat", "heartbeat needs heartbeat_ms"},
	    {"op=heartbeat&beat_bytes=160", "heartbeat needs heartbeat_ms"},
	    {"op=heartbeat&heartbeat_ms=x",
		"heartbeat_ms: not 1 to 86400000 milliseconds"},
	    {"op=heartbeat&heartbeat_ms=1&beat_bytes=1000001",
		"beat_bytes: not 1 to 1000000"},
	    {"op=heartbeat&heartbeat_ms=1&budget_bytes=1000000000001",
		"budget_bytes: not 1 to 1000000000000"},
	    {WELCOME_NEEDS "&heartbeat_min_ms=0",
		"heartbeat_min_ms: not 1 to 86400000 milliseconds"},
	    {WELCOME_NEEDS "&heartbeat_max_ms=86400001",
		"heartbeat_max_ms: not 1 to 86400000 milliseconds"},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct control_msg msg;
		const char *error = NULL;

		ck_assert_msg(decode(cases[i].text, &msg, &error) == WIRE_BAD,
		    "%s", cases[i].text);
		ck_assert_str_eq(error, cases[i].error);
	}
}
END_TEST

START_TEST(welcome_needs_each_of_its_keys)
{
	static const char *const keys[] = {"epoch=1", "heartbeat_ms=1",
	    "lease_ms=1", "label=abc", "relay=ws://a"};

	for (size_t missing = 0; missing <= COUNT(keys); missing++) {
		char text[256] = "op=welcome";
		struct control_msg msg;
		const char *error;

		for (size_t i = 0; i < COUNT(keys); i++) {
			if (i == missing)
				continue;
			strcat(text, "&");
			strcat(text, keys[i]);
		}
		ck_assert_int_eq(decode(text, &msg, &error),
		    missing < COUNT(keys) ? WIRE_BAD : WIRE_DONE);
	}
}
END_TEST

START_TEST(lists_are_bounded)
{
	char text[CONTROL_MSG_MAX] = WELCOME_NEEDS;
	size_t len = strlen(text);
	struct control_msg msg;
	const char *error;

	for (size_t i = 0; i < PEERS_MAX; i++)
		len += (size_t)snprintf(
		    text + len, sizeof(text) - len, "&peer=ws://r%zu", i);
	for (size_t i = 0; i < SERVICES_MAX; i++)
		len += (size_t)snprintf(
		    text + len, sizeof(text) - len, "&url=s%zu:http://a", i);
	ck_assert_int_eq(decode(text, &msg, &error), WIRE_DONE);
	ck_assert_uint_eq(msg.n_peers, PEERS_MAX);
	ck_assert_uint_eq(msg.n_urls, SERVICES_MAX);
	ck_assert(slice_is(msg.peers[PEERS_MAX - 1], "ws://r7"));
	strcpy(text + len, "&peer=ws://r8");
	ck_assert_int_eq(decode(text, &msg, &error), WIRE_BAD);
	strcpy(text + len, "&url=x:http://a");
	ck_assert_int_eq(decode(text, &msg, &error), WIRE_BAD);
}
END_TEST

START_TEST(texts_are_bounded)
{
	char reason[REASON_MAX + 2], text[REASON_MAX + 64];
	struct control_msg msg;
	const char *error;

	memset(reason, 'x', sizeof(reason));
	reason[REASON_MAX + 1] = '\0';
	snprintf(text, sizeof(text), "op=refused&visit=1&reason=%s", reason);
	ck_assert_int_eq(decode(text, &msg, &error), WIRE_BAD);
	snprintf(
	    text, sizeof(text), "op=refused&visit=1&reason=%s", reason + 1);
	ck_assert_int_eq(decode(text, &msg, &error), WIRE_DONE);
	ck_assert_uint_eq(msg.reason.len, REASON_MAX);
	snprintf(text, sizeof(text), "op=secret&error=%s", reason);
	ck_assert_int_eq(decode(text, &msg, &error), WIRE_BAD);
	ck_assert_str_eq(error, "error: more than 200 characters");
	ck_assert_int_eq(
	    decode("op=refused&visit=1&reason=", &msg, &error), WIRE_DONE);
	ck_assert(slice_is(msg.reason, ""));
}
END_TEST

START_TEST(message_without_room_is_full)
{
	const struct control_msg msg = {
	    .op = CONTROL_ABORT, .visit = 7, .reason = STR("a b")};
	static const char expected[] = "op=abort&visit=7&reason=a%20b";

	for (size_t cap = 0; cap < sizeof(expected); cap++) {
		char *out = guard_copy(0, expected, cap);
		struct writer w;

		writer_init(&w, out, cap);
		control_msg_encode(&w, &msg);
		ck_assert_uint_eq(w.full, cap < sizeof(expected) - 1);
		ck_assert_mem_eq(out, expected, writer_len(&w));
	}
}
END_TEST

static enum wire_result
decode_params(
    const char *text, struct control_params *params, const char **error)
{
	size_t len = strlen(text);

	return control_params_decode(
	    guard_copy(0, text, len), len, params, error);
}

START_TEST(params_come_back_byte_by_byte)
{
	static const char query[] =
	    "name=alice&instance=5e3a90c1&service=web:http&service=ssh:tcp"
	    "&service=db:tls&lease=a.b-c%3D&hops=2&warm=64";
	char out[256];
	struct control_params params;
	struct writer w;
	const char *error;

	ck_assert_int_eq(decode_params(query, &params, &error), WIRE_DONE);
	ck_assert(slice_is(params.name, "alice"));
	ck_assert(slice_is(params.instance, "5e3a90c1"));
	ck_assert(slice_is(params.lease, "a.b-c="));
	ck_assert_uint_eq(params.hops, 2);
	ck_assert_uint_eq(params.warm, 64);
	ck_assert_uint_eq(params.n_services, 3);
	ck_assert(slice_is(params.services[1].name, "ssh"));
	ck_assert_int_eq(params.services[0].kind, SERVICE_HTTP);
	ck_assert_int_eq(params.services[1].kind, SERVICE_TCP);
	ck_assert_int_eq(params.services[2].kind, SERVICE_TLS);
	writer_init(&w, out, sizeof(out));
	control_params_encode(&w, &params);
	ck_assert(slice_is((struct str){out, writer_len(&w)}, query));
}
END_TEST

/* The driver of a device adds it to what is written. */
START_TEST(params_of_a_check)
{
	struct control_params params;
	const char *error;

	ck_assert_int_eq(
	    decode_params("name=alice&instance=b&service=web:http&check=1",
		&params, &error),
	    WIRE_DONE);
	ck_assert(params.check);
	ck_assert_int_eq(
	    decode_params(
		"name=alice&instance=b&service=web:http", &params, &error),
	    WIRE_DONE);
	ck_assert(!params.check);
}
END_TEST

START_TEST(params_of_shared_channels)
{
	static const char query[] = "name=alice&instance=b&service=web:http"
				    "&warm=1&mux=1&visits=65535"
				    "&window=16777216";
	char out[256];
	struct control_params params;
	struct writer w;
	const char *error;

	ck_assert_int_eq(decode_params(query, &params, &error), WIRE_DONE);
	ck_assert_uint_eq(params.mux, 1);
	ck_assert_uint_eq(params.visits, 65535);
	ck_assert_uint_eq(params.window, 16777216);
	writer_init(&w, out, sizeof(out));
	control_params_encode(&w, &params);
	ck_assert(slice_is((struct str){out, writer_len(&w)}, query));
	ck_assert_int_eq(
	    decode_params("name=a&instance=b&service=c:tcp&mux=1&visits=1"
			  "&window=1024",
		&params, &error),
	    WIRE_DONE);
	ck_assert_uint_eq(params.visits, 1);
	ck_assert_uint_eq(params.window, 1024);
	ck_assert(!params.no_channels);
	/* the defaults are the relay's to know */
	ck_assert_int_eq(decode_params("name=a&instance=b&service=c:tcp&mux=1",
			     &params, &error),
	    WIRE_DONE);
	ck_assert_uint_eq(params.visits, 0);
	ck_assert_uint_eq(params.window, 0);
}
END_TEST

START_TEST(params_of_an_agent_with_one_connection)
{
	static const char query[] = "name=alice&instance=b&service=web:http"
				    "&mux=1&visits=4&window=2048&channels=0";
	char out[256];
	struct control_params params;
	struct writer w;
	const char *error;

	ck_assert_int_eq(decode_params(query, &params, &error), WIRE_DONE);
	ck_assert(params.no_channels);
	writer_init(&w, out, sizeof(out));
	control_params_encode(&w, &params);
	ck_assert(str_is((struct str){out, writer_len(&w)}, query));
}
END_TEST

START_TEST(params_of_an_enrolment)
{
	static const char query[] = "name=d-4f0a&instance=b&service=web:http"
				    "&enrol=" SHA256 "&hops=1";
	char out[256];
	struct control_params params;
	struct writer w;
	const char *error;

	ck_assert_int_eq(decode_params(query, &params, &error), WIRE_DONE);
	ck_assert(slice_is(params.enrol, SHA256));
	writer_init(&w, out, sizeof(out));
	control_params_encode(&w, &params);
	ck_assert(slice_is((struct str){out, writer_len(&w)}, query));
}
END_TEST

START_TEST(params_without_lease_hops_and_warm)
{
	struct control_params params;
	const char *error;

	ck_assert_int_eq(
	    decode_params("name=a&instance=b&service=c:tcp&hops=0&new=1",
		&params, &error),
	    WIRE_DONE);
	ck_assert(slice_is(params.lease, NULL));
	ck_assert(slice_is(params.enrol, NULL));
	ck_assert_uint_eq(params.hops, 0);
	ck_assert_int_eq(
	    decode_params("name=a&instance=b&service=c:tcp", &params, &error),
	    WIRE_DONE);
	ck_assert_uint_eq(params.hops, 0);
	ck_assert_uint_eq(params.warm, 0);
}
END_TEST

START_TEST(refuses_malformed_params)
{
	static const struct {
		const char *query, *error;
	} cases[] = {
	    {"", "no name"},
	    {"instance=b&service=c:tcp", "no name"},
	    {"name=a&service=c:tcp", "no instance"},
	    {"name=a&instance=b", "no service"},
	    {"name=a&name=a&instance=b&service=c:tcp",
		"a key that must not repeat does"},
	    {"name=-&instance=b&service=c:tcp", "name: not a device name"},
	    {"name=a&instance=&service=c:tcp",
		"instance: not 1 to 64 visible characters"},
	    {"name=a&instance=b&service=c:tcp&hops=101", "hops: not 0 to 100"},
	    {"name=a&instance=b&service=c:tcp&enrol=" ID,
		"enrol: not 64 lower-case hexadecimal digits"},
	    {"name=a&instance=b&service=c:tcp&enrol=",
		"enrol: not 64 lower-case hexadecimal digits"},
	    {"name=a&instance=b&service=c:tcp&warm=65", "warm: not 0 to 64"},
	    {"name=a&instance=b&service=c:tcp&mux=2", "mux: not 0 or 1"},
	    {"name=a&instance=b&service=c:tcp&mux=1&visits=0",
		"visits: not 1 to 65535"},
	    {"name=a&instance=b&service=c:tcp&mux=1&visits=65536",
		"visits: not 1 to 65535"},
	    {"name=a&instance=b&service=c:tcp&mux=1&window=1023",
		"window: not 1024 to 16777216"},
	    {"name=a&instance=b&service=c:tcp&mux=1&window=16777217",
		"window: not 1024 to 16777216"},
	    {"name=a&instance=b&service=c:tcp&mux=1&mux=1",
		"a key that must not repeat does"},
	    {"name=a&instance=b&service=c:tcp&mux=1&channels=1",
		"channels: not 0"},
	    {"name=a&instance=b&service=c:tcp&mux=1&channels=",
		"channels: not 0"},
	    {"name=a&instance=b&service=c:tcp&mux=1&channels=00",
		"channels: not 0"},
	    {"name=a&instance=b&service=c:tcp&check=0", "check: not 1"},
	    {"name=a&instance=b&service=c:tcp&check=1&check=1",
		"a key that must not repeat does"},
	    {"name=a&instance=b&service=c:tcp&channels=0",
		"channels=0 without mux=1"},
	    {"name=a&instance=b&service=c:tcp&channels=0&mux=0",
		"channels=0 without mux=1"},
	    {"name=a&instance=b&service=c:tcp&mux=1&channels=0&channels=0",
		"a key that must not repeat does"},
	    {"name=a&instance=b&service=c", NULL},
	    {"name=a&instance=b&service=c:udp", NULL},
	    {"name=a&instance=b&service=:tcp", NULL},
	    {"name=a&instance=b&service=c:tcp:", NULL},
	    {"name=a&instance=b&service=c:tcp&service=c:http", NULL},
	    {"name=a&instance=b&service=c:tcp&x=%0a",
		"malformed form encoding"},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct control_params params;
		const char *error = NULL;

		ck_assert_msg(
		    decode_params(cases[i].query, &params, &error) == WIRE_BAD,
		    "%s", cases[i].query);
		ck_assert_str_eq(error,
		    cases[i].error != NULL
			? cases[i].error
			: "service: not up to 16 of <name>:<http|tls|tcp> with "
			  "different names");
	}
	ck_assert_int_eq(
	    control_params_decode(NULL, 0, &(struct control_params){.hops = 0},
		&(const char *){NULL}),
	    WIRE_BAD);
}
END_TEST

START_TEST(services_are_bounded)
{
	char query[512] = "name=a&instance=b";
	size_t len = strlen(query);
	struct control_params params;
	const char *error;

	for (size_t i = 0; i < SERVICES_MAX; i++)
		len += (size_t)snprintf(
		    query + len, sizeof(query) - len, "&service=s%zu:tcp", i);
	ck_assert_int_eq(decode_params(query, &params, &error), WIRE_DONE);
	ck_assert_uint_eq(params.n_services, SERVICES_MAX);
	strcpy(query + len, "&service=x:tcp");
	ck_assert_int_eq(decode_params(query, &params, &error), WIRE_BAD);
}
END_TEST

START_TEST(transfer_ids)
{
	static const struct {
		const char *query;
		bool fine;
	} cases[] = {
	    {"id=" ID, true},
	    {"x=1&id=" ID "&visit=x", true},
	    {"", false},
	    {"id", false},
	    {"id=", false},
	    {"id=" ID "0", false},
	    {"id=9f86d081884c7d659a2feaa0c55ad01", false},
	    {"id=9F86D081884C7D659A2FEAA0C55AD015", false},
	    {"id=9f86d081884c7d659a2feaa0c55ad01g", false},
	    {"id=" ID "&id=" ID, false},
	    {"ID=" ID, false},
	    {"id=" ID "&%", false},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t len = strlen(cases[i].query);
		struct str id = {NULL, 0};
		const char *error;
		enum wire_result result = transfer_params_decode(
		    guard_copy(0, cases[i].query, len), len, &id, &error);

		ck_assert_msg(result == (cases[i].fine ? WIRE_DONE : WIRE_BAD),
		    "%s", cases[i].query);
		ck_assert((error == NULL) == cases[i].fine);
		if (cases[i].fine)
			ck_assert(slice_is(id, ID));
	}
}
END_TEST

START_TEST(names_of_service_kinds)
{
	enum service_kind kind = SERVICE_HTTP;

	ck_assert_str_eq(service_kind_name(SERVICE_HTTP), "http");
	ck_assert_str_eq(service_kind_name(SERVICE_TLS), "tls");
	ck_assert_str_eq(service_kind_name(SERVICE_TCP), "tcp");
	ck_assert(service_kind_find(STR("tcp"), &kind));
	ck_assert_int_eq(kind, SERVICE_TCP);
	ck_assert(!service_kind_find(STR("TCP"), &kind));
	ck_assert(!service_kind_find((struct str){NULL, 0}, &kind));
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
	    protocol_examples_come_back_byte_by_byte,
	    decodes_a_welcome,
	    messages_of_heartbeats,
	    order_and_unknown_keys_do_not_matter,
	    open_with_an_id_and_no_service,
	    messages_of_shared_channels,
	    messages_of_rotation,
	    unknown_op_is_not_judged,
	    refuses_malformed_messages,
	    welcome_needs_each_of_its_keys,
	    lists_are_bounded,
	    texts_are_bounded,
	    message_without_room_is_full,
	    params_come_back_byte_by_byte,
	    params_of_a_check,
	    params_of_shared_channels,
	    params_of_an_agent_with_one_connection,
	    params_of_an_enrolment,
	    params_without_lease_hops_and_warm,
	    refuses_malformed_params,
	    services_are_bounded,
	    transfer_ids,
	    names_of_service_kinds,
	};

	return run_suite("control_msg", tests, COUNT(tests));
}
