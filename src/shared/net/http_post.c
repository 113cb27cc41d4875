/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "net/http_post.h"
#include "net/timed_socket.h"
#include "net/tls.h"
#include "wire/http_head.h"

#define HEAD_MAX 4096 /* bytes of an answer's head, or of several: 1xx come before it */

struct posting {
	const struct http_post *post;
	struct timed_socket to;
	struct tls *tls; /* NULL without */
};

/* The host's addresses, one after the other: one that swallows all leaves the others their share. */
static int
dial(struct posting *posting)
{
	const struct addrinfo hints = {
	    .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	const uint64_t deadline_ms = posting->to.deadline_ms;
	struct addrinfo *list, *info;
	uint64_t now, n = 0;
	char port[8];
	int code, result = -1;

	snprintf(port, sizeof(port), "%u", (unsigned)posting->post->port);
	code = getaddrinfo(posting->post->host, port, &hints, &list);
	if (code != 0)
		return timed_fail(&posting->to, gai_strerror(code));
	for (info = list; info != NULL; info = info->ai_next)
		n++;
	for (info = list; info != NULL && result != 0; info = info->ai_next) {
		now = timed_now_ms();
		posting->to.deadline_ms = now +
		    (deadline_ms > now ? (deadline_ms - now) / n-- : 0);
		result = timed_connect(&posting->to, SOCK_STREAM,
		    info->ai_addr, info->ai_addrlen);
		if (result != 0)
			timed_close(&posting->to);
	}
	freeaddrinfo(list);
	posting->to.deadline_ms = timed_now_ms() + posting->post->timeout_ms;
	return result;
}

/* 0: the call can be made again. */
static int
await_tls(struct posting *posting, enum tls_result result)
{
	switch (result) {
	case TLS_WANT_READ:
		return timed_await(&posting->to, POLLIN);
	case TLS_WANT_WRITE:
		return timed_await(&posting->to, POLLOUT);
	case TLS_EOF:
		return timed_fail(&posting->to, "the connection ended without an answer");
	default:
		return timed_fail(&posting->to, tls_error(posting->tls));
	}
}

static int
start_tls(struct posting *posting)
{
	enum tls_result result;

	posting->tls =
	    tls_new_client(posting->post->tls, posting->post->host);
	if (posting->tls == NULL || tls_set_fd(posting->tls, posting->to.fd) != 0)
		return timed_fail(&posting->to, "out of memory");
	while ((result = tls_handshake(posting->tls)) != TLS_OK)
		if (await_tls(posting, result) != 0)
			return -1;
	return 0;
}

static int
flush_tls(struct posting *posting)
{
	enum tls_result result;

	while ((result = tls_flush(posting->tls)) != TLS_OK)
		if (await_tls(posting, result) != 0)
			return -1;
	return 0;
}

static int
send_sealed(struct posting *posting, const char *data, size_t len)
{
	while (len > 0) {
		size_t done = 0;
		enum tls_result result =
		    tls_write(posting->tls, data, len, &done);

		if (result == TLS_OK) {
			data += done;
			len -= done;
		} else if (result == TLS_WANT_WRITE) {
			if (flush_tls(posting) != 0)
				return -1;
		} else if (await_tls(posting, result) != 0) {
			return -1;
		}
	}
	return flush_tls(posting);
}

static int
send_all(struct posting *posting, const char *data, size_t len)
{
	if (posting->tls != NULL)
		return send_sealed(posting, data, len);
	while (len > 0) {
		int done = timed_send(&posting->to, data, len);

		if (done < 0)
			return -1;
		data += done;
		len -= (size_t)done;
	}
	return 0;
}

/* The bytes that came, 0: call it again, -1. */
static int
receive(struct posting *posting, char *out, size_t cap)
{
	enum tls_result result;
	size_t done = 0;

	if (posting->tls == NULL)
		return timed_receive(&posting->to, out, cap);
	result = tls_read(posting->tls, out, cap, &done);
	return result == TLS_OK ? (int)done : await_tls(posting, result);
}

/* The status of the answer, which those that only announce it come before (RFC 9110 section 15.2). */
static int
read_status(struct posting *posting)
{
	char head[HEAD_MAX];
	struct http_answer answer;
	size_t len = 0, at = 0, consumed;
	int n;

	for (;;) {
		switch (http_answer_parse(
		    head + at, len - at, &answer, &consumed)) {
		case WIRE_DONE:
			if (answer.status >= 200)
				return (int)answer.status;
			at += consumed;
			continue;
		case WIRE_BAD:
			return timed_fail(&posting->to, answer.error);
		case WIRE_MORE:
			break;
		}
		if (len == sizeof(head))
			return timed_fail(
			    &posting->to, "the head of its answer is too long");
		if ((n = receive(posting, head + len, sizeof(head) - len)) < 0)
			return -1;
		len += (size_t)n;
	}
}

int
http_post(const struct http_post *post, char error[HTTP_POST_ERROR_MAX])
{
	struct posting posting = {.post = post,
	    .to = {.fd = -1,
		.deadline_ms = timed_now_ms() + post->timeout_ms,
		.error = error,
		.error_size = HTTP_POST_ERROR_MAX}};
	int status = -1;

	if (dial(&posting) == 0 &&
	    (post->tls == NULL || start_tls(&posting) == 0) &&
	    send_all(&posting, post->head, strlen(post->head)) == 0 &&
	    send_all(&posting, post->body, post->len) == 0)
		status = read_status(&posting);
	tls_free(&posting.tls);
	timed_close(&posting.to);
	return status;
}
