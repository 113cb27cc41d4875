/* SPDX-License-Identifier: MIT */
/*
 * libresolv makes the question, knows the system's name servers, and takes the answer's names apart. It is not
 * what asks: it waits without an end for a server that is slow by TCP, as long answers come.
 */
#include "config.h"

#include <arpa/nameser.h>
#include <netdb.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>

#include "net/crypto.h"
#include "net/dns_txt.h"
#include "net/timed_socket.h"

#define QUESTION_MAX (NS_HFIXEDSZ + NS_MAXCDNAME + NS_QFIXEDSZ)
#define ROUNDS 2 /* so often each server is asked: a datagram may be lost */

/* Of the third and fourth byte of a message (RFC 1035 section 4.1.1). */
#define IS_ANSWER 0x80
#define OPCODE 0x78
#define IS_CUT 0x02
#define RCODE 0x0f

/* Its servers are the caller's, or the system's. */
struct inquiry {
	struct name_servers servers;
	struct timed_socket to;
	uint8_t question[NS_INT16SZ +
	    QUESTION_MAX]; /* behind its length, as TCP has it */
	size_t question_len;
	uint8_t answer[NS_MAXMSG];
	size_t len;
	bool refused; /* somebody has said that he has no answer */
};

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

/* ---- what is asked, and of whom ---- */

/* Those of resolv.conf: no others than the system asks itself. */
static void
take_system_servers(
    const struct __res_state *state, struct name_servers *servers)
{
	for (int i = 0; i < state->nscount; i++) {
		struct address *address = &servers->list[servers->n];

		if (state->nsaddr_list[i].sin_family == AF_INET) {
			address->in = state->nsaddr_list[i];
			address->len = sizeof(address->in);
			servers->n++;
		} else if (state->_u._ext.nsaddrs[i] != NULL) {
			address->in6 = *state->_u._ext.nsaddrs[i];
			address->len = sizeof(address->in6);
			servers->n++;
		}
	}
}

static int
set_up(struct inquiry *inquiry, const char *name,
    const struct name_servers *servers)
{
	uint8_t *question = inquiry->question + NS_INT16SZ;
	struct __res_state state = {0};
	int len;

	_Static_assert(MAXNS <= NAME_SERVERS_MAX, "there is room for all");
	if (res_ninit(&state) != 0)
		return -1;
	inquiry->servers = *servers;
	if (servers->n == 0)
		take_system_servers(&state, &inquiry->servers);
	len = res_nmkquery(&state, ns_o_query, name, ns_c_in, ns_t_txt, NULL, 0,
	    NULL, question, QUESTION_MAX);
	res_nclose(&state);
	if (len < 0)
		return -1;
	crypto_random(question, NS_INT16SZ); /* its id */
	inquiry->question_len = (size_t)len;
	inquiry->question[0] = (uint8_t)(len >> 8);
	inquiry->question[1] = (uint8_t)len;
	return 0;
}

/* ---- asking ---- */

static int
send_all(struct timed_socket *to, const uint8_t *data, size_t len)
{
	int n;

	for (; len > 0; data += n, len -= (size_t)n)
		if ((n = timed_send(to, (const char *)data, len)) < 0)
			return -1;
	return 0;
}

static int
receive_all(struct timed_socket *to, uint8_t *out, size_t len)
{
	int n;

	for (; len > 0; out += n, len -= (size_t)n)
		if ((n = timed_receive(to, (char *)out, len)) < 0)
			return -1;
	return 0;
}

/* The question itself, behind the head of a message of ours, or of one that answers it. */
static struct str
question_in(const struct inquiry *inquiry, const uint8_t *message)
{
	return (struct str){(const char *)message + NS_HFIXEDSZ,
	    inquiry->question_len - NS_HFIXEDSZ};
}

/* Is what has come one to our question? Anybody may send anything; servers write letters as they like. */
static bool
is_ours(const struct inquiry *inquiry)
{
	const uint8_t *question = inquiry->question + NS_INT16SZ;
	const uint8_t *answer = inquiry->answer;

	return inquiry->len >= inquiry->question_len &&
	    memcmp(answer, question, NS_INT16SZ) == 0 &&
	    (answer[2] & (IS_ANSWER | OPCODE)) == IS_ANSWER &&
	    str_equal_nocase(
		question_in(inquiry, answer), question_in(inquiry, question));
}

