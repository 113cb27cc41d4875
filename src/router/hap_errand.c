/* SPDX-License-Identifier: MIT */
/*
 * Without "prompt", HAProxy carries out one line, answers and closes. An answer has at
 * least an empty line: an end before that is that of the process.
 */
#include <assert.h>
#include <unistd.h>

#include "net/unix_socket.h"
#include "router/hap_errand.h"

static void
finish(struct hap_errand *errand, bool answered)
{
	struct str reply = {errand->reply, errand->len};

	hap_errand_cancel(errand);
	while (reply.len > 0 && strchr("\r\n", reply.ptr[reply.len - 1]))
		reply.len--;
	errand->cb(errand->ctx, answered, reply);
}

static void
readable_cb(struct conn *conn)
{
	struct hap_errand *errand = conn->owner;
	char more[HAP_ERRAND_REPLY_MAX];
	size_t room = sizeof(errand->reply) - errand->len;
	ssize_t n = room > 0
	    ? conn_read(conn, errand->reply + errand->len, room)
	    : conn_read(conn, more, sizeof(more));

	if (n == CONN_AGAIN)
		return;
	if (n == 0 || n == CONN_ERROR)
		finish(errand, n == 0 && errand->len > 0);
	else if (room > 0)
		errand->len += (size_t)n;
}

static void
broken_cb(struct conn *conn)
{
	finish(conn->owner, false);
}

static const struct conn_ops conn_ops = {
    .readable_cb = readable_cb, .broken_cb = broken_cb};

static void
deadline_cb(void *ctx)
{
	finish(ctx, false);
}

void
hap_errand_init(
    struct hap_errand *errand, struct loop *loop, hap_errand_cb cb, void *ctx)
{
	memset(errand, 0, sizeof(*errand));
	errand->loop = loop;
	errand->cb = cb;
	errand->ctx = ctx;
	errand->conn.fd = -1;
	timer_init(&errand->deadline, deadline_cb, errand);
}

void
hap_errand_run(struct hap_errand *errand, const char *path, const char *text,
    size_t len, uint64_t timeout_ms)
{
	int fd = unix_socket_connect(path);

	assert(!errand->running);
	errand->running = true;
	errand->len = 0;
	if (fd >= 0 &&
	    conn_init(&errand->conn, errand->loop, fd, &conn_ops, errand) !=
		0) {
		close(fd);
		fd = -1;
	}
	/* a failure is told from the loop, too */
	timer_set(errand->loop, &errand->deadline, fd < 0 ? 0 : timeout_ms);
	if (fd >= 0)
		(void)conn_write(&errand->conn, text, len);
}

bool
hap_errand_is_running(const struct hap_errand *errand)
{
	return errand->running;
}

void
hap_errand_cancel(struct hap_errand *errand)
{
	conn_fini(&errand->conn);
	timer_clear(errand->loop, &errand->deadline);
	errand->running = false;
}
