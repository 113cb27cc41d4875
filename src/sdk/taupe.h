/* SPDX-License-Identifier: MIT */
/*
 * libtaupe: the device's side of taupe's protocol as a state machine, for whoever
 * writes an agent: the one that ships as taupe-agent, or one inside a firmware.
 *
 * It does no I/O, has no clock and allocates nothing. The driver owns the sockets: it
 * hands in what it received and the time, and is told what to send, whom to connect to,
 * and which bytes of the buffer at hand are payload. Payload is never copied here.
 *
 * Three objects:
 *   taupe_session  the control channel: whom to connect to and when, the handshake, the
 *                  welcome, heartbeats, redirects, moves; and, for a device that can afford
 *                  no other connection, all visits (taupe_visit_…());
 *   taupe_stream   one transfer channel: its handshake, and visit after visit on it;
 *   taupe_mux      a transfer channel that carries many visits at once.
 *
 * docs/PROTOCOL.md specifies what they say; docs/SDK.md shows a driver, and says what may change from
 * one version to the next.
 *
 * What holds for every function, unless it says otherwise:
 *
 * Who calls   One thread or task at a time for an object and what was given to it: nothing is locked.
 *             Not an interrupt handler, and not random_cb, which is the only thing that is
 *             called back. Objects are independent of each other, but for the configuration
 *             that they share, which must not change under a call.
 * Blocking    None waits. Time is that of the bytes handed in, or of one message.
 * RAM         The object, which the driver allocates (sizeof, docs/SDK.md has the figures), the
 *             buffers that it was given, and up to 4 KiB of stack for the call (2.5 KiB on 32 bits);
 *             besides that the driver's own event, action or step (at most 1 KiB), which may be
 *             static. Nothing is allocated, and there is no static data.
 * Ownership   What is handed in is used during the call, unless it is said to be kept. What comes
 *             out points into the configuration, the object's buffers or the data just handed in: it
 *             is nobody's to free, and good until the next call for the object. An object is
 *             neither moved nor copied while it is used; there is nothing to free when it is not
 *             used any more, but a secret to wipe, perhaps.
 * Units       …_ms are milliseconds, now_ms on a clock of the driver's that never goes back, from any
 *             start; sizes and lengths are bytes. Text is ASCII, and a character a byte. Reasons that
 *             the driver gives are for people: 100 characters are sent, what is no ASCII as '?'.
 * Errors      false, 0 or a text. An index out of range, NULL where none is allowed, or a call
 *             before _init() is the driver's bug, and not looked for.
 */
#ifndef TAUPE_H
#define TAUPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "taupe_profile.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TAUPE_VERSION "0.1.0"

#define TAUPE_SERVICES_MAX 16 /* services of a device */
/* control connections at a time: two during a move */
#ifdef TAUPE_WITHOUT_MOVE
#define TAUPE_LINKS 1
#else
#define TAUPE_LINKS 2
#endif
#define TAUPE_ID_LEN 32	  /* characters of a transfer channel's id */
#define TAUPE_NAME_MAX 63 /* characters of a device's name */
#define TAUPE_SECRET_MAX 256	/* characters of a device's secret */
#define TAUPE_SHA256_LEN 64	/* characters of a secret's hash, hexadecimal */
#define TAUPE_WARM_MAX 64 /* idle transfer channels that a relay keeps ready */
#define TAUPE_HEADER_MAX 14	/* bytes of a frame's header (RFC 6455 section 5.2) */
#define TAUPE_MUX_HEADER_MAX 18 /* the same on a shared channel */
#define TAUPE_MUX_VISITS_MAX 65535
#define TAUPE_MUX_WINDOW                                                       \
	65536 /* bytes of a visit that may be sent at its beginning */
#define TAUPE_OUTPUT_MAX 136 /* bytes that a call may want sent at once */
#define TAUPE_MESSAGE_MAX                                                      \
	400 /* bytes of room for a message that the driver asks for */
#define TAUPE_REQUEST_MAX 3584 /* bytes of the longest control request */
#define TAUPE_BUFFER_MIN                                                       \
	512 /* bytes of a session's or stream's buffer, at least */
#define TAUPE_NETWORKS 4     /* whose intervals are remembered */
#define TAUPE_BEAT_BYTES_MAX 1000000
#define TAUPE_BUDGET_BYTES_MAX UINT64_C(1000000000000)
#define TAUPE_STATE_MAX 4096 /* characters of the longest exported state */
#define TAUPE_FOREVER UINT64_MAX

/* At the end of what may grow within one version of the ABI: zero in what the driver fills in.
 * A firmware that is compiled together with libtaupe needs none. */
#ifdef TAUPE_WITHOUT_RESERVE
#define TAUPE_RESERVED(pointers)
#else
#define TAUPE_RESERVED(pointers) void *reserved[pointers];
#endif

