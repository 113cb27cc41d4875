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
#include "sdk/profile.h"
#include "sdk/visits.h"

#define REDIRECTS_MAX 5
#define NO_LINK TAUPE_LINKS
#define SESSION_STEP_MS (1u << 30) /* twelve days */

enum link_state {
	LINK_FREE,
	LINK_WANTED, /* to be dialled: host, port and secure say where */
	LINK_DIALLING,
	LINK_HEAD,    /* the request was sent, its answer is awaited */
	LINK_BODY,    /* the answer is a refusal with a body */
	LINK_WELCOME, /* a WebSocket; the welcome is awaited */
	LINK_UP,
	LINK_LEAVING, /* another is up in its place; its visits go on to their end */
	LINK_ENDING /* the driver has to close it */
};

/* The small fields come first: a Thumb instruction reaches no farther in its short form. */
struct link {
	uint8_t state;	   /* enum link_state */
	uint8_t redirects; /* followed in a row to get here */
	uint8_t hops;	   /* as the last Location said */
	uint8_t
	    credential; /* enum taupe_credential: it was (or will be) made with */
	uint8_t
	    refused; /* the set of those that were refused since it was wanted */
	bool secure;
	bool followed; /* host is where a redirect led */
	/* LINK_ENDING: redirected; dial host once it is closed */
	bool dial_again;
	bool pinged;	 /* and nothing was heard since */
	uint16_t status; /* LINK_BODY */
	uint16_t close_code; /* LINK_ENDING: of the frame to be sent; 0: none */
	uint16_t port;
	uint16_t
	    max_visits; /* at once on a shared channel, as the request said */
	uint32_t deadline_ms;	    /* of the current stage of the handshake */
	uint32_t heard_ms, sent_ms; /* when last; from LINK_UP on */
	uint32_t pinged_ms;
	uint32_t good_ms; /* when it will have stood long enough */
	uint32_t heartbeat_ms; /* kept, as the relay knows */
	uint32_t retry_after_ms; /* LINK_BODY */
	uint32_t body_left;	 /* LINK_BODY: bytes to come */
	uint32_t network;	 /* that it was made over, as a search knows it */
	const char *end_reason; /* LINK_ENDING: what went wrong, or NULL */
	struct visits visits;	/* that ride on it, if any do */
	struct channel channel;
	/* Of a search for the longest interval. */
	uint32_t told_bytes; /* of a heartbeat, as the relay knows */
	bool tells; /* the relay understands op=heartbeat */
	bool quiet; /* what pinged_ms tells of was a pong: TCP answers it */
	bool proof; /* and nothing was said in the interval before it */
	char host[HOST_NAME_MAX + 1];
};

/* Times are of a clock of our own, see session_at(): nothing that is compared with it lies
 * more than 24 days away. */
struct session {
	const struct taupe_config *config;
	uint32_t now_ms;
	uint32_t retry_ms; /* when to connect, while no link is there */
	uint32_t retry_rest_ms; /* so much later yet */
	uint32_t move_ms;  /* when to dial the other link, for a move */
	uint32_t failures; /* rounds since a link stood long enough */
	uint32_t move_failures;
	uint8_t candidate;  /* of the next attempt */
	uint8_t current;    /* the link that is up, or NO_LINK */
	uint8_t credential; /* of the next attempt: what was welcomed last */
	/* of the next attempt: it comes back from a redirect to nobody */
	uint8_t back_hops;
	bool moving;	  /* the relay (or a renewal) wants us elsewhere */
	bool renewing;	  /* moving, but to the same relay */
	bool move_hosted; /* the free link's host is where */
	bool leaving;
	struct place_order order;
	uint16_t n_places; /* of each link; 0: visits have channels of their own */
	struct taupe_visit *places; /* of the visits that ride on links */
	uint64_t driver_ms;	    /* the driver's clock when it was last looked at */
	struct memory memory;
	uint8_t instance[16];
	struct link links[TAUPE_LINKS];
};

/* Why a link ended, as far as the next attempt depends on it. */
enum link_end {
	END_UNREACHED, /* no connection was made: the next candidate may do better at once */
	END_FAILED,
	END_HOPELESS, /* refused for a reason that will not go away soon */
	END_SENT_AWAY /* the relay is stopping: prefer another */
};

static inline unsigned
link_index(const struct session *s, const struct link *link)
{
	return HAS_TWO_LINKS ? (unsigned)(link - s->links) : 0;
}

static inline struct link *
session_link(struct session *s, unsigned index)
{
	return &s->links[HAS_TWO_LINKS ? index : 0];
}

/* Precondition: there are two. */
static inline struct link *
session_other_link(struct session *s, const struct link *link)
{
	return &s->links[1 - link_index(s, link)];
}

