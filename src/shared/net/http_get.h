/* SPDX-License-Identifier: MIT */
/* One HTTP GET for programs without a loop: taupectl asks a relay's admin server. */
#ifndef TAUPE_NET_HTTP_GET_H
#define TAUPE_NET_HTTP_GET_H

#include <stddef.h>
#include <stdint.h>

#include "net/address.h"

#define HTTP_GET_ERROR_MAX 200
#define HTTP_GET_BODY_MAX (64u << 20) /* bytes of the largest answer */

struct http_get_answer {
	int status;
	char *body; /* from malloc, with a NUL behind it; the caller's */
	size_t len;
};

/* Wait for the answer, no longer than timeout_ms between two pieces of it. -1 with error
 * filled: there is none. */
int http_get(const struct address *address, const char *path,
    uint64_t timeout_ms, struct http_get_answer *answer,
    char error[HTTP_GET_ERROR_MAX]);

#endif
