/* SPDX-License-Identifier: MIT */
#include "relay/init/init_ports.h"

#include <errno.h>
#include <string.h>
#include <sysexits.h>

#include "base/log.h"
#include "net/address.h"
#include "net/socket.h"
#include "relay/listen_range.h"

struct use {
	const char *option; /* that changes it */
	struct address address;
	long low, high;
	bool probe; /* one that is taken is a port too few */
};

#define USES_MAX 7

static long
range_of(const char *text, long *high)
{
	struct str low_text, high_text;
	uint64_t low = 0, last = 0;

	if (!str_split(str_of(text), '-', &low_text, &high_text))
		high_text = low_text;
	str_to_number(low_text, 65535, &low);
	str_to_number(high_text, 65535, &last);
	*high = (long)last;
	return (long)low;
}

static struct use
use_of(const char *option, const char *ip, long low, long high)
{
	struct use use = {
	    .option = option, .low = low, .high = high, .probe = true};

	address_parse_ip(str_of(ip), 1, &use.address);
	return use;
}

static struct use
use_of_listen(const char *option, const char *listen)
{
	struct use use = {.option = option, .probe = true};

	address_parse(str_of(listen), &use.address);
	use.low = use.high = address_port(&use.address);
	return use;
}

static size_t
list(const struct init_plan *plan, struct use uses[USES_MAX])
{
	const struct init_options *options = plan->options;
	long more = plan->relays - 1, low, high;
	size_t n = 0;

	uses[n++] = use_of_listen("--http-listen", options->http_listen);
	uses[n++] = use_of_listen("--https-listen", options->https_listen);
	low = range_of(options->public_ports, &high);
	uses[n] = use_of_listen("--public-ports",
	    options->stand_alone ? options->http_listen
				 : options->https_listen);
	uses[n].low = low;
	uses[n++].high = high;
	uses[n++] = use_of("--admin-port", "127.0.0.1",
	    (long)options->admin_port - !options->stand_alone,
	    (long)options->admin_port + more);
	if (options->stand_alone)
		return n;
	uses[n++] = use_of("--agent-port", options->address,
	    (long)options->agent_port, (long)options->agent_port + more);
	uses[n++] = use_of("--redis-port", options->address,
	    (long)options->redis_port, (long)options->redis_port);
	low = range_of(options->service_ports, &high);
	uses[n] = use_of("--service-ports", options->address, low, high);
	uses[n++].probe = false; /* a relay takes another one */
	return n;
}

int
init_ports_check(const struct init_plan *plan)
{
	struct use uses[USES_MAX];
	size_t n = list(plan, uses);
	long low, high;

	for (size_t i = 0; i < n; i++) {
		if (uses[i].high > 65535)
			return init_fail(EX_USAGE,
			    "%s: there is no port %ld for %u relays",
			    uses[i].option, uses[i].high, plan->relays);
		for (size_t k = 0; k < i; k++)
			if (uses[i].low <= uses[k].high &&
			    uses[k].low <= uses[i].high)
				return init_fail(EX_USAGE,
				    "%s and %s both have port %ld: give one of "
				    "them others",
				    uses[k].option, uses[i].option,
				    uses[i].low > uses[k].low ? uses[i].low
							      : uses[k].low);
	}
	low = range_of(plan->options->service_ports, &high);
	if (high - low + 1 < (long)plan->relays)
		return init_fail(EX_USAGE,
		    "--service-ports: too few for %u relays", plan->relays);
	return EX_OK;
}

/* Could a program listen there? A port that needs rights could, by one that has them. */
static int
probe(const struct use *use, long port)
{
	struct address address = use->address;
	int fd = socket_open(address.sa.sa_family, SOCK_STREAM), one = 1;
	int error = 0;
	char text[ADDRESS_TEXT_MAX];

	if (fd < 0)
		return init_fail(EX_OSERR, "no socket: %s", log_errno());
	address_set_port(&address, (uint16_t)port);
	socket_set(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, &address.sa, address.len) != 0)
		error = errno;
	socket_close(fd);
	if (error == EADDRINUSE)
		return init_fail(EX_UNAVAILABLE,
		    "%s is taken by another program: stop it, or choose "
		    "another one with %s",
		    address_text(&address, text), use->option);
	if (error == EADDRNOTAVAIL)
		return init_fail(EX_UNAVAILABLE,
		    "%s is no address of this machine",
		    address_ip_text(&address, text));
	return EX_OK;
}

int
init_ports_probe(const struct init_plan *plan)
{
	struct use uses[USES_MAX];
	size_t n = list(plan, uses);
	int code = EX_OK;

	for (size_t i = 0; i < n; i++)
		for (long port = uses[i].low;
		     uses[i].probe && port <= uses[i].high && code == EX_OK;
		     port++)
			code = probe(&uses[i], port);
	return code;
}
