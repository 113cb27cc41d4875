/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "relay/device.h"
#include "relay/relay_setup.h"
#include "relay/service.h"
#include "relay/transfer.h"
#include "scene.h"

#define KEY "dGhlIHNhbXBsZSBub25jZQ=="

struct relay *relay;

static void
event_cb(void *ctx, const struct registry_event *event)
{
	(void)ctx;
	(void)event;
}

void
scene_begin(int backend, const char *const *options)
{
	static char room[20][100];
	char *argv[24] = {(char *)"taupe-relay",
	    (char *)"--agent-listen=127.0.0.1:0",
	    (char *)"--service-listen=127.0.0.1:20000-29999",
	    (char *)"--open=yes"};
	int argc = 4;

	without_edges(backend == 1);
	for (; options != NULL && *options != NULL; options++, argc++) {
		snprintf(room[argc], sizeof(room[0]), "--%s", *options);
		argv[argc] = room[argc];
	}
	relay = calloc(1, sizeof(*relay));
	ck_assert_ptr_nonnull(relay);
	ck_assert_int_eq(
	    options_load(&relay_option_table, argc, argv, &relay->options),
	    OPTIONS_OK);
	log_setup("test", LOG_LEVEL_ERROR, false);
	ck_assert_int_eq(relay_setup(relay, event_cb), 0);
	relay->inherited_complete = true; /* there was nobody before */
	loop = relay->loop;
}

void
scene_teardown(void)
{
	if (relay == NULL)
		return;
	relay_teardown(relay);
	options_free(&relay_option_table, &relay->options);
	free(relay);
	relay = NULL;
}

struct device *
scene_device(void)
{
	return device_find(relay, STR(SCENE_DEVICE));
}

static void
open_peer(struct peer *peer, const struct address *to)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(connect(fd, &to->sa, to->len), 0);
	ck_assert_int_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	peer_init(peer, fd);
}

static void
request(struct channel *channel, const char *target)
{
	struct address to;
	char head[600];

	listener_address(&relay->agent_listeners[0], &to);
	open_peer(&channel->peer, &to);
	channel->at = 0;
	snprintf(head, sizeof(head),
	    "GET %s HTTP/1.1\r\nHost: relay\r\nUpgrade: websocket\r\n"
	    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
	    "Sec-WebSocket-Key: " KEY "\r\nSec-WebSocket-Protocol: taupe.v1\r\n"
	    "Authorization: Bearer secret\r\n\r\n",
	    target);
	peer_send(&channel->peer, head, strlen(head));
}

void
agent_take_switch(struct channel *channel)
{
	const struct peer *peer = &channel->peer;
	size_t end = 4;

	run_until_received(loop, &channel->peer, end);
	while (memcmp(peer->data + end - 4, "\r\n\r\n", 4) != 0)
		run_until_received(loop, &channel->peer, ++end);
	ck_assert_msg(
	    memcmp(peer->data, "HTTP/1.1 101 ", 13) == 0, "%.60s", peer->data);
	channel->at = end;
}

void
agent_login(struct channel *control, const char *instance)
{
	agent_login_with(control, instance, "");
}

void
agent_login_with(
    struct channel *control, const char *instance, const char *more)
{
	char target[200];

	snprintf(target, sizeof(target),
	    "/v1/control?name=" SCENE_DEVICE
	    "&service=web:http&service=shell:tcp&instance=%s%s",
	    instance, more);
	request(control, target);
	agent_take_switch(control);
	channel_expect(control, "op=welcome&");
}

void
agent_request(struct channel *transfer, const char *id)
{
	char target[100];

	snprintf(target, sizeof(target), "/v1/transfer?id=%s", id);
	request(transfer, target);
}

void
agent_dig(struct channel *control, struct channel *transfer, char id[33])
{
	struct frame frame = channel_next(control);
	char own[33];

	ck_assert_uint_eq(frame.opcode, WS_OP_TEXT);
	ck_assert_uint_ge(frame.len, 11 + 32);
	ck_assert_mem_eq(frame.data, "op=open&id=", 11);
	if (id == NULL)
		id = own;
	memcpy(id, frame.data + 11, 32);
	id[32] = '\0';
	agent_request(transfer, id);
	agent_take_switch(transfer);
}

struct frame
channel_next(struct channel *channel)
{
	struct peer *peer = &channel->peer;
	struct frame frame;
	struct ws_header header;
	size_t size;

	while (peer->len == channel->at ||
	    ws_header_decode(peer->data + channel->at, peer->len - channel->at,
		&header, &size) != WIRE_DONE)
		run_until_received(loop, peer, peer->len + 1);
	ck_assert(!header.masked);
	ck_assert(header.fin);
	run_until_received(
	    loop, peer, channel->at + size + (size_t)header.length);
	frame.opcode = header.opcode;
	frame.data = peer->data + channel->at + size;
	frame.len = (size_t)header.length;
	channel->at += size + frame.len;
	return frame;
}