#if defined(__GNUC__)
#define TAUPE_MUST_CHECK __attribute__((warn_unused_result))
#else
#define TAUPE_MUST_CHECK
#endif

/* Characters that belong to somebody else, not terminated; ptr NULL: absent. */
struct taupe_text {
	const char *ptr;
	size_t len;
};

/* Bytes that the driver sends on the same connection, after all that it has sent there
 * before. len 0: nothing. */
struct taupe_output {
	size_t len;
	uint8_t bytes[TAUPE_OUTPUT_MAX];
};

/* Where to connect to: a TCP connection, with TLS (the certificate verified against
 * host) when secure. host is terminated, an IPv6 address has no brackets. */
struct taupe_relay {
	const char *host;
	uint16_t port;
	bool secure;
};

/* What a connection was authenticated with. */
enum taupe_credential { TAUPE_SECRET, TAUPE_OLD_SECRET, TAUPE_ENROLMENT_KEY };

/*
 * How long a device may be silent: the longest interval that the network on its way bears is found
 * and remembered, for a link that is paid for by the byte. The driver's memory, for one session:
 * taupe_heartbeat_init(), then set what is wanted, then give it to the configuration. Without one
 * the session keeps to the relay's interval.
 */
struct taupe_heartbeat {
	/* The driver's, who may change them between two calls. Bounds of the search: 0 for none
	 * below, and for the relay's own interval above; the relay has bounds as well. */
	uint32_t min_ms, max_ms;
	/* At least that, even if the network does not bear it: what a budget allows. 0: none */
	uint32_t floor_ms;
	/* The driver calls taupe_session_acked(): then a heartbeat after an interval that has been
	 * answered before is a pong, which costs no answer but TCP's own. */
	bool can_see_acks;
	/* For the operator, told to the relay: bytes of a heartbeat on the wire, of all layers
	 * and in both directions, up to TAUPE_BEAT_BYTES_MAX; of the budget, in 30 days, up to
	 * TAUPE_BUDGET_BYTES_MAX. 0: not known, none */
	uint32_t beat_bytes;
	uint64_t budget_bytes;

	/* The library's; to be read at most. The network at hand is the first; good: the longest
	 * interval that was answered; bad: the shortest that was not; 0: not known. */
	struct taupe_network {
		uint32_t id, good_ms, bad_ms;
	} networks[TAUPE_NETWORKS];
	uint32_t base_ms, least_ms, most_ms; /* the relay's */
	uint32_t lost_interval_ms;	     /* of a loss that may count; 0: none */
	uint64_t lost_ms;		     /* on the driver's clock */
	uint16_t calm;	/* heartbeats that were answered since something changed */
	uint16_t retry; /* so many, and what was bad is tried again */
	bool doubt;	/* what was good was lost once */
	bool changed;	/* since the state was reported to have changed */
	const struct taupe_heartbeat_ops *ops;
	uint32_t next_network; /* of the connection that is made */
	TAUPE_RESERVED(3)
};

enum taupe_service_kind { TAUPE_HTTP, TAUPE_TLS, TAUPE_TCP };

struct taupe_service {
	const char *name; /* 1..20 of a-z, 0-9 and '-' */
	enum taupe_service_kind kind;
};

/* Room for what is known of one visit on a channel that it shares with others; opaque. */
struct taupe_visit {
	union {
		uint32_t align;
		uint8_t bytes[20];
	} opaque;
};

/*
 * What the driver decides. Kept, not copied: it and all that it points to must live as long as the
 * sessions and streams that were given it. Zero means the default where one is named, so begin
 * with all zeros. Between calls the driver may change it, and what is said with the next handshake
 * is what stands there then (taupe_session_renew()); buffer and memory stay.
 */
struct taupe_config {
	const char *name;   /* of the device, as the operator registered it */
	const char *secret; /* NULL: none (a relay in open mode) */
	/* its SHA-256 as 64 lower-case hexadecimal digits; NULL: it stays as it is, and no
	 * fleet is entered */
	const char *secret_sha256;
	/* the one before it, for relays that refuse the secret; NULL: none */
	const char *old_secret;
	/* of a fleet, for relays that do not know the device; NULL: none */
	const char *enrolment_key;
	bool
	    enrolled; /* the device was welcomed before: the key comes last, not first */
	const struct taupe_service *services;
	size_t n_services;
	/* ws://host:port or wss://host:port; at least one, unless a state is restored */
	const char *const *relays;
	size_t n_relays;
	/* Domains under which a redirect may lead, besides to hosts of the relay list. */
	const char *const *domains;
	size_t n_domains;
	/* up to 256 visible characters and blanks; NULL: "libtaupe/" TAUPE_VERSION */
	const char *user_agent;

	/* Fill with unpredictable bytes: frame masks, keys, jitter. */
	void (*random_cb)(void *ctx, void *out, size_t len);
	void *random_ctx;

