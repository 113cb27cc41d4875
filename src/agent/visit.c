/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <string.h>

#include "agent/visit.h"
#include "base/log.h"

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

static void
dialled_cb(void *ctx, const char *error)
{
	struct visit *visit = ctx;

	visit->dial = NULL;
	if (error == NULL)
		timer_set(visit->agent->loop, &visit->timer, OPENED_DELAY_MS);
	visit->ops->dialled(visit->owner, error);
}

bool
visit_begin(struct visit *visit, const struct taupe_step *step)
{
	struct agent *agent = visit->agent;
	const struct target *target = &agent->settings->targets[step->service];
	const struct dial_to to = {.host = target->host, .port = target->port};

	visit->running = true;
	visit->began_ms = loop_now_ms(agent->loop);
	visit->bytes_in = visit->bytes_out = 0;
	memcpy(visit->service_name, target->name, sizeof(visit->service_name));
	(void)str_copy((struct str){step->from.ptr, step->from.len},
	    visit->from, sizeof(visit->from));
	log_debug("visit began", LOG_S("device", agent->config.name),
	    LOG_S("service", visit->service_name), LOG_S("from", visit->from));
	visit->dial = dial_start(agent->dialler, &visit->service, &to,
	    (uint64_t)agent->settings->options.service_timeout_ms, dialled_cb,
	    visit);
	return visit->dial != NULL;
}

bool
visit_move(struct visit *to, struct visit *from)
{
	struct loop *loop = to->agent->loop;

	timer_clear(loop, &from->timer);
	from->running = false;
	if (conn_move(&to->service, &from->service, from->service.ops,
		from->service.owner) != 0)
		return false;
	to->running = true;
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

void
visit_end(struct visit *visit, bool reset, const char *reason,
    uint64_t bytes_in, uint64_t bytes_out)
{
	struct agent *agent = visit->agent;

	visit->running = false;
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
