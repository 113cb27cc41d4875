/* SPDX-License-Identifier: MIT */
/*
 * Control messages, by table: what each key is, and what each operation needs.
 */
#include "wire/control_msg.h"

#include "wire/form_table.h"
#include "wire/mux_frame.h"
#include "wire/url.h"

#define VISITOR_ADDRESS_MAX 80
#define DAY_MS (24 * 60 * 60 * 1000)
#define LEASE_MAX (UINT64_C(3660) * DAY_MS)
_Static_assert(LEASE_MAX % (1 << 12) == 0 && BUDGET_BYTES_MAX % (1 << 12) == 0,
    "their rows hold them exactly");
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool
check_visitor_address(struct str value)
{
	/* bounded but not parsed: it is for people, and may name an IPv6 zone */
	return form_visible(value, VISITOR_ADDRESS_MAX);
}

static bool
check_reason(struct str value)
{
	return value.len <= REASON_MAX;
}

#ifndef CONTROL_VISITS_ALONE

/* Any scheme: a TCP service has no http URL. */
static bool
check_public_url(struct str value)
{
	struct str scheme, rest;

	if (!form_visible(value, URL_MAX) ||
	    !str_split(value, ':', &scheme, &rest))
		return false;
	return scheme.len > 0 && rest.len > 2 && memcmp(rest.ptr, "//", 2) == 0;
}

static bool
take_url(const struct form_key *key, void *object, struct str value)
{
	struct control_msg *msg = object;
	struct control_url entry;

	(void)key;
	if (msg->n_urls == SERVICES_MAX ||
	    !str_split(value, ':', &entry.service, &entry.url) ||
	    !service_name_valid(entry.service) || !check_public_url(entry.url))
		return false;
#ifndef CONTROL_WITHOUT_URLS
	msg->urls[msg->n_urls] = entry;
#endif
	msg->n_urls++;
	return true;
}

static bool
take_peer(const struct form_key *key, void *object, struct str value)
{
	struct control_msg *msg = object;

	(void)key;
	if (msg->n_peers == PEERS_MAX || !url_relay_valid(value))
		return false;
#ifndef CONTROL_WITHOUT_PEERS
	msg->peers[msg->n_peers] = value;
#endif
	msg->n_peers++;
	return true;
}

#endif

/* No device writes a welcome. */
#ifdef TAUPE_DEVICE_ONLY
#define WRITES(put) NULL
#else
#define WRITES(put) put

static void
put_urls(const struct form_key *key, const void *object, struct writer *w)
{
	const struct control_msg *msg = object;

	for (size_t i = 0; i < msg->n_urls; i++)
		form_put_named(key, msg->urls[i].service, msg->urls[i].url, w);
}

static void
put_peers(const struct form_key *key, const void *object, struct writer *w)
{
	const struct control_msg *msg = object;

	for (size_t i = 0; i < msg->n_peers; i++)
		form_put(w, key->name, msg->peers[i]);
}

#endif

/* In the order in which they are written. */
enum msg_key {
	KEY_OP,
	KEY_ID,
#ifndef CONTROL_VISITS_ALONE
	KEY_MUX,
#endif
	KEY_VISIT,
	KEY_SERVICE,
	KEY_FROM,
#ifndef CONTROL_VISITS_ALONE
	KEY_SHARED,
	KEY_STREAM,
#endif
	KEY_BYTES,
#ifndef CONTROL_VISITS_ALONE
	KEY_TO,
#endif
	KEY_REASON,
	KEY_EPOCH,
	KEY_HEARTBEAT,
	KEY_LEASE_TIME,
	KEY_LABEL,
#ifndef CONTROL_VISITS_ALONE
	KEY_RELAY,
	KEY_PEER,
	KEY_URL,
	KEY_LEASE,
	KEY_SHA256,
#endif
	KEY_ERROR,
#ifndef CONTROL_WITHOUT_HEARTBEAT
	KEY_HEARTBEAT_MIN,
	KEY_HEARTBEAT_MAX,
	KEY_BEAT_BYTES,
	KEY_BUDGET_BYTES
#endif
};

/* Sets of keys; a device has few of them. */
#ifdef CONTROL_VISITS_ALONE
typedef uint16_t key_set;
#define RELAY_BIT 0
#define SHA256_BIT 0
#else
typedef uint32_t key_set;
#define RELAY_BIT FORM_BIT(KEY_RELAY)
#define SHA256_BIT FORM_BIT(KEY_SHA256)
#endif
#define WELCOME_NEEDS                                                          \
	(FORM_BIT(KEY_EPOCH) | FORM_BIT(KEY_HEARTBEAT) |                       \
	    FORM_BIT(KEY_LEASE_TIME) | FORM_BIT(KEY_LABEL) | RELAY_BIT)

