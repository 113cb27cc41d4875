/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <stdio.h>

#include "base/log.h"
#include "relay/events.h"
#include "relay/share_link.h"

static bool
is_for(const struct share_token *token, const char *device, const char *service)
{
	char subject[SHARE_SUBJECT_MAX + 1];

	snprintf(subject, sizeof(subject), "%s/%s", device, service);
	return strcmp(token->subject, subject) == 0;
}

enum share_verdict
share_link_check(const struct access *access, const char *device,
    const char *service, enum share_use use, struct str text, uint64_t now_ms,
    struct share_token *token)
{
	const struct access_rule *rule =
	    access_rule_of(access, str_of(service));
	const struct access_share *share;

	if (rule == NULL || !share_token_read(rule->key, text, token) ||
	    token->use != use || !is_for(token, device, service))
		return SHARE_FOREIGN;
	share = access_share_of(access, str_of(token->id));
	if (share != NULL && share->revoked)
		return SHARE_REVOKED;
	return token->expires_s > now_ms / 1000 ? SHARE_GOOD : SHARE_OVER;
}

void
share_link_tell(
    struct relay *relay, const struct share_token *token, const char *from)
{
	char device[DEVICE_NAME_MAX + 1];
	struct str name, service;

	str_split(str_of(token->subject), '/', &name, &service);
	(void)str_copy(name, device, sizeof(device));
	event_emit(relay, EVENT_SHARE, device, LOG_S("state", "used"),
	    LOG_STR("service", service), LOG_S("share", token->id),
	    LOG_S("from", from));
	log_info("a share link was used", LOG_S("device", device),
	    LOG_STR("service", service), LOG_S("share", token->id),
	    LOG_S("from", from));
}
