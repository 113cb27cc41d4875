/* SPDX-License-Identifier: MIT */
/*
 * The control channel. Every callback does its part and then asks the session what to do
 * next, until that is to wait. What a relay said is logged here, once.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/control.h"
#include "agent/state_file.h"
#include "agent/transfer.h"
#include "base/log.h"

#define READ_BYTES 8192

struct control_link {
	struct control *control;
	struct dial *dial; /* NULL: not connecting */
	struct conn conn;
	uint64_t session; /* our number of the session on it; 0: not up */
	struct taupe_relay relay;
	char host[HOST_NAME_MAX + 1];
};

struct control {
	struct agent *agent;
	struct timer timer; /* until the session wants to be asked again */
	struct control_link links[TAUPE_LINKS];
	uint64_t last_session, current_session;
	bool state_unwritable; /* was said */
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

/* "wss://relay.example.com:443" */
static const char *
relay_text(const struct taupe_relay *relay, char out[HOST_NAME_MAX + 20])
{
	bool brackets = strchr(relay->host, ':') != NULL;

	snprintf(out, HOST_NAME_MAX + 20, "%s://%s%s%s:%u", relay->secure ? "wss" : "ws",
	    brackets ? "[" : "", relay->host, brackets ? "]" : "", relay->port);
	return out;
}

static struct str
str_from(struct taupe_text text)
{
	return (struct str){text.ptr, text.len};
}

/* ---- the state file ---- */

static void
restore_state(struct control *control)
{
	const char *path = control->agent->settings->options.state_file;
	char text[TAUPE_STATE_MAX];
	long len;

	if (path == NULL)
		return;
	if ((len = state_file_read(path, text, sizeof(text))) < 0)
		log_warn("state file cannot be read: the lease is not known",
		    LOG_S("file", path), LOG_S("error", log_errno()));
	else if (!taupe_session_restore(&control->session, text, (size_t)len))
		log_warn("state file is damaged and ignored", LOG_S("file", path));
}

static void
store_state(struct control *control)
{
	const char *path = control->agent->settings->options.state_file;
	char text[TAUPE_STATE_MAX];
	size_t len = taupe_session_export(&control->session, text, sizeof(text));

	if (path == NULL || len == 0)
		return;
	if (state_file_write(path, text, len) == 0) {
		control->state_unwritable = false;
	} else if (!control->state_unwritable) {
		control->state_unwritable = true;
		log_warn("state file cannot be written: the lease is lost at the next start",
		    LOG_S("file", path), LOG_S("error", log_errno()));
	}
}

/* ---- what the relay said ---- */

static void
log_welcome(const struct control *control, const struct taupe_event *event)
{
	char relay[HOST_NAME_MAX + 20];

	log_info("session opened", LOG_S("device", device_name(control)),
	    LOG_U("epoch", event->epoch), LOG_S("relay", relay_text(&event->relay, relay)),
	    LOG_STR("label", str_from(event->label)));
	for (size_t i = 0; i < event->n_urls; i++)
		log_info("service is reachable", LOG_S("device", device_name(control)),
		    LOG_STR("service", str_from(event->urls[i].service)),
		    LOG_STR("url", str_from(event->urls[i].url)));
}

static void
take_welcome(struct control_link *link, const struct taupe_event *event)
{
	struct control *control = link->control;

	/* written first: whoever reads the log line may look into the file */
	if (event->state_changed)
		store_state(control);
	log_welcome(control, event);
	link->session = ++control->last_session;
	control->current_session = link->session;
	transfers_close_stale(control->agent);
}

static void
take_open(struct control_link *link, const struct taupe_event *event)
{
	struct control *control = link->control;
	uint8_t out[TAUPE_MESSAGE_MAX];
	const char *error = transfer_dig(control->agent, &event->relay, event->id.ptr,
	    link->session);
	size_t len;

	if (error == NULL)
		return;
	log_warn("visitor refused", LOG_S("device", device_name(control)),
	    LOG_STR("service", str_from(event->service)), LOG_S("reason", error));
	len = taupe_session_refuse(&control->session, index_of(link), event->id.ptr, error,
	    now_ms(control), out);
	(void)conn_write(&link->conn, out, len);
}

/* What a person can do about a refusal. */
static const char *
refusal_message(unsigned status)
{
	switch (status) {
	case 400:
		return "relay refuses our request";
	case 401:
		return "relay says: unknown device or wrong secret; check name and secret_file";
	case 404:
		return "relay does not know the path: is relay the URL of a taupe relay?";
	case 409:
		return "relay says: another live instance holds this name; is it a clone?";
	case 426:
		return "relay speaks another version of the protocol; update this agent";
	case 429:
	case 503:
		return "relay cannot take us now";
	default:
		return "relay gave an answer that is none of the protocol";
	}
}

static void
log_refusal(const struct control *control, const struct taupe_event *event)
{
	const struct log_field fields[] = {
	    LOG_S("device", device_name(control)),
	    LOG_U("status", event->status),
	    LOG_STR("reason", str_from(event->text)),
	    LOG_STR("since", str_from(event->since)),
	    LOG_STR("from", str_from(event->from)),
	    LOG_U("retry_ms", event->retry_ms),
	    {.key = NULL},
	};
	bool busy = event->status == 429 || event->status == 503;

	log_event(busy ? LOG_LEVEL_WARN : LOG_LEVEL_ERROR, refusal_message(event->status), fields);
}

static void
log_closed(const struct control *control, const struct taupe_event *event)
{
	/* a session that we have just replaced ourselves */
	enum log_level level = event->standing ? LOG_LEVEL_DEBUG
	    : event->code == 1008              ? LOG_LEVEL_ERROR
	                                       : LOG_LEVEL_WARN;

	log_at_(level, "relay closed the session", LOG_S("device", device_name(control)),
	    LOG_U("code", event->code), LOG_STR("reason", str_from(event->text)),
	    LOG_U("retry_ms", event->retry_ms));
}

static void
log_failure(const struct control *control, const char *reason, uint64_t retry_ms)
{
	log_warn("session failed", LOG_S("device", device_name(control)),
	    LOG_S("reason", reason), LOG_U("retry_ms", retry_ms));
}

static void
take_event(struct control_link *link, const struct taupe_event *event)
{
	struct control *control = link->control;
	char relay[HOST_NAME_MAX + 20];

	switch (event->type) {
	case TAUPE_EVENT_NONE:
		break;
	case TAUPE_EVENT_REDIRECT:
		log_info("redirected", LOG_S("device", device_name(control)),
		    LOG_S("relay", relay_text(&event->relay, relay)));
		break;
	case TAUPE_EVENT_REDIRECT_REFUSED:
		log_error("redirect refused", LOG_S("device", device_name(control)),
		    LOG_STR("location", str_from(event->text)), LOG_S("reason", event->reason),
		    LOG_U("retry_ms", event->retry_ms));
		break;
	case TAUPE_EVENT_WELCOME:
		take_welcome(link, event);
		break;
	case TAUPE_EVENT_OPEN:
		take_open(link, event);
		break;
	case TAUPE_EVENT_MOVE:
		log_info("relay asks us to move", LOG_S("device", device_name(control)),
		    LOG_STR("reason", str_from(event->text)),
		    LOG_S("not_possible", event->reason));
		break;
	case TAUPE_EVENT_REFUSED:
		log_refusal(control, event);
		break;
	case TAUPE_EVENT_CLOSED:
		log_closed(control, event);
		break;
	case TAUPE_EVENT_FAILED:
		log_failure(control, event->reason, event->retry_ms);
		break;
	}
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
	transfers_close_stale(control->agent);
}

static void
link_lost(struct control_link *link, const char *reason)
{
	struct control *control = link->control;
	struct taupe_event event;

	conn_fini(&link->conn);
	taupe_session_lost(&control->session, index_of(link), now_ms(control), reason, &event);
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
		size_t done = taupe_session_input(&control->session, index_of(link), data, len,
		    now_ms(control), &event);

		(void)conn_write(&link->conn, event.output.bytes, event.output.len);
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
		link_lost(link, got == 0 ? "the relay ended the connection"
		                         : "the connection was reset");
		return;
	}
	feed(link, data, (size_t)got);
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

/* The secret has not been sent yet. */
static void
warn_of_cleartext(const struct control_link *link)
{
	struct address peer;
	char relay[HOST_NAME_MAX + 20];

	address_of_peer(link->conn.fd, &peer);
	if (!link->relay.secure && !address_is_loopback(&peer))
		log_warn("ws:// sends the secret and all visits in the clear; wss:// would not",
		    LOG_S("relay", relay_text(&link->relay, relay)));
}

static void
dialled_cb(void *ctx, const char *error)
{
	struct control_link *link = ctx;
	struct control *control = link->control;
	char request[TAUPE_REQUEST_MAX], reason[HOST_NAME_MAX + 300], relay[HOST_NAME_MAX + 20];
	size_t len;

	link->dial = NULL;
	if (error != NULL) {
		snprintf(reason, sizeof(reason), "%s: %s", relay_text(&link->relay, relay), error);
		link_lost(link, reason);
		return;
	}
	conn_set_owner(&link->conn, &link_conn_ops, link);
	conn_resume(&link->conn);
	warn_of_cleartext(link);
	len = taupe_session_connected(&control->session, index_of(link), now_ms(control), request,
	    sizeof(request));
	(void)conn_write(&link->conn, request, len);
	act(control);
}

/* ---- what the session wants ---- */

static void
start_dial(struct control *control, const struct taupe_action *action)
{
	struct agent *agent = control->agent;
	struct control_link *link = &control->links[action->link];
	struct tls_context *const *tls = NULL;
	struct taupe_event event;
	char relay[HOST_NAME_MAX + 20];

	link->relay = action->relay;
	snprintf(link->host, sizeof(link->host), "%s", action->relay.host);
	link->relay.host = link->host;
	log_debug("connecting", LOG_S("device", device_name(control)),
	    LOG_S("relay", relay_text(&link->relay, relay)));
	if (!link->relay.secure || (tls = agent_tls(agent)) != NULL)
		link->dial = dial_start(agent->dialler, &link->conn, link->host, link->relay.port,
		    tls, (uint64_t)agent->settings->options.connect_timeout_ms, dialled_cb, link);
	if (link->dial != NULL)
		return;
	taupe_session_lost(&control->session, action->link, now_ms(control), "no memory or no TLS",
	    &event);
	take_event(link, &event);
}

static void
close_link(struct control *control, const struct taupe_action *action)
{
	struct control_link *link = &control->links[action->link];

	if (action->reason != NULL)
		log_failure(control, action->reason,
		    taupe_session_is_up(&control->session) || action->until_ms < now_ms(control)
		        ? 0
		        : action->until_ms - now_ms(control));
	dial_cancel(&link->dial);
	if (conn_is_open(&link->conn)) {
		(void)conn_write(&link->conn, action->output.bytes, action->output.len);
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
		taupe_session_next(&control->session, now_ms(control), &action);
		switch (action.type) {
		case TAUPE_DIAL:
			start_dial(control, &action);
			break;
		case TAUPE_SEND:
			(void)conn_write(&control->links[action.link].conn, action.output.bytes,
			    action.output.len);
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
	}
	if ((wrong = taupe_session_init(&control->session, &agent->config)) != NULL) {
		log_error("the configuration cannot be used", LOG_S("reason", wrong));
		free(control);
		return NULL;
	}
	restore_state(control);
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
	for (unsigned i = 0; i < TAUPE_LINKS; i++) {
		dial_cancel(&c->links[i].dial);
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
control_leave(struct control *control)
{
	taupe_session_leave(&control->session);
	act(control);
}

bool
control_is_closed(const struct control *control)
{
	for (unsigned i = 0; i < TAUPE_LINKS; i++)
		if (conn_is_open(&control->links[i].conn) || control->links[i].dial != NULL)
			return false;
	return true;
}

uint64_t
control_session(const struct control *control)
{
	return control->current_session;
}
