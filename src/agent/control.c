/* SPDX-License-Identifier: MIT */
/*
 * The control channel. Every callback does its part and then asks the session what to do
 * next, until that is to wait. What a relay said is logged here, once.
 */
#include "config.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/control.h"
#include "agent/frame.h"
#include "agent/meter.h"
#include "agent/profile.h"
#include "agent/report.h"
#include "agent/ride.h"
#include "agent/shared.h"
#include "agent/state.h"
#include "agent/transfer.h"
#include "base/log.h"
#include "net/crypto.h"
#include "net/way.h"

#define READ_BYTES 8192
#define MESSAGE_MAX 512 /* of the driver's own */

struct control_link {
	struct control *control;
	struct dial *dial; /* NULL: not connecting */
	struct conn conn;
	struct ride *ride; /* visits are on it, too; NULL: they are not */
	uint64_t session;  /* our number of the session on it; 0: not up */
	struct taupe_relay relay;
	char host[HOST_NAME_MAX + 1];
	bool by_proxy;
	struct meter meter;
};

struct control {
	struct agent *agent;
	struct timer timer; /* until the session wants to be asked again */
	struct control_link links[TAUPE_LINKS];
	uint64_t last_session, current_session;
	uint32_t heartbeat_ms; /* was said */
	struct state state;
	struct taupe_session session;
};

static void act(struct control *control);

static unsigned
index_of(const struct control_link *link)
{
	return (unsigned)(link - link->control->links);
}

static uint64_t
now_ms(const struct control *control)
{
	return loop_now_ms(control->agent->loop);
}

static const char *
device_name(const struct control *control)
{
	return control->agent->config.name;
}

/* ---- heartbeats, and what they cost ---- */

static void
count(struct control_link *link)
{
	if (link->dial == NULL)
		meter_count(&link->meter, &link->conn,
		    link->ride != NULL && ride_took_visits(link->ride));
}

/* Of what was sent on the links: has all of it arrived? Asked only where a heartbeat may go without
 * an answer of the relay's. */
static void
look_for_acks(struct control *control)
{
	if (!control->agent->budget.search.can_see_acks)
		return;
	for (unsigned i = 0; i < TAUPE_LINKS; i++) {
		const struct conn *conn = &control->links[i].conn;

		if (control->links[i].session != 0 && conn_queued(conn) == 0 &&
		    way_is_acked(conn->fd) > 0)
			taupe_session_acked(
			    &control->session, i, now_ms(control));
	}
}

/* The session wants this sent by itself. */
static void
send_action(struct control *control, const struct taupe_action *action)
{
	struct control_link *link = &control->links[action->link];
	struct budget *budget = &control->agent->budget;

	count(link);
	if (action->heartbeat)
		budget_beat(budget, action->link, device_name(control));
	else
		budget_link_busy(budget, action->link);
	(void)conn_write(&link->conn, action->output.bytes, action->output.len);
	state_store_spent(&control->state, false);
}

static void
report_heartbeat(struct control *control)
{
	const struct taupe_heartbeat *search = &control->agent->budget.search;
	uint32_t ms = taupe_session_heartbeat_ms(&control->session);

	if (ms == 0 || ms == control->heartbeat_ms)
		return;
	control->heartbeat_ms = ms;
	log_info("heartbeats", LOG_S("device", device_name(control)),
	    LOG_U("interval_ms", ms),
	    LOG_U("answered_ms", search->networks[0].good_ms),
	    LOG_U("lost_ms", search->networks[0].bad_ms),
	    LOG_U("network", search->networks[0].id));
}

/* ---- what the relay said ---- */

static void
take_welcome(struct control_link *link)
{
	struct control *control = link->control;

	link->session = ++control->last_session;
	control->current_session = link->session;
	agent_close_stale(control->agent);
	if (AGENT_HAS_TOOLS)
		health_tell_all(control->agent->health);
}

static void
take_open(struct control_link *link, const struct taupe_event *event)
{
	struct control *control = link->control;
	struct str service = {event->service.ptr, event->service.len};
	uint8_t out[TAUPE_MESSAGE_MAX];
	const char *error = event->shared
	    ? shared_dig(control->agent, &event->relay, event->id.ptr,
		  link->session, event->visits)
	    : transfer_dig(
		  control->agent, &event->relay, event->id.ptr, link->session);
	size_t len;

	if (error == NULL)
		return;
	if (service.ptr == NULL)
		log_debug("no transfer channel ahead of need",
		    LOG_S("device", device_name(control)),
		    LOG_S("reason", error));
	else
		log_warn("visitor refused",
		    LOG_S("device", device_name(control)),
		    LOG_STR("service", service), LOG_S("reason", error));
	len = taupe_session_refuse(&control->session, index_of(link),
	    event->id.ptr, error, now_ms(control), out);
	(void)conn_write(&link->conn, out, len);
}

