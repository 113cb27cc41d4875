/* SPDX-License-Identifier: MIT */
/*
 * The doors: do the addresses that DNS gives take visitors, do the relays take agents, and do the
 * certificates there hold? Connections come from this host: a firewall before the world is not
 * seen from here.
 */
#include "ctl/doctor.h"

#include <stdio.h>
#include <time.h>

#include "ctl/report.h"
#include "net/crypto.h"
#include "net/probe.h"
#include "wire/url.h"

#define DAY_S 86400
#define EXPIRY_WARNING_DAYS 21
#define EXPIRY_FAIL_DAYS 7
#define CONTROL_PATH "/v1/control"

static void
look(struct doctor *doctor, const struct address *address, uint16_t port,
    const char *tls_name, const char *host, const char *path,
    struct probe_answer *answer)
{
	struct probe_request request = {
	    .address = *address,
	    .timeout_ms = doctor->timeout_ms,
	    .name = tls_name,
	    .ca_file = doctor->options->ca_file,
	    .host = host,
	    .path = path,
	};

	address_set_port(&request.address, port);
	probe_run(&request, answer);
}

/* Certificates. */

void
doctor_judge_expiry(struct doctor *doctor, const char *check, const char *name,
    int64_t expires_s)
{
	int64_t left_s = expires_s - (int64_t)time(NULL);
	char left[REPORT_TEXT_MAX];

	(void)report_duration(
	    (uint64_t)(left_s < 0 ? -left_s : left_s) * 1000, left);
	if (left_s < 0)
		doctor_note(doctor, FINDING_FAIL, check,
		    "renew it (haproxy/README.md), and taupectl cert load",
		    "expired %s ago", left);
	else if (left_s < EXPIRY_WARNING_DAYS * DAY_S)
		doctor_note(doctor,
		    left_s < EXPIRY_FAIL_DAYS * DAY_S ? FINDING_FAIL
						      : FINDING_WARNING,
		    check, "renew it, and see why it did not renew itself",
		    "expires in %s", left);
	else
		doctor_note(doctor, FINDING_OK, check, NULL,
		    "holds for %s, for %s more", name, left);
}

static void
judge_certificate(struct doctor *doctor, const char *check, const char *name,
    const struct probe_answer *answer)
{
	if (answer->distrust[0] != '\0')
		doctor_note(doctor, FINDING_FAIL, check,
		    "load one of that name with its whole chain, or give "
		    "--ca-file if the authority is your own",
		    "not to be trusted for %s: %s", name, answer->distrust);
	else
		doctor_judge_expiry(doctor, check, name, answer->expires_s);
}

struct any_route {
	const char *domain;
	const char *host; /* the first that was found */
};

static void
find_host_cb(void *ctx, struct hash_node *node)
{
	const char *key = HASH_ENTRY(node, struct known_route, node)->key;
	struct any_route *any = ctx;
	size_t len = strlen(any->domain), key_len = strlen(key);

	if (any->host == NULL && strncmp(key, "http/", 5) == 0 &&
	    key_len > 5 + 1 + len && key[key_len - len - 1] == '.' &&
	    strcmp(key + key_len - len, any->domain) == 0)
		any->host = key + 5;
}

static void
check_front_certificate(struct doctor *doctor, const struct address *address,
    const char *ip, uint16_t port, const char *host)
{
	char check[100];
	struct probe_answer answer;

	snprintf(check, sizeof(check), "certificate at %s", ip);
	look(doctor, address, port, host, NULL, NULL, &answer);
	if (answer.stage < PROBE_ENCRYPTED)
		doctor_note(doctor, FINDING_FAIL, check,
		    "see HAProxy's log: has it a certificate, does its map "
		    "have that name?",
		    "no TLS for %s: %s", host, answer.error);
	else
		judge_certificate(doctor, check, host, &answer);
}

/* The front. */

static bool
check_port(struct doctor *doctor, const struct address *address, const char *ip,
    uint16_t port, const char *whose)
{
	char check[100];
	struct probe_answer answer;

	snprintf(check, sizeof(check), "port %u of %s", (unsigned)port, ip);
	look(doctor, address, port, NULL, NULL, NULL, &answer);
	if (answer.stage < PROBE_CONNECTED)
		doctor_note(doctor, FINDING_FAIL, check,
		    "does HAProxy run and bind it, and does the firewall let "
		    "it through?",
		    "%s: %s", whose, answer.error);
	else
		doctor_note(doctor, FINDING_OK, check, NULL, "%s: open", whose);
	return answer.stage >= PROBE_CONNECTED;
}

