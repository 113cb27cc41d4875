/* SPDX-License-Identifier: MIT */
/* DNS, as visitors and agents ask it. A name that nobody has drawn tells whether there is a
 * wildcard. */
#include "ctl/doctor.h"

#include <stdio.h>

#include "ctl/report.h"
#include "net/crypto.h"
#include "wire/url.h"

#define RANDOM_LABEL_LEN 12
#define ADDRESSES_TEXT_MAX (RESOLVE_MAX * ADDRESS_TEXT_MAX)

struct look_up {
	struct loop *loop;
	struct address *addresses;
	size_t n;
	char *error;
};

static void
resolved_cb(
    void *ctx, const struct address *addresses, size_t n, const char *error)
{
	struct look_up *look_up = ctx;

	look_up->n = n;
	for (size_t i = 0; i < n; i++)
		look_up->addresses[i] = addresses[i];
	if (n == 0)
		(void)snprintf(look_up->error, DOCTOR_ERROR_MAX, "%s", error);
	loop_stop(look_up->loop);
}

static void
late_cb(void *ctx)
{
	struct look_up *look_up = ctx;

	loop_stop(look_up->loop);
}

static void
run_look_up(struct doctor *doctor, struct look_up *look_up, const char *host,
    uint16_t port)
{
	struct name_servers servers = {0};
	struct resolver *resolver;
	struct resolve_request *request = NULL;
	struct timer deadline;

	if (doctor->options->dns != NULL)
		(void)name_servers_add(
		    &servers, str_of(doctor->options->dns)); /* was checked */
	resolver = resolver_new(look_up->loop, &servers);
	if (resolver != NULL)
		request =
		    resolve_start(resolver, host, port, resolved_cb, look_up);
	if (request != NULL) {
		timer_init(&deadline, late_cb, look_up);
		timer_set(look_up->loop, &deadline, doctor->timeout_ms);
		(void)loop_run(look_up->loop);
		timer_clear(look_up->loop, &deadline);
	}
	resolver_free(&resolver);
}

size_t
doctor_resolve(struct doctor *doctor, const char *host, uint16_t port,
    struct address addresses[RESOLVE_MAX], char error[DOCTOR_ERROR_MAX])
{
	struct look_up look_up = {loop_new(), addresses, 0, error};

	(void)snprintf(error, DOCTOR_ERROR_MAX,
	    "cannot resolve %s: no answer in time", host);
	if (look_up.loop != NULL)
		run_look_up(doctor, &look_up, host, port);
	loop_free(&look_up.loop);
	return look_up.n;
}

static const char *
list_text(
    const struct address *addresses, size_t n, char out[ADDRESSES_TEXT_MAX])
{
	char ip[ADDRESS_TEXT_MAX];
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < n; i++)
		len += (size_t)snprintf(out + len, ADDRESSES_TEXT_MAX - len,
		    "%s%s", i > 0 ? ", " : "",
		    address_ip_text(&addresses[i], ip));
	return out;
}

static bool
has_address(const struct address *addresses, size_t n, const char *ip)
{
	char text[ADDRESS_TEXT_MAX], wanted[ADDRESS_TEXT_MAX];
	struct address address;

	(void)address_parse_ip(str_of(ip), 0, &address); /* was checked */
	(void)address_ip_text(&address, wanted);
	for (size_t i = 0; i < n; i++)
		if (strcmp(address_ip_text(&addresses[i], text), wanted) == 0)
			return true;
	return false;
}

/* The operator has said which they must be. */
static bool
is_as_wanted(struct doctor *doctor, const char *check, const char *list)
{
	const struct option_list *wanted = &doctor->options->address;

	for (size_t i = 0; i < wanted->count; i++)
		if (!has_address(
			doctor->front, doctor->n_front, wanted->items[i])) {
			doctor_note(doctor, FINDING_FAIL, check,
			    "mend the A and AAAA records of that name",
			    "%s, but not %s", list, wanted->items[i]);
			return false;
		}
	if (wanted->count > 0 && doctor->n_front != wanted->count) {
		doctor_note(doctor, FINDING_FAIL, check,
		    "mend the A and AAAA records of that name, or give each "
		    "address to --address",
		    "%s, which are more than were given", list);
		return false;
	}
	return true;
}

static void
check_wildcard(struct doctor *doctor)
{
	char label[RANDOM_LABEL_LEN + 1], host[HOST_NAME_MAX + 1], check[300],
	    error[DOCTOR_ERROR_MAX], list[ADDRESSES_TEXT_MAX];

	snprintf(check, sizeof(check), "dns *.%s", doctor->domain);
	crypto_base32_label(label, RANDOM_LABEL_LEN);
	if (snprintf(host, sizeof(host), "%s.%s", label, doctor->domain) >=
	    (int)sizeof(host))
		return;
	doctor->n_front = doctor_resolve(doctor, host, 0, doctor->front, error);
	(void)list_text(doctor->front, doctor->n_front, list);
	if (doctor->n_front == 0)
		doctor_note(doctor, FINDING_FAIL, check,
		    "add A and AAAA records of that wildcard, to the public "
		    "addresses of HAProxy, or of the relay's visitor_listen",
		    "%s", error);
	else if (is_as_wanted(doctor, check, list))
		doctor_note(doctor, FINDING_OK, check, NULL, "%s", list);
}

static void
check_relay_host(struct doctor *doctor, const json_t *relay)
{
	char host[HOST_NAME_MAX + 1], check[100], error[DOCTOR_ERROR_MAX],
	    list[ADDRESSES_TEXT_MAX];
	struct address addresses[RESOLVE_MAX];
	struct url url;
	size_t n;

	if (!url_parse(str_of(report_str(relay, "url")), &url) ||
	    !str_copy(url.host, host, sizeof(host)) ||
	    address_parse_ip(url.host, 0, &addresses[0]))
		return;
	snprintf(
	    check, sizeof(check), "dns of relay %s", report_str(relay, "id"));
	n = doctor_resolve(doctor, host, 0, addresses, error);
	if (n == 0)
		doctor_note(doctor, FINDING_FAIL, check,
		    "add A and AAAA records of the host in agent_url", "%s",
		    error);
	else
		doctor_note(doctor, FINDING_OK, check, NULL, "%s: %s", host,
		    list_text(addresses, n, list));
}

void
doctor_check_names(struct doctor *doctor)
{
	json_t *relay;
	size_t i;

	if (doctor->domain[0] == '\0')
		doctor_note(doctor, FINDING_SKIPPED, "dns", "give --domain",
		    "the domain is not known");
	else
		check_wildcard(doctor);
	json_array_foreach (doctor->relays, i, relay)
		check_relay_host(doctor, relay);
}