	/* Where answers and control messages are gathered, half of it for each link: at
	 * least TAUPE_BUFFER_MIN each; 4096 takes every message the protocol allows. */
	void *buffer;
	size_t buffer_size;
	/* What is remembered of the last welcome: label, lease, relay, its peers. 2048 is
	 * plenty; what does not fit is forgotten, the last peers first. May be NULL. */
	void *memory;
	size_t memory_size;

	/* idle transfer channels that the relay shall keep ready, up to 64; 0: none */
	uint32_t warm_channels;
	/* visits at once on a shared channel, up to TAUPE_MUX_VISITS_MAX; 0: none is made */
	uint32_t mux_visits;
	/* bytes of each that the relay may send before it is given credit, 1,024 to
	 * 16,777,216; TAUPE_MUX_WINDOW */
	uint32_t mux_window;
	/* One connection is enough: visits ride on the control channel, and no transfer channel
	 * is ever made (docs/PROTOCOL.md section 5.9). Room for them: mux_visits (which may not
	 * be 0 then) with single_link, else TAUPE_LINKS times as many, because during a move the
	 * visits of both links run; the session's as long as it lives. NULL: they do not. Looked
	 * at by taupe_session_init() alone, mux_visits as well. */
	struct taupe_visit *visits;
	uint32_t reconnect_min_ms; /* first back-off; 1,000 */
	uint32_t reconnect_max_ms; /* longest back-off, up to 2^30; 60,000 */
	/* a link that stood so long was good, up to 2^30; 30,000 */
	uint32_t reconnect_reset_ms;
	/* for the connection, the answer, the welcome each, up to 2^30; 10,000 */
	uint32_t handshake_timeout_ms;
	/* before the next attempt to connect once a session or an attempt has ended, besides the
	 * back-off, which is half to the whole of reconnect_max_ms after a refusal that repeats
	 * itself (400, 401, 403, 404, 409, 426, close code 1008); up to 2,592,000,000, which are 30
	 * days; 0. Not where another relay is tried at once. */
	uint32_t reconnect_wait_ms;
	struct taupe_heartbeat *heartbeat; /* NULL: the relay's interval */
	/* One connection is all there is room for: a move leaves before it connects, and
	 * link 0 has the whole buffer. */
	bool single_link;
	/* Payload on ws:// is masked with zeros, as it always is inside TLS: cheaper at both
	 * ends. Only where nothing between here and the relay can take payload for
	 * something else (RFC 6455 section 10.3): a network of one's own, a VPN, loopback. */
	bool trusted_path;
	TAUPE_RESERVED(8)
};

/*
 * Has a value of a configuration the form that the protocol asks for? taupe_session_init() asks the
 * same of the whole configuration; these are for who wants to name the wrong value, or to tell
 * before. NULL is none. They may be called from anywhere, in any thread.
 */
TAUPE_MUST_CHECK bool taupe_name_valid(const char *name);   /* a device's */
TAUPE_MUST_CHECK bool taupe_secret_valid(const char *secret); /* a device's */
TAUPE_MUST_CHECK bool taupe_enrolment_key_valid(const char *key); /* a fleet's */
TAUPE_MUST_CHECK bool taupe_service_name_valid(const char *name);
TAUPE_MUST_CHECK bool taupe_relay_valid(const char *url); /* ws://host:port, … */
TAUPE_MUST_CHECK bool taupe_domain_valid(const char *domain);

/* ------------------------------------------------------------------- visits ---- */

/* What happens to a visit, or to the channel that carries it. */
enum taupe_step_type {
	TAUPE_STEP_NONE,  /* look at output, go on */
	TAUPE_STEP_READY, /* the handshake is done; a visit will follow */
	TAUPE_STEP_OPEN, /* a visit begins: connect to service, then _opened() or _refused() */
	TAUPE_STEP_DATA, /* payload[0..payload_len) for the service */
	TAUPE_STEP_EOF,	 /* no more for the service: shut its direction down */
	TAUPE_STEP_ABORT, /* reset the connection to the service; the visit is over for it */
	TAUPE_STEP_CREDIT, /* mux, session: that many bytes more may be sent */
	TAUPE_STEP_MOVED, /* mux: nothing more comes here; the visit goes on elsewhere */
	TAUPE_STEP_CLOSED, /* the channel ended in order; reset what is left of a visit */
	TAUPE_STEP_FAILED /* it failed: reason; reset what is left of a visit */
};

