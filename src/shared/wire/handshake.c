/* SPDX-License-Identifier: MIT */
/*
 * The opening handshake, what both sides have in common and the client's half of it. Nothing is
 * negotiated: one version, one subprotocol, no extension, so that each side either gets exactly
 * taupe.v1 or says why not.
 */
#include "wire/handshake.h"

#include "wire/control_msg.h"
#include "wire/sha1.h"

/* A digit is six bits, which lie in one byte or in two. */
static void
base64(const uint8_t *data, size_t len, char *out)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t bit = 0; bit < (len + 2) / 3 * 24; bit += 6) {
		size_t at = bit / 8;
		unsigned two = 0;

		if (at < len)
			two = (unsigned)data[at] << 8;
		if (at + 1 < len)
			two |= data[at + 1];
		*out++ = at < len ? digits[two >> (10 - bit % 8) & 63] : '=';
	}
}

void
ws_key_make(const uint8_t nonce[16], char key[WS_KEY_LEN])
{
	base64(nonce, 16, key);
}

void
ws_accept_make(const char key[WS_KEY_LEN], char accept[WS_ACCEPT_LEN])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	char text[WS_KEY_LEN + sizeof(guid) - 1];
	uint8_t digest[SHA1_LEN];

	memcpy(text, key, WS_KEY_LEN);
	memcpy(text + WS_KEY_LEN, guid, sizeof(guid) - 1);
	sha1_digest(text, sizeof(text), digest);
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

/* An IPv6 address in brackets, and the port unless it is the scheme's own. */
static void
write_host(struct writer *w, const struct handshake_request *request)
{
	struct str host = str_of(request->host);
	bool brackets = memchr(host.ptr, ':', host.len) != NULL;

	if (brackets)
		writer_char(w, '[');
	writer_line(w, request->host);
	if (brackets)
		writer_char(w, ']');
	if (request->port != (request->secure ? 443 : 80)) {
		writer_char(w, ':');
		writer_u32(w, request->port);
	}
}

void
handshake_request_write(
    struct writer *w, const struct handshake_request *request)
{
	writer_cstr(w, " HTTP/1.1\r\nHost: ");
	write_host(w, request);
	writer_cstr(w,
	    "\r\n"
	    "Upgrade: websocket\r\n"
	    "Connection: Upgrade\r\n"
	    "Sec-WebSocket-Key: ");
	writer_str(w, (struct str){request->key, WS_KEY_LEN});
	writer_cstr(w,
	    "\r\n"
	    "Sec-WebSocket-Version: " WS_VERSION "\r\n"
	    "Sec-WebSocket-Protocol: " SUBPROTOCOL "\r\n");
	if (request->secret != NULL) {
#ifndef TAUPE_WITHOUT_CHECKS
		if (!handshake_secret_valid(str_of(request->secret)))
			w->full = true;
#endif
		writer_cstr(w, "Authorization: Bearer ");
		writer_line(w, request->secret);
		writer_cstr(w, "\r\n");
	}
	writer_cstr(w, "User-Agent: ");
	writer_line(w, request->user_agent);
	writer_cstr(w, "\r\n\r\n");
}

const char *
handshake_answer_check(
    const struct http_answer *answer, const char key[WS_KEY_LEN])
{
	const struct str *fields = answer->fields;
	char accept[WS_ACCEPT_LEN];

	ws_accept_make(key, accept);
	if (answer->status != 101 || answer->minor != 1)
		return SAYS("not an HTTP/1.1 101");
	if (!str_is_nocase(fields[HTTP_UPGRADE], "websocket"))
		return SAYS("no Upgrade: websocket");
	if (!answer->upgrades)
		return SAYS("no Connection: Upgrade");
	if (!str_equal(
		fields[HTTP_ACCEPT], (struct str){accept, sizeof(accept)}))
		return SAYS(
		    "Sec-WebSocket-Accept is not the answer to our key");
	if (!str_is(fields[HTTP_PROTOCOL], SUBPROTOCOL))
		return SAYS(
		    "the relay did not choose subprotocol " SUBPROTOCOL);
	if (fields[HTTP_EXTENSIONS].ptr != NULL)
		return SAYS("a WebSocket extension that was not asked for");
	return NULL;
}
