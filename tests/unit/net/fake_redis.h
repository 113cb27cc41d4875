/* SPDX-License-Identifier: MIT */
/* A Redis for tests, on the loop of the test: it records what it is told and answers
 * what the test wants, well-formed or not. */
#ifndef TAUPE_TESTS_NET_FAKE_REDIS_H
#define TAUPE_TESTS_NET_FAKE_REDIS_H

#include "net/listener.h"

#define FAKE_HEARD_MAX 65536

struct fake_redis {
	struct loop *loop;
	struct listeners *listeners;
	struct listener listener;
	struct address address;
	struct fake_client *clients;
	/* Answer to a command (its words joined by blanks); NULL: the usual answer; "": none. */
	const char *(*answer)(const char *command);
	const char *banner; /* sent to each connection, unasked */
	size_t piece; /* answers leave in pieces of so many bytes; 0: whole */
	int n_connections, n_commands;
	char heard[FAKE_HEARD_MAX]; /* all commands, each with a newline */
};

/* Listen on redis->address, or on a port of 127.0.0.1 if there is none. */
void fake_redis_start(struct fake_redis *redis, struct loop *loop);
/* Close the connections, not the listener. */
void fake_redis_hang_up(struct fake_redis *redis);
void fake_redis_say(struct fake_redis *redis, const char *bytes, size_t len);
/* Only to those that have subscribed to anything. */
void fake_redis_publish(struct fake_redis *redis, const char *bytes, size_t len);
void fake_redis_stop(struct fake_redis *redis);

#endif
