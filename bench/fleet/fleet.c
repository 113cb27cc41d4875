/* SPDX-License-Identifier: MIT */
/*
 * The fleet's life: it starts its agents, so many at a time, and says on standard output
 * what becomes of them, one JSON object a line. Times are the monotonic clock's, in
 * milliseconds, so that whoever has started the fleet can compare them with its own.
 */
#include "config.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "fleet/agent.h"
#include "fleet/visit.h"
#include "net/crypto.h"
#include "net/descriptors.h"
#include "wire/control_msg.h"
#include "wire/url.h"

/* ---- what is told ---- */

static void
report_counts(const struct fleet *fleet)
{
	const struct fleet_counts *c = &fleet->counts;

	printf("{\"event\":\"counts\",\"ms\":%" PRIu64 ",\"up\":%" PRIu64
	       ",\"dialled\":%" PRIu64 ",\"welcomes\":%" PRIu64
	       ",\"redirects\":%" PRIu64 ",\"refused\":%" PRIu64
	       ",\"failed\":%" PRIu64 ",\"lost\":%" PRIu64
	       ",\"visits\":%" PRIu64 "}\n",
	    loop_now_ms(fleet->loop), c->up, c->dialled, c->welcomes,
	    c->redirects, c->refused, c->failed, c->lost, c->visits);
}

static int
compare_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Moves the ways of those that have come since the last time to ways; how many there are. */
static size_t
take_ways(struct fleet *fleet, uint32_t *ways)
{
	size_t came = 0;

	for (size_t i = 0; i < fleet->wanted; i++)
		if (fleet->agents[i].came) {
			fleet->agents[i].came = false;
			ways[came++] = fleet->agents[i].way_ms;
		}
	qsort(ways, came, sizeof(*ways), compare_u32);
	return came;
}

/* All are up: how long the ways of those were that came last, as the shortest, the hundredths
 * between, and the longest. */
static void
report_complete(struct fleet *fleet)
{
	uint32_t *ways = malloc(fleet->wanted * sizeof(*ways));
	size_t came;

	if (ways == NULL)
		return;
	report_counts(fleet);
	came = take_ways(fleet, ways);
	printf("{\"event\":\"complete\",\"ms\":%" PRIu64
	       ",\"up\":%zu,\"came\":%zu,\"way_ms\":[",
	    loop_now_ms(fleet->loop), fleet->wanted, came);
	for (size_t i = 0; came > 0 && i <= 100; i++)
		printf(
		    "%s%" PRIu32, i > 0 ? "," : "", ways[(came - 1) * i / 100]);
	printf("]}\n");
	free(ways);
}

static void
check_complete(struct fleet *fleet)
{
	bool complete = fleet->counts.up == fleet->wanted;

	if (complete && !fleet->complete)
		report_complete(fleet);
	fleet->complete = complete;
}

static void
report_cb(void *ctx)
{
	struct fleet *fleet = ctx;

	check_complete(fleet);
	if (memcmp(&fleet->counts, &fleet->reported, sizeof(fleet->counts)) !=
	    0)
		report_counts(fleet);
	fleet->reported = fleet->counts;
	timer_set(
	    fleet->loop, &fleet->report, (uint64_t)fleet->options.report_ms);
}

/* ---- the agents ---- */

void
fleet_source_address(
    const struct fleet *fleet, size_t i, struct address *address)
{
	*address = fleet->first_address;
	address->in.sin_addr.s_addr =
	    htonl(ntohl(address->in.sin_addr.s_addr) + (uint32_t)i);
}

static void
start_more(struct fleet *fleet)
{
	while (fleet->started < fleet->wanted &&
	    fleet->started - fleet->welcomed < (size_t)fleet->options.window)
		agent_start(&fleet->agents[fleet->started++]);
}

void
fleet_welcomed(struct fleet_agent *agent, struct taupe_text label)
{
	struct fleet *fleet = agent->fleet;
	size_t sample = (size_t)fleet->options.sample,
	       step = (fleet->n + sample - 1) / sample;

	if (agent_number(agent) % step == 0)
		printf("{\"event\":\"welcome\",\"ms\":%" PRIu64
		       ",\"name\":\"%s\",\"label\":\"%.*s\"}\n",
		    loop_now_ms(fleet->loop), agent->name, (int)label.len,
		    label.ptr);
	if (!agent->welcomed)
		fleet->welcomed++;
	agent->welcomed = true;
	start_more(fleet);
	check_complete(fleet);
}

