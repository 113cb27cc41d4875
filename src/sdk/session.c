/* SPDX-License-Identifier: MIT */
/*
 * The session's life: its configuration and memory, what the end of a link means for the
 * other and for the next attempt, moves, and what the driver reports.
 */
#include "sdk/session.h"

#include "sdk/backoff.h"

#define STAGE_TIMEOUT_MS 10000u
#define WAIT_MAX_MS 2592000000u /* 30 days */
#define USER_AGENT_MAX 256u

_Static_assert(sizeof(struct session) <= sizeof(struct taupe_session),
    "taupe_session too small");
_Static_assert(
    _Alignof(struct session) <= _Alignof(struct taupe_session), "alignment");
_Static_assert((int)TAUPE_HTTP == (int)SERVICE_HTTP &&
	(int)TAUPE_TLS == (int)SERVICE_TLS &&
	(int)TAUPE_TCP == (int)SERVICE_TCP,
    "kinds");
_Static_assert(TAUPE_SERVICES_MAX == SERVICES_MAX &&
	TAUPE_NAME_MAX == DEVICE_NAME_MAX && TAUPE_SECRET_MAX == SECRET_MAX &&
	TAUPE_BEAT_BYTES_MAX == BEAT_BYTES_MAX &&
	TAUPE_BUDGET_BYTES_MAX == BUDGET_BYTES_MAX,
    "one protocol");

static struct session *
session_of(struct taupe_session *session)
{
	return (struct session *)(void *)session;
}

static const struct session *
const_session_of(const struct taupe_session *session)
{
	return (const struct session *)(const void *)session;
}

/* ---- links ---- */

void
link_tell_relay(const struct link *link, struct taupe_relay *relay)
{
	relay->host = link->host;
	relay->port = link->port;
	relay->secure = link->secure;
}

bool
link_set_place(struct link *link, const struct url *url)
{
	if (!str_copy(url->host, link->host, sizeof(link->host)))
		return false;
	link->port = url->port;
	link->secure = url->secure;
	return true;
}

bool
link_leads_to(const struct link *link, const struct url *url)
{
	return link->secure == url->secure && link->port == url->port &&
	    str_equal_nocase(url->host, str_of(link->host));
}

void
link_finish(struct link *link, uint16_t code, const char *reason)
{
	link->state = LINK_ENDING;
	link->close_code = code;
	link->end_reason = reason;
	link->dial_again = false;
}

/* Close the link and dial the place that it now names. */
static void
link_finish_and_dial(struct link *link, uint16_t code)
{
	link_finish(link, code, NULL);
	link->dial_again = true;
}

struct session *
session_at(struct taupe_session *session, uint64_t now_ms)
{
	struct session *s = session_of(session);
	uint64_t passed = now_ms - s->driver_ms;

	s->driver_ms = now_ms;
	s->now_ms +=
	    passed < SESSION_STEP_MS ? (uint32_t)passed : SESSION_STEP_MS;
	return s;
}

uint32_t
session_stage_ms(const struct session *s)
{
	uint32_t ms = s->config->handshake_timeout_ms;

	if (ms == 0)
		return STAGE_TIMEOUT_MS;
	return ms < SESSION_STEP_MS ? ms : SESSION_STEP_MS;
}

/* ---- configuration ---- */

static const char *
check_offer(const struct taupe_config *config)
{
	if (config->n_services == 0)
		return SAYS("no service");
	if (config->warm_channels > WARM_MAX)
		return SAYS("more than 64 warm channels");
	if (config->mux_window != 0 &&
	    (config->mux_window < MUX_WINDOW_MIN ||
		config->mux_window > MUX_WINDOW_MAX))
		return SAYS("a window that is not 1024 to 16777216 bytes");
	for (size_t i = 0; i < config->n_services; i++) {
		struct str name = str_of(config->services[i].name);

		if (!service_name_valid(name))
			return SAYS("a service name that is not 1 to 20 of "
				    "a-z, 0-9 and single hyphens");
		for (size_t j = 0; j < i; j++)
			if (str_equal(name, str_of(config->services[j].name)))
				return SAYS("two services of one name");
	}
	return NULL;
}