/* All that is pointed to is valid until the next call. */
struct taupe_step {
	enum taupe_step_type type;
	/* mux, session: whose step, OPEN to MOVED: place among its visits */
	size_t visit;
	size_t
	    service; /* OPEN, unless it moves: place in the configuration's services */
	struct taupe_text from; /* OPEN: the visitor's address; may be absent */
	/* stream, OPEN: it is not new but moves here from the shared channel with this id
	 * (TAUPE_ID_LEN characters), where its number is stream; else absent */
	struct taupe_text shared;
	uint32_t stream;
	uint32_t bytes;	  /* CREDIT */
	uint8_t *payload; /* DATA: within what was handed in, unmasked */
	size_t payload_len;
	/* FAILED: HTTP status of a refused handshake (404: the visitor is gone) or 0;
	 * CLOSED: WebSocket close code (RFC 6455 section 7.4.1) */
	unsigned code;
	const char *reason; /* FAILED */
	/* send it, whatever the type (session: the event's has it) */
	struct taupe_output output;
	TAUPE_RESERVED(4)
};

/* ------------------------------------------------------------------ session ---- */

/* Opaque; the size is checked where it is implemented. The driver's memory, one for each device that
 * it is; a long-lived one, hardly one of the stack. */
struct taupe_session {
	union {
		uint64_t align;
		void *pointer;
		uint8_t bytes[96 + 2 * sizeof(void *) +
		    TAUPE_LINKS * (512 + 6 * sizeof(void *))];
	} opaque;
	TAUPE_RESERVED(8)
};

enum taupe_action_type {
	TAUPE_WAIT, /* call taupe_session_next() again at until_ms, or after any event */
	TAUPE_DIAL, /* connect link to relay, then call _connected() or _lost() */
	TAUPE_SEND, /* send output on link */
	TAUPE_CLOSE /* send output on link, then close its connection */
};

struct taupe_action {
	enum taupe_action_type type;
	unsigned link;		  /* DIAL, SEND, CLOSE: 0..TAUPE_LINKS-1 */
	struct taupe_relay relay; /* DIAL; valid until the next call */
	bool heartbeat;		  /* SEND: that is what it is */
	bool dead; /* CLOSE: nobody is there; what TCP still wants to say is in vain */
	const char *reason;	  /* CLOSE: what went wrong, or NULL */
	/* On the driver's clock. WAIT: or TAUPE_FOREVER; CLOSE: of the next attempt */
	uint64_t until_ms;
	TAUPE_RESERVED(4)
	struct taupe_output output;
};

enum taupe_event_type {
	TAUPE_EVENT_NONE,     /* look at output, go on */
	TAUPE_EVENT_REDIRECT, /* the relay sent us to another one: relay */
	/* it sent us (or asked us to move) where we may not go: text, and reason why not */
	TAUPE_EVENT_REDIRECT_REFUSED,
	TAUPE_EVENT_WELCOME, /* the session is up */
	TAUPE_EVENT_OPEN, /* a visitor: make a transfer channel to relay with id */
	TAUPE_EVENT_VISIT, /* with config.visits: a visit on this link does a step */
	/* with config.visits: the relay wanted a transfer channel all the same, because it does
	 * not know better, and was refused */
	TAUPE_EVENT_NO_CHANNEL,
	TAUPE_EVENT_MOVE, /* the relay asks us to leave; reason: why that cannot be */
	TAUPE_EVENT_REFUSED, /* the relay answered the handshake with status */
	/* it did, with 401: credential is tried instead, at once */
	TAUPE_EVENT_OTHER_SECRET,
	/* the relay wants another secret: taupe_session_offer_secret() or _keep_secret() */
	TAUPE_EVENT_ROTATE,
	TAUPE_EVENT_ROTATED, /* the relay has taken the new secret */
	TAUPE_EVENT_NOT_ROTATED, /* it could not, text says why; it will ask again */
	TAUPE_EVENT_CLOSED,	 /* the relay closed the session: code, text */
	TAUPE_EVENT_FAILED	 /* reason (and text, what it is about) */
};

/* Where visitors find a service. */
struct taupe_url {
	struct taupe_text service, url;
};

/* All that is pointed to is valid until the next call. */
struct taupe_event {
	enum taupe_event_type type;
	struct taupe_relay relay;   /* REDIRECT, WELCOME (where it is), OPEN */

	/* OPEN */
	struct taupe_text id;	   /* TAUPE_ID_LEN characters */
	struct taupe_text service; /* may be absent */
	bool shared; /* it shall be a taupe_mux, else a taupe_stream */
	uint32_t
	    visits; /* shared: so many at once the relay was told; 0: none */

	/* WELCOME */
	uint64_t epoch, heartbeat_ms, lease_ms;
	struct taupe_text label;
	size_t n_urls;
	union {
		struct taupe_url urls[TAUPE_SERVICES_MAX];
		/* VISIT: OPEN to CREDIT. A link that ends, for whatever reason, ends its visits
		 * without a step for each */
		struct taupe_step step;
	};
	/* store taupe_session_export(): WELCOME, ROTATED, and with config.heartbeat any */
	bool state_changed;
	/* of the session: WELCOME, ROTATE; OTHER_SECRET: what is tried next */
	enum taupe_credential credential;

