/* SPDX-License-Identifier: MIT */
/*
 * The texts of Redis' values. They are form-encoded or flat, and as strict as what comes
 * over the network: an operator may have edited them.
 */
#include <inttypes.h>

#include "base/log.h"
#include "registry/registry_redis_records.h"

#define SESSION_TEXT_MAX 768

bool
redis_reply_text(const redisReply *reply, struct str *text)
{
	if (reply->type != REDIS_REPLY_STRING &&
	    reply->type != REDIS_REPLY_STATUS)
		return false;
	*text = (struct str){reply->str, reply->len};
	return true;
}

bool
redis_reply_is_status(const redisReply *reply, const char *text)
{
	return reply->type == REDIS_REPLY_STATUS &&
	    strcmp(reply->str, text) == 0;
}

bool
redis_reply_is_array(const redisReply *reply, size_t elements)
{
	return reply->type == REDIS_REPLY_ARRAY && reply->elements == elements;
}

/* Sessions. */

static bool
take_session(struct session_info *session, const struct form_pair *pair)
{
	if (str_equal(pair->key, STR("epoch")))
		return str_to_number(pair->value, UINT64_MAX, &session->epoch);
	if (str_equal(pair->key, STR("since_ms")))
		return str_to_number(
		    pair->value, UINT64_MAX, &session->since_ms);
	if (str_equal(pair->key, STR("relay")))
		return str_copy(
		    pair->value, session->relay, sizeof(session->relay));
	if (str_equal(pair->key, STR("instance")))
		return str_copy(
		    pair->value, session->instance, sizeof(session->instance));
	if (str_equal(pair->key, STR("from")))
		return str_copy(
		    pair->value, session->from, sizeof(session->from));
	return true;
}

bool
redis_session_read(
    const redisReply *reply, struct session_info *session, bool *exists)
{
	char text[SESSION_TEXT_MAX];
	struct form_reader r;
	struct form_pair pair;
	enum wire_result result;
	struct str value;

	*session = (struct session_info){0};
	*exists = false;
	if (reply->type == REDIS_REPLY_NIL)
		return true;
	if (!redis_reply_text(reply, &value) ||
	    !str_copy(value, text, sizeof(text)))
		return false;
	form_reader_init(&r, text, value.len);
	while ((result = form_next(&r, &pair)) == WIRE_DONE)
		if (!take_session(session, &pair))
			return false;
	*exists = true;
	return result == WIRE_MORE && session->epoch > 0 &&
	    session->relay[0] != '\0';
}

void
redis_queue_session(
    struct redis_tx *tx, const char *name, const struct session_info *session)
{
	char text[SESSION_TEXT_MAX];
	struct writer w;

	writer_init(&w, text, sizeof(text) - 1);
	form_put_number(&w, "epoch", session->epoch);
	form_put(&w, "relay", str_of(session->relay));
	form_put(&w, "instance", str_of(session->instance));
	form_put(&w, "from", str_of(session->from));
	form_put_number(&w, "since_ms", session->since_ms);
	if (session->heartbeat_ms != 0)
		form_put_number(&w, "heartbeat_ms", session->heartbeat_ms);
	if (session->beat_bytes != 0)
		form_put_number(&w, "beat_bytes", session->beat_bytes);
	if (session->budget_bytes != 0)
		form_put_number(&w, "budget_bytes", session->budget_bytes);
	if (session->down[0] != '\0')
		form_put(&w, "down", str_of(session->down));
	text[writer_len(&w)] = '\0';
	redis_tx_queuef(tx, "SET taupe:session:%s %s PX %llu", name, text,
	    (unsigned long long)tx->registry->lease_ms);
}

