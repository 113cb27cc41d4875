/* SPDX-License-Identifier: MIT */
/*
 * Between the WebSocket and the visitor is a pair of sockets: nothing behind it knows of the one, and a
 * visitor's connection may go to the worker or to another relay as ever.
 */
#include "config.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "net/crypto.h"
#include "net/tcp_pair.h"
#include "net/ws_link.h"
#include "relay/access.h"
#include "relay/connect.h"
#include "relay/session.h"
#include "relay/share_link.h"
#include "relay/sources.h"
#include "relay/visitor.h"
#include "wire/form.h"
#include "wire/url.h"

#define HOPS_MAX 2 /* redirects; then what the registry says is not true */
#define RETRY_AFTER_S 5

/* The share link that has opened a service. */
struct pass {
	char id[SHARE_ID_LEN + 1]; /* "": none was needed */
	char name[DEVICE_NAME_MAX + 1];
	char service[SERVICE_NAME_MAX + 1];
	uint8_t key[ACCESS_KEY_LEN]; /* of the service, that it was signed with */
	uint64_t expires_ms; /* wall clock */
	bool listed; /* by the device's record; an operator's own is not, and its time is for opening */
};

struct connect {
	LIST_ENTRY(connect) link; /* in relay->connects */
	struct relay *relay;
	struct visitor *visitor; /* NULL: there is none yet, or none any more */
	struct pass pass;
	struct timer timer; /* of its end */
	struct ws_link ws;
};

struct wanted {
	char name[DEVICE_NAME_MAX + 1];
	char service[SERVICE_NAME_MAX + 1];
	uint64_t hops;
	bool from_page; /* a browser's */
	bool has_token;
	char token[SHARE_TOKEN_MAX]; /* of a share link, as it came; "": one that is too long */
};

/* One that waits to hear whether it may come, and where its device is. */
struct connect_search {
	LIST_ENTRY(connect_search) link; /* in relay->connect_searches */
	struct upgrade *upgrade; /* NULL: gone */
	struct relay *relay;
	struct wanted wanted;
};

/* ---- who is there ---- */

static void
connect_free(struct connect *connect)
{
	if (connect->visitor != NULL)
		connect->visitor->connect = NULL;
	timer_clear(connect->relay->loop, &connect->timer);
	LIST_REMOVE(connect, link);
	free(connect);
}

static void
close_with(struct connect *connect, unsigned code, const char *reason)
{
	ws_link_close(&connect->ws, connect->relay->farewells, code, reason);
	connect_free(connect);
}

void
connect_parted(struct connect *connect)
{
	connect->visitor = NULL;
}

void
connect_failed(struct connect *connect, enum page page)
{
	switch (page) {
	case PAGE_REFUSED:
		close_with(connect, WS_CLOSE_INTERNAL,
		    "refused: the device's service does not answer");
		break;
	case PAGE_CONSENT:
		close_with(connect, WS_CLOSE_POLICY,
		    "consent: the device's owner has not allowed it");
		break;
	case PAGE_DOWN:
		close_with(connect, WS_CLOSE_TRY_AGAIN,
		    "down: the service behind the device is down");
		break;
	case PAGE_BUSY:
	case PAGE_CROWD:
		close_with(connect, WS_CLOSE_TRY_AGAIN,
		    "busy: there are too many visitors");
		break;
	case PAGE_QUOTA_DAY:
		close_with(connect, WS_CLOSE_POLICY,
		    "quota: the device has used what it may today");
		break;
	case PAGE_QUOTA_MONTH:
		close_with(connect, WS_CLOSE_POLICY,
		    "quota: the device has used what it may this month");
		break;
	default:
		close_with(connect, WS_CLOSE_TRY_AGAIN,
		    "offline: the device is not connected");
		break;
	}
}