static int
ask_by_udp(struct inquiry *inquiry)
{
	int n;

	if (send_all(&inquiry->to, inquiry->question + NS_INT16SZ,
		inquiry->question_len) != 0)
		return -1;
	do {
		n = timed_receive(&inquiry->to, (char *)inquiry->answer,
		    sizeof(inquiry->answer));
		if (n < 0)
			return -1;
		inquiry->len = (size_t)n;
	} while (!is_ours(inquiry));
	return 0;
}

static int
ask_by_tcp(struct inquiry *inquiry)
{
	uint8_t len[NS_INT16SZ];

	if (send_all(&inquiry->to, inquiry->question,
		NS_INT16SZ + inquiry->question_len) != 0 ||
	    receive_all(&inquiry->to, len, sizeof(len)) != 0)
		return -1;
	inquiry->len = (size_t)len[0] << 8 | len[1];
	if (receive_all(&inquiry->to, inquiry->answer, inquiry->len) != 0)
		return -1;
	return is_ours(inquiry) ? 0 : -1;
}

static int
ask_by(struct inquiry *inquiry, int type, const struct address *server,
    int (*ask)(struct inquiry *inquiry))
{
	int result =
	    timed_connect(&inquiry->to, type, &server->sa, server->len);

	if (result == 0)
		result = ask(inquiry);
	timed_close(&inquiry->to);
	return result;
}

/* 0 with the whole answer; -1: it has none. */
static int
ask_server(struct inquiry *inquiry, const struct address *server)
{
	const uint8_t *answer = inquiry->answer;

	if (ask_by(inquiry, SOCK_DGRAM, server, ask_by_udp) != 0 ||
	    ((answer[2] & IS_CUT) != 0 &&
		ask_by(inquiry, SOCK_STREAM, server, ask_by_tcp) != 0))
		return -1;
	if ((answer[3] & RCODE) == ns_r_noerror ||
	    (answer[3] & RCODE) == ns_r_nxdomain)
		return 0;
	inquiry->refused = true;
	return -1;
}

/* Each has its share of the time that is left. */
static int
ask_all(struct inquiry *inquiry, uint64_t timeout_ms)
{
	const struct name_servers *servers = &inquiry->servers;
	uint64_t end_ms = timed_now_ms() + timeout_ms;

	for (size_t left = ROUNDS * servers->n; left > 0; left--) {
		uint64_t now_ms = timed_now_ms();

		inquiry->to.deadline_ms =
		    now_ms + (end_ms > now_ms ? (end_ms - now_ms) / left : 0);
		if (ask_server(inquiry,
			&servers->list[(ROUNDS * servers->n - left) %
			    servers->n]) == 0)
			return 0;
	}
	return -1;
}

enum dns_txt_result
dns_txt_look(const char *name, const char *text,
    const struct name_servers *servers, uint64_t timeout_ms,
    char error[DNS_TXT_ERROR_MAX])
{
	struct inquiry *inquiry = calloc(1, sizeof(*inquiry));
	enum dns_txt_result result = DNS_TXT_FAILED;

	(void)snprintf(error, DNS_TXT_ERROR_MAX, "out of memory");
	if (inquiry == NULL)
		return DNS_TXT_FAILED;
	if (set_up(inquiry, name, servers) != 0) {
		(void)snprintf(error, DNS_TXT_ERROR_MAX,
		    "it is no name that can be asked for, or the system's "
		    "resolver is not set up");
		free(inquiry);
		return DNS_TXT_FAILED;
	}
	inquiry->to = (struct timed_socket){
	    .fd = -1, .error = error, .error_size = DNS_TXT_ERROR_MAX};
	if (ask_all(inquiry, timeout_ms) == 0)
		result =
		    dns_txt_read(inquiry->answer, inquiry->len, str_of(text));
	else
		(void)snprintf(error, DNS_TXT_ERROR_MAX, "%s",
		    inquiry->refused ? "the name servers cannot answer"
				     : "no name server answers");
	free(inquiry);
	return result;
}
