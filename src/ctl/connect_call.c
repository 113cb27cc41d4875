/* SPDX-License-Identifier: MIT */
/*
 * One call: dial, ask, follow where the answer leads, and then move bytes until both sides have ended.
 * The connection that it is for is not read before the relay has said yes.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/printable.h"
#include "ctl/connect.h"
#include "net/crypto.h"
#include "net/socket.h"
#include "wire/form.h"

#define PATH "/v1/connect"
#define HOPS_MAX 5
#define PING_MS 25000
#define PINGS_MAX 3 /* without a word; then it is lost */
#define ANSWER_MAX (HTTP_HEAD_MAX + 2048)

struct call {
	LIST_ENTRY(call) link;
	struct connector *connector;
	struct dial *dial;
	struct conn channel, raw;
	struct ws_link ws;
	bool joined;
	struct timer timer; /* of the answer, then of the pings */
	unsigned hops, pings;
	char url[URL_MAX + CONTROL_MSG_MAX];
	char host[HOST_NAME_MAX + 1];
	char key[WS_KEY_LEN];
	size_t answer_len;
	char answer[ANSWER_MAX];
};

static void dial_up(struct call *call);

static const char *
service_text(const struct call *call, char text[SHARE_SUBJECT_MAX + 1])
{
	snprintf(text, SHARE_SUBJECT_MAX + 1, "%s/%s", call->connector->to.name,
	    call->connector->to.service);
	return text;
}

/* The connections are closed, or handed on. */
static void
call_over(struct call *call, int code)
{
	struct connector *connector = call->connector;

	timer_clear(connector->loop, &call->timer);
	dial_cancel(&call->dial);
	conn_fini(&call->channel);
	conn_abort(&call->raw);
	LIST_REMOVE(call, link);
	free(call);
	connector->over_cb(connector, code);
}

static void
call_failed(struct call *call, int code, const char *what, const char *hint)
{
	char text[600], service[SHARE_SUBJECT_MAX + 1];

	snprintf(text, sizeof(text), "%s", what);
	make_printable(text);
	ctl_fail(code, "%s: %s%s%s", service_text(call, service), text,
	    hint != NULL ? "; " : "", hint != NULL ? hint : "");
	call_over(call, code);
}

/* ---- joined ---- */

static int
code_of_close(unsigned code)
{
	return code == WS_CLOSE_TRY_AGAIN ? EX_TEMPFAIL
	    : code == WS_CLOSE_POLICY	  ? EX_NOPERM
					  : EX_UNAVAILABLE;
}

static void
end_cb(void *owner, enum ws_link_end end, unsigned code, struct str reason)
{
	struct call *call = owner;
	struct farewells *farewells = call->connector->farewells;
	char text[200];

	snprintf(text, sizeof(text), "%.*s", STR_ARG(reason));
	switch (end) {
	case WS_LINK_DONE:
		ws_link_finish(&call->ws, farewells);
		call_over(call, EX_OK);
		break;
	case WS_LINK_RESET:
		ws_link_close(
		    &call->ws, farewells, WS_CLOSE_GOING_AWAY, "reset");
		call_failed(call, EX_IOERR, "the local side was reset", NULL);
		break;
	case WS_LINK_CLOSED:
		ws_link_close(&call->ws, farewells, WS_CLOSE_NORMAL, "");
		call_failed(call, code_of_close(code),
		    text[0] != '\0' ? text : "the relay has ended it", NULL);
		break;
	case WS_LINK_BROKEN:
		ws_link_close(&call->ws, farewells, code, text);
		call_failed(call, EX_PROTOCOL, text, NULL);
		break;
	case WS_LINK_LOST:
		ws_link_abort(&call->ws);
		call_failed(call, EX_IOERR,
		    "the connection to the relay was lost", NULL);
		break;
	}
}

static void
ping_cb(void *ctx)
{
	struct call *call = ctx;

	call->pings = call->ws.heard ? 0 : call->pings + 1;
	call->ws.heard = false;
	if (call->pings >= PINGS_MAX) {
		ws_link_abort(&call->ws);
		call_failed(call, EX_IOERR,
		    "the relay has not answered for too long", NULL);
		return;
	}
	ws_link_ping(&call->ws);
	timer_set(call->connector->loop, &call->timer, PING_MS);
}

static void
join(struct call *call, size_t head_len)
{
	struct loop *loop = call->connector->loop;
	size_t len = call->answer_len - head_len;

	timer_clear(loop, &call->timer);
	timer_init(&call->timer, ping_cb, call);
	timer_set(loop, &call->timer, PING_MS);
	conn_resume(&call->raw);
	if (ws_link_init(&call->ws, WS_CLIENT, &call->channel, &call->raw,
		end_cb, call) != 0) {
		call_failed(call, EX_OSERR, "out of memory", NULL);
		return;
	}
	if (len > 0)
		ws_link_feed(
		    &call->ws, (uint8_t *)call->answer + head_len, len);
}

/* ---- the answer ---- */

