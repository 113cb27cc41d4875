/* SPDX-License-Identifier: MIT */
/*
 * Control messages and handshake parameters. The first byte chooses the decoder; what
 * it takes must, once encoded, be taken again and be encoded to the same text.
 */
#include "wire/control_msg.h"

#include "require.h"

#define OUT_MAX (4 * CONTROL_MSG_MAX)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Decode a message and encode it; false when it was refused. */
static bool
rewrite_msg(char *text, size_t len, struct writer *w)
{
	static struct control_msg msg;
	const char *error;
	enum wire_result result = control_msg_decode(text, len, &msg, &error);

	REQUIRE(result != WIRE_MORE);
	REQUIRE((result == WIRE_BAD) == (error != NULL));
	if (result != WIRE_DONE || msg.op == CONTROL_UNKNOWN)
		return false;
	REQUIRE(msg.n_urls <= SERVICES_MAX && msg.n_peers <= PEERS_MAX);
	control_msg_encode(w, &msg);
	return true;
}

static bool
rewrite_params(char *text, size_t len, struct writer *w)
{
	static struct control_params params;
	const char *error;
	enum wire_result result =
	    control_params_decode(text, len, &params, &error);

	REQUIRE(result != WIRE_MORE);
	REQUIRE((result == WIRE_BAD) == (error != NULL));
	if (result != WIRE_DONE)
		return false;
	REQUIRE(params.n_services >= 1 && params.n_services <= SERVICES_MAX);
	control_params_encode(w, &params);
	return true;
}

static bool
rewrite_transfer(char *text, size_t len, struct writer *w)
{
	struct str id;
	const char *error;

	if (transfer_params_decode(text, len, &id, &error) != WIRE_DONE)
		return false;
	REQUIRE(id.len == TRANSFER_ID_LEN);
	form_put(w, "id", id);
	return true;
}

typedef bool (*rewrite_cb)(char *text, size_t len, struct writer *w);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const rewrite_cb rewrites[] = {
	    rewrite_msg, rewrite_params, rewrite_transfer};
	static char text[CONTROL_MSG_MAX], once[OUT_MAX], copy[OUT_MAX],
	    twice[OUT_MAX];
	struct writer first, second;
	rewrite_cb rewrite;

	if (len < 1 || len - 1 > sizeof(text))
		return 0;
	rewrite = rewrites[data[0] % 3];
	memcpy(text, data + 1, len - 1);
	writer_init(&first, once, sizeof(once));
	if (!rewrite(text, len - 1, &first))
		return 0;
	REQUIRE(!first.full);
	memcpy(copy, once, writer_len(&first));
	writer_init(&second, twice, sizeof(twice));
	REQUIRE(rewrite(copy, writer_len(&first), &second));
	REQUIRE(writer_len(&first) == writer_len(&second));
	REQUIRE(memcmp(once, twice, writer_len(&first)) == 0);
	return 0;
}
