/* SPDX-License-Identifier: MIT */
/*
 * The pages that an HTTP visitor gets when its device cannot be reached, or the visitor may not
 * reach it: built in, or from files of the operator.
 */
#ifndef TAUPE_RELAY_PAGE_H
#define TAUPE_RELAY_PAGE_H

#include "net/conn.h"
#include "wire/str.h"

enum page {
	PAGE_UNKNOWN, /* 404: no device has this name */
	PAGE_REFUSED, /* 502: the device is there, its service did not answer */
	PAGE_CONSENT, /* 403: the device's owner has not allowed it */
	PAGE_DOWN,    /* 503: the service behind the device is down */
	PAGE_OFFLINE, /* 503: the device is not connected */
	PAGE_BUSY,    /* 503: too many want something of it */
	PAGE_CROWD,   /* 429: too many come from the visitor's address */
	PAGE_LOGIN,   /* 401: who visits must know a password */
	PAGE_NOT_FROM_HERE, /* 403: not from the visitor's network */
	PAGE_NO_LINK,	    /* 403: not without a share link that is good */
	PAGE_GUESSES, /* 429: too many wrong passwords come from the visitor's address */
	PAGE_QUOTA_DAY, /* 503: the device has used what it may in a day */
	PAGE_QUOTA_MONTH, /* 503: the same for a month */
	PAGE_COUNT
};

struct pages {
	char *body[PAGE_COUNT]; /* NULL: the built-in one */
};

/* Which one a visitor gets whom the device has refused for this reason. */
enum page page_of_refusal(struct str reason);

/* Read 401.html, 403.html, 404.html, 429.html, 502.html, 503.html, busy.html, consent.html, down.html,
 * guesses.html, link.html, quota-day.html and quota-month.html of a folder; those that are not there
 * stay built in. -1: one cannot be read or is over 256 KiB (it was logged). */
int pages_load(struct pages *pages, const char *dir);
void pages_free(struct pages *pages);

/* Write the whole response (HTTP/1.1, Connection: close). retry_after_s: 0 for none. body: false
 * where it is known that HEAD was asked, which has none. */
void page_write(const struct pages *pages, enum page page,
    unsigned retry_after_s, bool body, struct conn *conn);

#endif
