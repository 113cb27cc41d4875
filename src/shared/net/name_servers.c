/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "net/name_servers.h"

#define DNS_PORT 53

static struct str
trim(struct str text)
{
	while (text.len > 0 && text.ptr[0] == ' ') {
		text.ptr++;
		text.len--;
	}
	while (text.len > 0 && text.ptr[text.len - 1] == ' ')
		text.len--;
	return text;
}

static bool
add_one(struct name_servers *servers, struct str text)
{
	struct address *address = &servers->list[servers->n];

	if (servers->n == NAME_SERVERS_MAX)
		return false;
	if (!address_parse(text, address) &&
	    !address_parse_ip(text, DNS_PORT, address))
		return false;
	if (address_port(address) == 0 || address_is_wildcard(address))
		return false;
	servers->n++;
	return true;
}

bool
name_servers_add(struct name_servers *servers, struct str text)
{
	struct str one, rest;

	while (str_split(text, ',', &one, &rest)) {
		if (!add_one(servers, trim(one)))
			return false;
		text = rest;
	}
	return add_one(servers, trim(text));
}
