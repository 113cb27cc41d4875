/* SPDX-License-Identifier: MIT */
/* HAProxy by its runtime socket: which one it is, how full it is, what went wrong in it. */
#include "ctl/doctor.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "ctl/hap_certs.h"
#include "ctl/report.h"
#include "net/hap_query.h"
#include "net/hap_reply.h"
#include "net/redis_info.h"

#define DEFAULT_SOCKET "/run/haproxy/admin.sock"
#define FULL_PERCENT 80
#define ERROR_PERCENT 1

/* What "show info" says, as a text. */
struct text {
	char data[16384];
	size_t len;
};

static void
append_cb(void *ctx, struct str line)
{
	struct text *text = ctx;

	if (line.len + 1 > sizeof(text->data) - text->len)
		return;
	memcpy(text->data + text->len, line.ptr, line.len);
	text->len += line.len;
	text->data[text->len++] = '\n';
}

/* The number of a line "Name: value"; 0: there is none. */
static uint64_t
number_of(struct str info, const char *name)
{
	struct str value = str_trim(redis_info_value(info, name));
	uint64_t number;

	return str_to_number(value, INT64_MAX, &number) ? number : 0;
}

static void
judge_version(struct doctor *doctor, const struct hap_info *info)
{
	unsigned version = info->major * 100 + info->minor;

	if (version < 206)
		doctor_note(doctor, FINDING_FAIL, "haproxy version",
		    "upgrade to 2.6 or later", "%s", info->version);
	else if (info->stopping)
		doctor_note(doctor, FINDING_FAIL, "haproxy version",
		    "give the socket of the process that serves",
		    "%s, which is stopping", info->version);
	else
		doctor_note(doctor, FINDING_OK, "haproxy version", NULL,
		    "%s: changes of maps are %s", info->version,
		    version >= 209
			? "indexed"
			: "searched for, so the router uses overlays");
}

static void
judge_load(struct doctor *doctor, struct str info)
{
	uint64_t now = number_of(info, "CurrConns"),
		 max = number_of(info, "Maxconn");

	if (max > 0 && now * 100 >= max * FULL_PERCENT)
		doctor_note(doctor, FINDING_WARNING, "haproxy connections",
		    "raise maxconn, and the file descriptors of its service",
		    "%" PRIu64 " of %" PRIu64, now, max);
	else
		doctor_note(doctor, FINDING_OK, "haproxy connections", NULL,
		    "%" PRIu64 " of %" PRIu64, now, max);
}

/* "  - Pool buffer (16384 bytes) : 5 allocated …": in some versions without the bytes' unit. */
static void
find_bufsize_cb(void *ctx, struct str line)
{
	static const char mark[] = "Pool buffer (";
	uint64_t *bufsize = ctx;
	struct str rest = str_trim(line), number;

	while (rest.len >= sizeof(mark) - 1 &&
	    memcmp(rest.ptr, mark, sizeof(mark) - 1) != 0)
		rest = (struct str){rest.ptr + 1, rest.len - 1};
	if (rest.len < sizeof(mark) - 1)
		return;
	rest = (struct str){
	    rest.ptr + sizeof(mark) - 1, rest.len - (sizeof(mark) - 1)};
	(void)str_split(rest, ' ', &number, &rest);
	(void)str_to_number(number, INT32_MAX, bufsize);
}

static void
check_bufsize(struct doctor *doctor, const char *socket)
{
	uint64_t bufsize = 0,
		 wanted = (uint64_t)doctor->options->haproxy_bufsize;
	char error[HAP_QUERY_ERROR_MAX];

	if (hap_query(socket, "show pools\n", doctor->timeout_ms,
		find_bufsize_cb, &bufsize, error) != 0 ||
	    bufsize == 0)
		doctor_note(doctor, FINDING_SKIPPED, "haproxy bufsize", NULL,
		    "it does not tell its tune.bufsize");
	else if (bufsize < wanted)
		doctor_note(doctor, FINDING_FAIL, "haproxy bufsize",
		    "set haproxy_bufsize of taupe-router, and here, to that",
		    "tune.bufsize is %" PRIu64
		    ": longer commands of the router (%" PRIu64
		    ") are dropped without a word",
		    bufsize, wanted);
	else
		doctor_note(doctor, FINDING_OK, "haproxy bufsize", NULL,
		    "%" PRIu64 ", for commands of %" PRIu64, bufsize, wanted);
}

/* "show stat" is CSV; its first line names the fields, which differ between versions. */
#define STAT_FIELDS_MAX 200
enum { STAT_NAME, STAT_KIND, STAT_TOTAL, STAT_ECON, STAT_ERESP, STATS };

struct stats {
	size_t at[STATS]; /* which field that is */
	bool known;
	uint64_t total, failed;
};

static void
take_heading(struct stats *stats, struct str line)
{
	static const char *const names[STATS] = {
	    "pxname", "svname", "stot", "econ", "eresp"};
	unsigned found = 0;
	struct str field;

	line = (struct str){line.ptr + 2, line.len - 2};
	for (size_t i = 0; line.len > 0 && i < STAT_FIELDS_MAX; i++) {
		(void)str_split(line, ',', &field, &line);
		for (unsigned k = 0; k < STATS; k++)
			if (str_is(field, names[k])) {
				stats->at[k] = i;
				found++;
			}
	}
	stats->known = found == STATS;
}