static const char *
check_identity(const struct taupe_config *config)
{
	struct url url;

	if (!device_name_valid(str_of(config->name)))
		return SAYS(
		    "a device name that is not 1 to 63 letters, digits, "
		    "'.', '_' and '-'");
	if (config->secret != NULL &&
	    !handshake_secret_valid(str_of(config->secret)))
		return SAYS("a secret that is not 1 to 256 letters, digits and "
			    "-._~+/=");
	if (config->user_agent != NULL &&
	    (str_of(config->user_agent).len > USER_AGENT_MAX ||
		!str_only(str_of(config->user_agent), " ~")))
		return SAYS("a user agent that is not up to 256 visible "
			    "characters and blanks");
	for (size_t i = 0; i < config->n_relays; i++)
		if (!place_parse(str_of(config->relays[i]), &url))
			return SAYS("a relay that is not ws://host:port or "
				    "wss://host:port");
	return session_check_credentials(config);
}

static const char *
check_config(const struct taupe_config *config)
{
	const char *wrong;

	if (config->n_relays == 0 && (!HAS_MEMORY || config->memory == NULL))
		return SAYS("no relay");
	if (config->random_cb == NULL)
		return SAYS("no source of random bytes");
	if (config->buffer == NULL ||
	    config->buffer_size / (config->single_link ? 1 : TAUPE_LINKS) <
		TAUPE_BUFFER_MIN)
		return SAYS("too small a buffer");
	if (config->n_services > SERVICES_MAX)
		return SAYS("more than 16 services");
	if (config->visits != NULL && config->mux_visits == 0)
		return SAYS("room for visits, and not how many");
	if (!HAS_CHANNELS && config->visits == NULL)
		return SAYS("no room for visits");
	if (config->mux_visits > MUX_VISITS_MAX)
		return SAYS("more than 65535 visits on a shared channel");
	if (!HAS_CHECKS)
		return NULL;
	if ((wrong = check_identity(config)) != NULL)
		return wrong;
	return check_offer(config);
}

const char *
taupe_session_init(
    struct taupe_session *session, const struct taupe_config *config)
{
	struct session *s = session_of(session);
	const char *wrong = check_config(config);
	size_t share = config->buffer_size;

	if (wrong != NULL)
		return wrong;
	memset(s, 0, sizeof(*s));
	s->config = config;
	s->current = NO_LINK;
	if (config->visits != NULL) {
		s->places = config->visits;
		s->n_places = (uint16_t)config->mux_visits;
	}
	s->credential = (uint8_t)session_first_credential(s);
	if (HAS_MEMORY)
		memory_init(&s->memory, config->memory, config->memory_size);
	channel_random(config, s->instance, sizeof(s->instance));
	if (HAS_MEMORY)
		s->order.first_peer =
		    (uint8_t)backoff_random(config, PEERS_MAX);
	if (session_has_two_links(s)) {
		share /= TAUPE_LINKS;
		channel_init(&s->links[1].channel, config,
		    (uint8_t *)config->buffer + share, share);
	}
	channel_init(&s->links[0].channel, config, config->buffer, share);
	return NULL;
}

bool
taupe_session_restore(struct taupe_session *session, char *text, size_t len)
{
	struct session *s = session_of(session);

	return HAS_MEMORY &&
	    memory_read(&s->memory, session_search(s), text, len);
}

size_t
taupe_session_export(const struct taupe_session *session, char *out, size_t cap)
{
	const struct session *s = const_session_of(session);
	const struct taupe_heartbeat *h = session_search(s);
	struct writer w, without;

	writer_init(&w, out, cap);
	if (HAS_MEMORY)
		memory_write(&s->memory, &w);
	without = w;
	if (HAS_MEMORY && h != NULL)
		h->ops->put(h, &w);
	if (w.full) /* they can be found anew */
		w = without;
	return w.full ? 0 : writer_len(&w);
}