/* "error=…&reason=…" */
static void
read_reason(char *body, size_t len, char *reason, size_t cap)
{
	struct form_reader r;
	struct form_pair pair;

	form_reader_init(&r, body, len);
	while (form_next(&r, &pair) == WIRE_DONE)
		if (str_is(pair.key, "reason"))
			snprintf(reason, cap, "%.*s", STR_ARG(pair.value));
}

static void
refused(struct call *call, const struct http_answer *answer, size_t head_len)
{
	static const struct {
		unsigned status;
		int code;
		const char *hint;
	} rows[] = {
	    {401, EX_NOPERM,
		"taupectl share makes a link for it, which is given in its "
		"place or in --token-file"},
	    {403, EX_NOPERM, NULL},
	    {404, EX_NOUSER,
		"taupectl device show lists its services; a proxy "
		"in between must lead /v1/ to a relay"},
	    {400, EX_PROTOCOL, NULL},
	    {426, EX_PROTOCOL, NULL},
	    {429, EX_TEMPFAIL, "try again in a while"},
	    {503, EX_TEMPFAIL, "try again in a while"},
	};
	char reason[300], text[300 + sizeof(call->host) + 20];
	unsigned status = answer->status;
	const char *hint = NULL;
	int code = EX_UNAVAILABLE;

	snprintf(reason, sizeof(reason), "%s", http_status_phrase(status));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].status == status) {
			code = rows[i].code;
			hint = rows[i].hint;
		}
	read_reason(call->answer + head_len, call->answer_len - head_len,
	    reason, sizeof(reason));
	snprintf(text, sizeof(text), "%s answers %u: %s", call->host, status,
	    reason);
	call_failed(call, code, text, hint);
}

static void
follow(struct call *call, struct str location)
{
	struct connector *connector = call->connector;
	struct url from, url;
	const char *error;
	char text[400];

	if (!url_parse(str_of(call->url), &from) ||
	    location.len >= sizeof(call->url) || !url_parse(location, &url) ||
	    url.path.ptr == NULL || !str_is(url.path, PATH))
		error = "it is malformed";
	else if (call->hops++ == HOPS_MAX)
		error = "it is one too many";
	else
		error = connect_redirect_refusal(&connector->to, &from, &url);
	if (error != NULL) {
		snprintf(text, sizeof(text),
		    "the redirect of %s is not followed: %s", call->host,
		    error);
		call_failed(call, EX_PROTOCOL, text, NULL);
		return;
	}
	(void)str_copy(location, call->url, sizeof(call->url));
	timer_clear(connector->loop, &call->timer);
	conn_fini(&call->channel);
	dial_up(call);
}

/* The head is here; the body, too, or all of it that there will be. */
static void
answered(struct call *call, const struct http_answer *answer, size_t head_len)
{
	const char *error;

	if (answer->status == 302) {
		follow(call, answer->fields[HTTP_LOCATION]);
	} else if (answer->status != 101) {
		refused(call, answer, head_len);
	} else if ((error = handshake_answer_check(answer, call->key)) !=
	    NULL) {
		call_failed(call, EX_PROTOCOL, error, NULL);
	} else {
		join(call, head_len);
	}
}

static bool
is_whole(
    const struct call *call, const struct http_answer *answer, size_t head_len)
{
	uint64_t body;

	return answer->status == 101 || answer->status == 302 ||
	    call->answer_len == sizeof(call->answer) ||
	    (str_to_number(
		 answer->fields[HTTP_CONTENT_LENGTH], INT32_MAX, &body) &&
		call->answer_len - head_len >= body);
}

static void
readable_cb(struct conn *conn)
{
	struct call *call = conn->owner;
	struct http_answer answer;
	size_t head_len;
	ssize_t got = conn_read(conn, call->answer + call->answer_len,
	    sizeof(call->answer) - call->answer_len);

	if (got == CONN_AGAIN)
		return;
	if (got > 0)
		call->answer_len += (size_t)got;
	switch (http_answer_parse(
	    call->answer, call->answer_len, &answer, &head_len)) {
	case WIRE_DONE:
		if (got <= 0 || is_whole(call, &answer, head_len)) {
			conn_pause(conn);
			answered(call, &answer, head_len);
		}
		return;
	case WIRE_BAD:
		call_failed(
		    call, EX_PROTOCOL, answer.error, "is that a relay's URL?");
		return;
	case WIRE_MORE:
		break;
	}
	if (got <= 0 || call->answer_len == sizeof(call->answer))
		call_failed(call, EX_PROTOCOL, "the relay has not answered",
		    "is that a relay's URL?");
}

static void
broken_cb(struct conn *conn)
{
	call_failed(conn->owner, EX_IOERR,
	    "the connection to the relay was reset", NULL);
}

static const struct conn_ops answer_conn_ops = {
    .readable_cb = readable_cb,
    .broken_cb = broken_cb,
};

static void
late_cb(void *ctx)
{
	call_failed(
	    ctx, EX_TEMPFAIL, "the relay has not answered in time", NULL);
}

