/* SPDX-License-Identifier: MIT */
/*
 * Heads are read into a buffer of ours and written anew to where the owner reads to; a body is read to
 * there straight away. What comes behind a body in the same read waits in our buffer.
 *
 * The visit may be with the worker, and so may be all of this, but for a head: what that may do depends on
 * the relay, which is at home.
 */
#include "config.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/crypto.h"
#include "relay/access.h"
#include "relay/limits.h"
#include "relay/named.h"
#include "relay/page.h"
#include "relay/requests.h"
#include "relay/share_door.h"
#include "relay/waiting.h"
#include "wire/host_name.h"
#include "wire/http_forward.h"
#include "wire/http_stream.h"

#define GUESSES_AFTER_S 60 /* as proxies say it */

/* Why a request does not go on: a page of ours, or a status without one. */
struct refusal {
	unsigned status; /* 0: see page */
	enum page page;	 /* PAGE_COUNT: no refusal, where status is 0 */
};
#define NO_REFUSAL ((struct refusal){0, PAGE_COUNT})
#define REFUSAL(status) ((struct refusal){(status), PAGE_COUNT})

struct requests {
	struct conn_filter filter;
	struct relay *relay;
	struct http_stream stream;
	struct http_switch answer; /* to the request that wants another protocol */
	struct waiting in;	   /* read, and not looked at yet */
	struct waiting out;	   /* a head that the owner had no room for */
	struct service *service; /* while its first head is looked at */
	uint64_t serial;	 /* of that service: the host may get another one */
	struct refusal refusal;
	char *last_words; /* of a refusal, where it is neither a page nor a status alone; else NULL */
	bool refused; /* and the visitor was told */
	bool asks_head; /* the request that is refused does, and its answer has no body */
	bool https, trusted;
	struct address from;
	char from_ip[ADDRESS_TEXT_MAX];
	struct str host, said; /* of all its requests; as the first one said it */
	char text[];	       /* of these */
};

static const struct conn_filter_ops requests_filter_ops;

static struct requests *
of_filter(struct conn_filter *filter)
{
	assert(filter->ops == &requests_filter_ops);
	return (struct requests *)(void *)((char *)filter -
	    offsetof(struct requests, filter));
}

/* ---- one request ---- */

/* Read more of the connection behind what waits: as conn_read(). */
static ssize_t
read_more(struct requests *requests, struct conn *conn)
{
	struct waiting *in = &requests->in;
	ssize_t got;

	if (waiting_make_room(in) != 0)
		return CONN_ERROR;
	got = conn_read_below(conn, waiting_data(in) + in->len,
	    in->buf->capacity - in->at - in->len);
	if (got > 0)
		in->len += (uint32_t)got;
	else if (in->len == 0)
		buf_put(&in->buf);
	return got;
}

static bool
is_refusal(struct refusal refusal)
{
	return refusal.status != 0 || refusal.page != PAGE_COUNT;
}

/* It is the last. */
static void
refuse(struct requests *requests, struct refusal refusal)
{
	struct relay *relay = requests->relay;

	requests->refusal = refusal;
	buf_put(&requests->in.buf);
	requests->in.at = requests->in.len = 0;
	if (refusal.status == 431)
		limit_hit(&relay->hits, LIMIT_MAX_HEAD, requests->from_ip,
		    loop_now_ms(relay->loop));
}

/* The service that it is for, if that is the one which the connection was joined to; else NULL. */
static struct service *
service_for(const struct requests *requests, const struct http_head *head)
{
	char host[HOST_NAME_MAX + 1];
	struct str said = http_field_get(head, "Host");
	struct service *service;

	if (requests->service != NULL)
		return requests->service;
	if (!str_equal(said, requests->said) &&
	    (!host_name_normalise(said, host, sizeof(host)) ||
		!str_equal(str_of(host), requests->host)))
		return NULL;
	service = service_find(requests->relay, requests->host);
	return service != NULL && service->serial == requests->serial ? service
								      : NULL;
}

/* Whose request it is: the visitor whom a proxy names, if only as nobody, or who is connected. */
static const struct address *
from_of(const struct requests *requests, const struct http_head *head,
    struct address *named)
{
	if (!requests->trusted)
		return &requests->from;
	(void)named_address(head, named);
	return named;
}

