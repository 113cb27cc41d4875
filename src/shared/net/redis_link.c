/* SPDX-License-Identifier: MIT */
/*
 * The link is hiredis' reader and formatter on a conn, not hiredis' asynchronous
 * context: that one looks names up with a blocking call, has no time limit for a reply,
 * and ends the process by an assertion when a server sends what nobody asked for.
 *
 * One state says where the link stands; redis_link_go_down() is the only way back to
 * LINK_WAITING, and it runs from the loop only, so no caller sees its callbacks come from
 * inside a call. Redis answers in order (RESP2), so the waiting commands are a queue.
 */
#include "config.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "net/crypto.h"
#include "net/redis_link_internal.h"

#define BACKOFF_MIN_MS 50
#define BACKOFF_START_MS 100
#define BACKOFF_MAX_MS 2000
/* A link that was up for so long starts with a small back-off again. */
#define STABLE_MS 5000
#define GREETING_MS 5000 /* limit for a link whose commands have none */
#define READ_BYTES 16384
#define READS_PER_TURN 16
#define ELEMENT_MAX (64u << 20) /* bytes of one string in a reply */

void
redis_link_enter(struct redis_link *link)
{
	link->busy++;
}

void
redis_link_leave(struct redis_link *link)
{
	if (--link->busy == 0 && link->freed)
		free(link);
}

static void
describe(const struct redis_link *link, char *out, size_t cap)
{
	bool bare_ip6 = link->host != NULL && strchr(link->host, ':') != NULL;

	if (link->host == NULL)
		snprintf(out, cap, "the primary of %s",
		    redis_sentinel_master_name(link->sentinel));
	else if (link->host[0] == '/')
		snprintf(out, cap, "%s", link->host);
	else
		snprintf(out, cap, bare_ip6 ? "[%s]:%u" : "%s:%u", link->host,
		    (unsigned)link->port);
}

/* A link that is down says so once for each reason, not at every attempt. */
static void
report_down(struct redis_link *link, const char *why)
{
	char where[300];

	if (link->failed_cb != NULL) {
		link->failed_cb(link->ctx, why);
		return;
	}
	link->log->up = false;
	if (strcmp(why, link->log->reason) == 0)
		return;
	snprintf(link->log->reason, REDIS_WHY_MAX, "%s", why);
	describe(link, where, sizeof(where));
	log_warn("redis link is down", LOG_S("redis", where),
	    LOG_S("link", link->name), LOG_S("error", why));
}

static void
report_up(struct redis_link *link)
{
	char where[300];

	if (link->failed_cb != NULL || link->log->up)
		return;
	link->log->reason[0] = '\0';
	link->log->up = true;
	describe(link, where, sizeof(where));
	log_info("redis link is up", LOG_S("redis", where),
	    LOG_S("link", link->name));
}

static void
fail_pending(struct redis_link *link)
{
	struct pending *pending;

	while ((pending = STAILQ_FIRST(&link->pending)) != NULL) {
		STAILQ_REMOVE_HEAD(&link->pending, link);
		if (pending->cb != NULL)
			pending->cb(pending->ctx, NULL);
		free(pending);
	}
}

static void
disconnect(struct redis_link *link)
{
	link->place.asking = false;
	resolve_cancel(&link->request);
	conn_fini(&link->conn);
	if (link->reader != NULL)
		redisReaderFree(link->reader);
	link->reader = NULL;
	buf_put(&link->out);
	task_cancel(link->loop, &link->flush_task);
	task_cancel(link->loop, &link->doom_task);
	timer_clear(link->loop, &link->deadline);
	timer_clear(link->loop, &link->retry);
}

static void
schedule_retry(struct redis_link *link)
{
	if (link->told_up &&
	    loop_now_ms(link->loop) - link->up_since_ms >= STABLE_MS)
		link->backoff_ms = BACKOFF_START_MS;
	timer_set(link->loop, &link->retry,
	    BACKOFF_MIN_MS +
		crypto_below(link->backoff_ms - BACKOFF_MIN_MS + 1));
	link->backoff_ms *= 2;
	if (link->backoff_ms > BACKOFF_MAX_MS)
		link->backoff_ms = BACKOFF_MAX_MS;
}