void
redis_queue_session_event(struct redis_tx *tx, const char *name,
    const struct session_info *session, bool up)
{
	struct redis_view *view = &tx->registry->view;

	if (strcmp(session->relay, tx->registry->id) != 0) {
		redis_tx_queuef(tx,
		    STREAM_ADD "kind session name %s relay %s epoch %llu up %d",
		    name, session->relay, (unsigned long long)session->epoch,
		    up ? 1 : 0);
		return;
	}
	redis_tx_queuef(tx,
	    STREAM_ADD "kind session name %s relay %s epoch %llu up %d agents "
		       "%llu sequence %llu",
	    name, session->relay, (unsigned long long)session->epoch,
	    up ? 1 : 0, (unsigned long long)view->agents,
	    (unsigned long long)++view->sequence);
}

/* Leases. */

static bool
take_ports(struct lease *lease, struct str list)
{
	struct str item;

	lease->n_ports = 0;
	while (list.len > 0) {
		str_split(list, ',', &item, &list);
		if (lease->n_ports == SERVICES_MAX ||
		    !service_port_parse(item, &lease->ports[lease->n_ports++]))
			return false;
	}
	return true;
}

static bool
take_lease(struct redis_lease *lease, struct str key, struct str value)
{
	if (str_equal(key, STR("label")))
		return label_valid(value) &&
		    str_copy(
			value, lease->lease.label, sizeof(lease->lease.label));
	if (str_equal(key, STR("ports")))
		return take_ports(&lease->lease, value);
	if (str_equal(key, STR("epoch")))
		return str_to_number(value, UINT64_MAX, &lease->epoch);
	return true;
}

bool
redis_lease_read(const redisReply *reply, struct redis_lease *lease)
{
	struct str key, value;

	*lease = (struct redis_lease){0};
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements % 2 != 0)
		return false;
	for (size_t i = 0; i < reply->elements; i += 2)
		if (!redis_reply_text(reply->element[i], &key) ||
		    !redis_reply_text(reply->element[i + 1], &value) ||
		    !take_lease(lease, key, value))
			return false;
	lease->exists = reply->elements > 0;
	return !lease->exists || lease->lease.label[0] != '\0';
}

static bool
lease_has_port(const struct lease *lease, uint16_t port)
{
	for (size_t i = 0; i < lease->n_ports; i++)
		if (lease->ports[i].port == port)
			return true;
	return false;
}

void
redis_queue_rest(struct redis_tx *tx, const char *label)
{
	if (tx->registry->quarantine_ms > 0)
		redis_tx_queuef(tx, "PEXPIRE taupe:label:%s %llu", label,
		    (unsigned long long)tx->registry->quarantine_ms);
	else
		redis_tx_queuef(tx, "DEL taupe:label:%s", label);
}

/* What the old lease had and the new one has not. */
static void
queue_release(
    struct redis_tx *tx, const struct lease *old, const struct lease *lease)
{
	if (strcmp(old->label, lease->label) != 0)
		redis_queue_rest(tx, old->label);
	for (size_t i = 0; i < old->n_ports; i++)
		if (!lease_has_port(lease, old->ports[i].port))
			redis_tx_queuef(tx, "DEL taupe:port:%u",
			    (unsigned)old->ports[i].port);
}

void
redis_queue_lease(struct redis_tx *tx, const char *name,
    const struct redis_lease *old, const struct lease *lease,
    const struct session_info *session, uint64_t ttl_ms)
{
	unsigned long long ttl = ttl_ms;
	char ports[SERVICES_MAX * (SERVICE_NAME_MAX + 8)];
	struct writer w;

	if (old != NULL && old->exists)
		queue_release(tx, &old->lease, lease);
	writer_init(&w, ports, sizeof(ports) - 1);
	for (size_t i = 0; i < lease->n_ports; i++) {
		if (i > 0)
			writer_char(&w, ',');
		service_port_write(&w, &lease->ports[i]);
	}
	ports[writer_len(&w)] = '\0';
	redis_tx_queuef(tx,
	    "HSET taupe:lease:%s label %s ports %s epoch %llu relay %s", name,
	    lease->label, ports, (unsigned long long)session->epoch,
	    session->relay);
	redis_tx_queuef(tx, "PEXPIRE taupe:lease:%s %llu", name, ttl);
	/* behind the lease, so that none of them ends before it */
	redis_tx_queuef(tx, "SET taupe:label:%s %s PX %llu", lease->label, name,
	    ttl + tx->registry->quarantine_ms);
	for (size_t i = 0; i < lease->n_ports; i++)
		redis_tx_queuef(tx, "SET taupe:port:%u %s PX %llu",
		    (unsigned)lease->ports[i].port, name, ttl);
	redis_tx_queuef(tx, "ZADD taupe:leases %llu %s",
	    (unsigned long long)(loop_wall_ms() + ttl_ms), name);
}

