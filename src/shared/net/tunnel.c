/* SPDX-License-Identifier: MIT */
/*
 * What stands behind the answer's head belongs to who speaks through the tunnel. So no read
 * asks for more bytes than the head must still have, which is at most four: a few calls more
 * where a proxy is on the way, and nothing to give back.
 */
#include "config.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/tunnel.h"
#include "net/crypto.h"
#include "wire/http_head.h"

#define END "\r\n\r\n"
#define BASIC "Basic "
#define BASE64_MAX (4 * ((PROXY_CREDENTIALS_MAX + 2) / 3) + 1)

struct tunnel {
	bool has_credentials;
	size_t request_len, answer_len;
	char host[HOST_NAME_MAX + 1];
	char place[HOST_NAME_MAX + 10]; /* host:port, as CONNECT has it */
	char error[HOST_NAME_MAX + 160];
	char request[2 * HOST_NAME_MAX + BASE64_MAX + 160];
	char answer[HTTP_HEAD_MAX];
};

static void
write_request(struct tunnel *tunnel, const char *credentials)
{
	char value[sizeof(BASIC) + BASE64_MAX] = BASIC;
	struct writer w;

	writer_init(&w, tunnel->request, sizeof(tunnel->request));
	writer_cstr(&w, "CONNECT ");
	writer_cstr(&w, tunnel->place);
	writer_cstr(&w, " HTTP/1.1\r\n");
	http_write_field(&w, "Host", str_of(tunnel->place));
	http_write_field(&w, "User-Agent", STR("taupe/" PACKAGE_VERSION));
	if (credentials[0] != '\0') {
		crypto_base64_encode(
		    credentials, strlen(credentials), value + strlen(BASIC));
		http_write_field(&w, "Proxy-Authorization", str_of(value));
	}
	writer_cstr(&w, "\r\n");
	assert(!w.full);
	tunnel->request_len = writer_len(&w);
	crypto_wipe(value, sizeof(value));
}

struct tunnel *
tunnel_new(const struct proxy *proxy, const char *host, uint16_t port)
{
	struct tunnel *tunnel = calloc(1, sizeof(*tunnel));
	bool brackets = strchr(host, ':') != NULL;

	if (tunnel == NULL)
		return NULL;
	tunnel->has_credentials = proxy->credentials[0] != '\0';
	snprintf(tunnel->host, sizeof(tunnel->host), "%s", host);
	snprintf(tunnel->place, sizeof(tunnel->place), "%s%s%s:%u",
	    brackets ? "[" : "", tunnel->host, brackets ? "]" : "", port);
	write_request(tunnel, proxy->credentials);
	return tunnel;
}

void
tunnel_free(struct tunnel **tunnel)
{
	if (*tunnel == NULL)
		return;
	crypto_wipe(*tunnel, sizeof(**tunnel));
	free(*tunnel);
	*tunnel = NULL;
}

const char *
tunnel_host(const struct tunnel *tunnel)
{
	return tunnel->host;
}

void
tunnel_ask(struct tunnel *tunnel, struct conn *conn)
{
	tunnel->answer_len = 0;
	/* that it failed is told by broken_cb */
	(void)conn_write_secret(conn, tunnel->request, tunnel->request_len);
}

static enum tunnel_result
fail(struct tunnel *tunnel, const char *text)
{
	snprintf(tunnel->error, sizeof(tunnel->error), "%s", text);
	return TUNNEL_FAILED;
}

static enum tunnel_result
refuse(struct tunnel *tunnel, unsigned status)
{
	const char *text;

	switch (status) {
	case 403:
		text = "does not allow a connection to";
		break;
	case 407:
		text = tunnel->has_credentials
		    ? "does not take our user and password for"
		    : "wants a user and a password for";
		break;
	case 502:
	case 503:
	case 504:
		text = "does not get through to";
		break;
	default:
		text = "makes no tunnel to";
		break;
	}
	snprintf(tunnel->error, sizeof(tunnel->error), "%s %s (%u)", text,
	    tunnel->place, status);
	return TUNNEL_FAILED;
}

/* Bytes of END that are there, at the answer's end. */
static size_t
end_seen(const struct tunnel *tunnel)
{
	const char *end = tunnel->answer + tunnel->answer_len;

	for (size_t n = strlen(END); n > 0; n--)
		if (tunnel->answer_len >= n && memcmp(end - n, END, n) == 0)
			return n;
	return 0;
}

/* The head is whole, or it is asked whether it is wrong already. */
static enum tunnel_result
judge(struct tunnel *tunnel, const struct conn *conn)
{
	struct http_answer head;
	size_t len;
	char text[100];

	switch (http_answer_parse(
	    tunnel->answer, tunnel->answer_len, &head, &len)) {
	case WIRE_MORE:
		return TUNNEL_MORE;
	case WIRE_BAD:
		snprintf(text, sizeof(text), "does not answer in HTTP: %s",
		    head.error);
		return fail(tunnel, text);
	case WIRE_DONE:
		break;
	}
	if (head.status / 100 == 1 && head.status != 101) {
		tunnel->answer_len = 0; /* not the answer yet */
		return TUNNEL_MORE;
	}
	if (head.status / 100 != 2)
		return refuse(tunnel, head.status);
	return conn_queued(conn) == 0
	    ? TUNNEL_OPEN
	    : fail(tunnel, "answered before it was asked");
}

enum tunnel_result
tunnel_read(struct tunnel *tunnel, struct conn *conn)
{
	enum tunnel_result result = TUNNEL_MORE;
	ssize_t got;

	while (result == TUNNEL_MORE) {
		size_t seen = end_seen(tunnel), want = strlen(END) - seen;

		if (want == 0)
			return fail(tunnel, "does not answer in HTTP");
		if (want > sizeof(tunnel->answer) - tunnel->answer_len)
			return fail(tunnel, "answers with too long a head");
		got =
		    conn_read(conn, tunnel->answer + tunnel->answer_len, want);
		if (got <= 0) {
			/* that it is wrong says more than that it ended */
			result = judge(tunnel, conn);
			return result == TUNNEL_MORE && got != CONN_AGAIN
			    ? fail(tunnel, "ended the connection unasked")
			    : result;
		}
		tunnel->answer_len += (size_t)got;
		if (end_seen(tunnel) == strlen(END))
			result = judge(tunnel, conn);
	}
	return result;
}

const char *
tunnel_error(const struct tunnel *tunnel)
{
	return tunnel->error;
}