static void
end_cb(void *owner, enum ws_link_end end, unsigned code, struct str reason)
{
	struct connect *connect = owner;

	switch (end) {
	case WS_LINK_DONE:
		ws_link_finish(&connect->ws, connect->relay->farewells);
		connect_free(connect);
		break;
	case WS_LINK_RESET:
		close_with(connect, WS_CLOSE_INTERNAL,
		    "reset: the connection was reset at the device");
		break;
	case WS_LINK_BROKEN:
		log_info("a visitor broke the protocol of /v1/connect",
		    LOG_STR("error", reason));
		close_with(connect, code, reason.ptr);
		break;
	case WS_LINK_CLOSED:
		close_with(connect, WS_CLOSE_NORMAL, "");
		break;
	case WS_LINK_LOST:
		ws_link_abort(&connect->ws);
		connect_free(connect);
		break;
	}
}

/* ---- the link's end is its visits' ---- */

/* What is wrong by now with what has let it in; NULL: nothing. A service that has no rule any more asks
 * for nothing. device: NULL, it is not here any more; then only the time is known. */
static const char *
objection_to(
    struct connect *connect, const struct device *device, uint64_t now_ms)
{
	struct pass *pass = &connect->pass;
	bool known = device != NULL && device->access_known;
	const struct access *access = known ? device->access : NULL;
	const struct access_rule *rule =
	    access_rule_of(access, str_of(pass->service));
	const struct access_share *share =
	    access_share_of(access, str_of(pass->id));

	if (share != NULL)
		pass->listed = true; /* the link was quicker than the record */
	if (known && rule == NULL)
		return NULL;
	if (pass->listed && pass->expires_ms <= now_ms)
		return "share: the time of the share link is over";
	if (known &&
	    (!crypto_equal(rule->key, pass->key, sizeof(pass->key)) ||
		(pass->listed && (share == NULL || share->revoked))))
		return "share: the share link was revoked";
	return NULL;
}

/* Ends it, or asks again when its time is over. */
static void
recheck(struct connect *connect, const struct device *device)
{
	uint64_t now_ms = loop_wall_ms();
	const char *objection = objection_to(connect, device, now_ms);

	if (objection != NULL)
		close_with(connect, WS_CLOSE_POLICY, objection);
	else if (connect->pass.expires_ms > now_ms)
		timer_set(connect->relay->loop, &connect->timer,
		    connect->pass.expires_ms - now_ms);
}

static void
timer_cb(void *ctx)
{
	struct connect *connect = ctx;

	recheck(
	    connect, device_find(connect->relay, str_of(connect->pass.name)));
}

static void
set_pass(struct connect *connect, const struct pass *pass)
{
	connect->pass = *pass;
	if (pass->id[0] != '\0')
		timer_set(connect->relay->loop, &connect->timer, 0);
}

void
connects_recheck(const struct device *device)
{
	struct connect *connect, *next;

	for (connect = LIST_FIRST(&device->relay->connects); connect != NULL;
	     connect = next) {
		next = LIST_NEXT(connect, link);
		if (connect->pass.id[0] != '\0' &&
		    strcmp(connect->pass.name, device->name) == 0)
			recheck(connect, device);
	}
}

/* ---- joining ---- */

/* Takes upgrade->conn and the descriptor; NULL: both are closed. */
static struct connect *
connect_new(struct upgrade *upgrade, int fd)
{
	struct connect *connect = calloc(1, sizeof(*connect));
	struct relay *relay = upgrade->relay;
	struct conn raw = CONN_CLOSED;

	if (connect == NULL ||
	    conn_init(&raw, relay->loop, fd, upgrade->conn.ops, NULL) != 0) {
		free(connect);
		close(fd);
		return NULL;
	}
	conn_pause(&raw);
	connect->relay = relay;
	timer_init(&connect->timer, timer_cb, connect);
	if (ws_link_init(&connect->ws, WS_SERVER, &upgrade->conn, &raw, end_cb,
		connect) != 0) {
		free(connect);
		return NULL;
	}
	LIST_INSERT_HEAD(&relay->connects, connect, link);
	return connect;
}

