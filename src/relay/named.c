/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "relay/named.h"
#include "wire/http_forward.h"

bool
named_address(const struct http_head *head, struct address *named)
{
	struct str text = http_forwarded_for(head);

	if (text.len > 0 &&
	    (address_parse_ip(text, 0, named) || address_parse(text, named)))
		return true;
	*named = (struct address){0};
	return false;
}

bool
named_https(const struct http_head *head)
{
	return str_is_nocase(
	    http_field_get(head, "X-Forwarded-Proto"), "https");
}