/* A name that no device has gets 404 from a front of ours, and from little else. */
static void
check_answer(struct doctor *doctor, const struct address *address,
    const char *ip, uint16_t port)
{
	char check[100], label[13], host[HOST_NAME_MAX + 20];
	struct probe_answer answer;

	snprintf(check, sizeof(check), "answer of %s", ip);
	crypto_base32_label(label, sizeof(label) - 1);
	snprintf(host, sizeof(host), "%s.%s", label, doctor->domain);
	look(doctor, address, port, NULL, host, "/", &answer);
	if (answer.stage < PROBE_ANSWERED)
		doctor_note(doctor, FINDING_FAIL, check,
		    "what listens there? It must be HAProxy with "
		    "haproxy/haproxy.cfg",
		    "nothing to HTTP: %s", answer.error);
	else if (answer.status == 404 || answer.status == 308 ||
	    answer.status == 301)
		doctor_note(doctor, FINDING_OK, check, NULL,
		    "status %d for a name that no device has", answer.status);
	else
		doctor_note(doctor, FINDING_WARNING, check,
		    "what listens there? It must be HAProxy with "
		    "haproxy/haproxy.cfg",
		    "status %d for a name that no device has, in place of 404",
		    answer.status);
}

/* The lowest and the highest of what a relay announces. */
static void
check_public_ports(
    struct doctor *doctor, const struct address *address, const char *ip)
{
	const char *range =
	    report_str(json_array_get(doctor->relays, 0), "public_ports");
	struct str low, high;
	uint64_t number;

	if (range == NULL || !str_split(str_of(range), '-', &low, &high))
		return;
	if (str_to_number(low, 65535, &number) && number > 0)
		(void)check_port(
		    doctor, address, ip, (uint16_t)number, "public tcp");
	if (!str_equal(low, high) && str_to_number(high, 65535, &number) &&
	    number > 0)
		(void)check_port(
		    doctor, address, ip, (uint16_t)number, "public tcp");
}

static void
check_front(struct doctor *doctor, const struct address *address)
{
	uint16_t http = (uint16_t)doctor->options->http_port,
		 https = (uint16_t)doctor->options->https_port;
	struct any_route any = {doctor->domain, NULL};
	char ip[ADDRESS_TEXT_MAX];

	(void)address_ip_text(address, ip);
	if (http != 0 && check_port(doctor, address, ip, http, "HTTP"))
		check_answer(doctor, address, ip, http);
	hash_map_each(&doctor->routes, find_host_cb, &any);
	if (https != 0 && check_port(doctor, address, ip, https, "HTTPS")) {
		if (any.host != NULL)
			check_front_certificate(
			    doctor, address, ip, https, any.host);
		else
			doctor_note(doctor, FINDING_SKIPPED, "certificate",
			    NULL,
			    "no device has a name now, and HAProxy answers no "
			    "others with TLS");
	}
	if (redis_options_given(&doctor->options->registry))
		check_public_ports(doctor, address, ip);
}

/* Relays. */

/* What an agent would meet: 426 or 400, because we are none. */
static void
check_door(struct doctor *doctor, const char *check, const struct url *url,
    const char *host, const struct address *address)
{
	char field[HOST_NAME_MAX + 10], ip[ADDRESS_TEXT_MAX];
	struct probe_answer answer;

	snprintf(field, sizeof(field), "%s:%u", host, (unsigned)url->port);
	(void)address_text(address, ip);
	look(doctor, address, url->port, url->secure ? host : NULL, field,
	    CONTROL_PATH, &answer);
	if (answer.stage < PROBE_ANSWERED)
		doctor_note(doctor, FINDING_FAIL, check,
		    "does the relay run, does HAProxy lead there, does the "
		    "firewall let it through?",
		    "no answer at %s: %s", ip, answer.error);
	else if (answer.status != 400 && answer.status != 426)
		doctor_note(doctor, FINDING_FAIL, check,
		    "agent_url must lead to the relay: what answers there is "
		    "none, or HAProxy's map lacks that host",
		    "status %d at %s, in place of 426", answer.status, ip);
	else
		doctor_note(doctor, FINDING_OK, check, NULL,
		    "a relay answers at %s", ip);
}

static void
check_relay(struct doctor *doctor, const json_t *relay)
{
	const char *id = report_str(relay, "id");
	char host[HOST_NAME_MAX + 1], error[DOCTOR_ERROR_MAX], check[100];
	struct address addresses[RESOLVE_MAX];
	struct probe_answer answer;
	struct url url;
	size_t n;

	if (!url_parse(str_of(report_str(relay, "url")), &url) ||
	    !str_copy(url.host, host, sizeof(host)))
		return;
	/* where that failed it was said with the names */
	n = doctor_resolve(doctor, host, url.port, addresses, error);
	for (size_t i = 0; i < n; i++) {
		snprintf(check, sizeof(check), "agents' door of %s", id);
		check_door(doctor, check, &url, host, &addresses[i]);
		if (!url.secure)
			continue;
		snprintf(check, sizeof(check), "certificate of %s", id);
		look(
		    doctor, &addresses[i], url.port, host, NULL, NULL, &answer);
		if (answer.stage >= PROBE_ENCRYPTED)
			judge_certificate(doctor, check, host, &answer);
	}
}

void
doctor_check_doors(struct doctor *doctor)
{
	json_t *relay;
	size_t i;

	for (i = 0; i < doctor->n_front; i++)
		check_front(doctor, &doctor->front[i]);
	json_array_foreach (doctor->relays, i, relay)
		check_relay(doctor, relay);
}