void
redis_link_go_down(struct redis_link *link, const char *why)
{
	bool told_up = link->told_up;

	disconnect(link);
	link->state = LINK_WAITING;
	redis_primary_down(link);
	report_down(link, why);
	schedule_retry(link);
	link->told_up = false;
	fail_pending(link);
	if (told_up && !link->freed)
		link->state_cb(link->ctx, false);
}

void
redis_link_go_up(struct redis_link *link)
{
	redis_primary_up(link);
	timer_clear(link->loop, &link->deadline);
	link->state = LINK_UP;
	link->up_since_ms = loop_now_ms(link->loop);
	link->told_up = true;
	report_up(link);
	link->state_cb(link->ctx, true);
}

void
redis_link_retry_soon(struct redis_link *link)
{
	if (link->state != LINK_WAITING)
		return;
	link->backoff_ms = BACKOFF_START_MS;
	timer_set(link->loop, &link->retry, crypto_below(BACKOFF_MIN_MS + 1));
}

static void
doom_cb(void *ctx)
{
	struct redis_link *link = ctx;

	redis_link_enter(link);
	redis_link_go_down(link, link->why);
	redis_link_leave(link);
}

bool
redis_link_reset(struct redis_link *link, const char *why)
{
	if (link->state == LINK_WAITING)
		return false;
	if (link->state == LINK_DOOMED)
		return true;
	snprintf(link->why, sizeof(link->why), "%s", why);
	link->state = LINK_DOOMED;
	task_post(link->loop, &link->doom_task);
	return true;
}

/* Time limits: one timer, for the whole of connecting and greeting, then for the oldest
 * command. It is not moved with every command: when it fires early it is set again. */
static void
deadline_cb(void *ctx)
{
	struct redis_link *link = ctx;
	const struct pending *oldest = STAILQ_FIRST(&link->pending);
	uint64_t now_ms = loop_now_ms(link->loop);

	redis_link_enter(link);
	if (link->state == LINK_UP && oldest == NULL)
		; /* all was answered */
	else if (link->state == LINK_UP && oldest->due_ms > now_ms)
		timer_set(link->loop, &link->deadline, oldest->due_ms - now_ms);
	else if (link->state != LINK_DOOMED)
		redis_link_go_down(link,
		    link->state == LINK_RESOLVING
			? "the host name was not resolved in time"
			: link->state == LINK_ASKING
			? "no Sentinel says in time where the primary is"
			: link->state == LINK_CONNECTING
			? "no connection in time"
			: "no reply in time");
	redis_link_leave(link);
}

static void
flush_out(struct redis_link *link)
{
	if (link->out == NULL)
		return;
	buf_add_span(link->out, BUF_HEADROOM, link->out_len);
	/* A failure comes back as broken_cb(). */
	(void)conn_write_buf(&link->conn, &link->out);
}

static void
flush_cb(void *ctx)
{
	struct redis_link *link = ctx;

	redis_link_enter(link);
	if (link->state != LINK_DOOMED)
		flush_out(link);
	redis_link_leave(link);
}

/* Commands of one turn of the loop go out with one system call. */
static int
append_out(struct redis_link *link, const char *data, size_t len)
{
	while (len > 0) {
		size_t piece;

		if (link->out == NULL) {
			link->out =
			    buf_get(len > BUF_SMALL ? BUF_LARGE : BUF_SMALL);
			link->out_len = 0;
			if (link->out == NULL)
				return -1;
		}
		piece = link->out->capacity - link->out_len;
		if (piece > len)
			piece = len;
		memcpy(buf_data(link->out) + link->out_len, data, piece);
		if (link->state == LINK_GREETING)
			link->out->secret = true; /* AUTH */
		link->out_len += (uint32_t)piece;
		data += piece;
		len -= piece;
		if (link->out_len == link->out->capacity)
			flush_out(link);
	}
	task_post(link->loop, &link->flush_task);
	return 0;
}

static void
free_command(struct redis_link *link, char *command, size_t len)
{
	if (link->state == LINK_GREETING)
		crypto_wipe(command, len); /* AUTH */
	redisFreeCommand(command);
}