	/* REFUSED, OTHER_SECRET: error=, since=, from= and reason= of the answer, each may be absent */
	unsigned status;
	struct taupe_text error, since, from;

	unsigned code; /* CLOSED: WebSocket close code */
	/* for people, in these, MOVE and NOT_ROTATED; from the peer: escape it */
	struct taupe_text text;
	const char *reason; /* MOVE, REDIRECT_REFUSED, FAILED */

	/* REDIRECT_REFUSED, REFUSED, CLOSED, FAILED */
	bool standing; /* another link is up or under way: nothing was lost */
	uint64_t retry_ms; /* else: how long until the next attempt */
	struct taupe_output output; /* send it on the link, whatever the type */
	TAUPE_RESERVED(4)
};

/*
 * Prepare a session; nothing is connected yet. Before anything else, and again for a new beginning.
 * The configuration is kept, and random_cb called. NULL when all is right, else a static text
 * that says what is wrong with the configuration, and the session is none. There is no
 * counterpart: drop the memory when done.
 */
TAUPE_MUST_CHECK const char *taupe_session_init(
    struct taupe_session *session, const struct taupe_config *config);

/*
 * Give back what taupe_session_export() wrote, after _init() and before the first
 * taupe_session_next(). The len characters of text are decoded in place, so they are not what
 * they were; what is kept of them is in config.memory, and the networks in config.heartbeat. False:
 * it is damaged; nothing was restored, but perhaps some of the networks.
 */
bool taupe_session_restore(
    struct taupe_session *session, char *text, size_t len);

/* Write label, lease and relays as one line of text without its end, for keeping over a
 * restart: it holds a token, so keep it as private as the secret. Whenever an event says
 * state_changed, or at any other time. Returns its length, which is not terminated; 0
 * when there is nothing, or cap is too small (TAUPE_STATE_MAX always is enough). */
size_t taupe_session_export(
    const struct taupe_session *session, char *out, size_t cap);

/*
 * What to do now. Call it at the start, after each other call on the session, and when
 * until_ms has come; act, and call again until it says TAUPE_WAIT. To be called late costs
 * nothing but lateness: a heartbeat, an attempt. *action is the driver's, and written whole.
 */
void taupe_session_next(struct taupe_session *session, uint64_t now_ms,
    struct taupe_action *action);

/*
 * The connection that TAUPE_DIAL asked for stands (with TLS: verified). Once for each. Writes the
 * request to be sent, which holds the secret, and returns its length; 0 when cap is too small
 * (TAUPE_REQUEST_MAX always is enough, as no lease of taupe's relays has characters to be escaped) or a
 * value of the configuration is malformed: the link is then given up, and TAUPE_CLOSE says so; or when
 * the session no longer wants the link.
 */
TAUPE_MUST_CHECK size_t taupe_session_connected(struct taupe_session *session,
    unsigned link, uint64_t now_ms, void *out, size_t cap);

/* The connection could not be made, or has ended or failed by itself; not for one that was closed
 * for TAUPE_CLOSE. *event says what that means: TAUPE_EVENT_REFUSED, OTHER_SECRET, FAILED, or NONE
 * when the session knew. reason, terminated, is handed on in the event, not kept. */
void taupe_session_lost(struct taupe_session *session, unsigned link,
    uint64_t now_ms, const char *reason, struct taupe_event *event);

/*
 * Take what came in on a link: returns how many bytes are done with (at least one of
 * len > 0), and one event, written whole. Call again with the rest, after the event's output is
 * sent and what it asks for is begun; taupe_session_next() may wait until there is no rest.
 * data is written to, and is the driver's again when it has looked at the event. What comes on a link
 * that is given up is done with at once.
 */
TAUPE_MUST_CHECK size_t taupe_session_input(struct taupe_session *session,
    unsigned link, uint8_t *data, size_t len, uint64_t now_ms,
    struct taupe_event *event);

/* Tell the relay that no channel can be made for an id of TAUPE_EVENT_OPEN (TAUPE_ID_LEN characters), at
 * once or when connecting failed: its visitor need not wait. reason, terminated, is for people. Returns
 * the bytes to send on the link; 0 when it is gone meanwhile. */
TAUPE_MUST_CHECK size_t taupe_session_refuse(struct taupe_session *session,
    unsigned link, const char *id, const char *reason, uint64_t now_ms,
    uint8_t out[TAUPE_MESSAGE_MAX]);

/*
 * TAUPE_EVENT_ROTATE, and the driver has another secret. It draws one unless a former draw is
 * still waiting to be taken; stores it and the one that the event's credential names where a
 * power cut does not reach them; sets secret, secret_sha256 and old_secret of the
 * configuration accordingly; and calls this. Both are kept until a WELCOME with
 * TAUPE_SECRET, or ROTATED, says that the new one counts; the old one is best kept even
 * then, for a registry that is restored from a backup. Returns the bytes to send on the
 * link; 0 when it is gone meanwhile (the relay will ask again), or without secret_sha256.
 */
