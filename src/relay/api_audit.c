/* SPDX-License-Identifier: MIT */
/* Every change that was made, tried or denied is an event, and a line of the log. */
#include "config.h"

#include "base/log.h"
#include "relay/api_call.h"
#include "relay/events.h"

/* What the call is about: in its path, or in its body, whoever it was that may not make it. */
static const char *
object_of(const struct api_call *call)
{
	return call->name[0] != '\0'
	    ? call->name
	    : json_string_value(json_object_get(call->input, "name"));
}

void
api_tell_audit(const struct api_call *call, const char *who, const char *outcome)
{
	const char *what =
	    call->audit != NULL ? call->audit : call->operation->audit;

	log_info("audit", LOG_S("who", who), LOG_S("from", call->peer),
	    LOG_S("what", what), LOG_S("object", object_of(call)),
	    LOG_S("outcome", outcome));
	event_emit(call->api->relay, EVENT_AUDIT, NULL, LOG_S("who", who),
	    LOG_S("from", call->peer), LOG_S("what", what),
	    LOG_S("object", object_of(call)), LOG_S("outcome", outcome));
}

void
api_audit(const struct api_call *call)
{
	if (call->operation == NULL || call->operation->audit == NULL ||
	    call->bearer.role == TOKEN_NONE)
		return; /* nothing, or nobody */
	if (call->changed || call->status < 300)
		api_tell_audit(call, call->bearer.name, "done");
	else if (call->status == 403)
		api_tell_audit(call, call->bearer.name, "denied");
	else if (call->code != ADMIN_OK)
		api_tell_audit(call, call->bearer.name, admin_outcome(call->code));
	/* else nothing that could have been tried */
}
