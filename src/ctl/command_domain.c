/* SPDX-License-Identifier: MIT */
/* domain add, verify, ls and rm: further host names of devices' services. */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "admin/host_admin.h"
#include "ctl/ctl.h"
#include "ctl/report.h"

#define PLACE_MAX (DEVICE_NAME_MAX + SERVICE_NAME_MAX + 2)

static const char *
place_of(const json_t *host, char out[PLACE_MAX])
{
	snprintf(out, PLACE_MAX, "%s/%s", report_str(host, "device"),
	    report_str(host, "service"));
	return out;
}

static bool
is_pending(const json_t *host)
{
	return strcmp(report_str(host, "proof"),
		   host_proof_name(HOST_PENDING)) == 0;
}

/* What its owner puts into the DNS. */
static void
show_records(const json_t *host)
{
	const json_t *txt = json_object_get(host, "txt");
	const char *name = report_str(host, "host");

	if (txt == NULL)
		return;
	printf("\n%s. CNAME %s.\n", name, report_str(host, "cname"));
	if (is_pending(host))
		printf("%s. TXT \"%s\"\n", report_str(txt, "name"),
		    report_str(txt, "value"));
	puts("\nA name that can have no CNAME, because it has other records, "
	     "gets the A and AAAA records of the one behind it. For https it "
	     "needs a certificate: taupectl cert load.");
}

static int
show_added(const struct ctl *ctl, json_t *host)
{
	const char *name = report_str(host, "host");
	char place[PLACE_MAX];

	if (ctl->options.json)
		return report_json(host);
	(void)place_of(host, place);
	if (is_pending(host))
		printf("%s leads to %s as soon as its owner has put these into "
		       "the DNS, and taupectl domain verify %s has seen "
		       "them:\n",
		    name, place, name);
	else
		printf("%s leads to %s from now on.%s\n", name, place,
		    json_object_get(host, "txt") != NULL ? " In the DNS:" : "");
	show_records(host);
	json_decref(host);
	return EX_OK;
}

int
command_domain_add(struct ctl *ctl, const char *host)
{
	const struct option_list *words = &ctl->options.words;
	struct host_wish wish = {
	    .host = host, .by = ctl->who, .vouched = ctl->options.on_my_word};
	json_t *json = NULL;
	int code;

	if (words->count < 4)
		return ctl_fail(
		    EX_USAGE, "DEVICE/SERVICE is missing, such as alice/web");
	code = ctl_result(
	    ctl, admin_host_take_place(&ctl->admin, words->items[3], &wish));
	if (code == EX_OK)
		code = ctl_changed(ctl, "domain add", host,
		    admin_host_add(&ctl->admin, &wish, &json));
	return code == EX_OK ? show_added(ctl, json) : code;
}

int
command_domain_verify(struct ctl *ctl, const char *host)
{
	struct name_servers servers = {0};
	char place[PLACE_MAX];
	json_t *json = NULL;
	int code;

	if (ctl->options.dns != NULL)
		(void)name_servers_add(
		    &servers, str_of(ctl->options.dns)); /* was checked */
	code = ctl_changed(ctl, "domain verify", host,
	    admin_host_verify(&ctl->admin, host, &servers,
		(uint64_t)ctl->options.registry.redis_timeout_ms, &json));
	if (code != EX_OK)
		return code;
	if (ctl->options.json)
		return report_json(json);
	printf("%s is proved, and leads to %s.\n", report_str(json, "host"),
	    place_of(json, place));
	json_decref(json);
	return EX_OK;
}

static void
add_row(struct table *table, const json_t *host)
{
	const char *since = is_pending(host) ? "created_ms" : "proved_ms";
	char place[PLACE_MAX], age[REPORT_TEXT_MAX];

	table_add(table, report_str(host, "host"));
	table_add(table, place_of(host, place));
	table_add(table, report_str(host, "proof"));
	table_add(table, report_age(report_u64(host, since), age));
	table_add(table, report_str(host, "by"));
}

static const char *const headings[] = {
    "HOST", "SERVICE", "PROOF", "SINCE", "BY", NULL};
static const struct list_view view = {"domains", headings, add_row};

int
command_domain_list(struct ctl *ctl, const char *name)
{
	json_t *list = json_array();

	(void)name;
	return ctl_show_list(ctl, admin_hosts(&ctl->admin, list), list, &view);
}

int
command_domain_remove(struct ctl *ctl, const char *host)
{
	return ctl_changed(
	    ctl, "domain rm", host, admin_host_remove(&ctl->admin, host));
}
