/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "agent/look.h"

#define REQUEST_MAX (HEALTH_PATH_MAX + HOST_NAME_MAX + 120)

static void
finish(struct look *look, const char *error)
{
	timer_clear(look->loop, &look->timer);
	conn_fini(&look->conn);
	look->cb(look->ctx, error);
}

/* "HTTP/1.1 200": 200 to 399 is right. */
static void
take_status_line(struct look *look)
{
	char text[40];
	wire_number status = 0;

	look->line[LOOK_STATUS_LINE] = '\0';
	if (memcmp(look->line, "HTTP/1.", 7) != 0 || look->line[8] != ' ' ||
	    !str_to_number((struct str){look->line + 9, 3}, 999, &status)) {
		finish(look, "does not answer in HTTP");
		return;
	}
	snprintf(text, sizeof(text), "answers with %u", (unsigned)status);
	finish(look, status >= 200 && status < 400 ? NULL : text);
}

static void
readable_cb(struct conn *conn)
{
	struct look *look = conn->owner;
	ssize_t got =
	    conn_read(conn, look->line + look->len, LOOK_STATUS_LINE - look->len);

	if (got == CONN_AGAIN)
		return;
	if (got <= 0) {
		finish(look, "ended the connection without an answer");
		return;
	}
	look->len += (size_t)got;
	if (look->len == LOOK_STATUS_LINE)
		take_status_line(look);
}

static void
broken_cb(struct conn *conn)
{
	finish(conn->owner, "the connection was reset");
}

static const struct conn_ops look_ops = {
    .readable_cb = readable_cb,
    .broken_cb = broken_cb,
};

static void
timer_cb(void *ctx)
{
	finish(ctx, "did not answer in time");
}

static void
ask(struct look *look)
{
	const struct target *target = look->target;
	bool brackets = strchr(target->host, ':') != NULL;
	char request[REQUEST_MAX];
	int len = snprintf(request, sizeof(request),
	    "GET %s HTTP/1.1\r\nHost: %s%s%s:%u\r\n"
	    "User-Agent: taupe-agent/" TAUPE_VERSION " (health)\r\n"
	    "Connection: close\r\n\r\n",
	    look->path, brackets ? "[" : "", target->host,
	    brackets ? "]" : "", target->port);

	look->len = 0;
	conn_set_owner(&look->conn, &look_ops, look);
	conn_resume(&look->conn);
	(void)conn_write(&look->conn, request, (size_t)len);
	timer_set(look->loop, &look->timer, look->timeout_ms);
}

static void
dialled_cb(void *ctx, const char *error)
{
	struct look *look = ctx;

	look->dial = NULL;
	if (error != NULL || look->path[0] == '\0')
		finish(look, error);
	else
		ask(look);
}

void
look_init(struct look *look)
{
	look->conn = (struct conn)CONN_CLOSED;
	look->dial = NULL;
	timer_init(&look->timer, timer_cb, look);
}

void
look_begin(struct look *look, const struct target *target, const char *path)
{
	const struct dial_to to = {.host = target->host, .port = target->port};

	look->target = target;
	look->path = path;
	look->dial = dial_start(look->dialler, &look->conn, &to,
	    look->timeout_ms, dialled_cb, look);
	if (look->dial == NULL)
		finish(look, "no memory");
}

void
look_cancel(struct look *look)
{
	dial_cancel(&look->dial);
	conn_fini(&look->conn);
	timer_clear(look->loop, &look->timer);
}
