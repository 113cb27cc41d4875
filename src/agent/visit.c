/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <string.h>

#include "agent/profile.h"
#include "agent/visit.h"
#include "base/log.h"
#include "net/proxy_end.h"

#define OPENED_DELAY_MS 100 /* the service's first bytes may say it before */

static void
timer_cb(void *ctx)
{
	struct visit *visit = ctx;

	visit->ops->opened(visit->owner);
}

void
visit_init(struct visit *visit, struct agent *agent,
    const struct visit_ops *ops, void *owner)
{
	memset(visit, 0, sizeof(*visit));
	visit->agent = agent;
	visit->ops = ops;
	visit->owner = owner;
	visit->service = (struct conn)CONN_CLOSED;
	timer_init(&visit->timer, timer_cb, visit);
}

/* Say who the visitor is, before anything that it says itself; LOCAL where the relay does not know. */
static void
introduce(struct visit *visit)
{
	uint8_t out[PROXY_HEADER_WRITTEN_MAX];
	struct address from = {.len = 0}, to;

	(void)address_parse(str_of(visit->from), &from);
	address_of_peer(visit->service.fd, &to);
	/* broken: whoever gets the connection hears of it */
	(void)conn_write(
	    &visit->service, out, proxy_header_between(&from, &to, out));
}

static void
dialled_cb(void *ctx, const char *error)
{
	struct visit *visit = ctx;

	visit->dial = NULL;
	if (AGENT_HAS_TOOLS && error == NULL && visit->introduces)
		introduce(visit);
	if (error == NULL)
		timer_set(visit->agent->loop, &visit->timer, OPENED_DELAY_MS);
	visit->ops->dialled(visit->owner, error);
}

void
visit_answered(struct visit *visit)
{
	timer_clear(visit->agent->loop, &visit->timer);
}

static void
set_running(struct visit *visit)
{
	visit->running = true;
	if (AGENT_HAS_TOOLS)
		LIST_INSERT_HEAD(&visit->agent->visits, visit, link);
}

static void
set_over(struct visit *visit)
{
	if (AGENT_HAS_TOOLS && visit->running)
		LIST_REMOVE(visit, link);
	visit->running = false;
}

const char *
visit_begin(struct visit *visit, const struct taupe_step *step)
{
	struct agent *agent = visit->agent;
	const struct target *target = &agent->settings->targets[step->service];
	const struct dial_to to = {.host = target->host, .port = target->port};
	const char *error;

	set_running(visit);
	visit->began_ms = loop_now_ms(agent->loop);
	visit->bytes_in = visit->bytes_out = 0;
	visit->introduces = target->introduces;
	memcpy(visit->service_name, target->name, sizeof(visit->service_name));
	(void)str_copy((struct str){step->from.ptr, step->from.len},
	    visit->from, sizeof(visit->from));
	log_debug("visit began", LOG_S("device", agent->config.name),
	    LOG_S("service", visit->service_name), LOG_S("from", visit->from));
	if (AGENT_HAS_TOOLS && !consent_allows(&agent->consent, target))
		return CONSENT_REFUSAL;
	if (AGENT_HAS_TOOLS &&
	    health_of(agent->health, target->name, &error) == HEALTH_DOWN)
		return HEALTH_REFUSAL;
	visit->dial = dial_start(agent->dialler, &visit->service, &to,
	    (uint64_t)agent->settings->options.service_timeout_ms, dialled_cb,
	    visit);
	return visit->dial != NULL ? NULL : "no memory";
}

bool
visit_move(struct visit *to, struct visit *from)
{
	struct loop *loop = to->agent->loop;

	timer_clear(loop, &from->timer);
	set_over(from);
	if (conn_move(&to->service, &from->service, from->service.ops,
		from->service.owner) != 0)
		return false;
	set_running(to);
	to->began_ms = from->began_ms;
	to->bytes_in = from->bytes_in;
	to->bytes_out = from->bytes_out;
	memcpy(to->service_name, from->service_name, sizeof(to->service_name));
	memcpy(to->from, from->from, sizeof(to->from));
	timer_set(loop, &to->timer, OPENED_DELAY_MS);
	return true;
}

void
visit_report_refusal(const struct visit *visit, const char *reason)
{
	log_warn("service does not answer",
	    LOG_S("device", visit->agent->config.name),
	    LOG_S("service", visit->service_name), LOG_S("from", visit->from),
	    LOG_S("reason", reason));
}

static struct visit *
find_running(struct agent *agent, const char *service)
{
	struct visit *visit;

	LIST_FOREACH (visit, &agent->visits, link)
		if (strcmp(visit->service_name, service) == 0)
			return visit;
	return NULL;
}

/* Others of the list may go along with each. */
void
visits_end(struct agent *agent, const char *service, const char *reason)
{
	struct visit *visit;

	while ((visit = find_running(agent, service)) != NULL) {
		log_info("visit is ended", LOG_S("device", agent->config.name),
		    LOG_S("service", service), LOG_S("from", visit->from),
		    LOG_S("reason", reason));
		if (visit->dial != NULL) {
			dial_cancel(&visit->dial);
			visit->ops->dialled(visit->owner, reason);
		} else {
			visit->ops->cut(visit->owner, reason);
		}
	}
}

void
visit_end(struct visit *visit, bool reset, const char *reason,
    uint64_t bytes_in, uint64_t bytes_out)
{
	struct agent *agent = visit->agent;

	set_over(visit);
	if (AGENT_HAS_TOOLS && agent->standing != NULL) {
		agent->standing->visits++;
		agent->standing->bytes_in += visit->bytes_in + bytes_in;
		agent->standing->bytes_out += visit->bytes_out + bytes_out;
	}
	log_debug("visit ended", LOG_S("device", agent->config.name),
	    LOG_S("service", visit->service_name), LOG_S("from", visit->from),
	    LOG_S("reason", reason),
	    LOG_U("bytes_in", visit->bytes_in + bytes_in),
	    LOG_U("bytes_out", visit->bytes_out + bytes_out),
	    LOG_U("ms", loop_now_ms(agent->loop) - visit->began_ms));
	dial_cancel(&visit->dial);
	timer_clear(agent->loop, &visit->timer);
	if (!conn_is_open(&visit->service))
		return;
	if (reset)
		conn_abort(&visit->service);
	else
		farewell_take(agent->farewells, &visit->service);
}
