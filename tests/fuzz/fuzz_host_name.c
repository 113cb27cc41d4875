/* SPDX-License-Identifier: MIT */
/* Names: normalising twice is normalising once, and yields what it promises. */
#include "wire/host_name.h"

#include "require.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
check_normalise(struct str raw)
{
	char once[HOST_NAME_MAX + 1], twice[HOST_NAME_MAX + 1], small[8];
	bool fine = host_name_normalise(raw, once, sizeof(once));
	struct str made = {once, strlen(once)};

	REQUIRE(fine == (made.len > 0));
	(void)host_name_normalise(raw, small, sizeof(small));
	if (!fine) {
		REQUIRE(!host_name_valid(raw));
		return;
	}
	REQUIRE(host_name_valid(made) || once[0] == '[');
	REQUIRE(host_name_normalise(made, twice, sizeof(twice)));
	REQUIRE(strcmp(once, twice) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct str text = {(const char *)data, len}, head, tail;
	char host[512];
	struct writer w;

	(void)device_name_valid(text);
	check_normalise(text);
	if (!str_split(text, ' ', &head, &tail) || !label_valid(head) ||
	    !service_name_valid(tail))
		return 0;
	writer_init(&w, host, sizeof(host));
	host_name_write(&w, head, tail, false, STR("example.com"));
	REQUIRE(!w.full && host_name_valid((struct str){host, writer_len(&w)}));
	return 0;
}
