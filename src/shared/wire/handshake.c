/* SPDX-License-Identifier: MIT */
/*
 * The opening handshake. Nothing is negotiated: one version, one subprotocol, no
 * extension, so that each side either gets exactly taupe.v1 or says why not.
 */
#include "wire/handshake.h"

#include "wire/control_msg.h"
#include "wire/sha1.h"

#define WS_VERSION "13"

static void
base64(const uint8_t *data, size_t len, char *out)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < len; i += 3) {
		uint32_t bits = (uint32_t)data[i] << 16;

		if (i + 1 < len)
			bits |= (uint32_t)data[i + 1] << 8;
		if (i + 2 < len)
			bits |= data[i + 2];
		*out++ = digits[bits >> 18];
		*out++ = digits[bits >> 12 & 63];
		*out++ = i + 1 < len ? digits[bits >> 6 & 63] : '=';
		*out++ = i + 2 < len ? digits[bits & 63] : '=';
	}
}

void
ws_key_make(const uint8_t nonce[16], char key[WS_KEY_LEN])
{
	base64(nonce, 16, key);
}

void
ws_accept_make(struct str key, char accept[WS_ACCEPT_LEN])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	uint8_t digest[SHA1_LEN];

	sha1_digest(key.ptr, key.len, guid, sizeof(guid) - 1, digest);
	base64(digest, sizeof(digest), accept);
}

bool
handshake_secret_valid(struct str secret)
{
	struct str digits = secret;

	while (digits.len > 0 && digits.ptr[digits.len - 1] == '=')
		digits.len--;
	return digits.len > 0 && secret.len <= SECRET_MAX &&
	    str_only(digits, "azAZ-9__~~++");
}

bool
handshake_enrolment_key_parse(struct str key, struct str *fleet)
{
	struct str random;

	if (key.len <= ENROLMENT_RANDOM_LEN + 1)
		return false;
	random = (struct str){
	    key.ptr + key.len - ENROLMENT_RANDOM_LEN, ENROLMENT_RANDOM_LEN};
	*fleet = (struct str){key.ptr, key.len - ENROLMENT_RANDOM_LEN - 1};
	return str_only(random, "azAZ09--__") && random.ptr[-1] == '.' &&
	    device_name_valid(*fleet);
}

void
handshake_request_write(
    struct writer *w, const struct handshake_request *request)
{
	const struct str values[] = {request->path, request->query,
	    request->host, request->key, request->user_agent, request->secret};

	writer_fill(
	    w, request->query.len > 0 ? "GET \1?\2" : "GET \1", values);
	writer_fill(w,
	    " HTTP/1.1\r\n"
	    "Host: \3\r\n"
	    "Upgrade: websocket\r\n"
	    "Connection: Upgrade\r\n"
	    "Sec-WebSocket-Key: \4\r\n"
	    "Sec-WebSocket-Version: " WS_VERSION "\r\n"
	    "Sec-WebSocket-Protocol: " SUBPROTOCOL "\r\n",
	    values);
	if (request->secret.ptr != NULL) {
		if (!handshake_secret_valid(request->secret))
			w->full = true;
		writer_fill(w, "Authorization: Bearer \6\r\n", values);
	}
	if (request->user_agent.ptr != NULL)
		writer_fill(w, "User-Agent: \5\r\n", values);
	writer_str(w, STR("\r\n"));
}

/* Is it the base64 of 16 bytes? */
static bool
key_valid(struct str key)
{
	if (key.len != WS_KEY_LEN ||
	    memcmp(key.ptr + WS_KEY_LEN - 2, "==", 2) != 0)
		return false;
	return str_only((struct str){key.ptr, WS_KEY_LEN - 2}, "azAZ/9++");
}

static bool
announces_body(const struct http_head *head)
{
	size_t lengths = http_field_count(head, STR("Content-Length"));

	if (http_field_count(head, STR("Transfer-Encoding")) > 0 || lengths > 1)
		return true;
	return lengths == 1 &&
	    !str_equal(http_field_get(head, STR("Content-Length")), STR("0"));
}

