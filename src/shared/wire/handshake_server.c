/* SPDX-License-Identifier: MIT */
/* The server's half of the opening handshake: nothing that a device needs. */
#include "wire/control_msg.h"
#include "wire/handshake.h"

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
	size_t lengths = http_field_count(head, "Content-Length");

	if (http_field_count(head, "Transfer-Encoding") > 0 || lengths > 1)
		return true;
	return lengths == 1 &&
	    !str_is(http_field_get(head, "Content-Length"), "0");
}

/* What makes it no request for a WebSocket at all; NULL when it is one. */
static const char *
check_request(const struct http_head *head)
{
	if (head->minor != 1)
		return SAYS("a WebSocket needs HTTP/1.1");
	if (!str_is(head->method, "GET"))
		return SAYS("a WebSocket needs GET");
	if (http_field_count(head, "Host") != 1)
		return SAYS("not exactly one Host field");
	if (announces_body(head))
		return SAYS("request with a body");
	if (!http_list_has(head, "Upgrade", "websocket"))
		return SAYS("no Upgrade: websocket");
	if (!http_list_has(head, "Connection", "upgrade"))
		return SAYS("no Connection: Upgrade");
	return NULL;
}

unsigned
handshake_request_check(
    const struct http_head *head, struct str *key, const char **error)
{
	struct str given = http_field_get(head, "Sec-WebSocket-Key");

	*error = check_request(head);
	if (*error != NULL)
		return 400;
	if (!str_is(
		http_field_get(head, "Sec-WebSocket-Version"), WS_VERSION)) {
		*error = SAYS("WebSocket version is not 13");
		return 426;
	}
	if (!key_valid(given)) {
		*error = SAYS("no valid Sec-WebSocket-Key");
		return 400;
	}
	if (!http_list_has(head, "Sec-WebSocket-Protocol", SUBPROTOCOL)) {
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

	if (!str_split(
		http_field_get(head, "Authorization"), ' ', &scheme, &token) ||
	    !str_is_nocase(scheme, "Bearer"))
		return (struct str){NULL, 0};
	while (token.len > 0 && token.ptr[0] == ' ') {
		token.ptr++;
		token.len--;
	}
	return handshake_secret_valid(token) ? token : (struct str){NULL, 0};
}

void
handshake_response_write(struct writer *w, const char key[WS_KEY_LEN])
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