/* The relay asks for another secret. What we say is true only once it is stored. */
static void
take_rotate(struct control_link *link, enum taupe_credential with)
{
	struct control *control = link->control;
	char why[SECRET_STORE_WHY_MAX];
	uint8_t out[TAUPE_MESSAGE_MAX];
	size_t len;

	if (agent_rotate_secret(control->agent, with, why) == 0) {
		log_info("new secret is kept and offered",
		    LOG_S("device", device_name(control)),
		    LOG_S("file", control->agent->secrets.path));
		len = taupe_session_offer_secret(
		    &control->session, index_of(link), now_ms(control), out);
	} else {
		log_error("the secret stays as it is",
		    LOG_S("device", device_name(control)),
		    LOG_S("reason", why));
		len = taupe_session_keep_secret(&control->session,
		    index_of(link), why, now_ms(control), out);
	}
	(void)conn_write(&link->conn, out, len);
}

/* No more than one line's at an attempt: relays count what fails. */
static void
take_refused(struct control_link *link, const struct taupe_event *event)
{
	struct str error = {event->error.ptr, event->error.len};

	if (!event->standing &&
	    (event->status == 401 || str_equal(error, STR("name_taken"))))
		agent_try_other_secrets(link->control->agent);
}

static void
take_event(struct control_link *link, const struct taupe_event *event)
{
	if (event->type != TAUPE_EVENT_NONE)
		budget_link_busy(&link->control->agent->budget, index_of(link));
	/* stored first: whoever reads the log line may look into the files */
	if (event->state_changed)
		state_store(&link->control->state);
	if (event->type == TAUPE_EVENT_WELCOME)
		agent_welcomed(link->control->agent);
	report_event(device_name(link->control), &link->relay, event);
	if (AGENT_HAS_TOOLS)
		standing_event(link->control->agent->standing, &link->relay,
		    event, now_ms(link->control));
	if (event->type == TAUPE_EVENT_WELCOME)
		take_welcome(link);
	else if (event->type == TAUPE_EVENT_OPEN)
		take_open(link, event);
	else if (event->type == TAUPE_EVENT_ROTATE)
		take_rotate(link, event->credential);
	else if (event->type == TAUPE_EVENT_REFUSED)
		take_refused(link, event);
}

/* The link is no session any more. Channels that rest would wait for nobody. */
static void
end_session(struct control_link *link)
{
	struct control *control = link->control;

	if (link->session == 0)
		return;
	if (control->current_session == link->session)
		control->current_session = 0;
	link->session = 0;
	agent_close_stale(control->agent);
}

static void
link_lost(struct control_link *link, const char *reason)
{
	struct control *control = link->control;
	struct taupe_event event;

	count(link);
	control->agent->config.reconnect_wait_ms =
	    budget_wait_ms(&control->agent->budget, now_ms(control));
	ride_free(&link->ride, reason);
	conn_fini(&link->conn);
	taupe_session_lost(
	    &control->session, index_of(link), now_ms(control), reason, &event);
	take_event(link, &event);
	end_session(link);
	act(control);
}

/* ---- connection callbacks ---- */

static void
feed(struct control_link *link, uint8_t *data, size_t len)
{
	struct control *control = link->control;
	struct taupe_event event;

	while (len > 0) {
		size_t done = taupe_session_input(&control->session,
		    index_of(link), data, len, now_ms(control), &event);

		(void)conn_write(
		    &link->conn, event.output.bytes, event.output.len);
		take_event(link, &event);
		data += done;
		len -= done;
	}
}

static void
readable_cb(struct conn *conn)
{
	struct control_link *link = conn->owner;
	uint8_t data[READ_BYTES];
	ssize_t got = conn_read(conn, data, sizeof(data));

	if (got == CONN_AGAIN)
		return;
	if (got <= 0) {
		link_lost(link,
		    got == 0 ? "the relay ended the connection"
			     : "the connection was reset");
		return;
	}
	feed(link, data, (size_t)got);
	if (conn_queued(conn) > AGENT_UNREAD_MAX)
		link_lost(link, "the relay does not read what it is sent");
	else
		act(link->control);
}