#ifdef TAUPE_WITHOUT_TEXTS
#define OP(name, all, any, says)                                               \
	{                                                                      \
		name, all, any                                                 \
	}
#define NEEDS_ERROR(op) SAYS("")
#else
#define OP(name, all, any, says)                                               \
	{                                                                      \
		name, all, any, says                                           \
	}
#define NEEDS_ERROR(op) ops[op].error
#endif

static const struct {
	const char *name;
	key_set needs_all, needs_any;
#ifndef TAUPE_WITHOUT_TEXTS
	const char *error; /* when one of them is missing */
#endif
} ops[] = {
    [CONTROL_UNKNOWN] = OP("", 0, 0, NULL),
    [CONTROL_WELCOME] = OP("welcome", WELCOME_NEEDS, 0,
	"welcome needs epoch, heartbeat_ms, lease_ms, label and relay"),
    [CONTROL_OPEN] = OP("open", 0, FORM_BIT(KEY_ID) | FORM_BIT(KEY_SERVICE),
	"open needs a service or an id"),
    [CONTROL_OPENED] =
	OP("opened", FORM_BIT(KEY_VISIT), 0, "opened needs a visit"),
    [CONTROL_REFUSED] = OP("refused", FORM_BIT(KEY_REASON),
	FORM_BIT(KEY_ID) | FORM_BIT(KEY_VISIT),
	"refused needs a reason, and an id or a visit"),
    [CONTROL_ABORT] =
	OP("abort", FORM_BIT(KEY_VISIT), 0, "abort needs a visit"),
    [CONTROL_MOVE] = OP("move", 0, 0, NULL),
    [CONTROL_CREDIT] = OP("credit", FORM_BIT(KEY_VISIT) | FORM_BIT(KEY_BYTES),
	0, "credit needs visit and bytes"),
    [CONTROL_MOVED] =
	OP("moved", FORM_BIT(KEY_VISIT), 0, "moved needs a visit"),
    [CONTROL_STAYS] =
	OP("stays", FORM_BIT(KEY_VISIT), 0, "stays needs a visit"),
    [CONTROL_ROTATE] = OP("rotate", 0, 0, NULL),
    [CONTROL_SECRET] = OP("secret", 0, SHA256_BIT | FORM_BIT(KEY_ERROR),
	"secret needs a sha256 or an error"),
#ifndef CONTROL_WITHOUT_HEARTBEAT
    [CONTROL_HEARTBEAT] = OP("heartbeat", FORM_BIT(KEY_HEARTBEAT), 0,
	"heartbeat needs heartbeat_ms"),
#endif
#ifndef TAUPE_DEVICE_ONLY
    [CONTROL_HEALTH] =
	OP("health", FORM_BIT(KEY_SERVICE), 0, "health needs a service"),
#endif
};

static bool
take_op(const struct form_key *key, void *object, struct str value)
{
	struct control_msg *msg = object;

	(void)key;
	msg->op = CONTROL_UNKNOWN;
	if (value.len == 0)
		return true;
	for (size_t i = CONTROL_UNKNOWN + 1; i < COUNT(ops); i++) {
		if (!form_is(value, ops[i].name))
			continue;
		msg->op = (enum control_op)i;
		break;
	}
	return true;
}

static void
put_op(const struct form_key *key, const void *object, struct writer *w)
{
	const struct control_msg *msg = object;

	form_put(w, key->name, str_of(ops[msg->op].name));
}

static const struct form_own op_own = {take_op, put_op};
#ifndef CONTROL_VISITS_ALONE
static const struct form_own peer_own = {take_peer, WRITES(put_peers)};
static const struct form_own url_own = {take_url, WRITES(put_urls)};
#endif

