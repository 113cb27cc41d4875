/* SPDX-License-Identifier: MIT */
/* A password never stands in a configuration file that others may read: it has its own. */
#include <errno.h>
#include <string.h>

#include "base/private_file.h"
#include "base/wipe.h"
#include "net/redis_endpoint.h"
#include "wire/str.h"

static bool
parse_port(struct str text, uint16_t *port)
{
	uint64_t number;

	if (!str_to_number(text, UINT16_MAX, &number) || number == 0)
		return false;
	*port = (uint16_t)number;
	return true;
}

bool
redis_endpoint_parse(const char *text, struct redis_endpoint *endpoint)
{
	const char *colon = strrchr(text, ':');
	struct str host;

	endpoint->port = 0;
	if (text[0] == '/')
		return str_copy(
		    str_of(text), endpoint->host, sizeof(endpoint->host));
	if (colon == NULL || colon == text ||
	    !parse_port(str_of(colon + 1), &endpoint->port))
		return false;
	host = (struct str){text, (size_t)(colon - text)};
	if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
		host = (struct str){host.ptr + 1, host.len - 2};
	else if (memchr(host.ptr, ':', host.len) != NULL)
		return false;
	return str_copy(host, endpoint->host, sizeof(endpoint->host));
}

const char *
redis_endpoint_check(const char *text)
{
	struct redis_endpoint endpoint;

	return redis_endpoint_parse(text, &endpoint)
	    ? NULL
	    : "HOST:PORT such as 127.0.0.1:6379, or the path of a socket";
}

int
redis_password_read(const char *path, char password[REDIS_PASSWORD_MAX + 1])
{
	size_t len;

	if (private_file_read("redis_password_file", path, password,
		REDIS_PASSWORD_MAX + 1) < 0)
		return -1;
	len = strcspn(password, "\r\n");
	if (len == 0 || len == REDIS_PASSWORD_MAX) {
		wipe(password, REDIS_PASSWORD_MAX + 1);
		errno = EINVAL;
		return -1;
	}
	/* and what stands in the other lines */
	wipe(password + len, REDIS_PASSWORD_MAX + 1 - len);
	return 0;
}