static bool
is_https(const struct requests *requests, const struct http_head *head)
{
	return requests->https || (requests->trusted && named_https(head));
}

/* To where it has come, on another connection: this one ends behind the answer. */
static struct refusal
send_back(struct requests *requests, const struct http_head *head)
{
	static const char format[] = "HTTP/1.1 307 Temporary Redirect\r\n"
				     "Location: %.*s\r\n"
				     "Cache-Control: no-store\r\n"
				     "Referrer-Policy: no-referrer\r\n"
				     "Content-Length: 0\r\n"
				     "Connection: close\r\n\r\n";
	size_t size = sizeof(format) + head->target.len;

	if ((requests->last_words = malloc(size)) == NULL)
		return REFUSAL(421);
	snprintf(requests->last_words, size, format, STR_ARG(head->target));
	return REFUSAL(307);
}

/* What is not the device's. A browser would not open another connection for a 421, nor would a proxy
 * that has many. */
static struct refusal
answer_link(struct requests *requests, const struct http_head *head)
{
	struct address named;
	enum page page;

	if (!share_door_answer(requests->relay, head, is_https(requests, head),
		from_of(requests, head, &named), &requests->last_words, &page))
		return send_back(requests, head);
	return requests->last_words != NULL ? REFUSAL(303)
					: (struct refusal){0, page};
}

static struct refusal
judge(struct requests *requests, const struct http_head *head,
    struct service **service)
{
	enum access_verdict verdict;
	struct address named;
	const char *error;
	unsigned status;

	if (http_field_count(head, "Host") != 1)
		return REFUSAL(400);
	if (share_door_is_meant(head))
		return answer_link(requests, head);
	if ((*service = service_for(requests, head)) == NULL)
		return REFUSAL(421);
	status = http_stream_begin(&requests->stream, head, &error);
	if (status != 0)
		return REFUSAL(status);
	if (access_is_public(*service))
		return NO_REFUSAL;
	verdict = access_check_request(*service, head, is_https(requests, head),
	    from_of(requests, head, &named), &requests->from, loop_wall_ms());
	return verdict == ACCESS_GRANTED
	    ? NO_REFUSAL
	    : (struct refusal){0, access_page(verdict)};
}

/* Leave out what it said to be let in. room: HTTP_HEAD_MAX bytes that the head points to afterwards. */
static void
strip_access(
    const struct service *service, struct http_head *head, char *room)
{
	if (access_is_public(service))
		return;
	for (size_t i = 0; i < head->n_fields; i++) {
		struct http_field *field = &head->fields[i];
		struct str value;

		if (!access_field_for_device(
			service, field, room, field->value.len, &value))
			field->name = (struct str){NULL, 0};
		field->value = value;
		if (value.ptr == room)
			room += value.len;
	}
}

static struct http_forward
forward_of(const struct requests *requests)
{
	return (struct http_forward){
	    .from = str_of(requests->from_ip),
	    .scheme = requests->https ? STR("https") : STR("http"),
	    .upgrades = requests->stream.part == HTTP_SWITCH,
	    .trusted = requests->trusted,
	};
}

/* Write a head of len bytes anew: to the owner, where it has room for it, else so that it waits for
 * that. */
static enum wire_result
write_anew(struct requests *requests, const struct http_head *head, size_t len,
    uint8_t *out, size_t cap, size_t *done)
{
	struct http_forward forward = forward_of(requests);
	bool trailers = head->method.ptr == NULL, direct;
	struct writer w;

	direct = cap >= len + HTTP_FORWARD_MAX;
	if (!direct) {
		struct buf *buf = buf_get(len + HTTP_FORWARD_MAX);

		if ((requests->out.buf = buf) == NULL)
			return WIRE_BAD;
		out = buf_data(buf);
		cap = buf->capacity;
	}
	writer_init(&w, out, cap);
	if (trailers)
		http_forward_trailers(head, &w);
	else
		http_forward_head(head, &forward, &w);
	assert(!w.full);
	if (direct)
		*done += writer_len(&w);
	else
		requests->out.len = (uint32_t)writer_len(&w);
	return WIRE_DONE;
}

