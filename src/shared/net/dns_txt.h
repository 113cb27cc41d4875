/* SPDX-License-Identifier: MIT */
/* Does a name's TXT record say something? Asked of the system's resolver, which waits: no event loop may
 * do that. */
#ifndef TAUPE_NET_DNS_TXT_H
#define TAUPE_NET_DNS_TXT_H

#include "net/name_servers.h"

#define DNS_TXT_ERROR_MAX 160

enum dns_txt_result {
	DNS_TXT_FOUND,
	DNS_TXT_OTHERS, /* there are TXT records, and none of them is it */
	DNS_TXT_NONE,	/* there is no TXT record, or no such name */
	DNS_TXT_FAILED	/* nobody has answered, with error filled */
};

/* Ask for a TXT record of name that is this text, as one string or in pieces. servers: those of the
 * system if there are none. It takes about as long as the timeout at most. */
enum dns_txt_result dns_txt_look(const char *name, const char *text,
    const struct name_servers *servers, uint64_t timeout_ms,
    char error[DNS_TXT_ERROR_MAX]);

/* The same of an answer as it came (RFC 1035 section 4). */
enum dns_txt_result dns_txt_read(
    const uint8_t *answer, size_t len, struct str text);

#endif
