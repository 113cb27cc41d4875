/* SPDX-License-Identifier: MIT */
/* Custom domains: does each lead where the wildcard does, and is there a certificate for it where visitors
 * come in? Aliases are under the wildcard. */
#include "ctl/doctor.h"

#include <stdio.h>

#include "ctl/report.h"
#include "net/probe.h"

#define DOMAINS_MOST 100 /* that are looked at: each may take as long as an answer may */

static bool
is_ours(const struct doctor *doctor, const struct address *address)
{
	char ip[ADDRESS_TEXT_MAX], ours[ADDRESS_TEXT_MAX];

	address_ip_text(address, ip);
	for (size_t i = 0; i < doctor->n_front; i++)
		if (strcmp(address_ip_text(&doctor->front[i], ours), ip) == 0)
			return true;
	return false;
}

/* Where visitors come in with HTTPS, under this name. */
static void
check_certificate(
    struct doctor *doctor, const char *host, const struct address *address)
{
	char check[HOST_NAME_MAX + 20];
	struct probe_request request = {
	    .address = *address,
	    .timeout_ms = doctor->timeout_ms,
	    .name = host,
	    .ca_file = doctor->options->ca_file,
	};
	struct probe_answer answer;

	if (doctor->options->https_port == 0)
		return;
	address_set_port(
	    &request.address, (uint16_t)doctor->options->https_port);
	snprintf(check, sizeof(check), "certificate of %s", host);
	probe_run(&request, &answer);
	if (answer.stage < PROBE_ENCRYPTED)
		doctor_note(doctor, FINDING_FAIL, check,
		    "is its device online, and has HAProxy a certificate for "
		    "it? taupectl cert load",
		    "no TLS for it: %s", answer.error);
	else if (answer.distrust[0] != '\0')
		doctor_note(doctor, FINDING_FAIL, check,
		    "get one for it (docs/OPERATIONS.md), and taupectl cert "
		    "load; give --ca-file if the authority is your own",
		    "not to be trusted for it: %s", answer.distrust);
	else
		doctor_judge_expiry(doctor, check, host, answer.expires_s);
}

static void
check_address(struct doctor *doctor, const char *host)
{
	char check[HOST_NAME_MAX + 20], error[DOCTOR_ERROR_MAX],
	    ip[ADDRESS_TEXT_MAX];
	struct address addresses[RESOLVE_MAX];
	size_t n = doctor_resolve(doctor, host, 0, addresses, error);

	snprintf(check, sizeof(check), "dns of %s", host);
	if (n == 0) {
		doctor_note(doctor, FINDING_FAIL, check,
		    "its owner has to let it lead here: taupectl domain ls, "
		    "and domain rm if it is not wanted any more",
		    "%s", error);
		return;
	}
	for (size_t i = 0; i < n; i++)
		if (!is_ours(doctor, &addresses[i])) {
			doctor_note(doctor, FINDING_FAIL, check,
			    "its owner has to let it lead where the names "
			    "under the domain do, with all its records",
			    "%s, which is none of ours",
			    address_ip_text(&addresses[i], ip));
			return;
		}
	doctor_note(doctor, FINDING_OK, check, NULL, "leads here");
	check_certificate(doctor, host, &addresses[0]);
}

static void
check_domain(struct doctor *doctor, const json_t *domain)
{
	const char *host = report_str(domain, "host"),
		   *proof = report_str(domain, "proof");
	char check[HOST_NAME_MAX + 20];

	if (strcmp(proof, host_proof_name(HOST_PENDING)) == 0) {
		snprintf(check, sizeof(check), "domain %s", host);
		doctor_note(doctor, FINDING_SKIPPED, check,
		    "taupectl domain verify, when its owner has set the TXT "
		    "record",
		    "it is not proved yet, and leads nowhere");
	} else if (strcmp(proof, host_proof_name(HOST_ALIAS)) != 0) {
		check_address(doctor, host);
	}
}

void
doctor_check_domains(struct doctor *doctor, struct admin *admin)
{
	json_t *list = json_array(), *domain;
	size_t i;

	/* one that has no devices file says so elsewhere */
	if (admin_hosts(admin, list) != ADMIN_OK &&
	    admin->error.code != ADMIN_NOT_GIVEN)
		doctor_note(doctor, FINDING_SKIPPED, "domains", NULL, "%s",
		    admin->error.text);
	if (json_array_size(list) > 0 && doctor->n_front == 0)
		doctor_note(doctor, FINDING_SKIPPED, "domains", NULL,
		    "where names under the domain lead is not known");
	json_array_foreach (list, i, domain) {
		if (doctor->n_front == 0)
			break;
		if (i == DOMAINS_MOST) {
			doctor_note(doctor, FINDING_SKIPPED, "domains", NULL,
			    "%zu more are not looked at",
			    json_array_size(list) - i);
			break;
		}
		check_domain(doctor, domain);
	}
	json_decref(list);
}
