/* SPDX-License-Identifier: MIT */
#include "ctl/relay_url.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "ctl/report.h"
#include "wire/url.h"

static int
take(const char *url, char relay[RELAY_URL_MAX])
{
	return url != NULL && url_relay_valid(str_of(url)) &&
		str_copy(str_of(url), relay, RELAY_URL_MAX)
	    ? EX_OK
	    : ctl_fail(EX_PROTOCOL,
		  "a relay announces a URL that is none: give --relay URL");
}

/* The one of that id, or the first; NULL: there is none. */
static const json_t *
choose(const json_t *relays, const char *id)
{
	const json_t *relay;
	size_t i;

	json_array_foreach (relays, i, relay)
		if (id != NULL && report_str(relay, "id") != NULL &&
		    strcmp(report_str(relay, "id"), id) == 0)
			return relay;
	return json_array_get(relays, 0);
}

int
relay_url_find(struct ctl *ctl, const char *device, char relay[RELAY_URL_MAX])
{
	json_t *list, *record = NULL;
	const json_t *found;
	int code;

	if (ctl->options.relay != NULL)
		return take(ctl->options.relay, relay);
	/* one that is not known is told so by whoever needs it */
	if (device != NULL &&
	    ctl->admin.store->device(&ctl->admin, device, &record) != ADMIN_OK)
		record = NULL;
	list = json_array();
	code = ctl_result(ctl, ctl->admin.store->relays(&ctl->admin, list));
	found = choose(
	    list, report_str(json_object_get(record, "session"), "relay"));
	if (code != EX_OK)
		fprintf(stderr,
		    "taupectl: a relay's URL is needed: give --relay "
		    "wss://relay.example.com\n");
	else if (found == NULL)
		code = ctl_fail(EX_UNAVAILABLE,
		    "no relay is there to tell its URL: give --relay "
		    "wss://relay.example.com");
	else
		code = take(report_str(found, "url"), relay);
	json_decref(record);
	json_decref(list);
	return code;
}
