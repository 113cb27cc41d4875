/* SPDX-License-Identifier: MIT */
/*
 * One HTTP POST for programs without a loop: taupectl sends webhooks. Over TLS the server must show
 * a good certificate. Redirects are not followed, and the body of the answer is not read.
 */
#ifndef TAUPE_NET_HTTP_POST_H
#define TAUPE_NET_HTTP_POST_H

#include <stddef.h>
#include <stdint.h>

#define HTTP_POST_ERROR_MAX 300

struct tls_context;

struct http_post {
	const char *host; /* a name or an address */
	uint16_t port;
	struct tls_context *tls; /* NULL: without TLS */
	const char *head;	 /* from "POST" to the empty line; the caller's to check */
	const char *body;
	size_t len;
	/* for connecting, to all addresses of the name together, and again for the rest */
	uint64_t timeout_ms;
};

/* Send it, and wait for the answer's head. The status, or -1 with error filled. */
int http_post(const struct http_post *post, char error[HTTP_POST_ERROR_MAX]);

#endif
