/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "net/redis_info.h"

struct str
redis_info_value(struct str info, const char *key)
{
	struct str line, name, value;

	while (info.len > 0) {
		str_split(info, '\n', &line, &info);
		if (str_split(line, ':', &name, &value) &&
		    str_equal(name, str_of(key))) {
			if (value.len > 0 && value.ptr[value.len - 1] == '\r')
				value.len--;
			return value;
		}
	}
	return (struct str){NULL, 0};
}

uint64_t
redis_info_number(struct str info, const char *key)
{
	uint64_t number;

	return str_to_number(redis_info_value(info, key), INT64_MAX, &number)
	    ? number
	    : 0;
}
