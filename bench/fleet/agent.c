/* SPDX-License-Identifier: MIT */
/*
 * The driver of docs/SDK.md, as small as it can be: single_link, and no state file.
 * When to come back, where to and with which lease is libtaupe's business.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "fleet/agent.h"
#include "fleet/visit.h"
#include "net/tls.h"

#define READ_BYTES 4096

static void act(struct fleet_agent *agent);

static uint64_t
now_ms(const struct fleet_agent *agent)
{
	return loop_now_ms(agent->fleet->loop);
}

size_t
agent_number(const struct fleet_agent *agent)
{
	return (size_t)(agent - agent->fleet->agents);
}

int
agent_dial(struct fleet_agent *agent, struct conn *conn,
    const struct taupe_relay *relay, const struct conn_ops *ops, void *owner)
{
	struct fleet *fleet = agent->fleet;
	struct address to = fleet->proxy, from;
	struct tls *tls;

	fleet_source_address(fleet, agent_number(agent), &from);
	/* a host name is the proxy's business */
	if (!address_parse_ip(str_of(relay->host), relay->port, &to))
		address_set_port(&to, relay->port);
	if (to.len == 0 || (relay->secure && agent->tls == NULL)) {
		errno = EAFNOSUPPORT;
		return -1;
	}
	if (conn_connect_from(conn, fleet->loop, &from, &to, ops, owner) != 0)
		return -1;
	if (!relay->secure)
		return 0;
	if ((tls = tls_new_client(agent->tls, relay->host)) == NULL) {
		conn_fini(conn);
		errno = ENOMEM;
		return -1;
	}
	conn_start_tls(conn, tls);
	return 0;
}

static void
set_down(struct fleet_agent *agent)
{
	if (!agent->up)
		return;
	agent->up = false;
	agent->down_ms = now_ms(agent);
	agent->fleet->complete = false;
	agent->fleet->counts.up--;
	agent->fleet->counts.lost++;
}

static void
take_welcome(struct fleet_agent *agent, const struct taupe_event *event)
{
	agent->way_ms = (uint32_t)(now_ms(agent) - agent->down_ms);
	if (!agent->up)
		agent->fleet->counts.up++;
	agent->up = agent->came = true;
	agent->fleet->counts.welcomes++;
	fleet_welcomed(agent, event->label);
}

static void
take_open(struct fleet_agent *agent, const struct taupe_event *event)
{
	uint8_t out[TAUPE_MESSAGE_MAX];
	const char *error = visit_dig(agent, &event->relay, event->id.ptr);

	if (error == NULL)
		return;
	(void)conn_write(&agent->conn, out,
	    taupe_session_refuse(
		&agent->session, 0, event->id.ptr, error, now_ms(agent), out));
}

static void
take_event(struct fleet_agent *agent, const struct taupe_event *event)
{
	struct fleet_counts *counts = &agent->fleet->counts;

	switch (event->type) {
	case TAUPE_EVENT_WELCOME:
		take_welcome(agent, event);
		break;
	case TAUPE_EVENT_OPEN:
		take_open(agent, event);
		break;
	case TAUPE_EVENT_REDIRECT:
		counts->redirects++;
		break;
	case TAUPE_EVENT_REFUSED:
		counts->refused++;
		break;
	case TAUPE_EVENT_FAILED:
	case TAUPE_EVENT_REDIRECT_REFUSED:
		counts->failed++;
		break;
	case TAUPE_EVENT_CLOSED:
	case TAUPE_EVENT_MOVE:
	case TAUPE_EVENT_OTHER_SECRET:
	case TAUPE_EVENT_VISIT: /* its visits have channels of their own */
	case TAUPE_EVENT_NO_CHANNEL:
	case TAUPE_EVENT_ROTATE: /* it has no place for another */
	case TAUPE_EVENT_ROTATED:
	case TAUPE_EVENT_NOT_ROTATED:
	case TAUPE_EVENT_NONE:
		break;
	}
}

static void
lost(struct fleet_agent *agent, const char *reason)
{
	struct taupe_event event;

	conn_fini(&agent->conn);
	set_down(agent);
	taupe_session_lost(&agent->session, 0, now_ms(agent), reason, &event);
	take_event(agent, &event);
}

static void
feed(struct fleet_agent *agent, uint8_t *data, size_t len)
{
	struct taupe_event event;

	while (len > 0) {
		size_t done = taupe_session_input(
		    &agent->session, 0, data, len, now_ms(agent), &event);

		(void)conn_write(
		    &agent->conn, event.output.bytes, event.output.len);
		take_event(agent, &event);
		data += done;
		len -= done;
	}
}

