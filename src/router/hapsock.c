/* SPDX-License-Identifier: MIT */
/*
 * HAProxy does not say that a reload is under way: the old process stops listening, but
 * a connection that it has stays open and its maps can still be written, to no effect
 * for new visitors. So the process is asked how it is four times a second; this also
 * finds one that hangs, and keeps "stats timeout" from ending the conversation.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "net/conn.h"
#include "net/unix_socket.h"
#include "router/hapsock.h"

#define POLL_MS 250
#define DIAL_MIN_MS 16
#define DIAL_MAX_MS 256
#define STRIKE_MS 100
#define STRIKE_MAX_MS 5000
#define READ_BYTES 16384
#define SAID_MAX 100

static const char ask_prompt[] = "prompt\n";
static const char ask_info[] = "show info\n";

enum hapsock_state {
	HAPSOCK_AWAY,	  /* the retry timer runs */
	HAPSOCK_GREETING, /* "prompt" was sent */
	HAPSOCK_MEETING,  /* the first "show info" was sent */
	HAPSOCK_UP
};

enum hapsock_turn { TURN_IDLE, TURN_POLL, TURN_OWNER };

struct hapsock {
	struct loop *loop;
	const char *path;
	uint64_t timeout_ms;
	const struct hapsock_ops *ops;
	void *ctx;
	struct conn conn;
	struct hap_reply reply;
	struct hap_info info;
	enum hapsock_state state;
	enum hapsock_turn turn;	   /* whose reply is awaited */
	hapsock_reply_cb reply_cb; /* of the owner's command, sent or waiting */
	char *waiting;		   /* the owner's command, behind a poll */
	size_t waiting_len;
	bool poll_due;
	bool settled;
	unsigned strikes; /* conversations in a row that ended badly */
	uint64_t dial_ms; /* pause before the next attempt to connect */
	int last_errno;	  /* of the last attempt, so as to log it once */
	char said
	    [SAID_MAX]; /* why conversations end that come to nothing: once */
	struct timer retry, poll, deadline;
};

/* Back to HAPSOCK_AWAY, from any state. */
static void
go_away(struct hapsock *sock, uint64_t pause_ms)
{
	conn_fini(&sock->conn);
	hap_reply_reset(&sock->reply);
	free(sock->waiting);
	sock->waiting = NULL;
	sock->state = HAPSOCK_AWAY;
	sock->turn = TURN_IDLE;
	timer_clear(sock->loop, &sock->deadline);
	timer_clear(sock->loop, &sock->poll);
	timer_set(sock->loop, &sock->retry, pause_ms);
}

static uint64_t
strike(struct hapsock *sock)
{
	uint64_t pause_ms = STRIKE_MS
	    << (sock->strikes < 6 ? sock->strikes : 6);

	sock->strikes++;
	return pause_ms < STRIKE_MAX_MS ? pause_ms : STRIKE_MAX_MS;
}

/* The same once, until a conversation comes to something. */
static void
log_end(struct hapsock *sock, const char *what, const char *why)
{
	if (strcmp(sock->said, why) == 0)
		return;
	snprintf(sock->said, sizeof(sock->said), "%s", why);
	log_warn(what, LOG_S("socket", sock->path), LOG_S("reason", why));
}

/* The connection is of no use any more. A process that ends is no misbehaviour, but one
 * that ends each conversation before it has come to anything is. */
static void
lose(struct hapsock *sock, const char *why, bool gently)
{
	bool was_up = sock->state == HAPSOCK_UP;

	if (gently && sock->settled)
		go_away(sock, 0);
	else
		go_away(sock, strike(sock));
	log_end(sock, "lost HAProxy", why);
	if (was_up)
		sock->ops->down_cb(sock->ctx, why);
}

void
hapsock_reset(struct hapsock *sock, const char *why)
{
	if (sock->state == HAPSOCK_AWAY)
		return;
	go_away(sock, strike(sock));
	log_end(sock, "starting again with HAProxy", why);
}

void
hapsock_settle(struct hapsock *sock)
{
	sock->settled = true;
	sock->strikes = 0;
	sock->said[0] = '\0';
}

static void
send_text(
    struct hapsock *sock, enum hapsock_turn turn, const char *text, size_t len)
{
	assert(sock->turn == TURN_IDLE);
	sock->turn = turn;
	hap_reply_reset(&sock->reply);
	timer_set(sock->loop, &sock->deadline, sock->timeout_ms);
	/* a failure is told by broken_cb */
	(void)conn_write(&sock->conn, text, len);
}

static void
send_poll(struct hapsock *sock)
{
	sock->poll_due = false;
	timer_set(sock->loop, &sock->poll, POLL_MS);
	send_text(sock, TURN_POLL, ask_info, sizeof(ask_info) - 1);
}

bool
hapsock_is_idle(const struct hapsock *sock)
{
	return sock->state == HAPSOCK_UP && sock->turn != TURN_OWNER &&
	    sock->waiting == NULL;
}

void
hapsock_command(
    struct hapsock *sock, const char *text, size_t len, hapsock_reply_cb cb)
{
	assert(hapsock_is_idle(sock));
	sock->reply_cb = cb;
	if (sock->turn == TURN_IDLE && !sock->poll_due) {
		send_text(sock, TURN_OWNER, text, len);
		return;
	}
	sock->waiting = malloc(len);
	sock->waiting_len = len;
	if (sock->waiting == NULL) {
		/* from the loop, as a lost reply */
		timer_set(sock->loop, &sock->deadline, 0);
		return;
	}
	memcpy(sock->waiting, text, len);
	if (sock->turn == TURN_IDLE)
		send_poll(sock);
}

