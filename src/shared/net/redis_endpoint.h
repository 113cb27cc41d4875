/* SPDX-License-Identifier: MIT */
/* The options redis and redis_password_file of every daemon, made ready for a link. */
#ifndef TAUPE_NET_REDIS_ENDPOINT_H
#define TAUPE_NET_REDIS_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REDIS_HOST_MAX 255
#define REDIS_PASSWORD_MAX 512

struct redis_endpoint {
	char host[REDIS_HOST_MAX + 1]; /* name, address without brackets, or socket path */
	uint16_t port;                 /* 0 for a socket */
};

/* "name:6379", "127.0.0.1:6379", "[::1]:6379", or "/path/of/socket". */
bool redis_endpoint_parse(const char *text, struct redis_endpoint *endpoint);

/* For a row of an option table. */
const char *redis_endpoint_check(const char *text);

/* The first line of a file. -1 with errno: it cannot be read, or (EINVAL) the line is
 * empty or too long. The caller wipes it when it is no longer needed. */
int redis_password_read(const char *path, char password[REDIS_PASSWORD_MAX + 1]);

#endif