static void
busy(struct upgrade *upgrade, const char *reason)
{
	upgrade_reject(upgrade,
	    &(struct upgrade_error){.status = 503,
		.code = "overload",
		.reason = reason,
		.retry_after_s = RETRY_AFTER_S});
}

static void
offline(struct upgrade *upgrade)
{
	upgrade_reject(upgrade,
	    &(struct upgrade_error){.status = 503,
		.code = "offline",
		.reason = "no device of that name is connected",
		.retry_after_s = RETRY_AFTER_S});
}

/* The upgrade's end: the visitor begins. */
static void
join(struct upgrade *upgrade, struct service *service, const struct pass *pass)
{
	struct address from =
	    upgrade->named.len > 0 ? upgrade->named : upgrade->peer;
	struct connect *connect;
	evutil_socket_t fds[2];
	enum page page;

	if (tcp_pair(fds) != 0) {
		busy(upgrade, "this relay has no sockets left");
		return;
	}
	upgrade_switch(upgrade);
	(void)conn_flush(&upgrade->conn);
	connect = connect_new(upgrade, fds[0]);
	upgrade_free(upgrade);
	if (connect == NULL) {
		close(fds[1]);
		return;
	}
	set_pass(connect, pass);
	if (!visitor_connect(
		     service, fds[1], &from, connect, &connect->visitor,
		     &page))
		connect_failed(connect, page);
}

/* ---- may it come? ---- */

static const char *const refusals[] = {
    [SHARE_GOOD] = NULL,
    [SHARE_FOREIGN] = "this is no share link of the service",
    [SHARE_REVOKED] = "the share link was revoked",
    [SHARE_OVER] = "the time of the share link is over",
};

/* By the rules of the device, wherever that is: who has no right to the service hears nothing else of
 * it. False: it was refused, and the upgrade is gone. link->id is "" unless a link has opened it. */
static bool
may_come(struct upgrade *upgrade, const struct access *access,
    const struct wanted *wanted, struct share_token *link)
{
	const struct access_rule *rule =
	    access_rule_of(access, str_of(wanted->service));
	const char *error = "a share link of the service is needed";

	link->id[0] = '\0';
	if (rule == NULL)
		return true;
	if (wanted->has_token)
		error = refusals[share_link_check(access, wanted->name,
		    wanted->service, SHARE_LINK, str_of(wanted->token),
		    loop_wall_ms(), link)];
	/* where a page's reader is says nothing of who has made the page */
	else if (!wanted->from_page &&
	    access_check_rule(rule,
		upgrade->named.len > 0 ? &upgrade->named : &upgrade->peer) ==
		ACCESS_GRANTED)
		error = NULL;
	if (error != NULL)
		upgrade_reject_unauthorized(upgrade, error);
	return error == NULL;
}

static struct service *
service_of(const struct device *device, const char *name)
{
	struct service *service;

	LIST_FOREACH (service, &device->services, link)
		if (strcmp(service->name, name) == 0)
			return service;
	return NULL;
}

static struct pass
pass_of(const struct device *device, const struct wanted *wanted,
    const struct share_token *link)
{
	const struct access_rule *rule =
	    access_rule_of(device->access, str_of(wanted->service));
	struct pass pass = {.id = ""};

	if (link->id[0] == '\0')
		return pass;
	assert(rule != NULL); /* its key has signed the link */
	memcpy(pass.key, rule->key, sizeof(pass.key));
	pass.expires_ms = link->expires_s * 1000;
	pass.listed = access_share_of(device->access, str_of(link->id)) != NULL;
	memcpy(pass.id, link->id, sizeof(pass.id));
	memcpy(pass.name, wanted->name, sizeof(pass.name));
	memcpy(pass.service, wanted->service, sizeof(pass.service));
	return pass;
}

