/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "agent/meter.h"
#include "net/way.h"

void
meter_init(struct meter *meter, struct agent *agent, unsigned link)
{
	*meter = (struct meter){.agent = agent, .link = link};
}

void
meter_begin(struct meter *meter, const struct conn *conn, const char *host,
    bool by_proxy)
{
	struct budget *budget = &meter->agent->budget;

	meter->ipv6 = way_is_ipv6(conn->fd);
	/* a proxy acknowledges what the relay may never get */
	budget_link_begins(
	    budget, meter->link, !by_proxy && way_is_acked(conn->fd) >= 0);
	taupe_heartbeat_network(
	    &budget->search, way_network(conn->fd, str_of(host)));
}

void
meter_count(struct meter *meter, const struct conn *conn, bool of_visits)
{
	struct agent *agent = meter->agent;
	uint64_t total = 0;
	bool known;

	if (!budget_counts(&agent->budget) || !conn_is_open(conn))
		return;
	known = way_bytes(conn->fd, meter->ipv6, &total);
	if (of_visits)
		budget_skip(&agent->budget, meter->link, known, total);
	budget_count(&agent->budget, meter->link, known, total,
	    loop_now_ms(agent->loop));
}

void
meter_count_failed(struct meter *meter)
{
	struct agent *agent = meter->agent;

	budget_dial_failed(
	    &agent->budget, meter->failed_bytes, loop_now_ms(agent->loop));
	meter->failed_bytes = 0;
}