/* A line on standard input says how many are wanted now: more than before. */
static void
input_cb(struct conn *conn)
{
	struct fleet *fleet = conn->owner;
	char line[32];
	ssize_t got = conn_read(conn, line, sizeof(line) - 1);
	size_t wanted;

	if (got == CONN_AGAIN)
		return;
	if (got <= 0) {
		conn_fini(conn);
		return;
	}
	line[got] = '\0';
	wanted = strtoul(line, NULL, 10);
	if (wanted <= fleet->wanted || wanted > fleet->n) {
		log_error("not a number of agents to grow to",
		    LOG_S("line", line), LOG_U("most", fleet->n));
		return;
	}
	fleet->wanted = wanted;
	fleet->complete = false;
	start_more(fleet);
}

static const struct conn_ops input_ops = {
    .readable_cb = input_cb,
    .broken_cb = conn_fini,
};

/* A draw from the system for each mask would be felt. */
static void
random_cb(void *ctx, void *out, size_t len)
{
	struct fleet *fleet = ctx;

	if (len > sizeof(fleet->random_pool) - fleet->random_used) {
		crypto_random(fleet->random_pool, sizeof(fleet->random_pool));
		fleet->random_used = 0;
	}
	memcpy(out, fleet->random_pool + fleet->random_used, len);
	fleet->random_used += len;
}

/* ---- configuration ---- */

static const char *
check_relay(const char *value)
{
	return url_relay_valid(str_of(value))
	    ? NULL
	    : "a URL like ws://127.0.0.1:8000";
}

static const char *
check_service(const char *value)
{
	return service_name_valid(str_of(value))
	    ? NULL
	    : "letters a-z, digits and single hyphens";
}

static const char *
check_ip4(const char *value)
{
	struct address address;

	return address_parse_ip(str_of(value), 0, &address) &&
		address.sa.sa_family == AF_INET
	    ? NULL
	    : "an IPv4 address";
}

#define AT(member) offsetof(struct fleet_options, member)

static const struct option_row rows[] = {
    {"relay", OPTION_LIST, AT(relay), "ws://127.0.0.1:8000", 1, 250, NULL,
	check_relay, "URL", "A relay that the agents know."},
    {"domain", OPTION_LIST, AT(domain), NULL, 1, 250, NULL, NULL, "DOMAIN",
	"Domain under which they follow redirects."},
    {"agents", OPTION_INT, AT(agents), "1000", 1, 1000000, NULL, NULL, "NUMBER",
	"How many they are."},
    {"name", OPTION_STRING, AT(name), "a", 1, 16, NULL, NULL, "PREFIX",
	"What their names begin with; six digits of their number follow."},
    {"secret_file", OPTION_STRING, AT(secret_file), NULL, 1, 4095, NULL, NULL,
	"FILE", "The secret of all of them, in the first line."},
    {"service", OPTION_STRING, AT(service), "web", 1, 20, NULL, check_service,
	"NAME", "Their http service, which answers with the agent's name."},
    {"first_address", OPTION_STRING, AT(first_address), "127.64.0.1", 1, 15,
	NULL, check_ip4, "ADDRESS",
	"Source address of the first agent; the others have the next ones."},
    {"proxy", OPTION_STRING, AT(proxy), NULL, 1, 15, NULL, check_ip4, "ADDRESS",
	"Where relays are that have a host name."},
    {"ca_file", OPTION_STRING, AT(ca_file), NULL, 1, 4095, NULL, NULL, "FILE",
	"Whom relays' certificates must be from; needed for wss."},
    {"window", OPTION_INT, AT(window), "1000", 1, 1000000, NULL, NULL, "NUMBER",
	"How many may be on the way to their first welcome at once."},
    {"sample", OPTION_INT, AT(sample), "1", 1, 1000000, NULL, NULL, "NUMBER",
	"About how many agents' welcomes are told one by one."},
    {"steps", OPTION_BOOL, AT(steps), "no", 0, 0, NULL, NULL, NULL,
	"Run as many as each line on standard input, a socket, says, instead "
	"of all."},
    {"report", OPTION_DURATION, AT(report_ms), "200ms", 10, 60000, NULL, NULL,
	"TIME", "How often the counts are told, if they have changed."},
    {0},
};

static const struct option_table table = {
    .program = "fleet",
    .synopsis = "Be a fleet of agents, for measuring what it costs a relay.",
    .section = "fleet",
    .rows = rows,
    .struct_size = sizeof(struct fleet_options),
};