/* What makes it no request for a WebSocket at all; NULL when it is one. */
static const char *
check_request(const struct http_head *head)
{
	if (head->minor != 1)
		return SAYS("a WebSocket needs HTTP/1.1");
	if (!str_equal(head->method, STR("GET")))
		return SAYS("a WebSocket needs GET");
	if (http_field_count(head, STR("Host")) != 1)
		return SAYS("not exactly one Host field");
	if (announces_body(head))
		return SAYS("request with a body");
	if (!http_list_has(head, STR("Upgrade"), STR("websocket")))
		return SAYS("no Upgrade: websocket");
	if (!http_list_has(head, STR("Connection"), STR("upgrade")))
		return SAYS("no Connection: Upgrade");
	return NULL;
}

unsigned
handshake_request_check(
    const struct http_head *head, struct str *key, const char **error)
{
	struct str given = http_field_get(head, STR("Sec-WebSocket-Key"));

	*error = check_request(head);
	if (*error != NULL)
		return 400;
	if (!str_equal(http_field_get(head, STR("Sec-WebSocket-Version")),
		STR(WS_VERSION))) {
		*error = SAYS("WebSocket version is not 13");
		return 426;
	}
	if (!key_valid(given)) {
		*error = SAYS("no valid Sec-WebSocket-Key");
		return 400;
	}
	if (!http_list_has(
		head, STR("Sec-WebSocket-Protocol"), STR(SUBPROTOCOL))) {
		*error = SAYS("subprotocol " SUBPROTOCOL " not offered");
		return 426;
	}
	*key = given;
	return 101;
}

struct str
handshake_bearer(const struct http_head *head)
{
	struct str scheme, token;

	if (!str_split(http_field_get(head, STR("Authorization")), ' ', &scheme,
		&token) ||
	    !str_equal_nocase(scheme, STR("Bearer")))
		return (struct str){NULL, 0};
	while (token.len > 0 && token.ptr[0] == ' ') {
		token.ptr++;
		token.len--;
	}
	return handshake_secret_valid(token) ? token : (struct str){NULL, 0};
}

void
handshake_response_write(struct writer *w, struct str key)
{
	char accept[WS_ACCEPT_LEN];

	ws_accept_make(key, accept);
	writer_str(w, STR("HTTP/1.1 101 Switching Protocols\r\n"));
	http_write_field(w, "Upgrade", STR("websocket"));
	http_write_field(w, "Connection", STR("Upgrade"));
	http_write_field(
	    w, "Sec-WebSocket-Accept", (struct str){accept, sizeof(accept)});
	http_write_field(w, "Sec-WebSocket-Protocol", STR(SUBPROTOCOL));
	writer_str(w, STR("\r\n"));
}

bool
handshake_response_check(
    const struct http_head *head, struct str key, const char **error)
{
	char accept[WS_ACCEPT_LEN];
	struct str expected = {accept, sizeof(accept)};

	ws_accept_make(key, accept);
	*error = NULL;
	if (head->status != 101 || head->minor != 1)
		*error = SAYS("not an HTTP/1.1 101");
	else if (!str_equal_nocase(
		     http_field_get(head, STR("Upgrade")), STR("websocket")))
		*error = SAYS("no Upgrade: websocket");
	else if (!http_list_has(head, STR("Connection"), STR("upgrade")))
		*error = SAYS("no Connection: Upgrade");
	else if (!str_equal(http_field_get(head, STR("Sec-WebSocket-Accept")),
		     expected))
		*error = SAYS("Sec-WebSocket-Accept is not the answer to our key");
	else if (!str_equal(http_field_get(head, STR("Sec-WebSocket-Protocol")),
		     STR(SUBPROTOCOL)))
		*error = SAYS("the relay did not choose subprotocol " SUBPROTOCOL);
	else if (http_field_count(head, STR("Sec-WebSocket-Extensions")) > 0)
		*error = SAYS("a WebSocket extension that was not asked for");
	return *error == NULL;
}
