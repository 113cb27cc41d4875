/* SPDX-License-Identifier: MIT */
/* Without interactive mode HAProxy closes after one command: the end of the reply is the end of the
 * connection. A reply may have a million lines, so none is kept. */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error_text.h"
#include "net/hap_query.h"
#include "net/unix_socket.h"

#define PIECE_MAX 65536

struct query {
	int fd;
	uint64_t timeout_ms;
	hap_line_cb cb;
	void *ctx;
	char *error;
	char line[HAP_QUERY_LINE_MAX];
	size_t len;
};

static int
fail(struct query *query, const char *text)
{
	snprintf(query->error, HAP_QUERY_ERROR_MAX, "%s", text);
	return -1;
}

static int
await(struct query *query, short events)
{
	struct pollfd poller = {.fd = query->fd, .events = events};
	int n;

	do
		n = poll(&poller, 1, (int)query->timeout_ms);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return fail(query, error_text(errno));
	return n == 0 ? fail(query, "no answer in time") : 0;
}

static void
end_line(struct query *query)
{
	query->cb(query->ctx, (struct str){query->line, query->len});
	query->len = 0;
}

static void
take(struct query *query, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (data[i] == '\n')
			end_line(query);
		else if (query->len < sizeof(query->line))
			query->line[query->len++] = data[i];
}

static int
tell(struct query *query, const char *command)
{
	size_t left = strlen(command);
	ssize_t n;

	while (left > 0) {
		n = send(query->fd, command, left, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			return fail(query, error_text(errno));
		if (n < 0 && await(query, POLLOUT) != 0)
			return -1;
		command += n > 0 ? n : 0;
		left -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int
listen_to(struct query *query)
{
	char data[PIECE_MAX];
	bool any = false;
	ssize_t n;

	for (;;) {
		if (await(query, POLLIN) != 0)
			return -1;
		n = recv(query->fd, data, sizeof(data), 0);
		if (n == 0)
			break;
		if (n < 0 && errno != EAGAIN)
			return fail(query, error_text(errno));
		any = true;
		take(query, data, n > 0 ? (size_t)n : 0);
	}
	if (query->len > 0)
		end_line(query);
	return any ? 0
		   : fail(query, "it ends the connection without an answer");
}

int
hap_query(const char *path, const char *command, uint64_t timeout_ms,
    hap_line_cb cb, void *ctx, char error[HAP_QUERY_ERROR_MAX])
{
	struct query query = {
	    unix_socket_connect(path), timeout_ms, cb, ctx, error, "", 0};
	int result;

	if (query.fd < 0)
		return fail(&query, error_text(errno));
	result = tell(&query, command) == 0 ? listen_to(&query) : -1;
	close(query.fd);
	return result;
}
