/* SPDX-License-Identifier: MIT */
/*
 * The channel of a check (docs/PROTOCOL.md section 4.10): libtaupe asks for it as it asks for a control
 * channel, with the same secrets, and takes the answer; then a ping and a long message are sent over
 * it. Each call waits for its answer, and runs the loop meanwhile: nothing else is on that.
 */
#ifndef TAUPE_AGENT_CHECK_CHANNEL_H
#define TAUPE_AGENT_CHECK_CHANNEL_H

#include "net/conn.h"
#include "sdk/taupe.h"

#define CHECK_ECHO_BYTES 4000
#define CHECK_TEXT_MAX 300

/* What came of a request. */
enum check_outcome {
	CHECK_WAITS,   /* for its answer */
	CHECK_FOREIGN, /* there is none, or it is not a relay's: text says what came instead */
	CHECK_REFUSED, /* a relay has: status, error and text */
	CHECK_AGAIN,   /* it has refused one secret; another is to be tried, on a new connection */
	CHECK_OPEN,    /* the channel stands */
	CHECK_OLD,     /* a relay that knows no checks has begun a session, to be left at once */
	CHECK_MOVED    /* one that knows none names another relay */
};

struct check_channel {
	struct loop *loop;
	struct conn conn; /* who connects it calls check_channel_ask() then */
	struct timer timer;
	uint64_t timeout_ms;
	uint64_t now_ms; /* libtaupe's clock, which stands still: nothing is ever late */
	enum check_outcome outcome;
	bool done;	/* with what is waited for */
	bool waits_for_bytes; /* else for the outcome */
	size_t awaited; /* bytes of what is on its way back */
	unsigned status;
	enum taupe_credential credential; /* what the relay has taken */
	char error[40];			  /* CHECK_REFUSED: error= */
	char text[CHECK_TEXT_MAX];
	struct taupe_config config;
	uint8_t buffer[TAUPE_LINKS * 4096];
	struct taupe_session session;
};

/* config: name, services, secrets and relays (one); what it points to must live on. NULL, or what
 * is wrong with it. */
const char *check_channel_init(struct check_channel *channel, struct loop *loop,
    const struct taupe_config *config, uint64_t timeout_ms);
/* Closes the connection, if there is one. */
void check_channel_fini(struct check_channel *channel);

/* Ask on the connection, which stands, and wait for what comes of it. */
enum check_outcome check_channel_ask(struct check_channel *channel);
/* CHECK_OPEN: send a ping, or a message of CHECK_ECHO_BYTES, and wait until as much has come back. NULL, or
 * why it has not. */
const char *check_channel_ping(struct check_channel *channel);
const char *check_channel_echo(struct check_channel *channel);
/* Close it in order, if it is open. */
void check_channel_leave(struct check_channel *channel);

#endif
