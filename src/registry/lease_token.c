/* SPDX-License-Identifier: MIT */
/*
 * Making and reading signed leases. The signature is checked before anything else is
 * looked at; what it covers was made by us, but is parsed as if it was not.
 */
#include <assert.h>

#include "net/crypto.h"
#include "net/loop.h"
#include "registry/lease_token.h"

#define MAC_TEXT_LEN 43 /* base64url of 32 bytes */
#define PAYLOAD_MAX 720 /* SERVICES_MAX ports, name, label and time */

static const char key_purpose[] = "taupe lease v1";

void
lease_key_init(struct lease_key *key, const void *secret, size_t len)
{
	assert(len >= LEASE_KEY_FILE_MIN);
	crypto_hmac_sha256(
	    secret, len, key_purpose, sizeof(key_purpose) - 1, key->bytes);
}

void
lease_key_random(struct lease_key *key)
{
	crypto_random(key->bytes, sizeof(key->bytes));
}

static void
write_payload(struct writer *w, const char *name, const struct lease *lease)
{
	form_put(w, "name", str_of(name));
	form_put(w, "label", str_of(lease->label));
	for (size_t i = 0; i < lease->n_ports; i++) {
		char text[SERVICE_NAME_MAX + 8];
		struct writer port;

		writer_init(&port, text, sizeof(text));
		service_port_write(&port, &lease->ports[i]);
		form_put(w, "port", (struct str){text, writer_len(&port)});
	}
	form_put_number(w, "epoch", lease->epoch);
	form_put_number(w, "issued_ms", loop_wall_ms());
}

/* The hash of the secret goes first: it is of one length, so that what is signed can be
 * cut into its two parts in one way only. */
static void
sign(const struct lease_key *key, const uint8_t secret_sha256[SHA256_LEN],
    struct str text, uint8_t mac[SHA256_LEN])
{
	uint8_t covered[SHA256_LEN + LEASE_TOKEN_MAX];

	assert(text.len <= LEASE_TOKEN_MAX);
	memcpy(covered, secret_sha256, SHA256_LEN);
	if (text.len > 0)
		memcpy(covered + SHA256_LEN, text.ptr, text.len);
	crypto_hmac_sha256(key->bytes, sizeof(key->bytes), covered,
	    SHA256_LEN + text.len, mac);
	crypto_wipe(covered, SHA256_LEN);
}

bool
lease_token_make(const struct lease_key *key, const char *name,
    const uint8_t secret_sha256[SHA256_LEN], const struct lease *lease,
    char *out, size_t cap)
{
	char payload[PAYLOAD_MAX];
	uint8_t mac[SHA256_LEN];
	struct writer w;
	size_t len;

	writer_init(&w, payload, sizeof(payload));
	write_payload(&w, name, lease);
	/* three bytes become four characters; then the dot, the signature and a NUL */
	if (w.full || (writer_len(&w) * 4 + 2) / 3 + 1 + MAC_TEXT_LEN + 1 > cap)
		return false;
	len = crypto_base64url_encode(payload, writer_len(&w), out, cap);
	sign(key, secret_sha256, (struct str){out, len}, mac);
	out[len++] = '.';
	crypto_base64url_encode(mac, sizeof(mac), out + len, cap - len);
	return true;
}

static bool
take_pair(const struct form_pair *pair, struct str name, struct lease *lease,
    bool *named, uint64_t *issued_ms)
{
	if (str_equal(pair->key, STR("name"))) {
		*named = str_equal(pair->value, name);
		return *named;
	}
	if (str_equal(pair->key, STR("label")))
		return label_valid(pair->value) &&
		    str_copy(pair->value, lease->label, sizeof(lease->label));
	if (str_equal(pair->key, STR("port")))
		return lease->n_ports < SERVICES_MAX &&
		    service_port_parse(
			pair->value, &lease->ports[lease->n_ports++]);
	if (str_equal(pair->key, STR("epoch")))
		return str_to_number(pair->value, UINT64_MAX, &lease->epoch);
	if (str_equal(pair->key, STR("issued_ms")))
		return str_to_number(pair->value, UINT64_MAX, issued_ms);
	return true;
}

static bool
parse_payload(char *payload, size_t len, struct str name, struct lease *lease,
    uint64_t *issued_ms)
{
	struct form_reader r;
	struct form_pair pair;
	enum wire_result result;
	bool named = false;

	form_reader_init(&r, payload, len);
	while ((result = form_next(&r, &pair)) == WIRE_DONE)
		if (!take_pair(&pair, name, lease, &named, issued_ms))
			return false;
	return result == WIRE_MORE && named && lease->label[0] != '\0';
}

bool
lease_token_verify(const struct lease_key *key, struct str token,
    const char *name, const uint8_t secret_sha256[SHA256_LEN],
    struct lease *lease, uint64_t *issued_ms)
{
	char payload[PAYLOAD_MAX];
	uint8_t mac[SHA256_LEN], given[SHA256_LEN];
	struct lease found = {0};
	struct str text, signature;
	uint64_t issued = 0;
	long len;

	if (token.len > LEASE_TOKEN_MAX ||
	    !str_split(token, '.', &text, &signature) ||
	    crypto_base64url_decode(signature.ptr, signature.len, given,
		sizeof(given)) != sizeof(given))
		return false;
	sign(key, secret_sha256, text, mac);
	if (!crypto_equal(mac, given, sizeof(mac)))
		return false;
	len = crypto_base64url_decode(
	    text.ptr, text.len, payload, sizeof(payload));
	if (len < 0 ||
	    !parse_payload(payload, (size_t)len, str_of(name), &found, &issued))
		return false;
	*lease = found;
	if (issued_ms != NULL)
		*issued_ms = issued;
	return true;
}
