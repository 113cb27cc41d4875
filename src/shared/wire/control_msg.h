/* SPDX-License-Identifier: MIT */
/*
 * The control messages and the parameters of the two handshakes (docs/PROTOCOL.md):
 * form-encoded text to and from structs of slices. Checks shapes and bounds here, so
 * that whoever gets a struct needs to check nothing but what it means.
 */
#ifndef TAUPE_WIRE_CONTROL_MSG_H
#define TAUPE_WIRE_CONTROL_MSG_H

#include "wire/form.h"
#include "wire/host_name.h"

#define CONTROL_MSG_MAX 4096 /* bytes of the longest control message */
#define SERVICES_MAX 16      /* services that a device may offer */
#define PEERS_MAX 8          /* other relays named in a welcome */
#define TRANSFER_ID_LEN 32   /* hexadecimal digits: 128 random bits */
#define SHA256_HEX_LEN 64    /* hexadecimal digits of a secret's hash */
#define INSTANCE_MAX 64
#define WARM_MAX 64          /* idle channels that an agent may want kept */
#define MUX_VISITS_MAX 65535 /* visits at once that an agent may offer to take */
#define MUX_VISITS_DEFAULT 64
#define MUX_WINDOW_MIN 1024
#define MUX_WINDOW_MAX (16u << 20)
#define MUX_WINDOW 65536 /* the relay's, and an agent's that names none */
#define LEASE_TOKEN_MAX 1024
#define BEAT_BYTES_MAX 1000000
#define BUDGET_BYTES_MAX UINT64_C(1000000000000) /* a terabyte */
#define REASON_MAX 200

enum control_op {
	CONTROL_UNKNOWN, /* to be ignored */
	CONTROL_WELCOME, /* relay → agent, once, the first message of a control channel */
	CONTROL_OPEN,    /* relay → agent: with an id, dig a channel; with a visit, a visitor */
	CONTROL_OPENED,  /* agent → relay, on transfer: the service has taken the visitor */
	CONTROL_REFUSED, /* agent → relay: no channel (control) or no service (transfer) */
	CONTROL_ABORT,   /* both ways, on transfer: reset this visit */
	CONTROL_MOVE,    /* relay → agent: go to another relay */
	CONTROL_CREDIT,  /* both ways, on a shared channel: so many bytes more of a visit */
	CONTROL_MOVED,   /* both ways, there: the last word about a visit; it goes on elsewhere */
	CONTROL_STAYS,   /* agent → relay, there: a visit does not move */
	CONTROL_ROTATE,  /* relay → agent, on control: make a new secret */
	CONTROL_SECRET,  /* both ways, on control: the new secret's hash, or why there is none */
	CONTROL_HEARTBEAT, /* agent → relay, on control: the interval that it keeps from now on */
	CONTROL_HEALTH /* agent → relay, on control: a service is down (error says why), or up again */
};

enum service_kind { SERVICE_HTTP, SERVICE_TLS, SERVICE_TCP };

/* "http", "tls", "tcp" */
const char *service_kind_name(enum service_kind kind);
/* The kind of that name; false when there is none. */
bool service_kind_find(struct str name, enum service_kind *kind);

struct control_service {
	struct str name;
	enum service_kind kind;
};

/* A service's public URL in a welcome: url=web:https://… A TCP service's has the scheme
 * tcp and names its public port: url=ssh:tcp://relay.example.com:20022 */
struct control_url {
	struct str service, url;
};

/* A device that has no use for them counts them and no more. */
#if defined(TAUPE_DEVICE_ONLY) && defined(TAUPE_WITHOUT_TEXTS)
#define CONTROL_WITHOUT_URLS
#endif
#if defined(TAUPE_DEVICE_ONLY) && defined(TAUPE_WITHOUT_MEMORY)
#define CONTROL_WITHOUT_PEERS
#endif
/* One that has nothing but visits on its control channel skips what is said of all else: the welcome's
 * relays, lease and URLs, where a move leads, a channel's kind, a secret's hash. */
#if defined(CONTROL_WITHOUT_URLS) && defined(CONTROL_WITHOUT_PEERS) &&             \
    defined(TAUPE_WITHOUT_REDIRECTS) && defined(TAUPE_WITHOUT_CHANNELS) &&       \
    defined(TAUPE_WITHOUT_ROTATION)
