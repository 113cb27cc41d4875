/* SPDX-License-Identifier: MIT */
/* Every text that is packed here was checked by whoever made the wide struct. */
#include "config.h"

#include <assert.h>
#include <stdlib.h>

#include "registry/grant.h"

static size_t
size_of(const struct lease *lease, const struct session_info *session)
{
	size_t size = offsetof(struct grant, text) + strlen(lease->label) + 1 +
	    strlen(session->instance) + 1 + strlen(session->from) + 1;

	for (size_t i = 0; i < lease->n_ports; i++)
		size += sizeof(lease->ports[i].port) +
		    strlen(lease->ports[i].service) + 1;
	return size;
}

/* Each of these returns where the next thing goes, or is. */

static char *
put_text(char *to, const char *text)
{
	return stpcpy(to, text) + 1;
}

static const char *
after(const char *text)
{
	return text + strlen(text) + 1;
}

static const char *
take_text(const char *from, char *out, size_t size)
{
	bool fits = str_copy(str_of(from), out, size);

	assert(fits);
	(void)fits;
	return after(from);
}

struct grant *
grant_new(const struct lease *lease, const struct session_info *session)
{
	struct grant *grant = malloc(size_of(lease, session));
	char *to;

	if (grant == NULL)
		return NULL;
	grant->epoch = session->epoch;
	grant->since_ms = session->since_ms;
	grant->heartbeat_ms = grant->budget_kb = 0;
	grant->beat_bytes = 0;
	grant->down = NULL;
	grant->n_keepers = 1;
	grant->n_ports = (uint8_t)lease->n_ports;
	to = put_text(grant->text, lease->label);
	to = put_text(to, session->instance);
	to = put_text(to, session->from);
	for (size_t i = 0; i < lease->n_ports; i++) {
		const struct service_port *port = &lease->ports[i];

		memcpy(to, &port->port, sizeof(port->port));
		to = put_text(to + sizeof(port->port), port->service);
	}
	return grant;
}

struct grant *
grant_keep(struct grant *grant)
{
	assert(grant->n_keepers < UINT8_MAX);
	grant->n_keepers++;
	return grant;
}

void
grant_drop(struct grant **grantp)
{
	struct grant *grant = *grantp;

	*grantp = NULL;
	if (grant == NULL || --grant->n_keepers > 0)
		return;
	free(grant->down);
	free(grant);
}

bool
grant_set_heartbeat(struct grant *grant, uint32_t heartbeat_ms,
    uint64_t beat_bytes, uint64_t budget_bytes)
{
	uint64_t wide_kb = (budget_bytes + 999) / 1000;
	uint32_t budget_kb =
	    wide_kb < UINT32_MAX ? (uint32_t)wide_kb : UINT32_MAX;
	uint16_t beat =
	    beat_bytes < UINT16_MAX ? (uint16_t)beat_bytes : UINT16_MAX;
	bool changed = grant->heartbeat_ms != heartbeat_ms ||
	    grant->beat_bytes != beat || grant->budget_kb != budget_kb;

	grant->heartbeat_ms = heartbeat_ms;
	grant->beat_bytes = beat;
	grant->budget_kb = budget_kb;
	return changed;
}

bool
grant_set_down(struct grant *grant, const char *names)
{
	const char *before = grant->down != NULL ? grant->down : "";
	char *copy = NULL;

	assert(strlen(names) <= DOWN_TEXT_MAX);
	if (strcmp(before, names) == 0 ||
	    (names[0] != '\0' && (copy = strdup(names)) == NULL))
		return false;
	free(grant->down);
	grant->down = copy;
	return true;
}

void
grant_take_said(struct grant *grant, const struct grant *from)
{
	(void)grant_set_down(grant, from->down != NULL ? from->down : "");
	grant->heartbeat_ms = from->heartbeat_ms;
	grant->beat_bytes = from->beat_bytes;
	grant->budget_kb = from->budget_kb;
}

const char *
grant_label(const struct grant *grant)
{
	return grant->text;
}

const char *
grant_instance(const struct grant *grant)
{
	return after(grant_label(grant));
}

const char *
grant_from(const struct grant *grant)
{
	return after(grant_instance(grant));
}

void
grant_lease(const struct grant *grant, struct lease *lease)
{
	const char *from = after(grant_from(grant));

	memset(lease, 0, sizeof(*lease));
	lease->epoch = grant->epoch;
	(void)take_text(grant_label(grant), lease->label, sizeof(lease->label));
	lease->n_ports = grant->n_ports;
	for (size_t i = 0; i < lease->n_ports; i++) {
		struct service_port *port = &lease->ports[i];

		memcpy(&port->port, from, sizeof(port->port));
		from = take_text(from + sizeof(port->port), port->service,
		    sizeof(port->service));
	}
}

void
grant_session(const struct grant *grant, const char *relay_id,
    struct session_info *session)
{
	memset(session, 0, sizeof(*session));
	session->epoch = grant->epoch;
	session->since_ms = grant->since_ms;
	session->heartbeat_ms = grant->heartbeat_ms;
	session->beat_bytes = grant->beat_bytes;
	session->budget_bytes = UINT64_C(1000) * grant->budget_kb;
	if (grant->down != NULL)
		(void)take_text(
		    grant->down, session->down, sizeof(session->down));
	(void)take_text(relay_id, session->relay, sizeof(session->relay));
	(void)take_text(grant_instance(grant), session->instance,
	    sizeof(session->instance));
	(void)take_text(
	    grant_from(grant), session->from, sizeof(session->from));
}
