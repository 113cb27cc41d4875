/* SPDX-License-Identifier: MIT */
/* One question over HTTP for programs without a loop: taupectl asks a relay's admin server. */
#ifndef TAUPE_NET_HTTP_ASK_H
#define TAUPE_NET_HTTP_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/address.h"

#define HTTP_ASK_ERROR_MAX 200
#define HTTP_ASK_BODY_MAX (64u << 20) /* bytes of the largest answer */

struct http_question {
	struct address address;
	const char *path;
	const char *token;   /* who asks; "" or NULL: nobody */
	bool post;	     /* to have something done, without a body; else GET */
	uint64_t timeout_ms; /* between two pieces of the answer */
};

struct http_ask_answer {
	int status;
	char *body; /* from malloc, with a NUL behind it; the caller's */
	size_t len;
};

/* Wait for the answer. -1 with error filled: there is none. */
int http_ask(const struct http_question *question,
    struct http_ask_answer *answer, char error[HTTP_ASK_ERROR_MAX]);

#endif
