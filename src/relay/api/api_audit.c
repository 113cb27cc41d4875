/* SPDX-License-Identifier: MIT */
/* Every change that was made, tried or denied is an event, and a line of the log. */
#include "config.h"

#include <stdio.h>

#include "base/log.h"
#include "relay/api/api_call.h"
#include "relay/events.h"

#define OBJECT_MAX (DEVICE_NAME_MAX + SERVICE_NAME_MAX + 2)

/* What the call is about: in its path, or in its body, whoever it was that may not make it. */
static const char *
object_of(const struct api_call *call, char text[OBJECT_MAX])
{
	if (call->share[0] != '\0')
		return call->share;
	if (call->host[0] != '\0')
		return call->host;
	if (call->service[0] != '\0') {
		snprintf(text, OBJECT_MAX, "%s/%s", call->name, call->service);
		return text;
	}
	return call->name[0] != '\0'
	    ? call->name
	    : json_string_value(json_object_get(call->input, "name"));
}

void
api_tell_audit(
    const struct api_call *call, const char *who, const char *outcome)
{
	const char *what =
	    call->audit != NULL ? call->audit : call->operation->audit;
	char text[OBJECT_MAX];
	const char *object = object_of(call, text);

	log_info("audit", LOG_S("who", who), LOG_S("from", call->peer),
	    LOG_S("what", what), LOG_S("object", object),
	    LOG_S("outcome", outcome));
	event_emit(call->api->relay, EVENT_AUDIT, NULL, LOG_S("who", who),
	    LOG_S("from", call->peer), LOG_S("what", what),
	    LOG_S("object", object), LOG_S("outcome", outcome));
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
		api_tell_audit(
		    call, call->bearer.name, admin_outcome(call->code));
	/* else nothing that could have been tried */
}