static void
broken_cb(struct conn *conn)
{
	link_lost(conn->owner, "writing to the relay failed");
}

static const struct conn_ops link_conn_ops = {
    .readable_cb = readable_cb,
    .broken_cb = broken_cb,
};

/* An event of one link may be the end of the other one, too. */
static void
ride_event_cb(void *owner, const struct taupe_event *event)
{
	struct control *control = ((struct control_link *)owner)->control;

	take_event(owner, event);
	for (unsigned i = 0; i < TAUPE_LINKS; i++)
		if (control->links[i].ride != NULL)
			ride_settle(control->links[i].ride);
}

static void
ride_act_cb(void *owner)
{
	struct control_link *link = owner;

	act(link->control);
}

static void
ride_lost_cb(void *owner, const char *reason)
{
	link_lost(owner, reason);
}

static const struct ride_ops link_ride_ops = {
    .event = ride_event_cb,
    .act = ride_act_cb,
    .lost = ride_lost_cb,
};

/* Let who is to read the connection have it. -1: no memory. */
static int
begin_reading(struct control_link *link)
{
	struct control *control = link->control;

	if (control->agent->ride_visits == 0) {
		conn_set_owner(&link->conn, &link_conn_ops, link);
		conn_resume(&link->conn);
		return 0;
	}
	link->ride = ride_new(control->agent, &control->session, index_of(link),
	    &link->conn, &link_ride_ops, link);
	return link->ride != NULL ? 0 : -1;
}

/* The secret has not been sent yet. */
static void
warn_of_cleartext(const struct control_link *link)
{
	struct address peer;
	char relay[RELAY_TEXT_MAX];

	address_of_peer(link->conn.fd, &peer);
	if (!link->relay.secure &&
	    (link->by_proxy || !address_is_loopback(&peer)))
		log_warn("ws:// sends the secret and all visits in the clear; "
			 "wss:// would not",
		    LOG_S("relay", relay_text(&link->relay, relay)));
}

static void
dialled_cb(void *ctx, const char *error)
{
	struct control_link *link = ctx;
	struct control *control = link->control;
	char request[TAUPE_REQUEST_MAX];
	size_t len;

	link->dial = NULL;
	meter_count_failed(&link->meter);
	if (error == NULL) {
		meter_begin(
		    &link->meter, &link->conn, link->host, link->by_proxy);
		if (begin_reading(link) != 0)
			error = "no memory";
	}
	if (error != NULL) {
		link_lost(link, error);
		return;
	}
	warn_of_cleartext(link);
	len = taupe_session_connected(&control->session, index_of(link),
	    now_ms(control), request, sizeof(request));
	(void)conn_write_secret(&link->conn, request, len);
	crypto_wipe(request, len);
	act(control);
}

/* ---- what the session wants ---- */

static void
start_dial(struct control *control, const struct taupe_action *action)
{
	struct agent *agent = control->agent;
	struct control_link *link = &control->links[action->link];
	struct dial_to to;
	struct taupe_event event;
	char relay[RELAY_TEXT_MAX];

	link->relay = action->relay;
	snprintf(link->host, sizeof(link->host), "%s", action->relay.host);
	link->relay.host = link->host;
	if (AGENT_HAS_TOOLS)
		standing_dial(agent->standing, &link->relay);
	if (agent_way(agent, &link->relay, &to)) {
		link->by_proxy = to.proxy != NULL;
		to.failed_bytes = &link->meter.failed_bytes;
		log_debug("connecting", LOG_S("device", device_name(control)),
		    LOG_S("relay", relay_text(&link->relay, relay)),
		    LOG_S("proxy", to.proxy != NULL ? to.proxy->host : NULL));
		link->dial = dial_start(agent->dialler, &link->conn, &to,
		    (uint64_t)agent->settings->options.connect_timeout_ms,
		    dialled_cb, link);
	}
	if (link->dial != NULL)
		return;
	taupe_session_lost(&control->session, action->link, now_ms(control),
	    "no memory or no TLS", &event);
	take_event(link, &event);
}

static void
note_failure(struct control *control, const struct control_link *link,
    const struct taupe_action *action)
{
	bool up = taupe_session_is_up(&control->session);
	uint64_t now = now_ms(control);
	uint64_t retry_ms =
	    up || action->until_ms < now ? 0 : action->until_ms - now;

	report_failure(
	    device_name(control), &link->relay, action->reason, retry_ms);
	if (AGENT_HAS_TOOLS)
		standing_failure(control->agent->standing, action->reason, up,
		    retry_ms, now);
}