/* Devices. */

static bool
take_device(
    const redisReply *reply, struct device_record *record, bool *has_secret)
{
	struct str key, value;

	if (reply->type != REDIS_REPLY_ARRAY || reply->elements % 2 != 0)
		return false;
	for (size_t i = 0; i < reply->elements; i += 2) {
		if (!redis_reply_text(reply->element[i], &key) ||
		    !redis_reply_text(reply->element[i + 1], &value) ||
		    !device_record_set(record, key, value))
			return false;
		*has_secret =
		    *has_secret || str_equal(key, STR("secret_sha256"));
	}
	return true;
}

bool
redis_device_read(const redisReply *reply, const char *name,
    struct device_record *record, bool *exists)
{
	bool has_secret = false;

	*record = (struct device_record){0};
	*exists = false;
	if (take_device(reply, record, &has_secret)) {
		*exists = reply->elements > 0;
		if (!*exists || (has_secret && strcmp(record->name, name) == 0))
			return true;
	}
	device_record_drop(record);
	return false;
}

bool
redis_fleet_read(const redisReply *reply, const char *name,
    struct fleet_record *record, bool *exists)
{
	struct str key, value;
	bool has_key = false;

	*record = (struct fleet_record){0};
	*exists = false;
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements % 2 != 0)
		return false;
	for (size_t i = 0; i < reply->elements; i += 2) {
		if (!redis_reply_text(reply->element[i], &key) ||
		    !redis_reply_text(reply->element[i + 1], &value) ||
		    !fleet_record_set(record, key, value))
			return false;
		has_key = has_key || str_equal(key, STR("key_sha256"));
	}
	*exists = reply->elements > 0;
	return !*exists || (has_key && strcmp(record->name, name) == 0);
}

/* Routes. */

void
redis_queue_route(
    struct redis_tx *tx, const struct route *route, uint64_t epoch)
{
	unsigned long long number = epoch;
	const char *comma = route->access[0] != '\0' ? "," : "";

	redis_tx_queuef(tx, "HSET taupe:routes %s %s,%llu%s%s", route->key,
	    route->value, number, comma, route->access);
	redis_tx_queuef(tx, STREAM_ADD "kind route key %s value %s,%llu%s%s",
	    route->key, route->value, number, comma, route->access);
}

void
redis_queue_no_route(struct redis_tx *tx, const char *key)
{
	redis_tx_queuef(tx, "HDEL taupe:routes %s", key);
	redis_tx_queuef(tx, STREAM_ADD "kind route key %s value %s", key, "");
}

bool
redis_route_is(const redisReply *reply, const struct route *route)
{
	struct str text, number, access;
	size_t len = strlen(route->value);
	uint64_t epoch;

	if (!redis_reply_text(reply, &text) || text.len <= len ||
	    text.ptr[len] != ',' || memcmp(text.ptr, route->value, len) != 0)
		return false;
	text = (struct str){text.ptr + len + 1, text.len - len - 1};
	str_split(text, ',', &number, &access);
	return str_to_number(number, UINT64_MAX, &epoch) &&
	    str_is(access, route->access);
}
