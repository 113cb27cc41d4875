/* SPDX-License-Identifier: MIT */
/*
 * GET /api/v1/events: a page of what has happened, or, for who accepts text/event-stream, one after
 * the other for as long as the client listens. A stream asks for the next page twice a second, or at
 * once behind a full one, by the worker where that is Redis' to answer, and not before its client has read
 * most of the one before. It
 * ends by itself after some minutes: its client comes again with the place where it was, and may have
 * lost the right to meanwhile.
 */
#include "config.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "registry/happening.h"
#include "relay/api/api_call.h"

#define STREAMS_MAX 32
#define POLL_MS 500
#define UNREAD_MAX (HTTP_BACKLOG_MAX / 4) /* bytes; one event has far fewer */
#define PAUSE_FIRST_MS 10 /* until its client has read some of that */
#define SIGN_OF_LIFE 30	  /* polls without an event */
#define LIFE_MS 300000

struct event_stream {
	struct guest guest;
	LIST_ENTRY(event_stream) link; /* in the api's */
	struct api *api;
	struct http_request *request; /* NULL: the client is gone */
	struct timer timer;
	uint64_t until_ms; /* loop clock */
	unsigned quiet;	   /* polls */
	uint64_t pause_ms; /* until a client that is behind is looked at */
	bool asking;	   /* the worker has it */
	char place[EVENT_PLACE_MAX]; /* "": the end, not looked for yet */
	struct event_page page;
	int code;
};

/* ---- a page ---- */

static void
add_event_cb(void *ctx, const char *place, const struct happening *event)
{
	json_t *json = json_pack("{s:s}", "place", place);
	struct happening_field field = {0};

	while (happening_next_field(event, &field))
		event_json_add(json, str_of(field.key), str_of(field.value));
	json_array_append_new(ctx, json);
}

/* From this process' memory, if that is where they are. */
static bool
recall(struct relay *relay, const char *after, struct event_page *page)
{
	const struct registry_ops *ops = relay->registry->ops;

	if (ops->recall == NULL)
		return false;
	page->missed = ops->recall(
	    relay->registry, after, page->end, add_event_cb, page->events);
	return true;
}

static json_t *
page_json(const struct event_page *page)
{
	return json_pack("{s:o, s:s, s:b}", "events", page->events, "end",
	    page->end, "missed", page->missed);
}

static const char *
place_or_end(const char *place)
{
	return place[0] != '\0' ? place : NULL;
}

void
api_ask_events(struct api_call *call, struct admin *admin)
{
	struct event_page page = {.events = json_array()};

	if (!redis_options_given(admin->registry)) {
		json_decref(page.events);
		return;
	}
	if (api_went_well(call, admin,
		admin->store->events(
		    admin, place_or_end(call->after), 0, &page)))
		api_answer(call, 200, page_json(&page));
	else
		json_decref(page.events);
}

void
api_finish_events(struct api_call *call, struct relay *relay)
{
	struct event_page page = {.events = json_array()};

	if (call->status == 0 &&
	    recall(relay, place_or_end(call->after), &page))
		api_answer(call, 200, page_json(&page));
	else
		json_decref(page.events);
}

static bool
wants_stream(const struct http_request *request)
{
	const char *accept = http_request_header(request, "Accept");

	return accept != NULL && strstr(accept, "text/event-stream") != NULL;
}

bool
api_take_after(struct api_call *call, const struct http_request *request)
{
	const char *query = http_request_query(request),
		   *last = http_request_header(request, "Last-Event-ID");
	const char *after = "0";
	bool good;

	call->streams = wants_stream(request);
	if (last != NULL)
		after = last;
	else if (query != NULL && strncmp(query, "after=", 6) == 0)
		after = query + 6;
	else if (query != NULL)
		after = "";
	good = strcmp(after, "end") == 0 || event_place_valid(after);
	if (!good)
		api_fail(call, 400, "bad_request",
		    "after=PLACE, the place of an event, or a time in ms since "
		    "1970, or end",
		    "that is no place of an event");
	else if (strcmp(after, "end") != 0)
		(void)str_copy(str_of(after), call->after, sizeof(call->after));
	return good;
}

/* ---- a stream ---- */

static void
free_stream(struct event_stream *stream)
{
	timer_clear(stream->api->relay->loop, &stream->timer);
	LIST_REMOVE(stream, link);
	json_decref(stream->page.events);
	free(stream);
}

static void
end_stream(struct event_stream *stream)
{
	if (stream->request != NULL)
		http_request_end(&stream->request);
	free_stream(stream);
}

static bool
send_text(struct event_stream *stream, const char *text)
{
	return http_request_send(stream->request, text, strlen(text));
}

/* "id: PLACE\ndata: JSON\n\n"; the caller frees it. NULL: no memory. */
static char *
event_text(const json_t *event)
{
	const char *place = json_string_value(json_object_get(event, "place"));
	char *json = json_dumps(event, JSON_COMPACT | JSON_ENSURE_ASCII), *text;
	size_t size;

	if (json == NULL || place == NULL) {
		free(json);
		return NULL;
	}
	size = strlen(place) + strlen(json) + sizeof("id: \ndata: \n\n");
	text = malloc(size);
	if (text != NULL)
		snprintf(text, size, "id: %s\ndata: %s\n\n", place, json);
	free(json);
	return text;
}

/* In one piece: each one has its price for as long as its client does not read it. */
static bool
send_event(struct event_stream *stream, const json_t *event)
{
	char *text = event_text(event);
	bool sent = text != NULL && send_text(stream, text);

	free(text);
	return sent;
}