/* A head is whole, or never will be: pass it on, or not. WIRE_BAD: no memory. */
static enum wire_result
take_head(struct requests *requests, struct http_head *head, size_t len,
    uint8_t *out, size_t cap, size_t *done)
{
	struct service *service = NULL;
	struct refusal refusal = judge(requests, head, &service);
	char room[HTTP_HEAD_MAX];
	enum wire_result result;

	if (is_refusal(refusal)) {
		requests->asks_head = str_is(head->method, "HEAD");
		refuse(requests, refusal);
		return WIRE_DONE;
	}
	strip_access(service, head, room);
	result = write_anew(requests, head, len, out, cap, done);
	waiting_consume(&requests->in, len);
	requests->filter.watches = requests->stream.part == HTTP_SWITCH;
	return result;
}

static enum wire_result
take_trailers(struct requests *requests, const struct http_head *trailers,
    size_t len, uint8_t *out, size_t cap, size_t *done)
{
	enum wire_result result =
	    write_anew(requests, trailers, len, out, cap, done);

	waiting_consume(&requests->in, len);
	http_stream_end_trailers(&requests->stream);
	return result;
}

/* Look at what waits: the head, or the trailers. WIRE_MORE: it is not whole. WIRE_BAD: no memory. */
static enum wire_result
look_at_head(
    struct requests *requests, uint8_t *out, size_t cap, size_t *done)
{
	struct waiting *in = &requests->in;
	const char *data = (const char *)waiting_data(in);
	size_t most = (size_t)requests->relay->options.max_head, len = 0;
	bool trailers = requests->stream.part == HTTP_TRAILERS;
	struct http_head head;
	enum wire_result result = trailers
	    ? http_trailers_parse(data, in->len, &head, &len)
	    : http_request_parse(data, in->len, &head, &len);

	if (result == WIRE_BAD) {
		refuse(requests, REFUSAL(head.error_status));
		return WIRE_DONE;
	}
	if (result == WIRE_MORE ? in->len >= most : len > most) {
		refuse(requests, REFUSAL(431));
		return WIRE_DONE;
	}
	if (result == WIRE_MORE)
		return WIRE_MORE;
	return trailers
	    ? take_trailers(requests, &head, len, out, cap, done)
	    : take_head(requests, &head, len, out, cap, done);
}

/* ---- reading ---- */

/* What one step came to. */
enum progress {
	GOES_ON,
	NEEDS_MORE, /* of the connection */
	NO_MEMORY
};

static enum progress
step_head(struct requests *requests, uint8_t *out, size_t cap, size_t *done)
{
	if (requests->in.len == 0)
		return NEEDS_MORE;
	switch (look_at_head(requests, out, cap, done)) {
	case WIRE_DONE:
		return GOES_ON;
	case WIRE_MORE:
		return NEEDS_MORE;
	default:
		return NO_MEMORY;
	}
}

/* So many bytes of a body, or what follows it, were read to out: *passed of them are for the owner,
 * what is behind those waits. As conn_read(). */
static ssize_t
pass_body(
    struct requests *requests, const uint8_t *out, size_t len, size_t *passed)
{
	if (http_stream_body(&requests->stream, (const char *)out, len,
		passed) == WIRE_BAD)
		refuse(requests, REFUSAL(400));
	else if (waiting_keep(
		     &requests->in, out + *passed, len - *passed) != 0)
		return CONN_ERROR;
	return (ssize_t)len;
}

/* The part of a body that waits with the head it came with. */
static enum progress
step_body(struct requests *requests, uint8_t *out, size_t cap, size_t *done)
{
	struct waiting *in = &requests->in;
	size_t len = in->len < cap ? in->len : cap, passed;
	enum wire_result result;

	if (len == 0)
		return NEEDS_MORE;
	result = http_stream_body(
	    &requests->stream, (const char *)waiting_data(in), len, &passed);
	if (passed > 0) {
		memcpy(out, waiting_data(in), passed);
		waiting_consume(in, passed);
		*done += passed;
	}
	if (result == WIRE_BAD)
		refuse(requests, REFUSAL(400));
	return GOES_ON;
}