static void
readable_cb(struct conn *conn)
{
	struct fleet_agent *agent = conn->owner;
	uint8_t data[READ_BYTES];
	ssize_t got = conn_read(conn, data, sizeof(data));

	if (got == CONN_AGAIN)
		return;
	if (got > 0)
		feed(agent, data, (size_t)got);
	else
		lost(agent, got == 0 ? "the end" : "reset");
	act(agent);
}

static void
broken_cb(struct conn *conn)
{
	struct fleet_agent *agent = conn->owner;

	lost(agent, "broken");
	act(agent);
}

static void
connected_cb(struct conn *conn, const char *error)
{
	struct fleet_agent *agent = conn->owner;
	char request[TAUPE_REQUEST_MAX];

	if (error != NULL)
		lost(agent, error);
	else
		(void)conn_write(conn, request,
		    taupe_session_connected(&agent->session, 0, now_ms(agent),
			request, sizeof(request)));
	act(agent);
}

static const struct conn_ops agent_conn_ops = {
    .connected_cb = connected_cb,
    .readable_cb = readable_cb,
    .broken_cb = broken_cb,
};

static void
dial(struct fleet_agent *agent, const struct taupe_relay *relay)
{
	agent->fleet->counts.dialled++;
	if (agent_dial(agent, &agent->conn, relay, &agent_conn_ops, agent) != 0)
		lost(agent, strerror(errno));
}

static void
close_link(struct fleet_agent *agent, const struct taupe_action *action)
{
	if (action->reason != NULL)
		agent->fleet->counts.failed++;
	if (conn_is_open(&agent->conn))
		(void)conn_write(
		    &agent->conn, action->output.bytes, action->output.len);
	conn_fini(&agent->conn);
	set_down(agent);
}

static void
wait_until(struct fleet_agent *agent, uint64_t until_ms)
{
	struct loop *loop = agent->fleet->loop;
	uint64_t now = now_ms(agent);

	if (until_ms == TAUPE_FOREVER)
		timer_clear(loop, &agent->timer);
	else
		timer_set(
		    loop, &agent->timer, until_ms > now ? until_ms - now : 0);
}

static void
act(struct fleet_agent *agent)
{
	struct taupe_action action;

	for (;;) {
		taupe_session_next(&agent->session, now_ms(agent), &action);
		switch (action.type) {
		case TAUPE_DIAL:
			dial(agent, &action.relay);
			break;
		case TAUPE_SEND:
			(void)conn_write(&agent->conn, action.output.bytes,
			    action.output.len);
			break;
		case TAUPE_CLOSE:
			close_link(agent, &action);
			break;
		case TAUPE_WAIT:
			wait_until(agent, action.until_ms);
			return;
		}
	}
}

static void
timer_cb(void *ctx)
{
	act(ctx);
}

static int
make_tls(struct fleet_agent *agent)
{
	const char *path = agent->fleet->options.ca_file, *error;

	if (path == NULL)
		return 0;
	agent->tls = tls_context_new_client(path, &error);
	if (agent->tls != NULL)
		return 0;
	log_error("ca_file cannot be used", LOG_S("file", path),
	    LOG_S("error", error));
	return -1;
}

int
agent_init(struct fleet_agent *agent, struct fleet *fleet, size_t number)
{
	const char *wrong;

	agent->fleet = fleet;
	agent->conn = (struct conn)CONN_CLOSED;
	timer_init(&agent->timer, timer_cb, agent);
	snprintf(agent->name, sizeof(agent->name), "%s%06zu",
	    fleet->options.name, number);
	agent->config = fleet->config;
	agent->config.name = agent->name;
	agent->config.buffer = agent->buffer;
	agent->config.buffer_size = sizeof(agent->buffer);
	agent->config.memory = agent->memory;
	agent->config.memory_size = sizeof(agent->memory);
	wrong = taupe_session_init(&agent->session, &agent->config);
	if (wrong == NULL)
		return make_tls(agent);
	log_error("the configuration cannot be used", LOG_S("reason", wrong));
	return -1;
}

void
agent_start(struct fleet_agent *agent)
{
	agent->down_ms = now_ms(agent);
	timer_set(agent->fleet->loop, &agent->timer, 0);
}

void
agent_fini(struct fleet_agent *agent)
{
	timer_clear(agent->fleet->loop, &agent->timer);
	conn_fini(&agent->conn);
	tls_context_free(&agent->tls);
}
