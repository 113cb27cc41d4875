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

static bool
is_base64_digit(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	    (c >= 'a' && c <= 'z') || c == '+' || c == '/';
}

bool
handshake_secret_valid(struct str secret)
{
	size_t padding = 0;

	while (
	    padding < secret.len && secret.ptr[secret.len - 1 - padding] == '=')
		padding++;
	for (size_t i = 0; i < secret.len - padding; i++) {
		char c = secret.ptr[i];

		if (!is_base64_digit(c) && c != '-' && c != '.' && c != '_' &&
		    c != '~')
			return false;
	}
	return secret.len > padding && secret.len <= SECRET_MAX;
}

bool
handshake_enrolment_key_parse(struct str key, struct str *fleet)
{
	const char *random;

	if (key.len <= ENROLMENT_RANDOM_LEN + 1)
		return false;
	random = key.ptr + key.len - ENROLMENT_RANDOM_LEN;
	for (size_t i = 0; i < ENROLMENT_RANDOM_LEN; i++)
		if (random[i] == '+' || random[i] == '/' ||
		    (!is_base64_digit(random[i]) && random[i] != '-' &&
			random[i] != '_'))
			return false;
	*fleet = (struct str){key.ptr, key.len - ENROLMENT_RANDOM_LEN - 1};
	return random[-1] == '.' && device_name_valid(*fleet);
}

void
handshake_request_write(
    struct writer *w, const struct handshake_request *request)
{
	writer_str(w, STR("GET "));
	writer_str(w, request->path);
	if (request->query.len > 0) {
		writer_char(w, '?');
		writer_str(w, request->query);
	}
	writer_str(w, STR(" HTTP/1.1\r\n"));
	http_write_field(w, "Host", request->host);
	http_write_field(w, "Upgrade", STR("websocket"));
	http_write_field(w, "Connection", STR("Upgrade"));
	http_write_field(w, "Sec-WebSocket-Key", request->key);
	http_write_field(w, "Sec-WebSocket-Version", STR(WS_VERSION));
	http_write_field(w, "Sec-WebSocket-Protocol", STR(SUBPROTOCOL));
	if (request->secret.ptr != NULL) {
		if (!handshake_secret_valid(request->secret))
			w->full = true;
		writer_str(w, STR("Authorization: Bearer "));
		writer_str(w, request->secret);
		writer_str(w, STR("\r\n"));
	}
	if (request->user_agent.ptr != NULL)
		http_write_field(w, "User-Agent", request->user_agent);
	writer_str(w, STR("\r\n"));
}

/* Is it the base64 of 16 bytes? */
static bool
key_valid(struct str key)
{
	if (key.len != WS_KEY_LEN ||
	    memcmp(key.ptr + WS_KEY_LEN - 2, "==", 2) != 0)
		return false;
	for (size_t i = 0; i < WS_KEY_LEN - 2; i++) {
		if (!is_base64_digit(key.ptr[i]))
			return false;
	}
	return true;
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
		return "a WebSocket needs HTTP/1.1";
	if (!str_equal(head->method, STR("GET")))
		return "a WebSocket needs GET";
	if (http_field_count(head, STR("Host")) != 1)
		return "not exactly one Host field";
	if (announces_body(head))
		return "request with a body";
	if (!http_list_has(head, STR("Upgrade"), STR("websocket")))
		return "no Upgrade: websocket";
	if (!http_list_has(head, STR("Connection"), STR("upgrade")))
		return "no Connection: Upgrade";
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
		*error = "WebSocket version is not 13";
		return 426;
	}
	if (!key_valid(given)) {
		*error = "no valid Sec-WebSocket-Key";
		return 400;
	}
	if (!http_list_has(
		head, STR("Sec-WebSocket-Protocol"), STR(SUBPROTOCOL))) {
		*error = "subprotocol " SUBPROTOCOL " not offered";
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
		*error = "not an HTTP/1.1 101";
	else if (!str_equal_nocase(
		     http_field_get(head, STR("Upgrade")), STR("websocket")))
		*error = "no Upgrade: websocket";
	else if (!http_list_has(head, STR("Connection"), STR("upgrade")))
		*error = "no Connection: Upgrade";
	else if (!str_equal(http_field_get(head, STR("Sec-WebSocket-Accept")),
		     expected))
		*error = "Sec-WebSocket-Accept is not the answer to our key";
	else if (!str_equal(http_field_get(head, STR("Sec-WebSocket-Protocol")),
		     STR(SUBPROTOCOL)))
		*error = "the relay did not choose subprotocol " SUBPROTOCOL;
	else if (http_field_count(head, STR("Sec-WebSocket-Extensions")) > 0)
		*error = "a WebSocket extension that was not asked for";
	return *error == NULL;
}