/* With what is here already. */
static enum progress
step(struct requests *requests, uint8_t *out, size_t cap, size_t *done)
{
	size_t got = waiting_take(&requests->out, out, cap);

	*done += got;
	if (got > 0)
		return GOES_ON;
	switch (requests->stream.part) {
	case HTTP_HEAD:
	case HTTP_TRAILERS:
		return step_head(requests, out, cap, done);
	case HTTP_BODY:
		return step_body(requests, out, cap, done);
	case HTTP_TUNNEL:
		got = waiting_take(&requests->in, out, cap);
		*done += got;
		return got > 0 ? GOES_ON : NEEDS_MORE;
	default: /* HTTP_SWITCH: whatever comes waits */
		return NEEDS_MORE;
	}
}

/* Is what is next read to the owner as it is? */
static bool
passes(const struct requests *requests)
{
	return requests->stream.part == HTTP_BODY ||
	    requests->stream.part == HTTP_TUNNEL;
}

/* Read that: as conn_read(); *done of it are for the owner. */
static ssize_t
read_through(struct requests *requests, struct conn *conn, uint8_t *out,
    size_t cap, size_t *done)
{
	const struct http_stream *stream = &requests->stream;
	ssize_t got;

	/* not beyond its end, where that is known: nothing has to be kept */
	if (stream->part == HTTP_BODY && !stream->chunked && stream->left < cap)
		cap = (size_t)stream->left;
	got = conn_read_below(conn, out, cap);
	if (got <= 0)
		return got;
	*done = (size_t)got;
	return stream->part == HTTP_BODY
	    ? pass_body(requests, out, (size_t)got, done)
	    : got;
}

/* Read more of what is looked at before it is passed on: as conn_read(). */
static ssize_t
read_ahead(struct requests *requests, struct conn *conn)
{
	/* nobody has much to say before it knows in which language */
	if (requests->stream.part == HTTP_SWITCH &&
	    requests->in.len >= BUF_SMALL) {
		refuse(requests, REFUSAL(400));
		return 0;
	}
	return read_more(requests, conn);
}

/* May this thread go on? Heads are looked at at home. */
static bool
may_go_on(const struct requests *requests, const struct conn *conn)
{
	return conn->loop == requests->relay->loop ||
	    requests->out.len > 0 || passes(requests) ||
	    requests->stream.part == HTTP_SWITCH;
}

static ssize_t
fill(struct requests *requests, struct conn *conn, uint8_t *out, size_t cap,
    size_t *done)
{
	while (*done < cap && !is_refusal(requests->refusal)) {
		ssize_t got;

		if (!may_go_on(requests, conn))
			return CONN_AT_HOME;
		switch (step(requests, out + *done, cap - *done, done)) {
		case GOES_ON:
			continue;
		case NO_MEMORY:
			return CONN_ERROR;
		case NEEDS_MORE:
			break;
		}
		if (*done > 0)
			return CONN_AGAIN;
		got = passes(requests)
		    ? read_through(requests, conn, out, cap, done)
		    : read_ahead(requests, conn);
		if (got <= 0)
			return got;
	}
	return 0;
}

static ssize_t
read_cb(struct conn_filter *filter, struct conn *conn, void *out, size_t cap)
{
	struct requests *requests = of_filter(filter);
	size_t done = 0;
	ssize_t result = fill(requests, conn, out, cap, &done);

	/* not where the rest of a head is needed, or an answer */
	filter->has_more = requests->out.len > 0 ||
	    is_refusal(requests->refusal) ||
	    (requests->in.len > 0 && result != CONN_AGAIN);
	if (result == CONN_ERROR)
		return CONN_ERROR;
	return done > 0 ? (ssize_t)done : result;
}

/* ---- the answers ---- */

static void
wrote_cb(struct conn_filter *filter, struct conn *conn, const uint8_t *data,
    size_t len)
{
	struct requests *requests = of_filter(filter);
	bool yes = false;

	if (http_switch_look(
		&requests->answer, (const char *)data, len, &yes) == WIRE_MORE)
		return;
	http_stream_switched(&requests->stream, yes);
	filter->watches = false;
	conn_wake(conn);
}

