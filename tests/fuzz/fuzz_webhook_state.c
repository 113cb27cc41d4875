/* SPDX-License-Identifier: MIT */
/* The file that keeps a webhook's place, of any bytes: what is taken from it is a place of that URL. */
#include "ctl/webhook.h"

#include "require.h"

#define HOOK "https://example.com/hook"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct str text = {(const char *)data, len}, whose;
	char place[EVENT_PLACE_MAX], again[EVENT_PLACE_MAX];
	char line[EVENT_PLACE_MAX + sizeof(HOOK) + 2];
	int n;

	if (!webhook_state_parse(text, place, &whose))
		return 0;
	REQUIRE(event_place_valid(place));
	REQUIRE(whose.ptr >= text.ptr &&
	    whose.ptr + whose.len <= text.ptr + text.len);
	if (!str_is(whose, HOOK))
		return 0;
	n = snprintf(line, sizeof(line), "%s %s\n", place, HOOK);
	REQUIRE(webhook_state_parse(
	    (struct str){line, (size_t)n}, again, &whose));
	REQUIRE(strcmp(place, again) == 0 && str_is(whose, HOOK));
	return 0;
}
