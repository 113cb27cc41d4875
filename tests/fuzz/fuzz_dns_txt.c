/* SPDX-License-Identifier: MIT */
/* An answer of the DNS from anybody, and as a TXT record's content. */
#include <string.h>

#include "net/dns_txt.h"
#include "require.h"

#define HEAD "\0\0\x81\x80\0\001\0\001\0\0\0\0\001a\0\0\020\0\001"
#define RECORD "\xc0\x0c\0\020\0\001\0\0\0\x3c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t answer[sizeof(HEAD) + sizeof(RECORD) + 1024];
	size_t at = sizeof(HEAD) - 1;

	(void)dns_txt_read(data, len, STR("taupe-proof=0"));
	if (len > 1000)
		return 0;
	memcpy(answer, HEAD, at);
	memcpy(answer + at, RECORD, sizeof(RECORD) - 1);
	at += sizeof(RECORD) - 1;
	answer[at++] = (uint8_t)(len >> 8);
	answer[at++] = (uint8_t)len;
	memcpy(answer + at, data, len);
	/* a record that is there is found, or another one */
	REQUIRE(dns_txt_read(answer, at + len, STR("taupe-proof=0")) !=
	    DNS_TXT_NONE);
	return 0;
}
