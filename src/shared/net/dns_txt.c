/* SPDX-License-Identifier: MIT */
/* libresolv asks, follows what is truncated by TCP, and takes the answer's names apart; what a TXT record
 * holds is read here. */
#include "config.h"

#include <arpa/nameser.h>
#include <netdb.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>

#include "net/dns_txt.h"

/* The strings of a TXT record (RFC 1035 section 3.3.14), one behind the other. */
static bool
is_text(const uint8_t *data, size_t len, struct str text)
{
	size_t at = 0;

	while (len > 0) {
		size_t piece = data[0];

		if (piece + 1 > len || piece > text.len - at ||
		    memcmp(data + 1, text.ptr + at, piece) != 0)
			return false;
		at += piece;
		data += piece + 1;
		len -= piece + 1;
	}
	return at == text.len;
}

enum dns_txt_result
dns_txt_read(const uint8_t *answer, size_t len, struct str text)
{
	enum dns_txt_result result = DNS_TXT_NONE;
	ns_msg message;
	ns_rr record;

	if (ns_initparse(answer, (int)len, &message) != 0)
		return DNS_TXT_NONE;
	for (int i = 0; i < ns_msg_count(message, ns_s_an); i++) {
		if (ns_parserr(&message, ns_s_an, i, &record) != 0)
			break;
		if (ns_rr_type(record) != ns_t_txt ||
		    ns_rr_class(record) != ns_c_in)
			continue;
		if (is_text(ns_rr_rdata(record), ns_rr_rdlen(record), text))
			return DNS_TXT_FOUND;
		result = DNS_TXT_OTHERS;
	}
	return result;
}

static int
add_server(struct __res_state *state, const struct address *address)
{
	int at = state->nscount;
	struct sockaddr_in6 *wide;

	if (at == MAXNS)
		return 0;
	if (address->sa.sa_family == AF_INET) {
		state->nsaddr_list[at] = address->in;
	} else {
		/* freed with the state */
		if ((wide = malloc(sizeof(*wide))) == NULL)
			return -1;
		*wide = address->in6;
		free(state->_u._ext.nsaddrs[at]);
		state->_u._ext.nsaddrs[at] = wide;
		state->nsaddr_list[at].sin_family = 0;
	}
	state->nscount++;
	return 0;
}

static int
set_up(struct __res_state *state, const struct name_servers *servers,
    uint64_t timeout_ms)
{
	uint64_t seconds;

	if (res_ninit(state) != 0)
		return -1;
	if (servers->n > 0)
		state->nscount = 0;
	for (size_t i = 0; i < servers->n; i++)
		if (add_server(state, &servers->list[i]) != 0) {
			res_nclose(state);
			return -1;
		}
	seconds = timeout_ms / 1000 /
	    (uint64_t)(state->nscount > 0 ? state->nscount : 1);
	state->retrans = seconds > 0 ? (int)seconds : 1;
	state->retry = 1;
	return 0;
}

enum dns_txt_result
dns_txt_look(const char *name, const char *text,
    const struct name_servers *servers, uint64_t timeout_ms,
    char error[DNS_TXT_ERROR_MAX])
{
	struct __res_state state = {0};
	uint8_t *answer = malloc(NS_MAXMSG);
	enum dns_txt_result result = DNS_TXT_FAILED;
	int len;

	(void)snprintf(error, DNS_TXT_ERROR_MAX, "out of memory");
	if (answer == NULL || set_up(&state, servers, timeout_ms) != 0) {
		free(answer);
		return DNS_TXT_FAILED;
	}
	len = res_nquery(&state, name, ns_c_in, ns_t_txt, answer, NS_MAXMSG);
	if (len >= 0)
		result = dns_txt_read(answer, (size_t)len, str_of(text));
	else if (state.res_h_errno == HOST_NOT_FOUND ||
	    state.res_h_errno == NO_DATA)
		result = DNS_TXT_NONE;
	else
		(void)snprintf(error, DNS_TXT_ERROR_MAX, "%s",
		    state.res_h_errno == TRY_AGAIN
			? "no name server answers"
			: "the name servers cannot answer");
	res_nclose(&state);
	free(answer);
	return result;
}