static void
ending_cb(struct conn_filter *filter, struct conn *conn)
{
	struct requests *requests = of_filter(filter);

	if (!is_refusal(requests->refusal) || requests->refused)
		return;
	requests->refused = true;
	if (requests->last_words != NULL)
		(void)conn_append(
		    conn, requests->last_words, strlen(requests->last_words));
	else if (requests->refusal.status != 0)
		requests_refuse(conn, requests->refusal.status);
	else
		page_write(&requests->relay->pages, requests->refusal.page,
		    requests->refusal.page == PAGE_GUESSES ? GUESSES_AFTER_S : 0,
		    !requests->asks_head, conn);
}

static void
free_cb(struct conn_filter *filter)
{
	struct requests *requests = of_filter(filter);

	buf_put(&requests->in.buf);
	buf_put(&requests->out.buf);
	if (requests->last_words != NULL) /* with a visit's cookie */
		crypto_wipe(requests->last_words, strlen(requests->last_words));
	free(requests->last_words);
	free(requests);
}

static const struct conn_filter_ops requests_filter_ops = {
    .read = read_cb,
    .wrote = wrote_cb,
    .ending = ending_cb,
    .free = free_cb,
};

static struct requests *
requests_new(struct relay *relay, const struct requests_origin *origin,
    struct str said)
{
	struct str host = origin->host;
	struct requests *requests = calloc(
	    1, offsetof(struct requests, text) + host.len + said.len);

	if (requests == NULL)
		return NULL;
	memcpy(requests->text, host.ptr, host.len);
	memcpy(requests->text + host.len, said.ptr, said.len);
	requests->host = (struct str){requests->text, host.len};
	requests->said = (struct str){requests->text + host.len, said.len};
	requests->filter.ops = &requests_filter_ops;
	requests->relay = relay;
	requests->serial = origin->service->serial;
	requests->https = origin->https;
	requests->trusted = origin->trusted;
	requests->refusal = NO_REFUSAL;
	requests->from = *origin->from;
	http_stream_init(&requests->stream);
	(void)address_ip_text(origin->from, requests->from_ip);
	return requests;
}

/* The first head is written; what has come behind it goes along, as far as there is room. */
static ssize_t
read_rest(struct requests *requests, struct conn *conn, uint8_t *out,
    size_t cap, size_t done)
{
	ssize_t got;

	if (requests->in.len == 0 || done == cap)
		return (ssize_t)done;
	conn_wake(conn);
	got = conn_read(conn, out + done, cap - done);
	if (got == CONN_ERROR)
		return CONN_ERROR;
	return got > 0 ? (ssize_t)done + got : (ssize_t)done;
}

ssize_t
requests_watch(struct relay *relay, struct conn *conn,
    const struct requests_origin *origin, struct requests_read *read, void *out,
    size_t cap)
{
	struct requests *requests =
	    requests_new(relay, origin, http_field_get(read->head, "Host"));
	enum wire_result result;
	size_t done = 0;

	if (requests == NULL)
		return CONN_ERROR;
	requests->in =
	    (struct waiting){.buf = read->buf, .len = (uint32_t)read->len};
	read->buf = NULL;
	conn_set_filter(conn, &requests->filter);
	requests->service = origin->service;
	result = take_head(
	    requests, read->head, read->head_len, out, cap, &done);
	requests->service = NULL;
	assert(requests->out.len == 0); /* the owner has room for it */
	if (result != WIRE_DONE)
		return CONN_ERROR;
	if (is_refusal(requests->refusal))
		return 0;
	return read_rest(requests, conn, out, cap, done);
}

void
requests_refuse(struct conn *conn, unsigned status)
{
	char answer[256];
	struct writer w;

	writer_init(&w, answer, sizeof(answer));
	writer_cstr(&w, "HTTP/1.1 ");
	writer_u64(&w, status);
	writer_cstr(&w, " ");
	writer_cstr(&w, http_status_phrase(status));
	writer_cstr(&w, "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
	(void)conn_append(conn, answer, writer_len(&w));
}
