/* SPDX-License-Identifier: MIT */
/* Form-encoded lists: what was decoded and encoded again decodes to the same pairs. */
#include "wire/form.h"

#include "require.h"

#define TEXT_MAX 1024

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Decode, and write every pair again; false when the text is malformed. */
static bool
rewrite(char *text, size_t len, struct writer *w)
{
	struct form_reader r;
	struct form_pair pair;
	enum wire_result result;

	form_reader_init(&r, text, len);
	while ((result = form_next(&r, &pair)) == WIRE_DONE) {
		char key[TEXT_MAX + 1];

		for (size_t i = 0; i < pair.value.len; i++)
			REQUIRE(pair.value.ptr[i] >= 0x20 &&
			    pair.value.ptr[i] <= 0x7e);
		REQUIRE(
		    pair.key.len > 0 && str_copy(pair.key, key, sizeof(key)));
		form_put(w, key, pair.value);
	}
	return result == WIRE_MORE;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char text[TEXT_MAX], once[4 * TEXT_MAX], copy[4 * TEXT_MAX],
	    twice[4 * TEXT_MAX];
	struct writer first, second;

	if (len > sizeof(text))
		return 0;
	if (len > 0)
		memcpy(text, data, len);
	writer_init(&first, once, sizeof(once));
	if (!rewrite(text, len, &first))
		return 0;
	REQUIRE(!first.full);
	memcpy(copy, once, writer_len(&first));
	writer_init(&second, twice, sizeof(twice));
	REQUIRE(rewrite(copy, writer_len(&first), &second));
	REQUIRE(writer_len(&first) == writer_len(&second));
	REQUIRE(memcmp(once, twice, writer_len(&first)) == 0);
	return 0;
}