TAUPE_MUST_CHECK size_t taupe_session_offer_secret(
    struct taupe_session *session, unsigned link, uint64_t now_ms,
    uint8_t out[TAUPE_MESSAGE_MAX]);
/* TAUPE_EVENT_ROTATE, but the driver can have no other secret; the reason is for the
 * operator. Returns the bytes to send on the link, 0 when it is gone. */
TAUPE_MUST_CHECK size_t taupe_session_keep_secret(struct taupe_session *session,
    unsigned link, const char *reason, uint64_t now_ms,
    uint8_t out[TAUPE_MESSAGE_MAX]);

/* The configuration's services or secret have changed, between two calls: connect anew, and leave
 * the old link when the new one is up. Where nothing is connected the next attempt is made now. */
void taupe_session_renew(struct taupe_session *session, uint64_t now_ms);

/* Go for good: what is to be closed comes from taupe_session_next(), and TAUPE_FOREVER when nothing is
 * left. Transfer channels are the driver's to end. A link on which visits
 * ride is closed when these are over, and takes no more; at once if this is called again. */
void taupe_session_leave(struct taupe_session *session);

/* Forget everything, bounds too, and search from the relay's interval on. */
void taupe_heartbeat_init(struct taupe_heartbeat *heartbeat);
/* The next connection is made over the network of this number, a hash of what tells it from others
 * (0 when never called): what was found there before counts from its welcome on, and until then
 * what a link that still stands shows is of the network before. Before taupe_session_connected(). */
void taupe_heartbeat_network(struct taupe_heartbeat *heartbeat, uint32_t id);
/* TCP has an acknowledgement of all that was ever sent on the link. Worth a call before
 * each taupe_session_next(). */
void taupe_session_acked(
    struct taupe_session *session, unsigned link, uint64_t now_ms);
/* The interval that the session keeps at the moment; 0 when none is up. */
uint32_t taupe_session_heartbeat_ms(const struct taupe_session *session);

/* Is a session up (welcomed, and not known to be lost)? At any time after _init(). */
bool taupe_session_is_up(const struct taupe_session *session);

/*
 * With config.visits: what the driver says of a visit of TAUPE_EVENT_VISIT. `visit` is the
 * step's: its place in config.visits, the visit's from TAUPE_STEP_OPEN until
 * taupe_visit_is_over(); then it may be the next one's, with the next input. All goes out on the
 * link that the visit came on, which is link visit / mux_visits. Each returns the bytes to
 * send, 0 when there is nothing to say (any more): it is safe to call them at any time.
 *
 * Who sends much sends it in pieces of at most TAUPE_VISIT_PIECE, of the visits in turn, and queues no
 * more than a few of them: heartbeats and other visits wait behind what is queued.
 */
#define TAUPE_VISIT_PIECE 16384

/* The header of a frame around len > 0 bytes of payload, no more than the visit may still send
 * (TAUPE_MUX_WINDOW, and what each TAUPE_STEP_CREDIT adds): send it, then the payload, each byte
 * through taupe_mask(payload, len, mask, 0). 0: it is more, or the visit takes none any more; then
 * send nothing. */
TAUPE_MUST_CHECK size_t taupe_visit_frame(struct taupe_session *session,
    size_t visit, size_t len, uint64_t now_ms,
    uint8_t header[TAUPE_MUX_HEADER_MAX], uint8_t mask[4]);
/* The service took the connection; was not reached; sends no more; was reset: as with
 * taupe_stream_opened() and the others. */
TAUPE_MUST_CHECK size_t taupe_visit_opened(struct taupe_session *session,
    size_t visit, uint64_t now_ms, uint8_t out[TAUPE_MESSAGE_MAX]);
TAUPE_MUST_CHECK size_t taupe_visit_refused(struct taupe_session *session,
    size_t visit, const char *reason, uint64_t now_ms,
    uint8_t out[TAUPE_MESSAGE_MAX]);
TAUPE_MUST_CHECK size_t taupe_visit_eof(struct taupe_session *session,
    size_t visit, uint64_t now_ms, uint8_t out[TAUPE_MESSAGE_MAX]);
TAUPE_MUST_CHECK size_t taupe_visit_abort(struct taupe_session *session,
    size_t visit, uint64_t now_ms, uint8_t out[TAUPE_MESSAGE_MAX]);
/* The service has taken so many of the bytes that came: the relay may send as many more.
 * Worth a message once it is half of mux_window. */
TAUPE_MUST_CHECK size_t taupe_visit_credit(struct taupe_session *session,
    size_t visit, uint32_t bytes, uint64_t now_ms,
    uint8_t out[TAUPE_MESSAGE_MAX]);