/* Is a move made on the other link, while this one stands? */
static inline bool
session_has_two_links(const struct session *s)
{
	return HAS_TWO_LINKS && !s->config->single_link;
}

/* Do visits ride on the links? */
static inline bool
session_has_rides(const struct session *s)
{
	return !HAS_CHANNELS || s->n_places > 0;
}

/* What the driver has given for it, or NULL. */
static inline struct taupe_heartbeat *
session_search(const struct session *s)
{
	return HAS_HEARTBEAT_SEARCH ? s->config->heartbeat : NULL;
}

/* Is any link up or on its way? */
bool session_is_busy(const struct session *s);
void link_tell_relay(const struct link *link, struct taupe_relay *relay);
/* Is it the place that the link leads to? */
bool link_leads_to(const struct link *link, const struct url *url);
/* Go to url next; false: its host does not fit. */
bool link_set_place(struct link *link, const struct url *url);

/* How long each stage of a handshake may take. */
uint32_t session_stage_ms(const struct session *s);

/* A link's life is over: decide when and where to try again, and tell the event. */
void session_link_ended(struct session *s, struct link *link, enum link_end end,
    uint32_t at_least_ms, struct taupe_event *event);
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
/* The present secret; NULL when there is none. */
const char *session_credential(
    const struct session *s, const struct link *link);
/* The relay has ended the session because its secret counts no more: is there another? */
bool session_has_other_credential(const struct session *s);
/* The relay says what became of a new secret, or why it cannot take it. */
void session_take_secret(struct session *s, struct link *link,
    const struct control_msg *msg, struct taupe_event *event);

/* The link is welcomed: no visit rides on it yet. */
void session_visits_init(struct session *s, struct link *link);
/* After anything that may have ended a visit: a link that stayed for it ends. */
void session_settle(struct link *link);
/* What is about a visit has come on a link that is up. NULL, or how it broke the protocol. */
WIRE_MUST_CHECK const char *session_take_visit_message(struct session *s,
    struct link *link, const struct control_msg *msg,
    struct taupe_event *event);
WIRE_MUST_CHECK const char *session_take_visit_bytes(struct session *s,
    struct link *link, const struct ws_event *bytes,
    struct taupe_event *event);

/* Heartbeats, if there is a search. */
/* The link is about to be up on the welcome's terms, heartbeat_ms among them. */
void session_heartbeat_begin(
    struct session *s, struct link *link, const struct control_msg *welcome);
/* One is about to be sent, and no other waits: quiet and proof say how. */
void session_heartbeat_choose(struct session *s, struct link *link);
/* Something came in, or was acknowledged: the one that waits is answered. */
void session_heartbeat_answered(struct session *s, struct link *link);
/* The link has ended. */
void session_heartbeat_lost(struct session *s, const struct link *link);
/* Write what the relay has to be told; 0: nothing. */
size_t session_heartbeat_tell(
    struct session *s, struct link *link, uint8_t out[TAUPE_OUTPUT_MAX]);
/* Has what is remembered changed since the last time? */
bool session_heartbeat_changed(struct session *s);

/* Dial anew on a link that is under way; what it was made with is out of date. */
void session_restart_link(struct session *s, struct link *link);

/* A link was welcomed. */
void session_link_up(struct session *s, struct link *link);
/* Leave the current link for url (NULL: any other relay). False: there is none. */
bool session_move(struct session *s, const struct url *url);
/* Leave the link for the next of the configured relays. */
void session_move_on(struct session *s, struct link *link);
/* The candidate number n that is another relay than the present one. */
bool session_elsewhere(struct session *s, unsigned n, struct url *url);

/* At the door: what the time is now. Our clock goes on by what has passed, but in no step by more
 * than twelve days: what was due before stays due. */
struct session *session_at(struct taupe_session *session, uint64_t now_ms);

/* How long until then; 0: it is due. */
static inline uint32_t
session_wait_ms(const struct session *s, uint32_t at_ms)
{
	uint32_t left = at_ms - s->now_ms;

	return (int32_t)left > 0 ? left : 0;
}

/* Connect after so long, if no link is there then. What is farther away than our clock sees is put
 * off again then. */
static inline void
session_put_off(struct session *s, uint32_t ms)
{
	uint32_t step =
	    HAS_HEARTBEAT_SEARCH && ms > SESSION_STEP_MS ? SESSION_STEP_MS : ms;

	s->retry_ms = s->now_ms + step;
	if (HAS_HEARTBEAT_SEARCH)
		s->retry_rest_ms = ms - step;
}

static inline bool
link_is_under_way(const struct link *link)
{
	return link->state != LINK_FREE && link->state != LINK_LEAVING &&
	    link->state != LINK_ENDING;
}

/* Are messages exchanged on it? */
static inline bool
link_is_up(const struct link *link)
{
	return link->state == LINK_UP || link->state == LINK_LEAVING;
}

#endif