/* Frees the command. */
static int
submit(struct redis_link *link, redis_reply_cb cb, void *ctx, char *command,
    long long len)
{
	struct pending *pending = calloc(1, sizeof(*pending));

	if (pending == NULL || len < 0 ||
	    append_out(link, command, (size_t)len) != 0) {
		free(pending);
		if (len >= 0)
			free_command(link, command, (size_t)len);
		/* part of it may have been sent */
		redis_link_reset(link, "out of memory");
		return -1;
	}
	free_command(link, command, (size_t)len);
	pending->cb = cb;
	pending->ctx = ctx;
	pending->due_ms = loop_now_ms(link->loop) + link->timeout_ms;
	STAILQ_INSERT_TAIL(&link->pending, pending, link);
	if (link->state == LINK_UP && link->timeout_ms > 0 &&
	    !timer_is_set(&link->deadline))
		timer_set(link->loop, &link->deadline, link->timeout_ms);
	return 0;
}

int
redis_link_submit(struct redis_link *link, redis_reply_cb cb, void *ctx,
    int argc, const char *const *argv, const size_t *lens)
{
	char *command = NULL;
	long long len;

	assert(argc > 0);
	/* hiredis does not change them, but its type says it might */
	len = redisFormatCommandArgv(
	    &command, argc, (const char **)(uintptr_t)argv, lens);
	return submit(link, cb, ctx, command, len);
}

int
redis_link_command(struct redis_link *link, redis_reply_cb cb, void *ctx,
    int argc, const char *const *argv, const size_t *lens)
{
	if (link->state != LINK_UP)
		return -1;
	return redis_link_submit(link, cb, ctx, argc, argv, lens);
}

int
redis_link_vcommandf(struct redis_link *link, redis_reply_cb cb, void *ctx,
    const char *format, va_list args)
{
	char *command = NULL;
	long long len;

	if (link->state != LINK_UP)
		return -1;
	len = redisvFormatCommand(&command, format, args);
	assert(len != -2); /* the format is wrong */
	return submit(link, cb, ctx, command, len);
}

int
redis_link_commandf(struct redis_link *link, redis_reply_cb cb, void *ctx,
    const char *format, ...)
{
	va_list args;
	int result;

	va_start(args, format);
	result = redis_link_vcommandf(link, cb, ctx, format, args);
	va_end(args);
	return result;
}

static void
dispatch(struct redis_link *link, const redisReply *reply)
{
	struct pending *pending = STAILQ_FIRST(&link->pending);
	char why[REDIS_WHY_MAX];

	if (pending == NULL && link->unasked_cb != NULL) {
		link->unasked_cb(link->ctx, reply);
		return;
	}
	if (pending == NULL) {
		/* "ERR max number of clients reached" comes unasked */
		snprintf(why, sizeof(why), "unexpected reply: %s",
		    reply->type == REDIS_REPLY_ERROR ? reply->str
						     : "nothing was asked");
		redis_link_reset(link, why);
		return;
	}
	STAILQ_REMOVE_HEAD(&link->pending, link);
	if (pending->cb != NULL)
		pending->cb(pending->ctx, reply);
	free(pending);
	redis_primary_check(link, reply);
}

/* Hand on the whole replies that are there. */
static void
parse(struct redis_link *link)
{
	while (!link->freed && link->state != LINK_DOOMED) {
		redisReader *reader = link->reader;
		void *reply = NULL;

		if (redisReaderGetReply(reader, &reply) != REDIS_OK) {
			redis_link_reset(link, reader->errstr);
			return;
		}
		if (reply == NULL) {
			if (reader->len - reader->pos > ELEMENT_MAX)
				redis_link_reset(link, "a reply is too long");
			return;
		}
		dispatch(link, reply);
		freeReplyObject(reply);
	}
}

/* A long reply that is arriving, and what waits behind it, is not overdue. */
static void
postpone_deadline(struct redis_link *link)
{
	struct pending *oldest =
	    link->freed ? NULL : STAILQ_FIRST(&link->pending);

	if (oldest != NULL)
		oldest->due_ms = loop_now_ms(link->loop) + link->timeout_ms;
}

