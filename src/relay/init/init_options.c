/* SPDX-License-Identifier: MIT */
/* One row per key; --help, the man page and every error text come from here. */
#include "relay/init/init_options.h"

#include <stddef.h>

#include "net/address.h"
#include "relay/listen_range.h"
#include "wire/host_name.h"

#define AT(member) offsetof(struct init_options, member)
/* HAProxy takes 97 bytes as the name of a socket. */
#define ROOT_MAX (97 - (int)(sizeof("/run/haproxy/admin.sock") - 1))

static const char *
check_address_port(const char *value)
{
	struct address address;

	return address_parse(str_of(value), &address) &&
		address_port(&address) != 0
	    ? NULL
	    : "a numeric ADDRESS:PORT such as 0.0.0.0:443 or [::]:443";
}

static const char *
check_ip(const char *value)
{
	struct address address;

	return address_parse_ip(str_of(value), 1, &address) &&
		!address_is_wildcard(&address)
	    ? NULL
	    : "a numeric address of this machine such as 10.0.0.5";
}

static const char *
check_range(const char *value)
{
	struct listen_range range;
	char text[64];

	return str_only(str_of(value), "09--") &&
		str_copy(STR("127.0.0.1:"), text, sizeof(text)) &&
		str_copy(str_of(value), text + 10, sizeof(text) - 10) &&
		listen_range_parse(str_of(text), &range)
	    ? NULL
	    : "LOW-HIGH such as 20000-20999";
}

/* It stands in files of four programs, each with a way of its own to quote. */
static const char *
check_root(const char *value)
{
	return value[0] == '/' && str_only(str_of(value), "azAZ09..__--++//")
	    ? NULL
	    : "an absolute path of letters, digits and /._-+";
}

const char *
init_check_domain(const char *domain)
{
	struct address address;
	const char *last;

	if (address_parse_ip(str_of(domain), 1, &address))
		return "an address has no names below it; allowed: a domain "
		       "such as example.com, whose names lead to this machine";
	if (!host_name_valid(str_of(domain)))
		return "allowed: a domain name in lower case, without a dot at "
		       "its end, such as example.com";
	last = strrchr(domain, '.');
	if (last != NULL && str_only(str_of(last + 1), "09"))
		return "no domain ends in a number, and browsers take it for "
		       "an address";
	if (last == NULL)
		return "allowed: a domain with a dot in it such as example.com "
		       "(for a try on this machine alone: try.localhost)";
	if (strlen(domain) > HOST_NAME_MAX - LABEL_MAX)
		return "it is too long: there is no room for names below it";
	return NULL;
}

static const struct option_row rows[] = {
    {"stand_alone", OPTION_BOOL, AT(stand_alone), "no", 0, 0, NULL, NULL, NULL,
	"One relay that needs no other parts: it keeps its registry in memory "
	"and its devices in a file, and takes visitors itself, of http in "
	"plain. Otherwise there are relays that share a Redis, behind HAProxy, "
	"which ends TLS."},
    {"relays", OPTION_INT, AT(relays), "0", 0, INIT_RELAYS_MAX, NULL, NULL,
	"NUMBER", "How many relays on this machine; 0: one a core."},
    {"address", OPTION_STRING, AT(address), "127.0.0.1", 1, 64, NULL, check_ip,
	"ADDRESS",
	"Where Redis and the relays listen for each other and for HAProxy: "
	"this machine's address in a private network, if other machines shall "
	"have relays or HAProxys, too."},
    {"http_listen", OPTION_STRING, AT(http_listen), "0.0.0.0:80", 1, 64, NULL,
	check_address_port, "ADDRESS:PORT", "Where visitors come in plain."},
    {"https_listen", OPTION_STRING, AT(https_listen), "0.0.0.0:443", 1, 64,
	NULL, check_address_port, "ADDRESS:PORT",
	"Where agents come with TLS, and visitors if there is HAProxy."},
    {"public_ports", OPTION_STRING, AT(public_ports), "20000-20999", 1, 16,
	NULL, check_range, "LOW-HIGH", "Public ports for tcp services."},
    {"service_ports", OPTION_STRING, AT(service_ports), "21000-31999", 1, 16,
	NULL, check_range, "LOW-HIGH",
	"Ports for the relays' listeners behind HAProxy, one for each service; "
	"the relays share them out."},
    {"agent_port", OPTION_INT, AT(agent_port), "8001", 1, 65000, NULL, NULL,
	"PORT",
	"Where the first relay takes agents from HAProxy; the others' ports "
	"follow."},
    {"admin_port", OPTION_INT, AT(admin_port), "9901", 2, 65000, NULL, NULL,
	"PORT",
	"Where the first relay answers the operator, on loopback; the others' "
	"ports follow, and the router has the one before."},
    {"redis_port", OPTION_INT, AT(redis_port), "6380", 1, 65535, NULL, NULL,
	"PORT",
	"Where taupe's Redis listens: not where the distribution's does."},
    {"certificate", OPTION_STRING, AT(certificate), NULL, 1, 4095, NULL, NULL,
	"FILE",
	"Certificate of the domain and of all names one below it, with its "
	"chain, as PEM: it is copied. Without one a self-signed one is made, "
	"for a first try."},
    {"key", OPTION_STRING, AT(key), NULL, 1, 4095, NULL, NULL, "FILE",
	"The certificate's private key, as PEM without a password; by default "
	"it is in the same file."},
    {"root", OPTION_STRING, AT(root), NULL, 1, ROOT_MAX, NULL, check_root,
	"DIR",
	"Write everything below this folder, for a try without the rights of "
	"root, and with the programs started by hand."},
    {"force", OPTION_BOOL, AT(force), "no", 0, 0, NULL, NULL, NULL,
	"Replace files that differ: what was there stays beside it, with .bak "
	"behind its name (of a certificate in HAProxy's folder, beside the "
	"folder). Secrets are kept."},
    {0},
};

const struct option_table init_option_table = {
    .program = "taupe-relay init",
    .synopsis = "Write a first configuration of relays, Redis, HAProxy, router "
		"and taupectl that work together.",
    .section = "init",
    .rows = rows,
    .struct_size = sizeof(struct init_options),
    .arguments = "DOMAIN",
    .arguments_offset = AT(words),
};