static int
read_secret(struct fleet *fleet)
{
	const char *path = fleet->options.secret_file;
	FILE *file;

	if (path == NULL)
		return 0;
	file = fopen(path, "r");
	if (file == NULL ||
	    fgets(fleet->secret, sizeof(fleet->secret), file) == NULL) {
		log_error("cannot read the secret", LOG_S("file", path),
		    LOG_S("error", log_errno()));
		if (file != NULL)
			fclose(file);
		return -1;
	}
	fclose(file);
	fleet->secret[strcspn(fleet->secret, "\n")] = '\0';
	fleet->config.secret = fleet->secret;
	return 0;
}

static int
configure(struct fleet *fleet)
{
	const struct fleet_options *options = &fleet->options;

	fleet->n = (size_t)options->agents;
	fleet->wanted = options->steps ? 0 : fleet->n;
	fleet->complete = options->steps;
	fleet->service = (struct taupe_service){options->service, TAUPE_HTTP};
	fleet->random_used = sizeof(fleet->random_pool);
	(void)address_parse_ip(
	    str_of(options->first_address), 0, &fleet->first_address);
	if (options->proxy != NULL)
		(void)address_parse_ip(
		    str_of(options->proxy), 0, &fleet->proxy);
	fleet->config = (struct taupe_config){
	    .services = &fleet->service,
	    .n_services = 1,
	    .relays = (const char *const *)options->relay.items,
	    .n_relays = options->relay.count,
	    .domains = (const char *const *)options->domain.items,
	    .n_domains = options->domain.count,
	    .user_agent = "taupe-fleet/" TAUPE_VERSION,
	    .random_cb = random_cb,
	    .random_ctx = fleet,
	    .single_link = true,
	};
	return read_secret(fleet);
}

/* ---- life ---- */

static void
stop_cb(void *ctx)
{
	struct fleet *fleet = ctx;

	loop_stop(fleet->loop);
}

static int
make_agents(struct fleet *fleet)
{
	fleet->agents = calloc(fleet->n, sizeof(*fleet->agents));
	if (fleet->agents == NULL) {
		log_error("no memory for the agents");
		return -1;
	}
	for (size_t i = 0; i < fleet->n; i++)
		if (agent_init(&fleet->agents[i], fleet, i) != 0)
			return -1;
	return 0;
}

static int
run(struct fleet *fleet)
{
	if (descriptors_raise_limit() < fleet->n + 64)
		log_warn("there are fewer descriptors than agents",
		    LOG_S("hint", "raise the hard limit of open files"));
	if (configure(fleet) != 0 || make_agents(fleet) != 0)
		return EX_CONFIG;
	if (loop_on_signal(fleet->loop, SIGTERM, stop_cb, fleet) != 0 ||
	    loop_on_signal(fleet->loop, SIGINT, stop_cb, fleet) != 0) {
		log_error(
		    "signals cannot be watched", LOG_S("error", log_errno()));
		return EX_OSERR;
	}
	if (fleet->options.steps &&
	    (fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK) != 0 ||
		conn_init(&fleet->input, fleet->loop, STDIN_FILENO, &input_ops,
		    fleet) != 0)) {
		log_error("standard input is not a socket",
		    LOG_S("error", log_errno()));
		return EX_USAGE;
	}
	timer_init(&fleet->report, report_cb, fleet);
	report_cb(fleet);
	start_more(fleet);
	return loop_run(fleet->loop) == 0 ? EX_OK : EX_OSERR;
}

static void
fini(struct fleet *fleet)
{
	conn_fini(&fleet->input);
	visits_free(fleet);
	for (size_t i = 0; fleet->agents != NULL && i < fleet->n; i++)
		if (fleet->agents[i].fleet != NULL)
			agent_fini(&fleet->agents[i]);
	free(fleet->agents);
	loop_free(&fleet->loop);
	options_free(&table, &fleet->options);
	buf_pool_drain();
}

int
main(int argc, char **argv)
{
	static struct fleet fleet;
	int result;

	switch (options_load(&table, argc, argv, &fleet.options)) {
	case OPTIONS_EXIT:
		return EX_OK;
	case OPTIONS_ERROR:
		return EX_CONFIG;
	case OPTIONS_OK:
		break;
	}
	fleet.input = (struct conn)CONN_CLOSED;
	log_setup("fleet", LOG_LEVEL_INFO, false);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if ((fleet.loop = loop_new()) == NULL) {
		log_error("the event loop cannot be made",
		    LOG_S("error", log_errno()));
		return EX_OSERR;
	}
	result = run(&fleet);
	fini(&fleet);
	return result;
}