bool
taupe_session_is_up(const struct taupe_session *session)
{
	return const_session_of(session)->current != NO_LINK;
}

/* ---- the next attempt ---- */

bool
session_is_busy(const struct session *s)
{
	for (const struct link *link = s->links; link < s->links + TAUPE_LINKS;
	     link++)
		if (link_is_under_way(link) || link->dial_again)
			return true;
	return false;
}

static uint32_t
delay_ms(const struct session *s, enum link_end end, unsigned failures,
    uint32_t at_least_ms)
{
	uint32_t wait = HAS_HEARTBEAT_SEARCH ? s->config->reconnect_wait_ms : 0;

	if (wait > WAIT_MAX_MS)
		wait = WAIT_MAX_MS;
	if (end == END_HOPELESS)
		return wait + backoff_long_ms(s->config);
	return at_least_ms + wait + backoff_delay_ms(s->config, failures);
}

/* The session is lost: begin a new round of candidates. */
static void
begin_round(struct session *s, bool sent_away)
{
	if (!HAS_MEMORY) { /* from the one that was reached last, or behind it */
		s->candidate = (uint8_t)(s->candidate + sent_away);
		return;
	}
	s->candidate = 0;
	s->order.first_peer = (uint8_t)backoff_random(s->config, PEERS_MAX);
	s->order.relay_last = sent_away;
}

/* An attempt has failed. True: the next candidate may be tried without a wait. */
static bool
advance_candidate(struct session *s, enum link_end end)
{
	struct url url;
	bool more = place_candidate(
	    s->config, &s->memory, s->order, s->candidate + 1u, &url);

	s->candidate = more ? (uint8_t)(s->candidate + 1) : 0;
	if (end == END_UNREACHED && more)
		return true;
	s->failures++;
	return false;
}

static bool
other_stands(struct session *s, const struct link *link)
{
	const struct link *other = session_other_link(s, link);

	return link_is_under_way(other) || other->dial_again;
}

void
session_link_ended(struct session *s, struct link *link, enum link_end end,
    uint32_t at_least_ms, struct taupe_event *event)
{
	bool was_current = link_index(s, link) == s->current, at_once = false;
	uint32_t ms;

	if (HAS_HEARTBEAT_SEARCH)
		session_heartbeat_lost(s, link);
	if (HAS_TWO_LINKS &&
	    link->state == LINK_LEAVING) { /* it was left already */
		event->standing = true;
		return;
	}
	if (was_current) {
		bool good = session_wait_ms(s, link->good_ms) == 0;

		s->current = NO_LINK;
		s->failures = good ? 0 : s->failures + 1;
		begin_round(s, end == END_SENT_AWAY || s->moving);
	}
	if (HAS_TWO_LINKS && other_stands(s, link)) {
		event->standing = true;
		if (s->moving && s->current != NO_LINK) {
			s->move_failures++;
			ms = delay_ms(s, end, s->move_failures, at_least_ms);
			if (ms > SESSION_STEP_MS)
				ms = SESSION_STEP_MS;
			s->move_ms = s->now_ms + ms;
			event->retry_ms = ms;
		}
		return;
	}
	s->moving = false;
	if (!was_current && end == END_UNREACHED && link->followed) {
		/* who sent us there does not know yet that nobody is there: we come back,
		 * and the hops see to it that we are taken in the end */
		s->back_hops = link->redirects;
		at_once = true;
	} else if (!was_current) {
		at_once = advance_candidate(s, end);
	}
	ms = at_once ? 0 : delay_ms(s, end, s->failures, at_least_ms);
	session_put_off(s, ms);
	event->retry_ms = ms;
}

