/* SPDX-License-Identifier: MIT */
/*
 * Everything here is before authentication: it is bounded in bytes (one request head) and
 * in time (handshake_timeout), and what goes wrong ends this connection only.
 */
#include "config.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "net/crypto.h"
#include "net/tls.h"
#include "relay/certified.h"
#include "relay/named.h"
#include "relay/share_door.h"
#include "relay/sources.h"
#include "relay/upgrade.h"
#include "wire/url.h"

static void
drop_head(struct upgrade *upgrade)
{
	if (upgrade->head != NULL)
		crypto_wipe(buf_data(upgrade->head), upgrade->head_len);
	buf_put(&upgrade->head);
}

static uint64_t
now_ms(const struct relay *relay)
{
	return loop_now_ms(relay->loop);
}

static void
note_limit(const struct upgrade *upgrade, enum limit limit)
{
	struct relay *relay = upgrade->relay;

	limit_hit(&relay->hits, limit, upgrade->from, now_ms(relay));
}

void
upgrade_free(struct upgrade *upgrade)
{
	if (upgrade->place != NULL)
		*upgrade->place = NULL;
	timer_clear(upgrade->relay->loop, &upgrade->timer);
	LIST_REMOVE(upgrade, link);
	upgrade->relay->n_upgrades--;
	sources_leave(upgrade->relay->sources, SOURCE_AGENT, &upgrade->source);
	conn_fini(&upgrade->conn);
	drop_head(upgrade);
	free(upgrade);
}

void
upgrade_wait(struct upgrade *upgrade, struct upgrade **place)
{
	upgrade->place = place;
}

static void
write_time(struct writer *w, uint64_t wall_ms)
{
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm utc;
	char text[32];

	gmtime_r(&seconds, &utc);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
	writer_cstr(w, text);
}

static void
write_body(struct writer *w, const struct upgrade_error *error)
{
	struct writer since;
	char text[32];

	form_put(w, "error", str_of(error->code));
	form_put(w, "reason", str_of(error->reason));
	if (error->holder != NULL) {
		writer_init(&since, text, sizeof(text));
		write_time(&since, error->holder->since_ms);
		form_put(w, "since", (struct str){text, writer_len(&since)});
		form_put(w, "from", str_of(error->holder->from));
		form_put(w, "relay", str_of(error->holder->relay));
	}
}

static void
write_answer(struct conn *conn, const struct upgrade_error *error)
{
	char head[URL_MAX + CONTROL_MSG_MAX], body[1024];
	struct writer w, b;

	writer_init(&b, body, sizeof(body));
	write_body(&b, error);
	writer_init(&w, head, sizeof(head));
	writer_cstr(&w, "HTTP/1.1 ");
	writer_u64(&w, error->status);
	writer_cstr(&w, " ");
	writer_cstr(&w, http_status_phrase(error->status));
	writer_cstr(&w, "\r\n");
	http_write_field(
	    &w, "Content-Type", STR("application/x-www-form-urlencoded"));
	http_write_field(&w, "Connection",
	    error->status == 426 ? STR("close, Upgrade") : STR("close"));
	if (error->status == 426) {
		http_write_field(&w, "Upgrade", STR("websocket"));
		http_write_field(&w, "Sec-WebSocket-Version", STR("13"));
		http_write_field(
		    &w, "Sec-WebSocket-Protocol", STR(SUBPROTOCOL));
	}
	if (error->location != NULL)
		http_write_field(&w, "Location", str_of(error->location));
	if (error->retry_after_s > 0) {
		writer_cstr(&w, "Retry-After: ");
		writer_u64(&w, error->retry_after_s);
		writer_cstr(&w, "\r\n");
	}
	writer_cstr(&w, "Content-Length: ");
	writer_u64(&w, writer_len(&b));
	writer_cstr(&w, "\r\n\r\n");
	writer_str(&w, (struct str){body, writer_len(&b)});
	(void)conn_write(conn, head, writer_len(&w));
}

