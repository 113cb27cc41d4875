/* SPDX-License-Identifier: MIT */
/*
 * Nobody but us makes tokens, so that there is one way to write each, and what is written in
 * another way is refused; the signature is checked before anything else is looked at.
 */
#include <assert.h>
#include <string.h>

#include "net/crypto.h"
#include "net/share_token.h"
#include "wire/cursor.h"

#define HEADER "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define PART_MAX 400 /* bytes of the payload */
#define MAC_TEXT_LEN 43 /* base64url of 32 bytes */

static const char *const uses[] = {
    [SHARE_LINK] = "link", [SHARE_VISIT] = "visit"};

static void
write_header(char out[64])
{
	crypto_base64url_encode(HEADER, sizeof(HEADER) - 1, out, 64);
}

static size_t
write_payload(const struct share_token *token, char out[PART_MAX])
{
	struct writer w;

	writer_init(&w, out, PART_MAX);
	writer_cstr(&w, "{\"aud\":\"");
	writer_cstr(&w, uses[token->use]);
	writer_cstr(&w, "\",\"exp\":");
	writer_u64(&w, token->expires_s);
	writer_cstr(&w, ",\"jti\":\"");
	writer_cstr(&w, token->id);
	writer_cstr(&w, "\",\"sub\":\"");
	writer_cstr(&w, token->subject);
	writer_cstr(&w, "\"}");
	assert(!w.full);
	return writer_len(&w);
}

static void
sign(const uint8_t key[ACCESS_KEY_LEN], struct str text, char out[MAC_TEXT_LEN + 1])
{
	uint8_t mac[SHA256_LEN];

	crypto_hmac_sha256(key, ACCESS_KEY_LEN, text.ptr, text.len, mac);
	crypto_base64url_encode(mac, sizeof(mac), out, MAC_TEXT_LEN + 1);
}

void
share_token_make(const uint8_t key[ACCESS_KEY_LEN],
    const struct share_token *token, char out[SHARE_TOKEN_MAX])
{
	char header[64], payload[PART_MAX], body[SHARE_TOKEN_MAX], mac[MAC_TEXT_LEN + 1];
	size_t len = write_payload(token, payload);
	struct writer w;

	write_header(header);
	crypto_base64url_encode(payload, len, body, sizeof(body));
	writer_init(&w, out, SHARE_TOKEN_MAX - 1);
	writer_cstr(&w, header);
	writer_char(&w, '.');
	writer_cstr(&w, body);
	sign(key, (struct str){out, writer_len(&w)}, mac);
	writer_char(&w, '.');
	writer_cstr(&w, mac);
	assert(!w.full);
	*w.at = '\0';
}

/* Take this text off the front. */
static bool
skip(struct str *text, const char *what)
{
	size_t len = strlen(what);

	if (text->len < len || memcmp(text->ptr, what, len) != 0)
		return false;
	text->ptr += len;
	text->len -= len;
	return true;
}

static bool
subject_valid(struct str subject)
{
	struct str device, service;

	return str_split(subject, '/', &device, &service) &&
	    device_name_valid(device) && service_name_valid(service);
}

static bool
read_payload(struct str text, struct share_token *token)
{
	struct str value;

	if (!skip(&text, "{\"aud\":\"") || !str_split(text, '"', &value, &text))
		return false;
	for (token->use = SHARE_LINK; !str_is(value, uses[token->use]);
	     token->use = SHARE_VISIT)
		if (token->use == SHARE_VISIT)
			return false;
	if (!skip(&text, ",\"exp\":") || !str_split(text, ',', &value, &text) ||
	    !str_to_number(value, INT64_MAX, &token->expires_s))
		return false;
	if (!skip(&text, "\"jti\":\"") ||
	    !str_split(text, '"', &value, &text) || !share_id_valid(value) ||
	    !str_copy(value, token->id, sizeof(token->id)))
		return false;
	return skip(&text, ",\"sub\":\"") &&
	    str_split(text, '"', &value, &text) && subject_valid(value) &&
	    str_copy(value, token->subject, sizeof(token->subject)) &&
	    str_is(text, "}");
}

bool
share_token_look(struct str text, struct share_token *token)
{
	char header[64], payload[PART_MAX];
	struct share_token found = {0};
	struct str body;
	long len;

	if (text.len >= SHARE_TOKEN_MAX || text.len < MAC_TEXT_LEN + 2 ||
	    text.ptr[text.len - MAC_TEXT_LEN - 1] != '.')
		return false;
	write_header(header);
	body = (struct str){text.ptr, text.len - MAC_TEXT_LEN - 1};
	if (!skip(&body, header) || !skip(&body, "."))
		return false;
	len = crypto_base64url_decode(
	    body.ptr, body.len, payload, sizeof(payload));
	if (len < 0 || !read_payload((struct str){payload, (size_t)len}, &found))
		return false;
	*token = found;
	return true;
}

bool
share_token_read(const uint8_t key[ACCESS_KEY_LEN], struct str text,
    struct share_token *token)
{
	char mac[MAC_TEXT_LEN + 1];

	if (text.len >= SHARE_TOKEN_MAX || text.len < MAC_TEXT_LEN + 2)
		return false;
	sign(key, (struct str){text.ptr, text.len - MAC_TEXT_LEN - 1}, mac);
	return crypto_equal(
		   mac, text.ptr + text.len - MAC_TEXT_LEN, MAC_TEXT_LEN) &&
	    share_token_look(text, token);
}
