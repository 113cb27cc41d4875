/* SPDX-License-Identifier: MIT */
/* Further host names, as operators add, prove and remove them; what of that is the same for taupectl is
 * in admin/host_admin.c. */
#include "config.h"

#include "relay/api/api_call.h"

void
api_ask_domains(struct api_call *call, struct admin *admin)
{
	json_t *list = json_array();

	if (api_went_well(call, admin, admin_hosts(admin, list)))
		api_answer(call, 200, json_pack("{s:O}", "domains", list));
	json_decref(list);
}

/* To vouch for a name is to take what might be somebody else's. */
static bool
may_vouch(struct api_call *call, const struct host_wish *wish)
{
	return !wish->vouched || api_has_role(call, TOKEN_ADMIN);
}

void
api_ask_add_domain(struct api_call *call, struct admin *admin)
{
	struct host_wish wish = {.by = call->bearer.name};
	char label[LABEL_MAX + 1];
	json_t *json;

	if (!api_take_domain(call, &wish) || !may_vouch(call, &wish))
		return;
	admin_host_label(wish.host, admin->domain, label);
	if (api_knows_holder(call, admin, label) &&
	    api_has_changed(call, admin, admin_host_add(admin, &wish, &json)))
		api_answer(call, 201, json);
}

void
api_ask_verify_domain(struct api_call *call, struct admin *admin)
{
	const char *dns = call->api->relay->options.admin_dns;
	struct name_servers servers = {0};
	json_t *json;

	if (dns != NULL)
		(void)name_servers_add(&servers, str_of(dns)); /* was checked */
	if (api_has_changed(call, admin,
		admin_host_verify(admin, call->host, &servers,
		    (uint64_t)admin->registry->redis_timeout_ms, &json)))
		api_answer(call, 200, json);
}

void
api_ask_remove_domain(struct api_call *call, struct admin *admin)
{
	if (api_has_changed(call, admin, admin_host_remove(admin, call->host)))
		api_answer(call, 204, NULL);
}