void
upgrade_reject(struct upgrade *upgrade, const struct upgrade_error *error)
{
	struct relay *relay = upgrade->relay;

	if (error->status != 302) {
		relay->counters.agents_refused++;
		log_at_(error->limited ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO,
		    "agent refused", LOG_S("from", upgrade->from),
		    LOG_U("status", error->status),
		    LOG_S("reason", error->reason));
	}
	write_answer(&upgrade->conn, error);
	farewell_take(relay->farewells, &upgrade->conn);
	upgrade_free(upgrade);
}

void
upgrade_turn_away(struct upgrade *upgrade, enum limit limit)
{
	struct relay *relay = upgrade->relay;
	uint32_t most = (uint32_t)relay->options.max_handshakes;

	note_limit(upgrade, limit);
	upgrade_reject(upgrade,
	    &(struct upgrade_error){.status = 503,
		.code = "overload",
		.reason = "too many connections at once",
		.retry_after_s = turns_next_s(
		    &relay->turns, (most + 1) / TURNS_FIRST_S, now_ms(relay)),
		.limited = true});
}

void
upgrade_turn_source_away(struct upgrade *upgrade, unsigned retry_after_s)
{
	upgrade_reject(upgrade,
	    &(struct upgrade_error){.status = 429,
		.code = "overload",
		.reason = "too many attempts from this address",
		.retry_after_s = retry_after_s,
		.limited = true});
}

void
upgrade_switch(struct upgrade *upgrade)
{
	char head[256];
	struct writer w;

	timer_clear(upgrade->relay->loop, &upgrade->timer);
	/* a visit's bytes are not worth the time */
	if (upgrade->conn.tls != NULL)
		tls_wipe_input(upgrade->conn.tls, false);
	writer_init(&w, head, sizeof(head));
	handshake_response_write(&w, upgrade->key);
	(void)conn_append(&upgrade->conn, head, writer_len(&w));
}

uint8_t *
upgrade_rest(struct upgrade *upgrade, size_t *len)
{
	*len = upgrade->head_len - upgrade->head_end;
	return *len > 0 ? buf_data(upgrade->head) + upgrade->head_end : NULL;
}

void
upgrade_head_read(struct upgrade *upgrade)
{
	if (upgrade->head_len == upgrade->head_end)
		drop_head(upgrade);
}

void
upgrade_reject_bad(struct upgrade *upgrade, unsigned status, const char *reason)
{
	upgrade_reject(upgrade,
	    &(struct upgrade_error){.status = status,
		.code = status == 426 ? "version" : "bad_request",
		.reason = reason});
}

void
upgrade_reject_unauthorized(struct upgrade *upgrade, const char *reason)
{
	struct relay *relay = upgrade->relay;

	relay->counters.agents_unauthorized++;
	sources_failed(
	    relay->sources, upgrade->source, loop_now_ms(relay->loop));
	upgrade_reject(upgrade,
	    &(struct upgrade_error){
		.status = 401, .code = "unauthorized", .reason = reason});
}

void
upgrade_give_up(struct upgrade *upgrade)
{
	upgrade->relay->counters.agents_gone++;
	upgrade_free(upgrade);
}

/* Behind a proxy that we trust, the agent is whom the proxy names last: only now it is known from
 * where it comes. */
static void
find_from(struct upgrade *upgrade, const struct http_head *head)
{
	struct address named;

	if (!sources_trusts(upgrade->relay->sources, &upgrade->peer) ||
	    !named_address(head, &named))
		return;
	upgrade->named = named;
	address_ip_text(&named, upgrade->from);
}

bool
upgrade_count_named(struct upgrade *upgrade)
{
	struct relay *relay = upgrade->relay;
	unsigned retry_after_s;

	if (upgrade->named.len == 0 ||
	    sources_admit(relay->sources, SOURCE_AGENT, &upgrade->named,
		now_ms(relay), &upgrade->source, &retry_after_s))
		return true;
	upgrade_turn_source_away(upgrade, retry_after_s);
	return false;
}

/* Whether the visitor of a share link has come encrypted, to us or to the proxy. */
static bool
came_by_https(const struct upgrade *upgrade, const struct http_head *head)
{
	return upgrade->conn.tls != NULL ||
	    (sources_trusts(upgrade->relay->sources, &upgrade->peer) &&
		named_https(head));
}

