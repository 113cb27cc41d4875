/* SPDX-License-Identifier: MIT */
/* What an installer pastes: whatever is taken, the agent's own rules take as well. */
#include "agent/enrolment_uri.h"

#include <string.h>

#include "require.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = malloc(len + 1);
	struct enrolment_uri uri;

	REQUIRE(text != NULL);
	if (len > 0)
		memcpy(text, data, len);
	text[len] = '\0';
	if (enrolment_uri_parse(text, &uri) == NULL) {
		REQUIRE(taupe_relay_valid(uri.relay));
		REQUIRE(taupe_name_valid(uri.name));
		REQUIRE(taupe_secret_valid(uri.secret));
	}
	free(text);
	return 0;
}
