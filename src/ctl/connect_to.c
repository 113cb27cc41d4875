/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "ctl/connect.h"

#define LINK_PATH "/.taupe/share/"

/* The names that stand beside a relay's own: "relays.example.com" of "r1.relays.example.com". Not of an
 * address, and not of a name that would leave a top-level domain. */
static void
take_domain(struct connect_to *to, struct str host)
{
	const char *dot = memchr(host.ptr, '.', host.len);
	struct address address;
	struct str parent;

	if (dot == NULL || address_parse_ip(host, 0, &address))
		return;
	parent = (struct str){
	    dot + 1, (size_t)(host.ptr + host.len - dot - 1)};
	if (memchr(parent.ptr, '.', parent.len) == NULL)
		parent = host;
	(void)str_copy(parent, to->domain, sizeof(to->domain));
}

static int
take_place(struct connect_to *to, struct str place)
{
	struct str name, service;

	if (str_split(place, '/', &name, &service) &&
	    device_name_valid(name) && service_name_valid(service) &&
	    str_copy(name, to->name, sizeof(to->name)) &&
	    str_copy(service, to->service, sizeof(to->service)))
		return EX_OK;
	return ctl_fail(EX_DATAERR,
	    "%.*s is no DEVICE/SERVICE, such as alice/ssh, and no share link",
	    STR_ARG(place));
}

static int
take_relay(struct connect_to *to, const char *relay)
{
	struct url url;

	if (relay == NULL)
		return ctl_fail(EX_USAGE,
		    "connect needs --relay wss://HOST, the URL that agents "
		    "have for a relay, or a share link in place of %s/%s",
		    to->name, to->service);
	if (!url_relay_valid(str_of(relay)) ||
	    !url_parse(str_of(relay), &url) ||
	    !str_copy(str_of(relay), to->relay, sizeof(to->relay)))
		return ctl_fail(EX_DATAERR,
		    "relay: %s is not like wss://relay.example.com", relay);
	take_domain(to, url.host);
	return EX_OK;
}

/* "https://HOST/.taupe/share/TOKEN": the host is a relay's, the token says which service. */
static int
take_link(struct connect_to *to, const char *text, const char *relay)
{
	const char *path = strstr(text, LINK_PATH);
	bool secure = strncmp(text, "https://", 8) == 0;
	struct share_token token;
	char base[URL_MAX + 1];
	int code;

	if (path == NULL ||
	    !str_copy(str_of(path + strlen(LINK_PATH)), to->token,
		sizeof(to->token)) ||
	    !share_token_look(str_of(to->token), &token))
		return ctl_fail(EX_DATAERR,
		    "this is no share link: it has no token behind %s, or one "
		    "that was cut",
		    LINK_PATH);
	if ((code = take_place(to, str_of(token.subject))) != EX_OK)
		return code;
	if (relay != NULL)
		return take_relay(to, relay);
	snprintf(base, sizeof(base), "%s%.*s", secure ? "wss://" : "ws://",
	    (int)(path - text) - (secure ? 8 : 7), text + (secure ? 8 : 7));
	return take_relay(to, base);
}

int
connect_to_parse(struct connect_to *to, const char *target, const char *relay)
{
	int code;

	memset(to, 0, sizeof(*to));
	if (strncmp(target, "https://", 8) == 0 ||
	    strncmp(target, "http://", 7) == 0)
		return take_link(to, target, relay);
	code = take_place(to, str_of(target));
	return code == EX_OK ? take_relay(to, relay) : code;
}

static bool
is_below(struct str host, struct str domain)
{
	struct str tail;

	if (domain.len == 0 || host.len < domain.len)
		return false;
	tail = (struct str){host.ptr + host.len - domain.len, domain.len};
	return str_equal_nocase(tail, domain) &&
	    (tail.ptr == host.ptr || tail.ptr[-1] == '.');
}

const char *
connect_redirect_refusal(const struct connect_to *to, const struct url *from,
    const struct url *url)
{
	if (url->scheme.ptr[0] != 'w')
		return "it does not lead to a relay";
	if (from->secure && !url->secure)
		return "it leads from wss to ws";
	if (!str_equal_nocase(from->host, url->host) &&
	    !is_below(url->host, str_of(to->domain)))
		return "it leads to a host of another domain; --relay can "
		       "name that one";
	return NULL;
}
