/* SPDX-License-Identifier: MIT */
/*
 * A relay in the test's own process, an agent made of raw sockets, and visitors. Whoever
 * waits for something runs the relay's loop meanwhile.
 */
#ifndef TAUPE_TESTS_RELAY_SCENE_H
#define TAUPE_TESTS_RELAY_SCENE_H

#include <check.h>

#include "../net/side.h"
#include "relay/relay.h"
#include "wire/ws_frame.h"

#define SCENE_DEVICE "mole"

extern struct relay *relay;

/* Start a relay with these options besides ("hold=100ms", …; NULL ends the list). */
void scene_begin(int backend, const char *const *options);
void scene_teardown(void);
/* A main program's tests, each with edges (_i 0) and without, and this behind it. What it returns. */
int scene_run_suite(const char *name, const TTest *const tests[],
    size_t n_tests, void (*teardown)(void));

/* The agent's end of a control or transfer channel. */
struct channel {
	struct peer peer;
	size_t at; /* in what was received: where the next frame begins */
};

struct frame {
	unsigned opcode;
	uint8_t *data; /* valid until the next call */
	size_t len;
};

/* Connect as SCENE_DEVICE with the services web (http) and shell (tcp), and take the welcome. */
void agent_login(struct channel *control, const char *instance);
/* The same, with more parameters: "&warm=2". */
void agent_login_with(
    struct channel *control, const char *instance, const char *more);
/* Wait for the request on the control channel, and dig that channel; its id in 32 digits and
 * a zero may be kept. */
void agent_dig(struct channel *control, struct channel *transfer, char id[33]);
/* Skip the head of the answer to a request: 101. */
void agent_take_switch(struct channel *channel);
/* Send a request for a channel with that id; the answer is not read. */
void agent_request(struct channel *transfer, const char *id);

/* The next frame: waits for it. */
struct frame channel_next(struct channel *channel);
/* It must be this text message; or begin with it. */
void channel_expect(struct channel *channel, const char *text);
/* It must be a binary message of these bytes; NULL: the empty one. */
void channel_expect_bytes(struct channel *channel, const char *bytes);
/* It must be a close frame with that code, and then the end of the connection. */
void channel_expect_close(struct channel *channel, unsigned code);
/* Nothing must come. */
void channel_expect_silence(struct channel *channel);

/* Encode a masked frame; first is its first byte: FIN, opcode. */
size_t frame_encode(uint8_t *out, uint8_t first, const void *data, size_t len);
void channel_send(
    struct channel *channel, uint8_t first, const void *data, size_t len);
void channel_send_text(struct channel *channel, const char *text);
void channel_send_bytes(struct channel *channel, const char *bytes);
void channel_send_end(struct channel *channel);

/* A visitor comes to a service. */
void visitor_dial(struct peer *visitor, const char *service);
/* A visitor comes, and the agent digs for it and gets the open: visit 1 runs. */
void visit_begin(struct channel *control, struct channel *transfer,
    struct peer *visitor, const char *service);

/* Of the scene's device. */
struct device *scene_device(void);
size_t count_idle(void);
size_t count_running(void);

#endif
