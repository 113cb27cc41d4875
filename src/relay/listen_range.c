/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "relay/listen_range.h"

bool
listen_range_parse(struct str text, struct listen_range *range)
{
	struct str ports = {0}, low, high;
	uint64_t first, last;
	size_t i;

	for (i = text.len; i > 0 && ports.ptr == NULL; i--)
		if (text.ptr[i - 1] == ':')
			ports = (struct str){text.ptr + i, text.len - i};
	if (ports.ptr == NULL)
		return false;
	if (!str_split(ports, '-', &low, &high))
		high = low;
	if (!str_to_number(low, 65535, &first) ||
	    !str_to_number(high, 65535, &last) || first == 0 || last < first)
		return false;
	range->low = (uint16_t)first;
	range->high = (uint16_t)last;
	return address_parse_ip(
	    (struct str){text.ptr, (size_t)(ports.ptr - text.ptr - 1)}, 0,
	    &range->address);
}
