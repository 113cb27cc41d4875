/* SPDX-License-Identifier: MIT */
/*
 * A session against a scripted relay and a clock that the test turns. The driver does what
 * the session says and writes down what it did, one word for each action: "dial0 r1:80" or
 * "close0(reason)", and what was sent before it: "ping", "pong", "close:1000".
 */
#ifndef TAUPE_TESTS_SDK_BENCH_H
#define TAUPE_TESTS_SDK_BENCH_H

#include "support.h"

#define WELCOME(relay, more)                                                   \
	"op=welcome&epoch=7&heartbeat_ms=30000&lease_ms=3600000&label="        \
	"k7x2m9q4tz&relay=" relay more

#define BENCH_SERVICES 2
extern const struct taupe_service bench_services[BENCH_SERVICES];

struct bench {
	struct taupe_config config;
	struct taupe_session session;
	uint64_t now;
	uint64_t until; /* of the last wait */
	size_t cut;	/* longest piece that is handed in */
	char trace[4000];
	char request[TAUPE_LINKS]
		    [TAUPE_REQUEST_MAX]; /* the last one on each link */
	size_t request_len[TAUPE_LINKS];
	uint8_t buffer[8192];
	uint8_t memory[2048];
	struct taupe_event event; /* the last that was not TAUPE_EVENT_NONE */
	char text[600];		  /* its text */
};

/* Compare what was done since the last time with this. */
#define DID(b, expected)                                                       \
	do {                                                                   \
		ck_assert_str_eq((b)->trace, expected);                        \
		(b)->trace[0] = '\0';                                          \
	} while (0)

/* A configuration with two services and two relays, r1 and r2, and the clock at a million. */
void init(struct bench *b);
/* taupe_session_init() */
void begin(struct bench *b);
/* Do what the session wants until it wants to wait; dials are left to the test. */
void act(struct bench *b);
/* The dial of a link has come through; with the relay's 101. */
void connected(struct bench *b, unsigned link);
void accepted(struct bench *b, unsigned link);
void lost(struct bench *b, unsigned link);
/* The same, and time passes until the session dials again. */
void lost_and_dialled(struct bench *b, unsigned link);
/* Up, at the first relay, which has told of two others, r3 and r4. */
void bring_up(struct bench *b);
/* What comes in on a link: frames, any bytes, a text message, a close frame. */
void hear(struct bench *b, unsigned link, const struct bytes *in);
void hear_raw(struct bench *b, unsigned link, const char *text);
void hear_text(struct bench *b, unsigned link, const char *text);
void hear_close(
    struct bench *b, unsigned link, unsigned code, const char *reason);
/* Let time pass, stopping wherever the session asked to be called. */
void pass(struct bench *b, uint64_t ms);

#endif
