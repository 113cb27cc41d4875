/* SPDX-License-Identifier: MIT */
/*
 * Control messages and handshake parameters by table: one row for each key says where
 * its value goes, what shape it has and what to tell a peer who got it wrong. Decoding
 * and encoding walk the same rows, so that they cannot drift apart.
 */
#include "wire/control_msg.h"

#include "wire/url.h"

#define VISITOR_ADDRESS_MAX 80
#define HOPS_MAX 100
#define DAY_MS (UINT64_C(24) * 60 * 60 * 1000)

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct key;

/* Put value into object (a struct control_msg or control_params); false when it has the
 * wrong shape or there is no room. */
typedef bool (*take_cb)(const struct key *key, void *object, struct str value);
/* Write the key, as often as it is set in object. */
typedef void (*put_cb)(const struct key *key, const void *object, struct writer *w,
    bool *first);
typedef bool (*check_cb)(struct str value);

struct key {
	const char *name;
	size_t offset;
	take_cb take;
	put_cb put;
	check_cb check; /* of text */
	uint64_t min, max; /* of numbers */
	bool repeats;
	const char *error;
};

/* ---- shapes ---- */

static bool
is_visible(struct str value, size_t max)
{
	for (size_t i = 0; i < value.len; i++) {
		if (value.ptr[i] < 0x21 || value.ptr[i] > 0x7e)
			return false;
	}
	return value.len > 0 && value.len <= max;
}

static bool
check_id(struct str value)
{
	for (size_t i = 0; i < value.len; i++) {
		char c = value.ptr[i];

		if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f'))
			return false;
	}
	return value.len == TRANSFER_ID_LEN;
}

static bool
check_visitor_address(struct str value)
{
	/* bounded but not parsed: it is for people, and may name an IPv6 zone */
	return is_visible(value, VISITOR_ADDRESS_MAX);
}

static bool
check_reason(struct str value)
{
	return value.len <= REASON_MAX;
}

static bool
check_instance(struct str value)
{
	return is_visible(value, INSTANCE_MAX);
}

static bool
check_lease(struct str value)
{
	return is_visible(value, LEASE_TOKEN_MAX);
}

/* Any scheme: a TCP service has no http URL. */
static bool
check_public_url(struct str value)
{
	struct str scheme, rest;

	if (!is_visible(value, URL_MAX) || !str_split(value, ':', &scheme, &rest))
		return false;
	return scheme.len > 0 && rest.len > 2 && memcmp(rest.ptr, "//", 2) == 0;
}

/* ---- kinds of values ---- */

static bool
take_str(const struct key *key, void *object, struct str value)
{
	if (!key->check(value))
		return false;
	*(struct str *)((char *)object + key->offset) = value;
	return true;
}

static void
put_str(const struct key *key, const void *object, struct writer *w, bool *first)
{
	const struct str *value = (const void *)((const char *)object + key->offset);

	if (value->ptr != NULL)
		form_put(w, first, key->name, *value);
}

static bool
take_u64(const struct key *key, void *object, struct str value)
{
	uint64_t *number = (void *)((char *)object + key->offset);

	return str_to_u64(value, key->max, number) && *number >= key->min;
}

static void
put_u64(const struct key *key, const void *object, struct writer *w, bool *first)
{
	const uint64_t *number = (const void *)((const char *)object + key->offset);

	if (*number > 0)
		form_put_u64(w, first, key->name, *number);
}

/* Write key=name:value. */
static void
put_named(const struct key *key, struct str name, struct str value, struct writer *w,
    bool *first)
{
	form_put(w, first, key->name, name);
	writer_char(w, ':');
	form_put_more(w, value);
}

static bool
take_url(const struct key *key, void *object, struct str value)
{
	struct control_msg *msg = object;
	struct control_url entry;

	(void)key;
	if (msg->n_urls == SERVICES_MAX || !str_split(value, ':', &entry.service, &entry.url) ||
	    !service_name_valid(entry.service) || !check_public_url(entry.url))
		return false;
	msg->urls[msg->n_urls++] = entry;
	return true;
}