static const struct form_key msg_keys[] = {
    [KEY_OP] = {.name = "op", .of.own = &op_own, .kind = FORM_KIND_OWN},
    [KEY_ID] = FORM_TEXT(control_msg, id, control_id_valid,
	"not 32 lower-case hexadecimal digits"),
#ifndef CONTROL_VISITS_ALONE
    [KEY_MUX] = FORM_NUMBER(control_msg, mux, 1, 1, "not 1"),
#endif
    [KEY_VISIT] = FORM_ANY_NUMBER(control_msg, visit, 1, "not a number from 1"),
    [KEY_SERVICE] = FORM_TEXT(
	control_msg, service, service_name_valid, "not a service name"),
    [KEY_FROM] =
	FORM_TEXT(control_msg, from, check_visitor_address, "not an address"),
#ifndef CONTROL_VISITS_ALONE
    [KEY_SHARED] = FORM_TEXT(control_msg, shared, control_id_valid,
	"not 32 lower-case hexadecimal digits"),
    [KEY_STREAM] = FORM_NUMBER(control_msg, stream, 1, MUX_VISIT_MAX,
	"not a number from 1 to 4294967295"),
    [KEY_TO] = FORM_TEXT(control_msg, to, url_relay_valid, "not a relay's URL"),
#endif
    [KEY_BYTES] =
	FORM_NUMBER(control_msg, bytes, 1, MUX_WINDOW_MAX, "not 1 to 16777216"),
    [KEY_REASON] = FORM_TEXT(
	control_msg, reason, check_reason, "more than 200 characters"),
    [KEY_EPOCH] = FORM_ANY_NUMBER(control_msg, epoch, 1, "not a number from 1"),
    [KEY_HEARTBEAT] = FORM_NUMBER(
	control_msg, heartbeat_ms, 1, DAY_MS, "not 1 to 86400000 milliseconds"),
    [KEY_LEASE_TIME] = FORM_SHIFTED(control_msg, lease_ms, 1, LEASE_MAX >> 12,
	12, "not 1 millisecond to ten years"),
    [KEY_LABEL] = FORM_TEXT(control_msg, label, label_valid, "not a label"),
#ifndef CONTROL_VISITS_ALONE
    [KEY_RELAY] =
	FORM_TEXT(control_msg, relay, url_relay_valid, "not a relay's URL"),
    [KEY_PEER] = FORM_LIST("peer", &peer_own, "not up to 8 relays' URLs"),
    [KEY_URL] = FORM_LIST("url", &url_own, "not up to 16 of <service>:<url>"),
    [KEY_LEASE] = FORM_TEXT(control_msg, lease, control_lease_valid,
	"not 1 to 1024 visible characters"),
    [KEY_SHA256] = FORM_TEXT(control_msg, sha256, control_sha256_valid,
	"not 64 lower-case hexadecimal digits"),
#endif
    [KEY_ERROR] =
	FORM_TEXT(control_msg, error, check_reason, "more than 200 characters"),
#ifndef CONTROL_WITHOUT_HEARTBEAT
    [KEY_HEARTBEAT_MIN] = FORM_NUMBER(control_msg, heartbeat_min_ms, 1, DAY_MS,
	"not 1 to 86400000 milliseconds"),
    [KEY_HEARTBEAT_MAX] = FORM_NUMBER(control_msg, heartbeat_max_ms, 1, DAY_MS,
	"not 1 to 86400000 milliseconds"),
    [KEY_BEAT_BYTES] = FORM_NUMBER(
	control_msg, beat_bytes, 1, BEAT_BYTES_MAX, "not 1 to 1000000"),
    [KEY_BUDGET_BYTES] = FORM_SHIFTED(control_msg, budget_bytes, 1,
	BUDGET_BYTES_MAX >> 12, 12, "not 1 to 1000000000000"),
#endif
};

_Static_assert(COUNT(msg_keys) <= 8 * sizeof(key_set), "a bit for each key");

static bool
has_needs(enum control_op op, unsigned seen)
{
	if ((seen & ops[op].needs_all) != ops[op].needs_all)
		return false;
	return ops[op].needs_any == 0 || (seen & ops[op].needs_any) != 0;
}

enum wire_result
control_msg_decode(
    char *text, size_t len, struct control_msg *msg, const char **error)
{
	unsigned seen;

	memset(msg, 0, sizeof(*msg));
	if (form_table_decode(msg_keys, COUNT(msg_keys), text, len, msg, &seen,
		error) != WIRE_DONE)
		return WIRE_BAD;
	if (!(seen & FORM_BIT(KEY_OP))) {
		*error = SAYS("no op");
		return WIRE_BAD;
	}
	if (msg->op == CONTROL_UNKNOWN) {
		/* a later version's message: its keys may have shapes of their own */
		memset(msg, 0, sizeof(*msg));
		*error = NULL;
		return WIRE_DONE;
	}
	if (*error == NULL && !has_needs(msg->op, seen))
		*error = NEEDS_ERROR(msg->op);
	return *error == NULL ? WIRE_DONE : WIRE_BAD;
}

void
control_msg_encode(struct writer *w, const struct control_msg *msg)
{
	form_table_encode(msg_keys, COUNT(msg_keys), msg, w);
}