#define CONTROL_VISITS_ALONE
#endif
/* Nor has one that keeps to the relay's interval for its bounds, or for telling another one. */
#if defined(TAUPE_DEVICE_ONLY) && defined(TAUPE_WITHOUT_HEARTBEAT_SEARCH)
#define CONTROL_WITHOUT_HEARTBEAT
#endif

struct control_msg {
	enum control_op op;
	struct str id;      /* open, refused on control */
	struct str service; /* open, health */
	struct str from;    /* open: the visitor's address, "192.0.2.1:50312" */
	struct str reason;  /* refused, abort, move: for people */
	struct str sha256;  /* secret: SHA256_HEX_LEN digits */
	struct str error;   /* secret, instead of sha256; health: for people */
	struct str to;      /* move: URL; absent: any other relay of the list */
	wire_number visit;     /* all that is about one; 0 when absent */
	wire_number mux;       /* open on control: 1, if the channel is to be shared */
	wire_number bytes;     /* credit */
	struct str shared;  /* open on transfer: the visit is one of this shared channel's, … */
	wire_number stream;    /* … which has this number there */
	wire_number heartbeat_ms; /* welcome, heartbeat */
	wire_number epoch, lease_ms; /* welcome */
	struct str label, relay, lease;
	size_t n_urls, n_peers;
#ifndef CONTROL_WITHOUT_URLS
	struct control_url urls[SERVICES_MAX];
#endif
#ifndef CONTROL_WITHOUT_PEERS
	struct str peers[PEERS_MAX];
#endif
#ifndef CONTROL_WITHOUT_HEARTBEAT
	/* welcome: the bounds of a heartbeat message, 0 when absent: none is understood */
	wire_number heartbeat_min_ms, heartbeat_max_ms;
	/* heartbeat: what one costs on the wire, what the link may cost in 30 days; 0 when absent */
	wire_number beat_bytes, budget_bytes;
#endif
};

/*
 * Decode text[0..len), in place. WIRE_BAD: bad grammar, no op, a key whose value has
 * the wrong shape, a key that its op needs and that is missing; *error is then a static
 * string that says what. An op that is not known is WIRE_DONE with CONTROL_UNKNOWN.
 * URLs in relay, peer and to pass url_relay_valid(). A number that was given is not 0.
 */
WIRE_MUST_CHECK enum wire_result control_msg_decode(char *text, size_t len,
    struct control_msg *msg, const char **error);

/* Encode what is set in msg (a slice that is not absent, a number that is not 0), op
 * first. Precondition: op is not CONTROL_UNKNOWN. The caller asks w->full. */
void control_msg_encode(struct writer *w, const struct control_msg *msg);

/* Exactly TRANSFER_ID_LEN lower-case hexadecimal digits. */
bool control_id_valid(struct str id);
/* 1..LEASE_TOKEN_MAX visible characters. */
bool control_lease_valid(struct str lease);
/* Exactly SHA256_HEX_LEN lower-case hexadecimal digits. */
bool control_sha256_valid(struct str sha256);

/* GET /v1/control?… */
struct control_params {
	struct str name, instance;
	struct str lease; /* the signed lease, as it was given; absent when none */
	/* the hash of the device's own secret: the bearer is an enrolment key; absent when
	 * the bearer is the secret */
	struct str enrol;
	wire_number hops;    /* redirects followed so far */
	wire_number warm;    /* idle transfer channels that it wants kept; 0 when absent */
	wire_number mux;      /* 1: it can share a channel among visits */
	wire_number visits;   /* so many on one at once, at most; 0 when absent */
	wire_number window;   /* bytes of each that it takes before it gives credit; 0 when absent */
	bool no_channels;  /* channels=0: it digs none, visits ride on the control channel */
#ifndef TAUPE_DEVICE_ONLY
	bool check; /* check=1: it wants to know its way, and no session; read, never written */
#endif
	size_t n_services;
	struct control_service services[SERVICES_MAX];
};

#define CONTROL_PATH "/v1/control"
#define TRANSFER_PATH "/v1/transfer"
#define SUBPROTOCOL "taupe.v1"

/* As control_msg_decode, for the query of GET /v1/control. WIRE_BAD as well: no or a
 * repeated name, no service, two services of one name, no instance. */
WIRE_MUST_CHECK enum wire_result control_params_decode(char *query, size_t len,
    struct control_params *params, const char **error);
void control_params_encode(struct writer *w, const struct control_params *params);

/* The id of GET /v1/transfer?id=…, into the query. */
WIRE_MUST_CHECK enum wire_result transfer_params_decode(char *query, size_t len,
    struct str *id, const char **error);

#endif