void
session_link_up(struct session *s, struct link *link)
{
	unsigned old = s->current;

	link->state = LINK_UP;
	link->redirects = link->hops = 0;
	link->heard_ms = link->sent_ms = s->now_ms;
	link->good_ms = s->now_ms + backoff_reset_ms(s->config);
	link->pinged = false;
	session_visits_init(s, link);
	s->current = (uint8_t)link_index(s, link);
	s->moving = false;
	/* who was enrolled is known by its secret from now on */
	if (HAS_ENROLMENT && link->credential == TAUPE_ENROLMENT_KEY)
		link->credential = TAUPE_SECRET;
	s->credential = link->credential;
	if (!HAS_TWO_LINKS || old == NO_LINK || old == s->current)
		return;
	if (session_has_rides(s) && s->links[old].visits.n_used > 0)
		s->links[old].state = LINK_LEAVING;
	else
		link_finish(&s->links[old], WS_CLOSE_NORMAL, NULL);
}

/* ---- moves ---- */

bool
session_elsewhere(struct session *s, unsigned n, struct url *url)
{
	const struct link *here = session_link(s, s->current);
	struct place_order order = {s->order.first_peer, true};

	for (unsigned i = 0;
	     place_candidate(s->config, &s->memory, order, i, url); i++)
		if (!link_leads_to(here, url) && n-- == 0)
			return true;
	return false;
}

void
session_restart_link(struct session *s, struct link *link)
{
	session_choose_credential(s, link);
	if (link->state == LINK_WANTED)
		return;
	link_finish_and_dial(
	    link, link->state == LINK_WELCOME ? WS_CLOSE_NORMAL : 0);
}

static void
begin_move(struct session *s)
{
	struct link *other = session_other_link(s, session_link(s, s->current));

	/* two links are all there are: the visits of the last move are the oldest */
	if (other->state == LINK_LEAVING)
		link_finish(other, WS_CLOSE_NORMAL, NULL);
	s->moving = true;
	s->renewing = false;
	s->move_failures = 0;
	s->move_ms = s->now_ms;
}

bool
session_move(struct session *s, const struct url *url)
{
	struct link *link = session_link(s, s->current);
	struct url elsewhere;

	if (url == NULL && !session_elsewhere(s, 0, &elsewhere))
		return false;
	if (!session_has_two_links(s)) {
		if (!link_set_place(link, url != NULL ? url : &elsewhere))
			return false;
		s->current = NO_LINK;
		session_choose_credential(s, link);
		link_finish_and_dial(link, WS_CLOSE_NORMAL);
		return true;
	}
	s->move_hosted =
	    url != NULL && link_set_place(session_other_link(s, link), url);
	begin_move(s);
	return true;
}

void
session_move_on(struct session *s, struct link *link)
{
	begin_round(s, true);
	s->current = NO_LINK;
	session_put_off(s, 0);
	link_finish(link, WS_CLOSE_NORMAL, NULL);
}

void
taupe_session_renew(struct taupe_session *session, uint64_t now_ms)
{
	struct session *s = session_at(session, now_ms);
	struct link *waiting = NULL;

	s->credential = (uint8_t)session_first_credential(s);
	for (unsigned i = 0; i < TAUPE_LINKS; i++)
		if (i != s->current && link_is_under_way(&s->links[i]))
			waiting = &s->links[i];
	if (waiting != NULL) {
		session_restart_link(s, waiting);
	} else if (s->current != NO_LINK && !s->moving) {
		if (!session_has_two_links(s)) {
			session_choose_credential(
			    s, session_link(s, s->current));
			link_finish_and_dial(
			    session_link(s, s->current), WS_CLOSE_NORMAL);
			s->current = NO_LINK;
		} else {
			begin_move(s);
			s->renewing = true;
		}
	} else if (s->current == NO_LINK) {
		session_put_off(s, 0); /* what was refused may be right now */
	}
}

/* ---- what the driver reports ---- */