static void
put_urls(const struct key *key, const void *object, struct writer *w, bool *first)
{
	const struct control_msg *msg = object;

	for (size_t i = 0; i < msg->n_urls; i++)
		put_named(key, msg->urls[i].service, msg->urls[i].url, w, first);
}

static bool
take_peer(const struct key *key, void *object, struct str value)
{
	struct control_msg *msg = object;

	(void)key;
	if (msg->n_peers == PEERS_MAX || !url_relay_valid(value))
		return false;
	msg->peers[msg->n_peers++] = value;
	return true;
}

static void
put_peers(const struct key *key, const void *object, struct writer *w, bool *first)
{
	const struct control_msg *msg = object;

	for (size_t i = 0; i < msg->n_peers; i++)
		form_put(w, first, key->name, msg->peers[i]);
}

static const char *const kind_names[] = {
    [SERVICE_HTTP] = "http",
    [SERVICE_TLS] = "tls",
    [SERVICE_TCP] = "tcp",
};

const char *
service_kind_name(enum service_kind kind)
{
	return kind_names[kind];
}

bool
service_kind_find(struct str name, enum service_kind *kind)
{
	for (size_t i = 0; i < COUNT(kind_names); i++) {
		if (str_equal(name, str_of(kind_names[i]))) {
			*kind = (enum service_kind)i;
			return true;
		}
	}
	return false;
}

static bool
take_service(const struct key *key, void *object, struct str value)
{
	struct control_params *params = object;
	struct control_service entry;
	struct str kind;

	(void)key;
	if (params->n_services == SERVICES_MAX || !str_split(value, ':', &entry.name, &kind) ||
	    !service_name_valid(entry.name) || !service_kind_find(kind, &entry.kind))
		return false;
	for (size_t i = 0; i < params->n_services; i++) {
		if (str_equal(params->services[i].name, entry.name))
			return false;
	}
	params->services[params->n_services++] = entry;
	return true;
}

static void
put_services(const struct key *key, const void *object, struct writer *w, bool *first)
{
	const struct control_params *params = object;

	for (size_t i = 0; i < params->n_services; i++) {
		put_named(key, params->services[i].name,
		    str_of(service_kind_name(params->services[i].kind)), w, first);
	}
}

/* ---- operations ---- */

/* In the order in which they are written. */
enum msg_key {
	KEY_OP,
	KEY_ID,
	KEY_VISIT,
	KEY_SERVICE,
	KEY_FROM,
	KEY_TO,
	KEY_REASON,
	KEY_EPOCH,
	KEY_HEARTBEAT,
	KEY_LEASE_TIME,
	KEY_LABEL,
	KEY_RELAY,
	KEY_PEER,
	KEY_URL,
	KEY_LEASE
};

#define BIT(key) (1u << (key))

static const struct {
	const char *name;
	unsigned needs_all, needs_any; /* sets of enum msg_key */
	const char *error;             /* when one of them is missing */
} ops[] = {
    [CONTROL_UNKNOWN] = {"", 0, 0, NULL},
    [CONTROL_WELCOME] = {"welcome",
        BIT(KEY_EPOCH) | BIT(KEY_HEARTBEAT) | BIT(KEY_LEASE_TIME) | BIT(KEY_LABEL) |
            BIT(KEY_RELAY),
        0, "welcome needs epoch, heartbeat_ms, lease_ms, label and relay"},
    [CONTROL_OPEN] = {"open", 0, BIT(KEY_ID) | BIT(KEY_SERVICE),
        "open needs a service or an id"},
    [CONTROL_OPENED] = {"opened", 0, 0, NULL},
    [CONTROL_REFUSED] = {"refused", BIT(KEY_REASON), 0, "refused needs a reason"},
    [CONTROL_ABORT] = {"abort", 0, 0, NULL},
    [CONTROL_MOVE] = {"move", 0, 0, NULL},
};