/* It is no agent, but a visitor with a share link. */
static void
open_share(struct upgrade *upgrade, const struct http_head *head)
{
	if (!upgrade_count_named(upgrade))
		return;
	share_door_open(upgrade->relay, &upgrade->conn, head,
	    came_by_https(upgrade, head),
	    upgrade->named.len > 0 ? &upgrade->named : &upgrade->peer);
	upgrade_free(upgrade);
}

static void
dispatch(struct upgrade *upgrade, struct http_head *head)
{
	const struct upgrade_route *route = upgrade->routes;
	const char *error = NULL;
	struct str key;
	unsigned status;

	find_from(upgrade, head);
	if (share_door_is_meant(head)) {
		open_share(upgrade, head);
		return;
	}
	while (
	    route->path != NULL && !str_equal(head->path, str_of(route->path)))
		route++;
	status = handshake_request_check(head, &key, &error);
	if (!(route->invited && status == 101) && !upgrade_count_named(upgrade))
		return;
	certified_find(upgrade, head);
	if (route->path == NULL) {
		upgrade_reject(upgrade,
		    &(struct upgrade_error){.status = 404,
			.code = "not_found",
			.reason = "only agents connect here"});
		return;
	}
	if (status != 101) {
		upgrade_reject_bad(upgrade, status, error);
		return;
	}
	memcpy(upgrade->key, key.ptr, WS_KEY_LEN);
	route->cb(upgrade, head);
}

static void
reject_long(struct upgrade *upgrade, const char *reason)
{
	note_limit(upgrade, LIMIT_MAX_HEAD);
	upgrade_reject_bad(upgrade, 431, reason);
}

static void
readable_cb(struct conn *conn)
{
	struct upgrade *upgrade = conn->owner;
	size_t most = (size_t)upgrade->relay->options.max_head;
	struct http_head head;
	ssize_t got =
	    conn_read(conn, buf_data(upgrade->head) + upgrade->head_len,
		most - upgrade->head_len);

	if (got == CONN_AGAIN)
		return;
	if (got <= 0) {
		upgrade_free(upgrade);
		return;
	}
	upgrade->head_len += (size_t)got;
	switch (http_request_parse((char *)buf_data(upgrade->head),
	    upgrade->head_len, &head, &upgrade->head_end)) {
	case WIRE_MORE:
		if (upgrade->head_len == most)
			reject_long(upgrade, "the request head is too long");
		return;
	case WIRE_BAD:
		if (head.error_status == 431)
			reject_long(upgrade, head.error);
		else
			upgrade_reject_bad(
			    upgrade, head.error_status, head.error);
		return;
	case WIRE_DONE:
		conn_pause(conn);
		dispatch(upgrade, &head);
	}
}

/* There is no way yet to tell the agent. */
static void
fail_tls(struct upgrade *upgrade, const char *error)
{
	upgrade->relay->counters.tls_failed++;
	log_info("TLS handshake with an agent failed",
	    LOG_S("from", upgrade->from), LOG_S("error", error));
	upgrade_free(upgrade);
}

static void
note_handshake(struct upgrade *upgrade)
{
	struct counters *counters = &upgrade->relay->counters;

	upgrade->shaking_hands = false;
	counters->tls_handshakes++;
	counters->tls_resumed += tls_was_resumed(upgrade->conn.tls);
}

static void
connected_cb(struct conn *conn, const char *error)
{
	struct upgrade *upgrade = conn->owner;

	if (error != NULL)
		fail_tls(upgrade, error);
	else
		note_handshake(upgrade);
}

static void
broken_cb(struct conn *conn)
{
	upgrade_free(conn->owner);
}

static const struct conn_ops upgrade_conn_ops = {
    .readable_cb = readable_cb,
    .connected_cb = connected_cb,
    .broken_cb = broken_cb,
};