void
redis_link_readable_cb(struct conn *conn)
{
	struct redis_link *link = conn->owner;
	char data[READ_BYTES];

	redis_link_enter(link);
	for (int i = 0;
	     i < READS_PER_TURN && !link->freed && link->state != LINK_DOOMED;
	     i++) {
		ssize_t got = conn_read(conn, data, sizeof(data));

		if (got == CONN_AGAIN)
			break;
		if (got <= 0) {
			redis_link_go_down(link,
			    got == 0 ? "redis closed the connection"
				     : log_errno());
			break;
		}
		if (redisReaderFeed(link->reader, data, (size_t)got) !=
		    REDIS_OK)
			redis_link_reset(link, "out of memory");
		parse(link);
		postpone_deadline(link);
	}
	redis_link_leave(link);
}

void
redis_link_broken_cb(struct conn *conn)
{
	struct redis_link *link = conn->owner;

	redis_link_enter(link);
	redis_link_go_down(link, "writing failed");
	redis_link_leave(link);
}

static void
retry_cb(void *ctx)
{
	struct redis_link *link = ctx;

	redis_link_enter(link);
	timer_set(link->loop, &link->deadline,
	    link->timeout_ms > 0 ? link->timeout_ms : GREETING_MS);
	if (link->sentinel != NULL)
		redis_primary_ask(link);
	else
		redis_dial(link);
	redis_link_leave(link);
}

static void
wipe_and_free(char *secret)
{
	if (secret != NULL)
		crypto_wipe(secret, strlen(secret));
	free(secret);
}

static void
free_settings(struct redis_link *link)
{
	free(link->host);
	free(link->user);
	free(link->name);
	wipe_and_free(link->password);
	link->host = link->user = link->name = link->password = NULL;
}

int
redis_link_aim(struct redis_link *link, const char *host, uint16_t port)
{
	char *copy = strdup(host);

	if (copy == NULL)
		return -1;
	free(link->host);
	link->host = copy;
	link->port = port;
	return 0;
}

static bool
copy_text(const char *text, char **out)
{
	*out = text != NULL ? strdup(text) : NULL;
	return text == NULL || *out != NULL;
}

struct redis_link *
redis_link_new(struct loop *loop, const struct redis_link_config *config,
    redis_state_cb state_cb, void *ctx)
{
	struct redis_link *link = calloc(1, sizeof(*link));

	if (link == NULL)
		return NULL;
	link->loop = loop;
	link->port = config->port;
	link->database = config->database;
	link->timeout_ms = config->timeout_ms;
	link->state_cb = state_cb;
	link->log = config->log != NULL ? config->log : &link->own_log;
	link->failed_cb = config->failed_cb;
	link->unasked_cb = config->unasked_cb;
	link->sentinel = config->sentinel;
	link->ctx = ctx;
	link->conn = (struct conn)CONN_CLOSED;
	link->backoff_ms = BACKOFF_START_MS;
	STAILQ_INIT(&link->pending);
	task_init(&link->flush_task, flush_cb, link);
	task_init(&link->doom_task, doom_cb, link);
	timer_init(&link->retry, retry_cb, link);
	timer_init(&link->deadline, deadline_cb, link);
	if (!copy_text(config->host, &link->host) ||
	    !copy_text(config->user, &link->user) ||
	    !copy_text(config->password, &link->password) ||
	    !copy_text(config->name, &link->name)) {
		free_settings(link);
		free(link);
		return NULL;
	}
	redis_primary_init(link);
	timer_set(loop, &link->retry, 0);
	return link;
}

void
redis_link_free(struct redis_link **linkp)
{
	struct redis_link *link = *linkp;

	if (link == NULL)
		return;
	*linkp = NULL;
	redis_link_enter(link);
	link->freed = true;
	link->state = LINK_WAITING;
	disconnect(link);
	redis_primary_fini(link);
	fail_pending(link);
	resolver_free(&link->resolver);
	free_settings(link);
	redis_link_leave(link);
}

bool
redis_link_is_up(const struct redis_link *link)
{
	return link->state == LINK_UP;
}