static bool
take_op(const struct key *key, void *object, struct str value)
{
	struct control_msg *msg = object;

	(void)key;
	msg->op = CONTROL_UNKNOWN;
	for (size_t i = CONTROL_UNKNOWN + 1; i < COUNT(ops); i++) {
		if (str_equal(value, str_of(ops[i].name)))
			msg->op = (enum control_op)i;
	}
	return true;
}

static void
put_op(const struct key *key, const void *object, struct writer *w, bool *first)
{
	const struct control_msg *msg = object;

	form_put(w, first, key->name, str_of(ops[msg->op].name));
}

/* ---- the tables ---- */

#define TEXT(type, field, shape, says) \
	{.name = #field, .offset = offsetof(struct type, field), .take = take_str, \
	    .put = put_str, .check = (shape), .error = #field ": " says}
#define NUMBER(type, field, least, most, says) \
	{.name = #field, .offset = offsetof(struct type, field), .take = take_u64, \
	    .put = put_u64, .min = (least), .max = (most), .error = #field ": " says}
#define LIST(key, takes, puts, says) \
	{.name = (key), .take = (takes), .put = (puts), .repeats = true, \
	    .error = key ": " says}

static const struct key msg_keys[] = {
    [KEY_OP] = {.name = "op", .take = take_op, .put = put_op},
    [KEY_ID] = TEXT(control_msg, id, check_id, "not 32 lower-case hexadecimal digits"),
    [KEY_VISIT] = NUMBER(control_msg, visit, 1, UINT64_MAX, "not a number from 1"),
    [KEY_SERVICE] = TEXT(control_msg, service, service_name_valid, "not a service name"),
    [KEY_FROM] = TEXT(control_msg, from, check_visitor_address, "not an address"),
    [KEY_TO] = TEXT(control_msg, to, url_relay_valid, "not a relay's URL"),
    [KEY_REASON] = TEXT(control_msg, reason, check_reason, "more than 200 characters"),
    [KEY_EPOCH] = NUMBER(control_msg, epoch, 1, UINT64_MAX, "not a number from 1"),
    [KEY_HEARTBEAT] = NUMBER(control_msg, heartbeat_ms, 1, DAY_MS,
        "not 1 to 86400000 milliseconds"),
    [KEY_LEASE_TIME] = NUMBER(control_msg, lease_ms, 1, 3660 * DAY_MS,
        "not 1 millisecond to ten years"),
    [KEY_LABEL] = TEXT(control_msg, label, label_valid, "not a label"),
    [KEY_RELAY] = TEXT(control_msg, relay, url_relay_valid, "not a relay's URL"),
    [KEY_PEER] = LIST("peer", take_peer, put_peers, "not up to 8 relays' URLs"),
    [KEY_URL] = LIST("url", take_url, put_urls, "not up to 16 of <service>:<url>"),
    [KEY_LEASE] = TEXT(control_msg, lease, check_lease, "not 1 to 1024 visible characters"),
};

enum params_key { PARAM_NAME, PARAM_INSTANCE, PARAM_SERVICE, PARAM_LEASE, PARAM_HOPS };

static const struct key params_keys[] = {
    [PARAM_NAME] = TEXT(control_params, name, device_name_valid, "not a device name"),
    [PARAM_INSTANCE] = TEXT(control_params, instance, check_instance,
        "not 1 to 64 visible characters"),
    [PARAM_SERVICE] = LIST("service", take_service, put_services,
        "not up to 16 of <name>:<http|tls|tcp> with different names"),
    [PARAM_LEASE] = TEXT(control_params, lease, check_lease,
        "not 1 to 1024 visible characters"),
    [PARAM_HOPS] = NUMBER(control_params, hops, 0, HOPS_MAX, "not 0 to 100"),
};

/* The one parameter of GET /v1/transfer, as the message key of that name. */
static const struct key transfer_keys[] = {
    TEXT(control_msg, id, check_id, "not 32 lower-case hexadecimal digits"),
};

/* ---- decoding and encoding ---- */

static const struct key *
find_key(const struct key *keys, size_t n_keys, struct str name)
{
	for (size_t i = 0; i < n_keys; i++) {
		if (str_equal(name, str_of(keys[i].name)))
			return &keys[i];
	}
	return NULL;
}

/*
 * Take every pair into object; *seen is the set of keys that were there. WIRE_BAD for
 * bad grammar alone: a wrong value leaves the first complaint in *error, since whether
 * it matters depends on the operation, which may come after it.
 */
static enum wire_result
decode(const struct key *keys, size_t n_keys, char *text, size_t len, void *object,
    unsigned *seen, const char **error)
{
	struct form_reader reader;
	struct form_pair pair;
	enum wire_result result;

	*seen = 0;
	*error = NULL;
	form_reader_init(&reader, text, len);
	while ((result = form_next(&reader, &pair)) == WIRE_DONE) {
		const struct key *key = find_key(keys, n_keys, pair.key);
		const char *wrong = NULL;

		if (key == NULL)
			continue;
		if ((*seen & BIT(key - keys)) && !key->repeats)
			wrong = "a key that must not repeat does";
		else if (!key->take(key, object, pair.value))
			wrong = key->error;
		if (*error == NULL)
			*error = wrong;
		*seen |= BIT(key - keys);
	}
	if (result == WIRE_BAD) {
		*error = "malformed form encoding";
		return WIRE_BAD;
	}
	return WIRE_DONE;
}

static void
encode(const struct key *keys, size_t n_keys, const void *object, struct writer *w)
{
	bool first = true;

	for (size_t i = 0; i < n_keys; i++)
		keys[i].put(&keys[i], object, w, &first);
}

enum wire_result
control_msg_decode(char *text, size_t len, struct control_msg *msg, const char **error)
{
	unsigned seen;

	memset(msg, 0, sizeof(*msg));
	if (decode(msg_keys, COUNT(msg_keys), text, len, msg, &seen, error) != WIRE_DONE)
		return WIRE_BAD;
	if (!(seen & BIT(KEY_OP))) {
		*error = "no op";
		return WIRE_BAD;
	}
	if (msg->op == CONTROL_UNKNOWN) {
		/* a later version's message: its keys may have shapes of their own */
		memset(msg, 0, sizeof(*msg));
		*error = NULL;
		return WIRE_DONE;
	}
	if (*error == NULL && ((seen & ops[msg->op].needs_all) != ops[msg->op].needs_all ||
	    (ops[msg->op].needs_any && !(seen & ops[msg->op].needs_any))))
		*error = ops[msg->op].error;
	return *error == NULL ? WIRE_DONE : WIRE_BAD;
}

void
control_msg_encode(struct writer *w, const struct control_msg *msg)
{
	encode(msg_keys, COUNT(msg_keys), msg, w);
}

enum wire_result
control_params_decode(char *query, size_t len, struct control_params *params,
    const char **error)
{
	unsigned seen;

	memset(params, 0, sizeof(*params));
	if (decode(params_keys, COUNT(params_keys), query, len, params, &seen, error) !=
	    WIRE_DONE)
		return WIRE_BAD;
	if (*error != NULL)
		return WIRE_BAD;
	if (!(seen & BIT(PARAM_NAME)))
		*error = "no name";
	else if (!(seen & BIT(PARAM_INSTANCE)))
		*error = "no instance";
	else if (!(seen & BIT(PARAM_SERVICE)))
		*error = "no service";
	return *error == NULL ? WIRE_DONE : WIRE_BAD;
}

void
control_params_encode(struct writer *w, const struct control_params *params)
{
	encode(params_keys, COUNT(params_keys), params, w);
}

enum wire_result
transfer_params_decode(char *query, size_t len, struct str *id, const char **error)
{
	struct control_msg msg;
	unsigned seen;

	memset(&msg, 0, sizeof(msg));
	if (decode(transfer_keys, COUNT(transfer_keys), query, len, &msg, &seen, error) !=
	    WIRE_DONE)
		return WIRE_BAD;
	if (*error == NULL && !seen)
		*error = "no id";
	*id = msg.id;
	return *error == NULL ? WIRE_DONE : WIRE_BAD;
}
