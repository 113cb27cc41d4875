/* SPDX-License-Identifier: MIT */
/*
 * A request's head as a proxy passes it on: who the visitor is says the proxy alone, and what is
 * between the visitor and the proxy stays between them.
 */
#ifndef TAUPE_WIRE_HTTP_FORWARD_H
#define TAUPE_WIRE_HTTP_FORWARD_H

#include "wire/http_head.h"

struct http_forward {
	struct str from;   /* the visitor's address, for X-Forwarded-For */
	struct str scheme; /* "http" or "https", for X-Forwarded-Proto */
	bool upgrades;	   /* its Upgrade is passed on */
	bool trusted; /* it comes from a proxy: what that says of these is passed on, and the
			 rest added */
};

/* A head whose Host is a host name does not become longer than by so many bytes. */
#define HTTP_FORWARD_MAX 1024

/* Write it: without X-Forwarded-*, Forwarded, X-Real-IP and the fields of ours that say who somebody
 * is, but with our X-Forwarded-For, -Proto and -Host; of Connection what a server behind us is to know. A field
 * whose name is absent is left out. */
void http_forward_head(const struct http_head *head,
    const struct http_forward *forward, struct writer *w);
/* Whom the nearest proxy names in X-Forwarded-For: the last entry of the last one. What stands before it
 * may be anybody's invention. Absent: none. */
struct str http_forwarded_for(const struct http_head *head);
/* The same of a trailer section, its empty line included. */
void http_forward_trailers(const struct http_head *trailers, struct writer *w);

#endif
