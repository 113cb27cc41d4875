/* SPDX-License-Identifier: MIT */
/*
 * Splits URLs. Says no to whatever two parsers have ever read in two ways: user
 * information, backslashes, a second colon, escapes in a host.
 */
#include "wire/url.h"

#include "wire/host_name.h"

static const struct {
	struct str name;
	uint16_t port;
	bool secure;
} schemes[] = {
    {{"ws", 2}, 80, false},
    {{"wss", 3}, 443, true},
    {{"http", 4}, 80, false},
    {{"https", 5}, 443, true},
};

/* The characters of RFC 3986 section 2, but for '#'. */
static bool
chars_valid(struct str text)
{
	return str_only(text, "az$;?Z==[[]]__~~!!");
}

static bool
take_scheme(struct str *text, struct url *url)
{
	struct str rest;

	if (!str_split(*text, ':', &url->scheme, &rest) || rest.len < 2 ||
	    memcmp(rest.ptr, "//", 2) != 0)
		return false;
	*text = (struct str){rest.ptr + 2, rest.len - 2};
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		if (str_equal(url->scheme, schemes[i].name)) {
			url->port = schemes[i].port;
			url->secure = schemes[i].secure;
			return true;
		}
	}
	return false;
}

/* "host", "host:port", "[address]" or "[address]:port" */
static bool
parse_authority(struct str authority, struct url *url)
{
	uint16_t port;

	if (!host_name_strip_port(&authority, &port) ||
	    !host_name_any_case(&authority))
		return false;
	url->host = authority;
	url->explicit_port = port != 0;
	if (port != 0)
		url->port = port;
	return true;
}

bool
url_parse(struct str text, struct url *url)
{
	struct str path, query;
	size_t end = 0;

	memset(url, 0, sizeof(*url));
	(void)str_split(text, '?', &path, &query);
	if (path.len > URL_MAX || !chars_valid(text) ||
	    !take_scheme(&text, url))
		return false;
	while (end < text.len && text.ptr[end] != '/' && text.ptr[end] != '?')
		end++;
	if (!parse_authority((struct str){text.ptr, end}, url))
		return false;
	(void)str_split((struct str){text.ptr + end, text.len - end}, '?',
	    &path, &url->query);
	if (path.len > 0)
		url->path = path;
	return true;
}

bool
url_relay_valid(struct str text)
{
	struct url url;

	return url_parse(text, &url) && url.scheme.ptr[0] == 'w' &&
	    url.path.ptr == NULL && url.query.ptr == NULL;
}