/* Of a device that is connected here. */
static void
decide(struct upgrade *upgrade, const struct device *device,
    const struct wanted *wanted)
{
	struct service *service = service_of(device, wanted->service);
	struct share_token link;
	struct pass pass;

	if (!device->access_known) {
		busy(upgrade, "who may visit is not known yet");
	} else if (!may_come(upgrade, device->access, wanted, &link)) {
		return;
	} else if (service == NULL) {
		upgrade_reject(upgrade,
		    &(struct upgrade_error){.status = 404,
			.code = "not_found",
			.reason = "the device has no service of that name"});
	} else if (service->kind == SERVICE_HTTP) {
		upgrade_reject(upgrade,
		    &(struct upgrade_error){.status = 403,
			.code = "not_found",
			.reason = "an http service is visited at its URL"});
	} else {
		if (link.id[0] != '\0')
			share_link_tell(upgrade->relay, &link, upgrade->from);
		pass = pass_of(device, wanted, &link);
		join(upgrade, service, &pass);
	}
}

/* ---- where is the device? ---- */

static const struct relay_info *
relay_of(const struct relay *relay, const char *id)
{
	const struct relay_info *relays;
	size_t n = relay->registry->ops->relays(relay->registry, &relays);

	for (size_t i = 0; i < n; i++)
		if (strcmp(relays[i].id, id) == 0 &&
		    strcmp(id, relay->self.id) != 0)
			return &relays[i];
	return NULL;
}

static void
redirect(struct connect_search *search, const char *id)
{
	const struct relay_info *other = relay_of(search->relay, id);
	char location[URL_MAX + CONTROL_MSG_MAX];
	struct writer w, query;

	if (other == NULL || search->wanted.hops >= HOPS_MAX) {
		offline(search->upgrade);
		return;
	}
	writer_init(&w, location, sizeof(location) - 1);
	writer_cstr(&w, other->url);
	writer_cstr(&w, CONNECT_PATH "?");
	writer_init(&query, w.at, (size_t)(w.end - w.at));
	form_put(&query, "name", str_of(search->wanted.name));
	form_put(&query, "service", str_of(search->wanted.service));
	form_put_number(&query, "hops", (wire_number)search->wanted.hops + 1);
	*query.at = '\0';
	upgrade_reject(search->upgrade,
	    &(struct upgrade_error){.status = 302,
		.code = "redirect",
		.reason = "another relay has the device",
		.location = location});
}

static void
search_free(struct connect_search *search)
{
	LIST_REMOVE(search, link);
	crypto_wipe(&search->wanted, sizeof(search->wanted));
	free(search);
}

static void
session_cb(void *ctx, enum registry_status status,
    const struct session_info *session)
{
	struct connect_search *search = ctx;

	if (search->upgrade != NULL) {
		upgrade_wait(search->upgrade, NULL);
		if (status == REGISTRY_OK)
			redirect(search, session->relay);
		else if (status == REGISTRY_NOT_FOUND)
			offline(search->upgrade);
		else
			busy(search->upgrade, "the registry does not answer");
	}
	search_free(search);
}

/* One without a record is of an open relay, and has no rules. */
static void
record_cb(void *ctx, enum registry_status status,
    const struct device_record *record)
{
	struct connect_search *search = ctx;
	struct upgrade *upgrade = search->upgrade;
	struct registry *registry = search->relay->registry;
	struct share_token link;

	if (upgrade == NULL) {
		search_free(search);
		return;
	}
	upgrade_wait(upgrade, NULL);
	if (status != REGISTRY_OK && status != REGISTRY_NOT_FOUND) {
		busy(upgrade, "who may visit cannot be read");
		search_free(search);
	} else if (!may_come(upgrade,
		       status == REGISTRY_OK ? record->access : NULL,
		       &search->wanted, &link)) {
		search_free(search);
	} else {
		upgrade_wait(upgrade, &search->upgrade);
		if (registry->ops->session_get(registry, search->wanted.name,
			session_cb, search) != 0)
			session_cb(search, REGISTRY_UNAVAILABLE, NULL);
	}
}

