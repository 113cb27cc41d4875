/* SPDX-License-Identifier: MIT */
/* Non-blocking sockets and poll(), so that every wait ends with the time that there is. */
#include "config.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/error_text.h"
#include "net/http_post.h"
#include "net/tls.h"
#include "wire/str.h"

#define HEAD_MAX 4096 /* bytes of an answer that are looked at */

struct posting {
	const struct http_post *post;
	uint64_t deadline_ms; /* of the monotonic clock */
	int fd;
	struct tls *tls; /* NULL without */
	char *error;
};

static uint64_t
now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int
fail(struct posting *posting, const char *text)
{
	snprintf(posting->error, HTTP_POST_ERROR_MAX, "%s", text);
	return -1;
}

static int
await(struct posting *posting, short events)
{
	struct pollfd poller = {.fd = posting->fd, .events = events};
	uint64_t now = now_ms();
	int n;

	if (now >= posting->deadline_ms)
		return fail(posting, "no answer in time");
	n = poll(&poller, 1, (int)(posting->deadline_ms - now));
	if (n < 0 && errno != EINTR)
		return fail(posting, error_text(errno));
	return n == 0 ? fail(posting, "no answer in time") : 0;
}

static int
connect_to(struct posting *posting, const struct addrinfo *info)
{
	socklen_t len = sizeof(int);
	int error = 0;

	posting->fd = socket(info->ai_family,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (posting->fd < 0)
		return fail(posting, error_text(errno));
	if (connect(posting->fd, info->ai_addr, info->ai_addrlen) != 0) {
		error = errno;
		if (error == EINPROGRESS) {
			if (await(posting, POLLOUT) != 0)
				return -1;
			(void)getsockopt(
			    posting->fd, SOL_SOCKET, SO_ERROR, &error, &len);
		}
	}
	return error == 0 ? 0 : fail(posting, error_text(error));
}

static void
hang_up(struct posting *posting)
{
	if (posting->fd >= 0)
		close(posting->fd);
	posting->fd = -1;
}

/* The host's addresses, one after the other: one that swallows all leaves the others their share. */
static int
dial(struct posting *posting)
{
	const struct addrinfo hints = {
	    .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	const uint64_t deadline_ms = posting->deadline_ms;
	struct addrinfo *list, *info;
	uint64_t now, n = 0;
	char port[8];
	int code, result = -1;

	snprintf(port, sizeof(port), "%u", (unsigned)posting->post->port);
	code = getaddrinfo(posting->post->host, port, &hints, &list);
	if (code != 0)
		return fail(posting, gai_strerror(code));
	for (info = list; info != NULL; info = info->ai_next)
		n++;
	for (info = list; info != NULL && result != 0; info = info->ai_next) {
		now = now_ms();
		posting->deadline_ms = now +
		    (deadline_ms > now ? (deadline_ms - now) / n-- : 0);
		if ((result = connect_to(posting, info)) != 0)
			hang_up(posting);
	}
	freeaddrinfo(list);
	posting->deadline_ms = now_ms() + posting->post->timeout_ms;
	return result;
}

/* 0: the call can be made again. */
static int
await_tls(struct posting *posting, enum tls_result result)
{
	switch (result) {
	case TLS_WANT_READ:
		return await(posting, POLLIN);
	case TLS_WANT_WRITE:
		return await(posting, POLLOUT);
	case TLS_EOF:
		return fail(posting, "the connection ended without an answer");
	default:
		return fail(posting, tls_error(posting->tls));
	}
}

static int
start_tls(struct posting *posting)
{
	enum tls_result result;

	posting->tls =
	    tls_new_client(posting->post->tls, posting->post->host);
	if (posting->tls == NULL || tls_set_fd(posting->tls, posting->fd) != 0)
		return fail(posting, "out of memory");
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
		ssize_t done = send(posting->fd, data, len, MSG_NOSIGNAL);

		if (done >= 0) {
			data += done;
			len -= (size_t)done;
		} else if (errno != EAGAIN && errno != EINTR) {
			return fail(posting, error_text(errno));
		} else if (await(posting, POLLOUT) != 0) {
			return -1;
		}
	}
	return 0;
}

/* The bytes that came, 0: call it again, -1. */
static int
receive(struct posting *posting, char *out, size_t cap)
{
	size_t done = 0;
	ssize_t n;

	if (posting->tls != NULL) {
		enum tls_result result =
		    tls_read(posting->tls, out, cap, &done);

		return result == TLS_OK ? (int)done
					: await_tls(posting, result);
	}
	n = recv(posting->fd, out, cap, 0);
	if (n > 0)
		return (int)n;
	if (n == 0)
		return fail(posting, "the connection ended without an answer");
	if (errno != EAGAIN && errno != EINTR)
		return fail(posting, error_text(errno));
	return await(posting, POLLIN);
}

/* "HTTP/1.1 404 Not Found" */
static bool
parse_status(struct str line, int *status)
{
	struct str version, rest, number;
	uint64_t value;

	if (line.len > 0 && line.ptr[line.len - 1] == '\r')
		line.len--;
	if (!str_split(line, ' ', &version, &rest) || version.len != 8 ||
	    memcmp(version.ptr, "HTTP/1.", 7) != 0)
		return false;
	(void)str_split(rest, ' ', &number, &rest);
	if (number.len != 3 || !str_to_number(number, 999, &value) ||
	    value < 200)
		return false;
	*status = (int)value;
	return true;
}

static int
read_status(struct posting *posting, int *status)
{
	char head[HEAD_MAX], *end;
	size_t len = 0;
	int n;

	while ((end = memchr(head, '\n', len)) == NULL) {
		if (len == sizeof(head))
			return fail(
			    posting, "it answers something else than HTTP");
		if ((n = receive(posting, head + len, sizeof(head) - len)) < 0)
			return -1;
		len += (size_t)n;
	}
	if (!parse_status((struct str){head, (size_t)(end - head)}, status))
		return fail(posting, "it answers something else than HTTP");
	return 0;
}

int
http_post(const struct http_post *post, char error[HTTP_POST_ERROR_MAX])
{
	struct posting posting = {
	    post, now_ms() + post->timeout_ms, -1, NULL, error};
	int status = -1;

	if (dial(&posting) != 0 ||
	    (post->tls != NULL && start_tls(&posting) != 0) ||
	    send_all(&posting, post->head, strlen(post->head)) != 0 ||
	    send_all(&posting, post->body, post->len) != 0 ||
	    read_status(&posting, &status) != 0)
		status = -1;
	tls_free(&posting.tls);
	hang_up(&posting);
	return status;
}