static void
stat_cb(void *ctx, struct str line)
{
	struct str fields[STATS] = {{NULL, 0}}, field;
	struct stats *stats = ctx;
	uint64_t total, econ, eresp;

	if (line.len > 2 && memcmp(line.ptr, "# ", 2) == 0)
		take_heading(stats, line);
	for (size_t i = 0; stats->known && line.len > 0; i++) {
		(void)str_split(line, ',', &field, &line);
		for (unsigned k = 0; k < STATS; k++)
			if (stats->at[k] == i)
				fields[k] = field;
	}
	if (!str_is(fields[STAT_KIND], "BACKEND") ||
	    !str_to_number(fields[STAT_TOTAL], INT64_MAX, &total) ||
	    !str_to_number(fields[STAT_ECON], INT64_MAX, &econ) ||
	    !str_to_number(fields[STAT_ERESP], INT64_MAX, &eresp))
		return;
	stats->total += total;
	stats->failed += econ + eresp;
}

static void
check_errors(struct doctor *doctor, const char *socket)
{
	struct stats stats = {0};
	char error[HAP_QUERY_ERROR_MAX];

	if (hap_query(socket, "show stat\n", doctor->timeout_ms, stat_cb,
		&stats, error) != 0 ||
	    !stats.known)
		doctor_note(doctor, FINDING_SKIPPED, "haproxy errors", NULL,
		    "it does not tell its counters");
	else if (stats.failed * 100 > stats.total * ERROR_PERCENT)
		doctor_note(doctor, FINDING_WARNING, "haproxy errors",
		    "do its hosts reach the relays' service_listen addresses? "
		    "HAProxy's log names them",
		    "%" PRIu64 " of %" PRIu64
		    " connections to relays failed since its start",
		    stats.failed, stats.total);
	else
		doctor_note(doctor, FINDING_OK, "haproxy errors", NULL,
		    "%" PRIu64 " of %" PRIu64 " connections to relays failed",
		    stats.failed, stats.total);
}

static void
note_rival_cb(void *ctx, const char *file, const char *other, const char *name)
{
	char check[HAP_CERT_NAME_MAX + 20];

	snprintf(check, sizeof(check), "certificate %s", file);
	doctor_note(ctx, FINDING_WARNING, check,
	    "take the older one away, and reload HAProxy",
	    "%s is for %s, too: HAProxy shows one of them alone, first one of "
	    "an elliptic curve",
	    other, name);
}

/* All that it has, those that no visitor has asked for yet, too. */
static void
check_certificates(struct doctor *doctor, const char *socket)
{
	json_t *list = json_array(), *certificate;
	char error[HAP_QUERY_ERROR_MAX], check[HAP_CERT_NAME_MAX + 20];
	size_t i;

	if (hap_certs_list(socket, doctor->timeout_ms, list, error) != 0)
		doctor_note(doctor, FINDING_SKIPPED, "haproxy certificates",
		    NULL, "%s", error);
	else
		json_array_foreach (list, i, certificate) {
			uint64_t end_s = report_u64(certificate, "expires_s");

			snprintf(check, sizeof(check), "certificate %s",
			    report_str(certificate, "name"));
			if (end_s != 0)
				doctor_judge_expiry(doctor, check,
				    report_str(certificate, "names"),
				    (int64_t)end_s);
		}
	hap_certs_each_rival(list, note_rival_cb, doctor);
	json_decref(list);
}

static void
check_socket(struct doctor *doctor, const char *socket)
{
	char error[HAP_QUERY_ERROR_MAX];
	struct text text = {.len = 0};
	struct hap_info info;
	struct str said;

	if (hap_query(socket, "show info\n", doctor->timeout_ms, append_cb,
		&text, error) != 0) {
		doctor_note(doctor, FINDING_FAIL, "haproxy",
		    "does it run, with \"stats socket\" as in "
		    "haproxy/haproxy.cfg, and may this user write to it?",
		    "%s: %s", socket, error);
		return;
	}
	said = (struct str){text.data, text.len};
	if (!hap_info_parse(said, &info)) {
		doctor_note(doctor, FINDING_FAIL, "haproxy",
		    "give the runtime socket of HAProxy, level admin",
		    "%s answers something else than \"show info\"", socket);
		return;
	}
	doctor_note(doctor, FINDING_OK, "haproxy", NULL,
	    "%s answers, process %" PRIu64, socket, info.pid);
	judge_version(doctor, &info);
	judge_load(doctor, said);
	check_bufsize(doctor, socket);
	check_errors(doctor, socket);
	check_certificates(doctor, socket);
	doctor_check_maps(doctor, socket);
}

void
doctor_check_haproxy(struct doctor *doctor)
{
	const struct option_list *sockets = &doctor->options->haproxy;

	for (size_t i = 0; i < sockets->count; i++)
		check_socket(doctor, sockets->items[i]);
	if (sockets->count > 0)
		return;
	if (access(DEFAULT_SOCKET, F_OK) == 0)
		check_socket(doctor, DEFAULT_SOCKET);
	else
		doctor_note(doctor, FINDING_SKIPPED, "haproxy",
		    "run this on HAProxy's host, or give its socket with "
		    "--haproxy",
		    "there is no " DEFAULT_SOCKET " here");
}
