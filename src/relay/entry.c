/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <stdio.h>

#include "relay/certified.h"
#include "relay/entry.h"
#include "relay/sources.h"

/* May we look at who it says it is? A certificate was looked at already, but says nothing about a
 * fleet's key. */
static bool
may_try(struct upgrade *upgrade, const struct control_params *params)
{
	struct relay *relay = upgrade->relay;
	unsigned retry_after_s;

	if ((upgrade->certificate == TLS_PEER_NAMED &&
		params->enrol.ptr == NULL) ||
	    sources_may_try(relay->sources, upgrade->source, upgrade->from,
		loop_now_ms(relay->loop), &retry_after_s))
		return true;
	upgrade_turn_source_away(upgrade, retry_after_s);
	return false;
}

/* More services than max_services: false, and it was refused. */
static bool
check_services(struct upgrade *upgrade, const char *name, size_t n_services)
{
	struct relay *relay = upgrade->relay;
	size_t most = (size_t)relay->options.max_services;
	char reason[100];

	if (n_services <= most)
		return true;
	limit_hit(
	    &relay->hits, LIMIT_MAX_SERVICES, name, loop_now_ms(relay->loop));
	snprintf(reason, sizeof(reason),
	    "this relay takes %zu services of a device, not %zu", most,
	    n_services);
	upgrade_reject_bad(upgrade, 400, reason);
	return false;
}

bool
entry_grant(struct upgrade *upgrade, struct http_head *head,
    struct control_params *params)
{
	char name[DEVICE_NAME_MAX + 1];
	const struct relay *relay = upgrade->relay;
	const char *error = NULL;

	if (relay->admissions.count >= (size_t)relay->options.max_handshakes) {
		upgrade_turn_away(upgrade, LIMIT_MAX_HANDSHAKES);
		return false;
	}
	if (control_params_decode((char *)head->query.ptr, head->query.len,
		params, &error) != WIRE_DONE) {
		upgrade_reject_bad(upgrade, 400, error);
		return false;
	}
	(void)str_copy(params->name, name, sizeof(name));
	if (!may_try(upgrade, params))
		return false;
	if ((error = certified_check(upgrade, name)) != NULL) {
		upgrade_reject_unauthorized(upgrade, error);
		return false;
	}
	return check_services(upgrade, name, params->n_services);
}
