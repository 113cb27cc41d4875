/* SPDX-License-Identifier: MIT */
/*
 * The inside of struct taupe_session, for the files that implement it: session.c knows
 * what a link's life means for the other and for the next attempt, session_next.c what is
 * to be done when, session_input.c what the relay says.
 *
 * A link is one control connection. One is enough but for a move, when the new link is
 * made while the old one stands; whichever was welcomed last is `current`.
 */
#ifndef TAUPE_SDK_SESSION_H
#define TAUPE_SDK_SESSION_H

#include "sdk/channel.h"
#include "sdk/heartbeat.h"
#include "sdk/memory.h"
#include "sdk/places.h"

#define REDIRECTS_MAX 5
#define NO_LINK TAUPE_LINKS

enum link_state {
	LINK_FREE,
	LINK_WANTED, /* to be dialled: host, port and secure say where */
	LINK_DIALLING,
	LINK_HEAD,    /* the request was sent, its answer is awaited */
	LINK_BODY,    /* the answer is a refusal with a body */
	LINK_WELCOME, /* a WebSocket; the welcome is awaited */
	LINK_UP,
	LINK_ENDING /* the driver has to close it */
};

struct link {
	struct channel channel;
	uint64_t deadline_ms;	    /* of the current stage of the handshake */
	uint64_t heard_ms, sent_ms; /* when last; from LINK_UP on */
	uint64_t pinged_ms; /* nothing was heard since; 0: no ping waits */
	uint64_t up_since_ms;
	const char *end_reason; /* LINK_ENDING: what went wrong, or NULL */
	uint32_t heartbeat_ms; /* kept, as the relay knows */
	uint32_t told_bytes;   /* of a heartbeat, the same; */
	uint32_t retry_after_ms; /* LINK_BODY */
	uint32_t body_left;	 /* LINK_BODY: bytes to come */
	uint16_t status;	 /* LINK_BODY */
	uint16_t close_code; /* LINK_ENDING: of the frame to be sent; 0: none */
	uint16_t port;
	uint16_t visits; /* at once on a shared channel, as the request said */
	uint8_t state;	 /* enum link_state */
	uint8_t redirects; /* followed in a row to get here */
	uint8_t hops;	   /* as the last Location said */
	uint8_t
	    credential; /* enum taupe_credential: it was (or will be) made with */
	uint8_t
	    refused; /* the set of those that were refused since it was wanted */
	bool secure;
	bool tells; /* the relay understands op=heartbeat */
	bool quiet; /* what pinged_ms tells of was a pong: TCP answers it */
	bool proof; /* and nothing was said in the interval before it */
	bool followed; /* host is where a redirect led */
	/* LINK_ENDING: redirected; dial host once it is closed */
	bool dial_again;
	char host[HOST_NAME_MAX + 1];
};

struct session {
	const struct taupe_config *config;
	struct memory memory;
	uint64_t retry_ms; /* when to connect, while no link is there */
	uint64_t move_ms;  /* when to dial the other link, for a move */
	uint8_t instance[16];
	uint32_t failures; /* rounds since a link stood long enough */
	uint32_t move_failures;
	struct place_order order;
	uint8_t candidate;  /* of the next attempt */
	uint8_t current;    /* the link that is up, or NO_LINK */
	uint8_t credential; /* of the next attempt: what was welcomed last */
	/* of the next attempt: it comes back from a redirect to nobody */
	uint8_t back_hops;
	bool moving;	  /* the relay (or a renewal) wants us elsewhere */
	bool renewing;	  /* moving, but to the same relay */
	bool move_hosted; /* the free link's host is where */
	bool leaving;
	struct link links[TAUPE_LINKS];
};

/* Why a link ended, as far as the next attempt depends on it. */
enum link_end {
	END_UNREACHED, /* no connection was made: the next candidate may do better at once */
	END_FAILED,
	END_HOPELESS, /* refused for a reason that will not go away soon */
	END_SENT_AWAY /* the relay is stopping: prefer another */
};

unsigned link_index(const struct session *s, const struct link *link);
struct link *session_other_link(struct session *s, const struct link *link);
/* Is any link up or on its way? */
bool session_is_busy(const struct session *s);
struct taupe_relay link_relay(const struct link *link);
struct url link_place(const struct link *link);
/* Go to url next; false: its host does not fit. */
bool link_set_place(struct link *link, const struct url *url);

/* How long each stage of a handshake may take. */
uint32_t session_stage_ms(const struct session *s);

/* A link's life is over: decide when and where to try again, and tell the event. */
void session_link_ended(struct session *s, struct link *link, enum link_end end,
    uint32_t at_least_ms, uint64_t now_ms, struct taupe_event *event);
/* The driver shall close it, after a close frame with code (0: none). */
void link_finish(struct link *link, uint16_t code, const char *reason);

/* As taupe_session_init(), of what a device proves itself with besides its secret. */
const char *session_check_credentials(const struct taupe_config *config);
/* What the next attempt begins with when nothing is known to be better. */
enum taupe_credential session_first_credential(const struct session *s);
/* The link begins an attempt with what counts now. */
void session_choose_credential(struct session *s, struct link *link);
/* The link's credential was refused: take one that has not been. False: there is none. */
bool session_next_credential(struct session *s, struct link *link);
/* The present secret; absent when there is none. */
struct str session_credential(const struct session *s, const struct link *link);
/* The relay has ended the session because its secret counts no more: is there another? */
bool session_has_other_credential(const struct session *s);
/* The relay says what became of a new secret, or why it cannot take it. */
void session_take_secret(struct session *s, struct link *link,
    const struct control_msg *msg, struct taupe_event *event);

/* Heartbeats, when the driver has given a search. */
/* The link is up on the welcome's terms. */
void session_heartbeat_begin(struct session *s, struct link *link,
    const struct control_msg *welcome, uint64_t now_ms);
/* Something came in, or was acknowledged: what was asked for it is answered. */
void session_heartbeat_answered(struct session *s, struct link *link);
/* The link has ended. */
void session_heartbeat_lost(
    struct session *s, const struct link *link, uint64_t now_ms);
/* Write what the relay has to be told; 0: nothing. */
size_t session_heartbeat_tell(
    struct session *s, struct link *link, uint64_t now_ms, uint8_t *out);
/* Write a heartbeat. */
size_t session_heartbeat_send(
    struct session *s, struct link *link, uint64_t now_ms, uint8_t *out);
/* Has what is remembered changed since the last time? */
bool session_heartbeat_changed(struct session *s);

/* Dial anew on a link that is under way; what it was made with is out of date. */
void session_restart_link(struct session *s, struct link *link);

/* A link was welcomed. */
void session_link_up(struct session *s, struct link *link, uint64_t now_ms);
/* Leave the current link for url (NULL: any other relay). False: there is none. */
bool session_move(struct session *s, const struct url *url, uint64_t now_ms);
/* The candidate number n that is another relay than the present one. */
bool session_elsewhere(struct session *s, unsigned n, struct url *url);

static inline bool
link_is_under_way(const struct link *link)
{
	return link->state != LINK_FREE && link->state != LINK_ENDING;
}

#endif