/* Is the visit over for both sides, or its link at its end? Close its service's connection, if
 * not done before. */
bool taupe_visit_is_over(const struct taupe_session *session, size_t visit);

/* ------------------------------------------------------------------- stream ---- */

/* Opaque; the driver's memory, one for each transfer channel. */
struct taupe_stream {
	union {
		uint64_t align;
		void *pointer;
		uint8_t bytes[200 + 6 * sizeof(void *)];
	} opaque;
	TAUPE_RESERVED(8)
};

/*
 * Prepare a channel for an id of TAUPE_EVENT_OPEN: the driver connects to that event's
 * relay, and then sends taupe_stream_request(). buffer (at least TAUPE_BUFFER_MIN, 1024
 * is better behind strange proxies) is the stream's as long as it lives: it holds the
 * request, then what is cut of the relay's answer or of a control message. The configuration is
 * kept, relay and id are not. To be called within the event, whose pointers these are. False: the
 * request does not fit, and the stream is none.
 */
TAUPE_MUST_CHECK bool taupe_stream_init(struct taupe_stream *stream,
    const struct taupe_config *config, const struct taupe_relay *relay,
    const char *id, void *buffer, size_t size);

/*
 * After TAUPE_STEP_READY, before the next input: the stream has another buffer from now on,
 * at least TAUPE_BUFFER_MIN, and the first one is the driver's again. A handshake wants
 * more room than the messages of a visit, which have room in 704.
 */
void taupe_stream_set_buffer(
    struct taupe_stream *stream, void *buffer, size_t size);

/* The request to send when the connection stands (with TLS: verified); valid until the first input. It
 * holds the event's id, which is good for one channel, and no secret. */
const uint8_t *taupe_stream_request(
    const struct taupe_stream *stream, size_t *len);

/*
 * Take what came in: returns how many bytes are done with (at least one of len > 0), and
 * one step, written whole. Call again with the rest, after the step's output is sent. data is
 * written to; a step's payload is in it, so it is the driver's again when that was taken. After
 * TAUPE_STEP_CLOSED and _FAILED nothing more comes: close the connection. A connection that ends
 * by itself is told nobody: drop the stream.
 */
TAUPE_MUST_CHECK size_t taupe_stream_input(struct taupe_stream *stream,
    uint8_t *data, size_t len, struct taupe_step *step);

/* Will taupe_stream_input() of these bytes, len > 0, give nothing but payload of the visit at hand, or
 * TAUPE_STEP_NONE without output? Nothing is changed. */
TAUPE_MUST_CHECK bool taupe_stream_is_at_payload(
    const struct taupe_stream *stream, const uint8_t *data, size_t len);

/*
 * The header of a frame around len > 0 bytes of payload: send it, then the payload, each
 * byte through taupe_mask(payload, len, mask, 0). Returns the header's length; 0 when the
 * visit takes no payload any more: drop it.
 */
TAUPE_MUST_CHECK size_t taupe_stream_frame(struct taupe_stream *stream,
    size_t len, uint8_t header[TAUPE_HEADER_MAX], uint8_t mask[4]);

/* Mask data[0..len) in place (RFC 6455 section 5.3); phase: bytes of the frame's payload that came
 * before. In any thread, at any time: it knows no object. */
void taupe_mask(uint8_t *data, size_t len, const uint8_t mask[4], size_t phase);

/*
 * Tell the relay about the visit at hand. Each returns the bytes to send, 0 when there is
 * nothing to say (any more): it is safe to call them at any time.
 */
/* The service took the connection. Payload or EOF say it as well: a driver may wait for them
 * for a moment, up to a second. */
TAUPE_MUST_CHECK size_t taupe_stream_opened(
    struct taupe_stream *stream, uint8_t out[TAUPE_MESSAGE_MAX]);
/* The service cannot be reached; reason is for people. The visit is over for us. */
TAUPE_MUST_CHECK size_t taupe_stream_refused(struct taupe_stream *stream,
    const char *reason, uint8_t out[TAUPE_MESSAGE_MAX]);
/* The service sends no more. */
TAUPE_MUST_CHECK size_t taupe_stream_eof(
    struct taupe_stream *stream, uint8_t out[TAUPE_MESSAGE_MAX]);
/* The connection to the service was reset or failed. The visit is over for us. */
TAUPE_MUST_CHECK size_t taupe_stream_abort(
    struct taupe_stream *stream, uint8_t out[TAUPE_MESSAGE_MAX]);
/* End the channel: send this, then close the connection. */
TAUPE_MUST_CHECK size_t taupe_stream_close(
    struct taupe_stream *stream, uint8_t out[TAUPE_MESSAGE_MAX]);

/* Is the channel ready and without a visit? It may then be closed at any time; and the connection to
 * the service of the visit before is of no use any more. */
