/* SPDX-License-Identifier: MIT */
/*
 * The proxy's URL and the list of who needs none, which the environment gives: the input's
 * first line is the one, the second the other, the third the host that is asked about.
 */
#include "net/proxy.h"

#include <string.h>

#include "require.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
check_url(char *text)
{
	char *argv[] = {(char[]){"agent"}, text, NULL};
	struct proxy proxy;

	(void)proxy_password_shows(2, argv);
	if (!proxy_parse(text, &proxy)) {
		REQUIRE(proxy.credentials[0] == '\0');
		return;
	}
	REQUIRE(proxy.host[0] != '\0' && proxy.port > 0);
	REQUIRE(strlen(proxy.host) <= HOST_NAME_MAX);
	REQUIRE(strlen(proxy.credentials) <= PROXY_CREDENTIALS_MAX);
	for (const char *at = proxy.credentials; *at != '\0'; at++)
		REQUIRE((unsigned char)*at >= 0x20 && *at != 0x7f);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = malloc(len + 1), *list, *host;

	REQUIRE(text != NULL);
	if (len > 0)
		memcpy(text, data, len);
	text[len] = '\0';
	if ((list = strchr(text, '\n')) != NULL)
		*list++ = '\0';
	check_url(text);
	if (list != NULL && (host = strchr(list, '\n')) != NULL) {
		*host++ = '\0';
		REQUIRE(proxy_is_excepted("*", host, 443));
		REQUIRE(!proxy_is_excepted("", host, 443));
		(void)proxy_is_excepted(list, host, 443);
	}
	free(text);
	return 0;
}