static void
write_query(const struct session *s, struct link *link, struct writer *w)
{
	const struct taupe_config *config = s->config;
	char instance[2 * sizeof(s->instance)];
	struct control_params params = {
	    .name = str_of(config->name),
	    .instance = {instance, sizeof(instance)},
	    .hops = link->hops,
	    .warm = config->warm_channels,
	    .n_services = config->n_services,
	};
	struct writer hex;

	writer_init(&hex, instance, sizeof(instance));
	writer_hex(&hex, s->instance, sizeof(s->instance));
	if (HAS_MEMORY && *memory_lease(&s->memory) != '\0')
		params.lease = str_of(memory_lease(&s->memory));
	for (size_t i = 0; i < config->n_services; i++) {
		params.services[i].name = str_of(config->services[i].name);
		params.services[i].kind =
		    (enum service_kind)config->services[i].kind;
	}
	link->max_visits = (uint16_t)config->mux_visits;
	if (HAS_ENROLMENT && link->credential == TAUPE_ENROLMENT_KEY)
		params.enrol = str_of(config->secret_sha256);
	if (config->mux_visits > 0) {
		params.mux = 1;
		params.visits = config->mux_visits;
		params.window = config->mux_window;
	}
	if (session_has_rides(s)) {
		params.visits = s->n_places;
		params.no_channels = true;
		params.warm = 0;
	}
	control_params_encode(w, &params);
}

size_t
taupe_session_connected(struct taupe_session *session, unsigned index,
    uint64_t now_ms, void *out, size_t cap)
{
	struct session *s = session_at(session, now_ms);
	struct link *link = session_link(s, index);
	struct taupe_relay relay;
	struct taupe_event ignored;
	struct writer w;

	if (link->state != LINK_DIALLING)
		return 0;
	writer_init(&w, out, cap);
	writer_cstr(&w, "GET " CONTROL_PATH "?");
	write_query(s, link, &w);
	if (HAS_HEARTBEAT_SEARCH && s->config->heartbeat != NULL)
		link->network = s->config->heartbeat->next_network;
	link_tell_relay(link, &relay);
	channel_request(
	    &link->channel, &w, &relay, session_credential(s, link));
	if (w.full) {
		session_link_ended(s, link, END_HOPELESS, 0, &ignored);
		link_finish(link, 0,
		    SAYS("the request has no room, or a value is malformed"));
		return 0;
	}
	link->state = LINK_HEAD;
	link->deadline_ms = s->now_ms + session_stage_ms(s);
	return writer_len(&w);
}

size_t
taupe_session_refuse(struct taupe_session *session, unsigned index,
    const char *id, const char *reason, uint64_t now_ms,
    uint8_t out[TAUPE_MESSAGE_MAX])
{
	struct session *s = session_at(session, now_ms);
	struct link *link = session_link(s, index);
	char safe[SAFE_REASON_MAX + 1];
	struct control_msg msg = {.op = CONTROL_REFUSED,
	    .id = {id, TRANSFER_ID_LEN},
	    .reason = str_of(channel_safe_reason(reason, safe))};

	if (link->state != LINK_UP)
		return 0;
	link->sent_ms = s->now_ms;
	return channel_message(&link->channel, &msg, out, TAUPE_MESSAGE_MAX);
}

void
taupe_session_leave(struct taupe_session *session)
{
	struct session *s = session_of(session);
	bool at_once = s->leaving;

	s->leaving = true;
	s->moving = false;
	s->current = NO_LINK;
	for (struct link *link = s->links; link < s->links + TAUPE_LINKS;
	     link++) {
		if (link->state == LINK_WANTED)
			link->state = LINK_FREE;
		else if (link_is_up(link) && link->visits.n_used > 0 &&
		    !at_once) {
			link->state = LINK_LEAVING;
			link->visits.closing = true;
		} else if (link->state == LINK_WELCOME || link_is_up(link))
			link_finish(link, WS_CLOSE_NORMAL, NULL);
		else if (link_is_under_way(link))
			link_finish(link, 0, NULL);
		link->dial_again = false;
	}
}