void
channel_expect(struct channel *channel, const char *text)
{
	struct frame frame = channel_next(channel);

	ck_assert_msg(frame.opcode == WS_OP_TEXT && frame.len >= strlen(text) &&
		memcmp(frame.data, text, strlen(text)) == 0,
	    "opcode %u: \"%.*s\", wanted \"%s\"", frame.opcode, (int)frame.len,
	    frame.data, text);
}

void
channel_expect_bytes(struct channel *channel, const char *bytes)
{
	size_t len = bytes != NULL ? strlen(bytes) : 0;
	struct frame frame = channel_next(channel);

	ck_assert_uint_eq(frame.opcode, WS_OP_BINARY);
	ck_assert_uint_eq(frame.len, len);
	if (len > 0)
		ck_assert_mem_eq(frame.data, bytes, len);
}

void
channel_expect_close(struct channel *channel, unsigned code)
{
	struct frame frame = channel_next(channel);

	ck_assert_uint_eq(frame.opcode, WS_OP_CLOSE);
	ck_assert_uint_ge(frame.len, 2);
	ck_assert_uint_eq((unsigned)frame.data[0] << 8 | frame.data[1], code);
	run_until_ended(loop, &channel->peer);
}

void
channel_expect_silence(struct channel *channel)
{
	run_for_ms(loop, 30);
	peer_receive(&channel->peer);
	ck_assert_uint_eq(channel->peer.len, channel->at);
	ck_assert(!channel->peer.ended && !channel->peer.reset);
}

size_t
frame_encode(uint8_t *out, uint8_t first, const void *data, size_t len)
{
	struct ws_header header = {.length = len,
	    .opcode = WS_OP_BINARY,
	    .masked = true,
	    .mask = {0x12, 0x34, 0x56, 0x78}};
	size_t size = ws_header_encode(&header, out);

	out[0] = first;
	if (len > 0)
		memcpy(out + size, data, len);
	ws_mask(out + size, len, header.mask, 0);
	return size + len;
}

void
channel_send(
    struct channel *channel, uint8_t first, const void *data, size_t len)
{
	uint8_t *frame = malloc(WS_HEADER_MAX + len);

	ck_assert_ptr_nonnull(frame);
	peer_send(&channel->peer, frame, frame_encode(frame, first, data, len));
	free(frame);
}

void
channel_send_text(struct channel *channel, const char *text)
{
	channel_send(channel, 0x81, text, strlen(text));
}

void
channel_send_bytes(struct channel *channel, const char *bytes)
{
	channel_send(channel, 0x82, bytes, strlen(bytes));
}

void
channel_send_end(struct channel *channel)
{
	channel_send(channel, 0x82, NULL, 0);
}

void
visitor_dial(struct peer *visitor, const char *service)
{
	struct device *device = scene_device();
	struct service *found = NULL, *each;
	struct address to;

	ck_assert_ptr_nonnull(device);
	LIST_FOREACH (each, &device->services, link)
		if (strcmp(each->name, service) == 0)
			found = each;
	ck_assert_ptr_nonnull(found);
	listener_address(&found->listener, &to);
	open_peer(visitor, &to);
}

void
visit_begin(struct channel *control, struct channel *transfer,
    struct peer *visitor, const char *service)
{
	char open[60];

	visitor_dial(visitor, service);
	agent_dig(control, transfer, NULL);
	snprintf(open, sizeof(open),
	    "op=open&visit=1&service=%s&from=127.0.0.1:", service);
	channel_expect(transfer, open);
}

size_t
count_idle(void)
{
	struct transfer *transfer;
	size_t n = 0;

	TAILQ_FOREACH (transfer, &scene_device()->idle, link)
		n++;
	return n;
}

size_t
count_running(void)
{
	struct transfer *transfer;
	size_t n = 0;

	TAILQ_FOREACH (transfer, &scene_device()->running, link)
		n++;
	return n;
}

int
scene_run_suite(const char *name, const TTest *const tests[], size_t n_tests,
    void (*teardown)(void))
{
	Suite *suite = suite_create(name);
	TCase *tcase = tcase_create(name);
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, NULL, teardown);
	for (size_t i = 0; i < n_tests; i++)
		tcase_add_loop_test(tcase, tests[i], 0, 2);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
