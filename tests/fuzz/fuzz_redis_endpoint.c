/* SPDX-License-Identifier: MIT */
/* Where Redis is, as the option says it. */
#include "net/redis_endpoint.h"

#include <string.h>

#include "require.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = malloc(len + 1);
	struct redis_endpoint endpoint;

	REQUIRE(text != NULL);
	if (len > 0)
		memcpy(text, data, len);
	text[len] = '\0';
	if (redis_endpoint_parse(text, &endpoint)) {
		REQUIRE(endpoint.host[0] != '\0');
		REQUIRE(strstr(text, endpoint.host) != NULL);
		REQUIRE((endpoint.port == 0) == (text[0] == '/'));
		REQUIRE(redis_endpoint_check(text) == NULL);
	} else {
		REQUIRE(redis_endpoint_check(text) != NULL);
	}
	free(text);
	return 0;
}