/* ---- asking ---- */

/* A token may be longer than a device's secret, which the handshake has room for. */
static void
write_token(struct writer *w, const char *token)
{
	if (token[0] == '\0')
		return;
	w->at -= 2; /* of the empty line */
	writer_cstr(w, "Authorization: Bearer ");
	writer_line(w, token);
	writer_cstr(w, "\r\n\r\n");
}

static void
ask(struct call *call)
{
	struct connect_to *to = &call->connector->to;
	char request[sizeof(call->url) + SHARE_TOKEN_MAX + 1024];
	struct handshake_request fields = {
	    .host = call->host,
	    .user_agent = "taupectl/" PACKAGE_VERSION,
	    .key = call->key,
	};
	uint8_t nonce[16];
	struct url url;
	struct writer w;

	(void)url_parse(str_of(call->url), &url);
	fields.port = url.port;
	fields.secure = url.secure;
	crypto_random(nonce, sizeof(nonce));
	ws_key_make(nonce, call->key);
	writer_init(&w, request, sizeof(request));
	writer_cstr(&w, "GET " PATH "?");
	writer_str(&w, url.query);
	handshake_request_write(&w, &fields);
	if (!w.full)
		write_token(&w, to->token);
	if (w.full)
		call_failed(call, EX_DATAERR,
		    "the token has characters that cannot be sent", NULL);
	else
		(void)conn_write(&call->channel, request, writer_len(&w));
	crypto_wipe(request, sizeof(request));
}

static void
dialled_cb(void *ctx, const char *error)
{
	struct call *call = ctx;
	char text[500];

	call->dial = NULL;
	if (error != NULL) {
		snprintf(text, sizeof(text), "%s cannot be reached: %s",
		    call->host, error);
		call_failed(call, EX_UNAVAILABLE, text, NULL);
		return;
	}
	conn_set_owner(&call->channel, &answer_conn_ops, call);
	timer_init(&call->timer, late_cb, call);
	timer_set(
	    call->connector->loop, &call->timer, call->connector->timeout_ms);
	call->answer_len = 0;
	conn_resume(&call->channel);
	ask(call);
}

static void
dial_up(struct call *call)
{
	struct connector *connector = call->connector;
	struct dial_to to = {.host = call->host};
	struct url url;

	(void)url_parse(str_of(call->url), &url);
	(void)str_copy(url.host, call->host, sizeof(call->host));
	to.port = url.port;
	to.tls = url.secure ? &connector->tls : NULL;
	to.proxy =
	    proxies_find(&connector->proxies, url.secure, call->host, url.port);
	call->dial = dial_start(connector->dialler, &call->channel, &to,
	    connector->timeout_ms, dialled_cb, call);
	if (call->dial == NULL)
		call_failed(call, EX_OSERR, "out of memory", NULL);
}

/* Until the relay has said yes it waits in the kernel. */
static void
raw_readable_cb(struct conn *conn)
{
	conn_pause(conn);
}

static void
raw_broken_cb(struct conn *conn)
{
	call_failed(conn->owner, EX_IOERR, "the local side was reset", NULL);
}

static const struct conn_ops raw_conn_ops = {
    .readable_cb = raw_readable_cb,
    .broken_cb = raw_broken_cb,
};

static void
write_first_url(struct call *call)
{
	const struct connect_to *to = &call->connector->to;
	struct writer w, query;

	/* it has room for a relay's URL and the longest names */
	writer_init(&w, call->url, sizeof(call->url) - 1);
	writer_cstr(&w, to->relay);
	writer_cstr(&w, PATH "?");
	writer_init(&query, w.at, (size_t)(w.end - w.at));
	form_put(&query, "name", str_of(to->name));
	form_put(&query, "service", str_of(to->service));
	*query.at = '\0';
}

bool
connect_call(struct connector *connector, evutil_socket_t fd)
{
	struct call *call = calloc(1, sizeof(*call));

	if (call == NULL ||
	    conn_init(&call->raw, connector->loop, fd, &raw_conn_ops, call) !=
		0) {
		free(call);
		socket_close(fd);
		ctl_fail_memory();
		return false;
	}
	conn_pause(&call->raw);
	call->connector = connector;
	call->channel = call->ws.channel = (struct conn)CONN_CLOSED;
	timer_init(&call->timer, late_cb, call);
	LIST_INSERT_HEAD(&connector->calls, call, link);
	write_first_url(call);
	dial_up(call);
	return true;
}

void
connect_calls_free(struct connector *connector)
{
	struct call *call;

	while ((call = LIST_FIRST(&connector->calls)) != NULL) {
		if (conn_is_open(&call->ws.channel))
			ws_link_abort(&call->ws);
		timer_clear(connector->loop, &call->timer);
		dial_cancel(&call->dial);
		conn_fini(&call->channel);
		conn_abort(&call->raw);
		LIST_REMOVE(call, link);
		free(call);
	}
}
