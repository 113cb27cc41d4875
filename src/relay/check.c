/* SPDX-License-Identifier: MIT */
/*
 * Whoever has a right secret could have a session, which costs more; all the same, checks are few,
 * short, and say little.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "net/crypto.h"
#include "relay/check.h"
#include "relay/enrol.h"
#include "relay/sources.h"
#include "relay/ws_gather.h"
#include "relay/ws_send.h"

#define CHECKS_MAX 64
#define LIFE_MS 30000
#define MESSAGES_MAX 16
#define OF_DEVICE_MAX 4 /* channels: there are others */

struct check {
	LIST_ENTRY(check) link;	 /* in relay->checks */
	struct relay *relay;
	struct upgrade *upgrade; /* NULL once it is a channel */
	struct conn conn;
	struct timer timer;
	struct ws_reader reader;
	char *text; /* of a message, as far as it came */
	unsigned n_messages;
	bool certified; /* by its certificate: needs no secret */
	uint8_t secret_sha256[SHA256_LEN];
	char name[DEVICE_NAME_MAX + 1];
};

static void
check_free(struct check *check)
{
	timer_clear(check->relay->loop, &check->timer);
	conn_fini(&check->conn);
	LIST_REMOVE(check, link);
	check->relay->n_checks--;
	free(check->text);
	free(check->reader.room);
	crypto_wipe(check->secret_sha256, sizeof(check->secret_sha256));
	free(check);
}

/* ---- the channel ---- */

static void
end(struct check *check, unsigned code, const char *text)
{
	ws_send_close(&check->conn, code, text);
	farewell_take(check->relay->farewells, &check->conn);
	check_free(check);
}

/* -1: the check is gone. */
static int
take_text(struct check *check, const struct ws_event *event)
{
	size_t len;
	char *text;

	switch (ws_text_take(&check->text, event, &text, &len)) {
	case WIRE_MORE:
		return 0;
	case WIRE_BAD:
		check_free(check);
		return -1;
	case WIRE_DONE:
		break;
	}
	ws_append_text(&check->conn, text, len);
	ws_text_done(event, text);
	if (++check->n_messages < MESSAGES_MAX)
		return 0;
	end(check, WS_CLOSE_POLICY, "enough of a check");
	return -1;
}

/* -1: the check is gone. */
static int
take_event(struct check *check, const struct ws_event *event)
{
	switch (event->type) {
	case WS_TEXT:
		return take_text(check, event);
	case WS_PING:
		ws_append_pong(&check->conn, event->data, event->len);
		return 0;
	case WS_NEED_ROOM:
		if (ws_lend_room(&check->reader) == 0)
			return 0;
		check_free(check);
		return -1;
	case WS_CLOSED:
		end(check, WS_CLOSE_NORMAL, NULL);
		return -1;
	case WS_BINARY:
		end(check, WS_CLOSE_PROTOCOL_ERROR, "binary frame of a check");
		return -1;
	case WS_ERROR:
		end(check, event->code, event->reason);
		return -1;
	case WS_PONG:
	case WS_NEED_MORE:
		break;
	}
	return 0;
}

static void
feed(struct check *check, uint8_t *data, size_t len)
{
	while (len > 0) {
		struct ws_event event;
		size_t consumed;

		ws_reader_next(&check->reader, data, len, &consumed, &event);
		if (take_event(check, &event) != 0)
			return;
		data += consumed;
		len -= consumed;
	}
	if (conn_queued(&check->conn) > 0)
		(void)conn_flush(&check->conn);
}

static void
readable_cb(struct conn *conn)
{
	uint8_t data[CONTROL_MSG_MAX];
	ssize_t got = conn_read(conn, data, sizeof(data));

	if (got > 0)
		feed(conn->owner, data, (size_t)got);
	else if (got != CONN_AGAIN)
		check_free(conn->owner);
}

static void
broken_cb(struct conn *conn)
{
	check_free(conn->owner);
}

static const struct conn_ops check_conn_ops = {
    .readable_cb = readable_cb,
    .broken_cb = broken_cb,
};

static void
timer_cb(void *ctx)
{
	end(ctx, WS_CLOSE_NORMAL, "a check takes no longer");
}

/* ---- the handshake ---- */

static void
reject(struct check *check, const struct upgrade_error *error)
{
	struct upgrade *upgrade = check->upgrade;

	check_free(check);
	if (error->status == 401)
		upgrade_reject_unauthorized(upgrade, error->reason);
	else
		upgrade_reject(upgrade, error);
}

static void
reject_for_now(struct check *check, const char *reason)
{
	reject(check,
	    &(struct upgrade_error){.status = 503,
		.code = "unavailable",
		.reason = reason,
		.retry_after_s = 2});
}

/* It is a welcome, as an agent waits for one, to nothing: the label and a lease that ends at once
 * say so. */
