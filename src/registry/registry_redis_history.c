/* SPDX-License-Identifier: MIT */
/*
 * What has happened goes to the stream taupe:history. Each event is kept until Redis has said that it
 * has it: one whose answer is lost with the link is sent again, so that it may stand there twice, with
 * one id, and is never missing. How much is kept is bounded.
 */
#include <stdlib.h>

#include "base/event_kind.h"
#include "registry/happening.h"
#include "registry/registry_redis_records.h"

#define KEPT_BYTES_MAX (8u << 20)
/* Under way at once: others on the link do not wait for a crowd, nor is a reply overdue that waits
 * behind one. */
#define SENT_MAX 500
#define LAST_KEPT 5		/* of the ends of a device's sessions */
#define LAST_DAYS_MS 2592000000 /* 30 days */
#define LAST_TEXT_MAX 2048

static void
forget(struct redis_registry *registry, struct happening *event)
{
	struct redis_history *history = &registry->history;

	TAILQ_REMOVE(&history->events, event, link);
	history->bytes -= event->size;
	if (event->sent)
		history->n_sent--;
	else
		history->n_unsent--;
	happening_free(&event);
}

static void
refused_cb(void *ctx, const redisReply *reply)
{
	if (reply != NULL && reply->type == REDIS_REPLY_ERROR)
		redis_complain(ctx, "history", reply);
}

struct removal_check {
	struct redis_registry *registry;
	char name[DEVICE_NAME_MAX + 1];
};

static void
looked_cb(void *ctx, const redisReply *reply)
{
	struct removal_check *check = ctx;

	if (reply != NULL && reply->type == REDIS_REPLY_NIL &&
	    !check->registry->freeing)
		(void)redis_link_commandf(check->registry->main, refused_cb,
		    check->registry, "DEL taupe:last:%s", check->name);
	free(check);
}

/* Of a device that was removed nothing is kept: its session ends because of that, or how another one has ended is told
 * late, as the registry was away. Who removes it after this look takes away what was pushed before. */
static void
forget_if_removed(struct redis_registry *registry, const char *device)
{
	struct removal_check *check = calloc(1, sizeof(*check));

	if (check == NULL)
		return;
	check->registry = registry;
	(void)str_copy(str_of(device), check->name, sizeof(check->name));
	if (redis_link_commandf(registry->main, looked_cb, check,
		"HGET taupe:device:%s name", check->name) != 0)
		free(check);
}

/* How a device's last sessions have ended, for who asks about the device. */
static void
send_last(struct redis_registry *registry, const struct happening *event)
{
	const char *device = happening_value(event, "device");
	struct redis_link *link = registry->main;
	struct happening_field field = {0};
	char text[LAST_TEXT_MAX];
	struct writer w;

	writer_init(&w, text, sizeof(text) - 1);
	while (happening_next_field(event, &field))
		if (strcmp(field.key, "kind") != 0 &&
		    strcmp(field.key, "device") != 0)
			form_put(&w, field.key, str_of(field.value));
	text[writer_len(&w)] = '\0';
	(void)redis_link_commandf(
	    link, refused_cb, registry, "LPUSH taupe:last:%s %s", device, text);
	(void)redis_link_commandf(link, refused_cb, registry,
	    "LTRIM taupe:last:%s 0 %d", device, LAST_KEPT - 1);
	(void)redis_link_commandf(link, refused_cb, registry,
	    "PEXPIRE taupe:last:%s %lld", device, (long long)LAST_DAYS_MS);
	forget_if_removed(registry, device);
}

/* XADD: its id. Anything else says that it is not there. */
static void
added_cb(void *ctx, const redisReply *reply)
{
	struct happening *event = ctx;
	struct redis_registry *registry = redis_registry_of(event->registry);
	struct redis_history *history = &registry->history;

	if (reply != NULL && reply->type == REDIS_REPLY_STRING) {
		history->refused = false;
		/* once: what is lost on the way is sent again */
		if (strcmp(happening_value(event, "kind"),
			event_kind_name(EVENT_DISCONNECT)) == 0)
			send_last(registry, event);
		forget(registry, event);
		if (history->n_sent <= SENT_MAX / 2)
			redis_history_flush(registry);
		return;
	}
	event->sent = false;
	history->n_sent--;
	history->n_unsent++;
	if (reply == NULL)
		return;
	history->refused = true;
	redis_complain(registry, "history", reply);
}

/* False: the link is down, or there is no memory; it waits. */
static bool
send_event(struct redis_registry *registry, struct happening *event)
{
	struct redis_args args = REDIS_ARGS_NONE;
	struct happening_field field = {0};

	redis_args_add(&args, "XADD");
	redis_args_add(&args, "taupe:history");
	redis_args_add(&args, "MAXLEN");
	redis_args_add(&args, "~");
	redis_args_add(&args, HISTORY_LENGTH);
	redis_args_add(&args, "*");
	while (happening_next_field(event, &field)) {
		redis_args_add(&args, field.key);
		redis_args_add(&args, field.value);
	}
	event->sent =
	    redis_args_send(&args, registry->main, added_cb, event) == 0;
	if (!event->sent)
		return false;
	registry->history.n_unsent--;
	registry->history.n_sent++;
	return true;
}

void
redis_history_flush(struct redis_registry *registry)
{
	struct redis_history *history = &registry->history;
	struct happening *event, *next;

	for (event = TAILQ_FIRST(&history->events); event != NULL &&
	     history->n_unsent > 0 && history->n_sent < SENT_MAX;
	     event = next) {
		next = TAILQ_NEXT(event, link);
		if (event->sent)
			continue;
		/* where one was refused, one is tried */
		if (!send_event(registry, event) || history->refused)
			return;
	}
}

bool
redis_history_add(struct registry *base, struct happening *event)
{
	struct redis_registry *registry = redis_registry_of(base);
	struct redis_history *history = &registry->history;

	if (event->size > KEPT_BYTES_MAX - history->bytes) {
		happening_free(&event);
		return false;
	}
	event->registry = base;
	TAILQ_INSERT_TAIL(&history->events, event, link);
	history->bytes += event->size;
	history->n_unsent++;
	/* behind those that wait */
	if (history->n_unsent == 1 && history->n_sent < SENT_MAX &&
	    !history->refused)
		(void)send_event(registry, event);
	return true;
}

size_t
redis_history_waiting(const struct registry *base)
{
	const struct redis_history *history = &redis_registry_of(base)->history;

	return history->n_unsent + history->n_sent;
}

void
redis_history_init(struct redis_registry *registry)
{
	TAILQ_INIT(&registry->history.events);
}

void
redis_history_fini(struct redis_registry *registry)
{
	while (!TAILQ_EMPTY(&registry->history.events))
		forget(registry, TAILQ_FIRST(&registry->history.events));
}