static void
on_first_info(struct hapsock *sock)
{
	sock->state = HAPSOCK_UP;
	sock->last_errno = 0;
	sock->dial_ms = DIAL_MIN_MS;
	timer_set(sock->loop, &sock->poll, POLL_MS);
	log_info("met HAProxy", LOG_S("socket", sock->path),
	    LOG_U("pid", sock->info.pid), LOG_S("version", sock->info.version));
	sock->ops->up_cb(sock->ctx, &sock->info);
}

static void
on_info(struct hapsock *sock, struct str text)
{
	struct hap_info info;

	if (!hap_info_parse(text, &info)) {
		lose(sock, "its answer to show info makes no sense", false);
		return;
	}
	if (info.stopping && sock->state == HAPSOCK_MEETING) {
		/* the new process is about to listen */
		go_away(sock, DIAL_MIN_MS);
		return;
	}
	if (info.stopping) {
		lose(sock, "a reload replaces it", true);
		return;
	}
	if (sock->state == HAPSOCK_MEETING) {
		sock->info = info;
		on_first_info(sock);
		return;
	}
	if (sock->waiting != NULL) {
		send_text(sock, TURN_OWNER, sock->waiting, sock->waiting_len);
		free(sock->waiting);
		sock->waiting = NULL;
	}
}

static void
on_reply(struct hapsock *sock, struct str text)
{
	enum hapsock_turn turn = sock->turn;

	sock->turn = TURN_IDLE;
	timer_clear(sock->loop, &sock->deadline);
	if (sock->state == HAPSOCK_GREETING) {
		sock->state = HAPSOCK_MEETING;
		send_text(sock, TURN_POLL, ask_info, sizeof(ask_info) - 1);
	} else if (turn == TURN_POLL) {
		on_info(sock, text);
	} else {
		sock->reply_cb(sock->ctx, text);
	}
}

static void
readable_cb(struct conn *conn)
{
	struct hapsock *sock = conn->owner;
	char data[READ_BYTES];
	struct str text;
	ssize_t n = conn_read(conn, data, sizeof(data));

	if (n == CONN_AGAIN)
		return;
	if (n == 0 || n == CONN_ERROR) {
		lose(sock, n == 0 ? "it closed the connection" : log_errno(),
		    true);
		return;
	}
	if (sock->turn == TURN_IDLE) {
		lose(sock, "it said something that was not asked for", false);
		return;
	}
	switch (hap_reply_feed(&sock->reply, data, (size_t)n, &text)) {
	case WIRE_DONE:
		on_reply(sock, text);
		break;
	case WIRE_MORE:
		break;
	case WIRE_BAD:
		lose(sock, "its reply is malformed", false);
		break;
	}
}

static void
broken_cb(struct conn *conn)
{
	lose(conn->owner, "writing failed", true);
}

static const struct conn_ops conn_ops = {
    .readable_cb = readable_cb, .broken_cb = broken_cb};

static void
dial_failed(struct hapsock *sock, int error)
{
	errno = error;
	if (error != sock->last_errno)
		log_warn("cannot reach HAProxy", LOG_S("socket", sock->path),
		    LOG_S("error", log_errno()));
	sock->last_errno = error;
	timer_set(sock->loop, &sock->retry, sock->dial_ms);
	sock->dial_ms =
	    sock->dial_ms * 2 < DIAL_MAX_MS ? sock->dial_ms * 2 : DIAL_MAX_MS;
}

static void
retry_cb(void *ctx)
{
	struct hapsock *sock = ctx;
	int error, fd = unix_socket_connect(sock->path);

	if (fd >= 0 &&
	    conn_init(&sock->conn, sock->loop, fd, &conn_ops, sock) != 0) {
		error = errno;
		close(fd);
		fd = -1;
		errno = error;
	}
	if (fd < 0) {
		dial_failed(sock, errno);
		return;
	}
	sock->state = HAPSOCK_GREETING;
	sock->settled = false;
	sock->poll_due = false;
	send_text(sock, TURN_POLL, ask_prompt, sizeof(ask_prompt) - 1);
}

static void
poll_cb(void *ctx)
{
	struct hapsock *sock = ctx;

	if (sock->turn == TURN_IDLE)
		send_poll(sock);
	else
		sock->poll_due = true;
}

static void
deadline_cb(void *ctx)
{
	struct hapsock *sock = ctx;

	lose(sock, sock->waiting != NULL ? "no memory" : "it does not answer",
	    false);
}

struct hapsock *
hapsock_new(struct loop *loop, const char *path, uint64_t timeout_ms,
    const struct hapsock_ops *ops, void *ctx)
{
	struct hapsock *sock = calloc(1, sizeof(*sock));

	if (sock == NULL)
		return NULL;
	sock->loop = loop;
	sock->path = path;
	sock->timeout_ms = timeout_ms;
	sock->ops = ops;
	sock->ctx = ctx;
	sock->conn.fd = -1;
	sock->dial_ms = DIAL_MIN_MS;
	timer_init(&sock->retry, retry_cb, sock);
	timer_init(&sock->poll, poll_cb, sock);
	timer_init(&sock->deadline, deadline_cb, sock);
	timer_set(loop, &sock->retry, 0);
	return sock;
}

void
hapsock_free(struct hapsock **sock)
{
	if (*sock == NULL)
		return;
	conn_fini(&(*sock)->conn);
	timer_clear((*sock)->loop, &(*sock)->retry);
	timer_clear((*sock)->loop, &(*sock)->poll);
	timer_clear((*sock)->loop, &(*sock)->deadline);
	hap_reply_fini(&(*sock)->reply);
	free((*sock)->waiting);
	free(*sock);
	*sock = NULL;
}

const char *
hapsock_path(const struct hapsock *sock)
{
	return sock->path;
}