static void
welcome(struct check *check)
{
	const struct relay *relay = check->relay;

	(void)ws_send_message(&check->conn,
	    &(struct control_msg){.op = CONTROL_WELCOME,
		.epoch = 1,
		.heartbeat_ms = (uint64_t)relay->options.heartbeat_ms,
		.lease_ms = 1,
		.label = STR("check"),
		.relay = str_of(relay->self.url)});
}

/* The channels of this device, whose secret was right. */
static unsigned
channels_of(const struct relay *relay, const char *name)
{
	const struct check *check;
	unsigned n = 0;

	LIST_FOREACH(check, &relay->checks, link)
		n += check->upgrade == NULL && strcmp(check->name, name) == 0;
	return n;
}

static void
let_in(struct check *check)
{
	struct upgrade *upgrade = check->upgrade;
	uint8_t *rest;
	size_t len;

	if (channels_of(check->relay, check->name) >= OF_DEVICE_MAX) {
		reject(check,
		    &(struct upgrade_error){.status = 503,
			.code = "overload",
			.reason = "this device checks its way several times "
				  "at once",
			.retry_after_s = 30});
		return;
	}
	log_info("an agent checks its way", LOG_S("device", check->name),
	    LOG_S("from", upgrade->from));
	upgrade_switch(upgrade);
	check->upgrade = NULL;
	if (conn_move(&check->conn, &upgrade->conn, &check_conn_ops, check) !=
	    0) {
		check_free(check);
		upgrade_free(upgrade);
		return;
	}
	timer_set(check->relay->loop, &check->timer, LIFE_MS);
	welcome(check);
	conn_resume(&check->conn);
	rest = upgrade_rest(upgrade, &len);
	if (len > 0)
		feed(check, rest, len);
	upgrade_free(upgrade);
}

static void
device_cb(
    void *ctx, enum registry_status status, const struct device_record *record)
{
	struct check *check = ctx;

	if (status == REGISTRY_UNAVAILABLE)
		reject_for_now(check, "the registry does not answer");
	else if (status == REGISTRY_UNREADABLE)
		reject_for_now(check, "the device's record makes no sense");
	else if (check->relay->options.open ||
	    (status == REGISTRY_OK &&
		(check->certified ||
		    crypto_equal(record->secret_sha256, check->secret_sha256,
			SHA256_LEN))))
		let_in(check);
	else
		reject(check,
		    &(struct upgrade_error){.status = 401,
			.reason = "unknown device or wrong secret"});
}

static void
enrolled_cb(void *ctx, enum enrolment_verdict verdict,
    const struct device_record *record)
{
	struct check *check = ctx;
	struct upgrade_error error;

	(void)record;
	if (enrol_error(verdict, &error))
		reject(check, &error);
	else
		let_in(check);
}

/* Would the fleet take it in? Nothing is written. */
static void
ask_fleet(struct check *check, const struct http_head *head,
    const struct control_params *params)
{
	struct registry *registry = check->relay->registry;
	struct enrolment enrolment;
	struct upgrade_error error;

	if (!enrol_read(
		head, params, check->upgrade->from, &enrolment, &error)) {
		reject(check, &error);
		return;
	}
	enrolment.look_only = true;
	if (registry->ops->enrol(registry, &enrolment, enrolled_cb, check) != 0)
		reject_for_now(check, "the relay is out of memory");
	crypto_wipe(&enrolment, sizeof(enrolment));
}

static void
ask_device(struct check *check, const struct http_head *head)
{
	struct registry *registry = check->relay->registry;
	struct str secret = handshake_bearer(head);

	crypto_sha256(secret.ptr != NULL ? secret.ptr : "", secret.len,
	    check->secret_sha256);
	if (registry->ops->device_get(
		registry, check->name, device_cb, check) != 0)
		reject_for_now(check, "the relay is out of memory");
}

void
check_start(struct upgrade *upgrade, const struct http_head *head,
    const struct control_params *params)
{
	struct relay *relay = upgrade->relay;
	struct check *check = relay->n_checks < CHECKS_MAX
	    ? calloc(1, sizeof(*check))
	    : NULL;

	if (check == NULL) {
		upgrade_reject(upgrade,
		    &(struct upgrade_error){.status = 503,
			.code = "overload",
			.reason = "too many check their way at once",
			.retry_after_s = 30});
		return;
	}
	check->relay = relay;
	check->upgrade = upgrade;
	check->conn = (struct conn)CONN_CLOSED;
	check->certified = upgrade->certificate == TLS_PEER_NAMED;
	(void)str_copy(params->name, check->name, sizeof(check->name));
	ws_reader_init(&check->reader, WS_SERVER, CONTROL_MSG_MAX);
	timer_init(&check->timer, timer_cb, check);
	LIST_INSERT_HEAD(&relay->checks, check, link);
	relay->n_checks++;
	timer_clear(relay->loop, &upgrade->timer);
	if (params->enrol.ptr != NULL && !relay->options.open)
		ask_fleet(check, head, params);
	else
		ask_device(check, head);
}

void
checks_free_all(struct relay *relay)
{
	while (LIST_FIRST(&relay->checks) != NULL)
		check_free(LIST_FIRST(&relay->checks));
}