static void
close_link(struct control *control, const struct taupe_action *action)
{
	struct control_link *link = &control->links[action->link];

	if (action->reason != NULL)
		note_failure(control, link, action);
	dial_cancel(&link->dial);
	meter_count_failed(&link->meter);
	count(link);
	ride_free(&link->ride, "its session is over");
	if (action->dead) {
		/* else TCP would go on to send its last bytes, for minutes */
		conn_abort(&link->conn);
	} else if (conn_is_open(&link->conn)) {
		(void)conn_write(
		    &link->conn, action->output.bytes, action->output.len);
		farewell_take(control->agent->farewells, &link->conn);
	}
	end_session(link);
}

static void
act(struct control *control)
{
	struct loop *loop = control->agent->loop;
	struct taupe_action action;

	for (;;) {
		look_for_acks(control);
		control->agent->config.reconnect_wait_ms =
		    budget_wait_ms(&control->agent->budget, now_ms(control));
		taupe_session_next(&control->session, now_ms(control), &action);
		switch (action.type) {
		case TAUPE_DIAL:
			start_dial(control, &action);
			break;
		case TAUPE_SEND:
			send_action(control, &action);
			break;
		case TAUPE_CLOSE:
			close_link(control, &action);
			break;
		case TAUPE_WAIT:
			if (action.until_ms == TAUPE_FOREVER)
				timer_clear(loop, &control->timer);
			else
				timer_set(loop, &control->timer,
				    action.until_ms > now_ms(control)
					? action.until_ms - now_ms(control)
					: 0);
			report_heartbeat(control);
			agent_check_stop(control->agent);
			return;
		}
	}
}

static void
timer_cb(void *ctx)
{
	act(ctx);
}

/* ---- the doors ---- */

struct control *
control_new(struct agent *agent)
{
	struct control *control = calloc(1, sizeof(*control));
	const char *wrong;

	if (control == NULL)
		return NULL;
	control->agent = agent;
	for (unsigned i = 0; i < TAUPE_LINKS; i++) {
		control->links[i].control = control;
		control->links[i].conn = (struct conn)CONN_CLOSED;
		meter_init(&control->links[i].meter, agent, i);
	}
	if ((wrong = taupe_session_init(&control->session, &agent->config)) !=
	    NULL) {
		log_error(
		    "the configuration cannot be used", LOG_S("reason", wrong));
		free(control);
		return NULL;
	}
	state_restore(&control->state, agent, &control->session);
	timer_init(&control->timer, timer_cb, control);
	timer_set(agent->loop, &control->timer, 0);
	return control;
}

void
control_free(struct control **control)
{
	struct control *c = *control;

	if (c == NULL)
		return;
	state_store_spent(&c->state, true);
	for (unsigned i = 0; i < TAUPE_LINKS; i++) {
		dial_cancel(&c->links[i].dial);
		ride_free(&c->links[i].ride, "the agent stops");
		conn_fini(&c->links[i].conn);
	}
	timer_clear(c->agent->loop, &c->timer);
	free(c);
	*control = NULL;
}

void
control_renew(struct control *control)
{
	taupe_session_renew(&control->session, now_ms(control));
	act(control);
}

void
control_act(struct control *control)
{
	act(control);
}

void
control_leave(struct control *control)
{
	taupe_session_leave(&control->session);
	act(control);
}

bool
control_is_closed(const struct control *control)
{
	for (unsigned i = 0; i < TAUPE_LINKS; i++)
		if (conn_is_open(&control->links[i].conn) ||
		    control->links[i].dial != NULL)
			return false;
	return true;
}

uint64_t
control_session(const struct control *control)
{
	return control->current_session;
}

uint32_t
control_heartbeat_ms(const struct control *control)
{
	return taupe_session_heartbeat_ms(&control->session);
}

void
control_count(struct control *control)
{
	for (unsigned i = 0; i < TAUPE_LINKS; i++)
		count(&control->links[i]);
}

void
control_say(struct control *control, const char *text, size_t len)
{
	uint8_t frame[FRAME_HEADER_MAX + MESSAGE_MAX];

	assert(len <= MESSAGE_MAX);
	for (unsigned i = 0; i < TAUPE_LINKS; i++) {
		struct control_link *link = &control->links[i];

		if (link->session == 0 ||
		    link->session != control->current_session)
			continue;
		budget_link_busy(&control->agent->budget, i);
		(void)conn_write(&link->conn, frame,
		    frame_write(FRAME_TEXT, text, len, frame));
	}
}