static void
timeout_cb(void *ctx)
{
	struct upgrade *upgrade = ctx;

	note_limit(upgrade, LIMIT_HANDSHAKE_TIMEOUT);
	if (upgrade->shaking_hands) {
		fail_tls(upgrade, "it took too long");
		return;
	}
	upgrade_reject(upgrade,
	    &(struct upgrade_error){.status = 408,
		.code = "bad_request",
		.reason = "the request did not arrive in time",
		.limited = true});
}

size_t
upgrades_silent(const struct relay *relay)
{
	return relay->n_upgrades - relay->admissions.count +
	    relay->door_queue.n;
}

/* Takes the descriptor; source only with success. NULL: no memory. */
static struct upgrade *
upgrade_new(struct relay *relay, int fd, const struct address *peer,
    const struct upgrade_route *routes, struct tls_context *context,
    struct source *source, uint64_t since_us)
{
	struct upgrade *upgrade = calloc(1, sizeof(*upgrade));
	struct tls *tls = NULL;

	if (upgrade == NULL ||
	    (upgrade->head = buf_get(HTTP_HEAD_MAX)) == NULL ||
	    (context != NULL && (tls = tls_new_server(context)) == NULL) ||
	    conn_init(&upgrade->conn, relay->loop, fd, &upgrade_conn_ops,
		upgrade) != 0) {
		tls_free(&tls);
		if (upgrade != NULL)
			buf_put(&upgrade->head);
		free(upgrade);
		close(fd);
		return NULL;
	}
	if (tls != NULL)
		conn_start_tls(&upgrade->conn, tls);
	upgrade->shaking_hands = tls != NULL;
	upgrade->relay = relay;
	upgrade->routes = routes;
	upgrade->peer = *peer;
	upgrade->source = source;
	upgrade->since_us = since_us;
	address_text(peer, upgrade->from);
	timer_init(&upgrade->timer, timeout_cb, upgrade);
	timer_set(relay->loop, &upgrade->timer,
	    (uint64_t)relay->options.handshake_timeout_ms);
	LIST_INSERT_HEAD(&relay->upgrades, upgrade, link);
	relay->n_upgrades++;
	return upgrade;
}

/* Those that were told so and linger are not bounded otherwise. */
static bool
may_answer(const struct relay *relay)
{
	return farewells_count(relay->farewells) <
	    (size_t)relay->options.max_handshakes;
}

/* *retry_after_s: 0, or its source has too many. False: it is not even told. */
static bool
may_come(struct relay *relay, const struct address *peer,
    struct source **source, unsigned *retry_after_s)
{
	char from[ADDRESS_TEXT_MAX];
	bool crowded =
	    upgrades_silent(relay) >= (size_t)relay->options.max_handshakes;

	*retry_after_s = 0;
	if (crowded && !may_answer(relay)) {
		limit_hit(&relay->hits, LIMIT_MAX_HANDSHAKES,
		    address_text(peer, from), now_ms(relay));
		return false;
	}
	return sources_admit(relay->sources, SOURCE_AGENT, peer, now_ms(relay),
		   source, retry_after_s) ||
	    may_answer(relay);
}

void
upgrade_accept(struct relay *relay, int fd, const struct address *peer,
    const struct upgrade_route *routes)
{
	struct source *source = NULL;
	struct upgrade *upgrade;
	unsigned retry_after_s;

	if (!may_come(relay, peer, &source, &retry_after_s)) {
		close(fd);
		return;
	}
	upgrade =
	    upgrade_new(relay, fd, peer, routes, NULL, source, loop_now_us());
	if (upgrade == NULL)
		sources_leave(relay->sources, SOURCE_AGENT, &source);
	else if (retry_after_s > 0)
		upgrade_turn_source_away(upgrade, retry_after_s);
	else if (upgrades_silent(relay) > (size_t)relay->options.max_handshakes)
		upgrade_turn_away(upgrade, LIMIT_MAX_HANDSHAKES);
}

bool
upgrade_begin_tls(struct relay *relay, int fd, const struct address *peer,
    const struct upgrade_route *routes, struct tls_context *tls,
    struct source *source, uint64_t since_us)
{
	return upgrade_new(relay, fd, peer, routes, tls, source, since_us) !=
	    NULL;
}