static void
seek(struct upgrade *upgrade, const struct wanted *wanted)
{
	struct relay *relay = upgrade->relay;
	struct connect_search *search = calloc(1, sizeof(*search));

	if (search == NULL) {
		upgrade_turn_away(upgrade, LIMIT_MAX_HANDSHAKES);
		return;
	}
	search->relay = relay;
	search->upgrade = upgrade;
	search->wanted = *wanted;
	LIST_INSERT_HEAD(&relay->connect_searches, search, link);
	upgrade_wait(upgrade, &search->upgrade);
	if (relay->registry->ops->device_get(relay->registry,
		search->wanted.name, record_cb, search) != 0)
		record_cb(search, REGISTRY_UNAVAILABLE, NULL);
}

/* ---- the request ---- */

/* NULL, or what is wrong with it. */
static const char *
read_query(struct str query, struct wanted *wanted)
{
	struct str name = {0}, service = {0};
	struct form_reader r;
	struct form_pair pair;
	enum wire_result result;

	/* it is ours to change */
	form_reader_init(&r, (char *)query.ptr, query.len);
	while ((result = form_next(&r, &pair)) == WIRE_DONE)
		if (str_is(pair.key, "name"))
			name = pair.value;
		else if (str_is(pair.key, "service"))
			service = pair.value;
		else if (str_is(pair.key, "hops") &&
		    !str_to_number(pair.value, 9, &wanted->hops))
			return "hops is no number from 0 to 9";
	if (result == WIRE_BAD)
		return "the query is malformed";
	if (!device_name_valid(name) ||
	    !str_copy(name, wanted->name, sizeof(wanted->name)))
		return "no valid name of a device";
	if (!service_name_valid(service) ||
	    !str_copy(service, wanted->service, sizeof(wanted->service)))
		return "no valid name of a service";
	return NULL;
}

/* Of "Authorization: Bearer …"; it may be longer than a device's secret. */
static void
read_token(const struct http_head *head, struct wanted *wanted)
{
	struct str scheme, token;

	if (!str_split(
		http_field_get(head, "Authorization"), ' ', &scheme, &token) ||
	    !str_is_nocase(scheme, "Bearer"))
		return;
	wanted->has_token = true;
	if (!str_copy(token, wanted->token, sizeof(wanted->token)))
		wanted->token[0] = '\0';
}

void
connect_admit(struct upgrade *upgrade, struct http_head *head)
{
	struct relay *relay = upgrade->relay;
	const struct device *device;
	struct wanted wanted = {0};
	unsigned retry_after_s;
	const char *error;
	size_t len;

	if (upgrade_rest(upgrade, &len) != NULL)
		error = "bytes behind the request, before it was answered";
	else
		error = read_query(head->query, &wanted);
	if (error != NULL) {
		upgrade_reject_bad(upgrade, 400, error);
		return;
	}
	wanted.from_page = http_field_count(head, "Origin") > 0;
	read_token(head, &wanted);
	if (!sources_may_try(relay->sources, upgrade->source, upgrade->from,
		loop_now_ms(relay->loop), &retry_after_s)) {
		upgrade_turn_source_away(upgrade, retry_after_s);
		return;
	}
	device = device_find(relay, str_of(wanted.name));
	if (device != NULL && device->session != NULL && !device->moved)
		decide(upgrade, device, &wanted);
	else
		seek(upgrade, &wanted);
	crypto_wipe(&wanted, sizeof(wanted));
}

void
connects_free_all(struct relay *relay)
{
	struct connect *connect;

	while ((connect = LIST_FIRST(&relay->connects)) != NULL) {
		ws_link_abort(&connect->ws);
		connect_free(connect);
	}
	while (!LIST_EMPTY(&relay->connect_searches)) {
		struct connect_search *search =
		    LIST_FIRST(&relay->connect_searches);

		if (search->upgrade != NULL)
			upgrade_wait(search->upgrade, NULL);
		search_free(search);
	}
}