bool taupe_stream_is_idle(const struct taupe_stream *stream);
/* The number of the visit at hand, or of the last one; 0 before the first. */
uint64_t taupe_stream_visit(const struct taupe_stream *stream);

/* ---------------------------------------------------------------------- mux ---- */

/*
 * A shared channel: many visits at once. Everything about one names its place in the array
 * that the driver has given, which is the visit's from TAUPE_STEP_OPEN until
 * taupe_mux_is_over(); then it may be the next one's, with the next input. Opaque; the driver's
 * memory, one for each shared channel.
 */
struct taupe_mux {
	union {
		uint64_t align;
		void *pointer;
		uint8_t bytes[200 + 6 * sizeof(void *)];
	} opaque;
	TAUPE_RESERVED(8)
};

/* As taupe_stream_init(), for an event that says `shared`. visits: room for n_visits, 1 to
 * TAUPE_MUX_VISITS_MAX, the number that the event names; the mux's as long as it lives. */
TAUPE_MUST_CHECK bool taupe_mux_init(struct taupe_mux *mux,
    const struct taupe_config *config, const struct taupe_relay *relay,
    const char *id, struct taupe_visit *visits, size_t n_visits, void *buffer,
    size_t size);
/* As taupe_stream_set_buffer(), _request() and _input(). */
void taupe_mux_set_buffer(struct taupe_mux *mux, void *buffer, size_t size);
const uint8_t *taupe_mux_request(const struct taupe_mux *mux, size_t *len);
TAUPE_MUST_CHECK size_t taupe_mux_input(
    struct taupe_mux *mux, uint8_t *data, size_t len, struct taupe_step *step);

/*
 * As taupe_stream_frame(), for len bytes of a visit: no more than it may still send, which is
 * TAUPE_MUX_WINDOW, and what each TAUPE_STEP_CREDIT adds; 0 for more. The payload's mask begins at
 * phase 0 here, too.
 */
TAUPE_MUST_CHECK size_t taupe_mux_frame(struct taupe_mux *mux, size_t visit,
    size_t len, uint8_t header[TAUPE_MUX_HEADER_MAX], uint8_t mask[4]);

/* As with a stream. */
TAUPE_MUST_CHECK size_t taupe_mux_opened(
    struct taupe_mux *mux, size_t visit, uint8_t out[TAUPE_MESSAGE_MAX]);
TAUPE_MUST_CHECK size_t taupe_mux_refused(struct taupe_mux *mux, size_t visit,
    const char *reason, uint8_t out[TAUPE_MESSAGE_MAX]);
TAUPE_MUST_CHECK size_t taupe_mux_eof(
    struct taupe_mux *mux, size_t visit, uint8_t out[TAUPE_MESSAGE_MAX]);
TAUPE_MUST_CHECK size_t taupe_mux_abort(
    struct taupe_mux *mux, size_t visit, uint8_t out[TAUPE_MESSAGE_MAX]);
TAUPE_MUST_CHECK size_t taupe_mux_close(
    struct taupe_mux *mux, uint8_t out[TAUPE_MESSAGE_MAX]);

/* The service has taken so many of the bytes that came: the relay may send as many more.
 * Worth a message once it is half of the window. */
TAUPE_MUST_CHECK size_t taupe_mux_credit(struct taupe_mux *mux, size_t visit,
    uint32_t bytes, uint8_t out[TAUPE_MESSAGE_MAX]);

/*
 * A stream's TAUPE_STEP_OPEN names a visit of this channel. Find it: false when it is not
 * there, or cannot move. Then, where its service is connected, say that it moves. From then
 * on what the service sends goes to the stream alone, and the stream is not read until
 * TAUPE_STEP_MOVED (or ABORT); what comes here until then is still for the service.
 * Otherwise say that it stays, and taupe_stream_refused() on the stream.
 */
TAUPE_MUST_CHECK bool taupe_mux_find(
    const struct taupe_mux *mux, uint32_t stream, size_t *visit);
TAUPE_MUST_CHECK size_t taupe_mux_move(
    struct taupe_mux *mux, size_t visit, uint8_t out[TAUPE_MESSAGE_MAX]);
TAUPE_MUST_CHECK size_t taupe_mux_stay(const struct taupe_mux *mux,
    uint32_t stream, uint8_t out[TAUPE_MESSAGE_MAX]);

/* Is the channel ready and without any visit? It may then be closed at any time. */
bool taupe_mux_is_idle(const struct taupe_mux *mux);
/* Is the visit over for both sides? Close its service's connection, if not done before. */
bool taupe_mux_is_over(const struct taupe_mux *mux, size_t visit);
/* The number of the last visit; 0 before the first. */
uint32_t taupe_mux_visit(const struct taupe_mux *mux);

#ifdef __cplusplus
}
#endif

#endif