static void
go_behind(struct event_stream *stream, const char *place)
{
	(void)str_copy(str_of(place), stream->place, sizeof(stream->place));
}

/* As much of it as the client has room for, and the place is behind that. False: no memory. */
static bool
send_page(struct event_stream *stream)
{
	json_t *event;
	size_t i;

	if (stream->page.missed &&
	    !send_text(stream, "event: missed\ndata:\n\n"))
		return false;
	json_array_foreach (stream->page.events, i, event) {
		if (http_request_backlog(stream->request) > UNREAD_MAX)
			return true; /* the rest is asked for again */
		if (!send_event(stream, event))
			return false;
		go_behind(
		    stream, json_string_value(json_object_get(event, "place")));
	}
	go_behind(stream, stream->page.end);
	stream->quiet =
	    json_array_size(stream->page.events) > 0 ? 0 : stream->quiet + 1;
	if (stream->quiet % SIGN_OF_LIFE == 1)
		return send_text(stream, ":\n\n");
	return true;
}

/* A page is there, or none could be had: that is no reason to end, as it comes later. */
static void
take_page(struct event_stream *stream)
{
	struct loop *loop = stream->api->relay->loop;
	bool good = stream->code != ADMIN_OK || send_page(stream);
	bool more = json_array_size(stream->page.events) >= HISTORY_PAGE ||
	    (stream->code == ADMIN_OK &&
		strcmp(stream->place, stream->page.end) != 0);

	json_array_clear(stream->page.events);
	if (!good || loop_now_ms(loop) >= stream->until_ms)
		end_stream(stream);
	else
		timer_set(loop, &stream->timer, more ? 0 : POLL_MS);
}

static void
arrived_cb(struct guest *guest, struct loop *loop)
{
	struct event_stream *stream = (struct event_stream *)guest;
	struct admin *admin = &stream->api->admin;

	(void)loop;
	stream->code = admin->store->events(
	    admin, place_or_end(stream->place), 0, &stream->page);
	if (stream->code >= ADMIN_DOWN)
		admin_fini(admin);
	worker_return(stream->api->worker, guest);
}

static void
recalled_cb(struct guest *guest)
{
	(void)guest;
	assert(!"the worker was in a callback of this guest");
}

static void
returned_cb(struct guest *guest)
{
	struct event_stream *stream = (struct event_stream *)guest;

	stream->asking = false;
	if (stream->request == NULL)
		free_stream(stream);
	else
		take_page(stream);
}

static const struct guest_ops stream_ops = {
    arrived_cb, recalled_cb, returned_cb};

/* Who is behind gets no more until it has read what there is. */
static bool
waits_for_client(struct event_stream *stream)
{
	struct loop *loop = stream->api->relay->loop;

	if (http_request_backlog(stream->request) <= UNREAD_MAX) {
		stream->pause_ms = PAUSE_FIRST_MS;
		return false;
	}
	if (loop_now_ms(loop) >= stream->until_ms) {
		end_stream(stream);
		return true;
	}
	timer_set(loop, &stream->timer, stream->pause_ms);
	stream->pause_ms =
	    2 * stream->pause_ms < POLL_MS ? 2 * stream->pause_ms : POLL_MS;
	return true;
}

static void
poll_cb(void *ctx)
{
	struct event_stream *stream = ctx;

	if (waits_for_client(stream))
		return;
	stream->code = ADMIN_OK;
	stream->page.missed = false;
	if (recall(stream->api->relay, place_or_end(stream->place),
		&stream->page)) {
		take_page(stream);
		return;
	}
	stream->asking = worker_send(stream->api->worker, &stream->guest);
	if (!stream->asking)
		timer_set(stream->api->relay->loop, &stream->timer, POLL_MS);
}

static void
gone_cb(void *ctx)
{
	struct event_stream *stream = ctx;

	stream->request = NULL;
	if (!stream->asking)
		free_stream(stream);
}

bool
api_stream_events(struct api_call *call)
{
	struct http_reply reply = {.status = 200, .type = "text/event-stream"};
	struct event_streams *streams = &call->api->streams;
	struct loop *loop = call->api->relay->loop;
	struct event_stream *stream;
	size_t n = 0;

	if (api_answer_head(call))
		return true;
	LIST_FOREACH (stream, streams, link)
		n++;
	stream = n < STREAMS_MAX ? calloc(1, sizeof(*stream)) : NULL;
	if (stream == NULL || (stream->page.events = json_array()) == NULL) {
		free(stream);
		api_fail(call, 503, "busy", "end another one first",
		    "too many streams of events are open");
		return false;
	}
	stream->guest.ops = &stream_ops;
	stream->page.most = HISTORY_PAGE;
	stream->api = call->api;
	stream->request = call->request;
	memcpy(stream->place, call->after, sizeof(stream->place));
	stream->until_ms = loop_now_ms(loop) + LIFE_MS;
	timer_init(&stream->timer, poll_cb, stream);
	LIST_INSERT_HEAD(streams, stream, link);
	if (http_request_stream(stream->request, &reply, gone_cb, stream))
		timer_set(loop, &stream->timer, 0);
	else
		end_stream(stream);
	return true;
}

void
api_streams_end(struct api *api)
{
	struct event_streams *streams = &api->streams;
	struct event_stream *stream;

	while ((stream = LIST_FIRST(streams)) != NULL) {
		if (stream->asking)
			worker_recall(api->worker, &stream->guest);
		end_stream(stream);
	}
}
