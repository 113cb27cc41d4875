/* SPDX-License-Identifier: MIT */
/* Replies of Redis from any bytes, as redis_link reads them. */
#ifndef TAUPE_TESTS_FUZZ_RESP_H
#define TAUPE_TESTS_FUZZ_RESP_H

#include <hiredis/hiredis.h>
#include <stdbool.h>

#include "require.h"

#define RESP_DIGITS_MAX 4

/* Does some array claim more elements than a fuzzer's memory should be used for? hiredis
 * takes an array's size from its head, before the elements are there. */
static inline bool
resp_claims_much(const uint8_t *data, size_t len)
{
	for (size_t i = 0, digits = 0; i < len; i++) {
		if (data[i] == '*')
			digits = 1;
		else if (digits == 0 || data[i] < '0' || data[i] > '9')
			digits = 0;
		else if (digits++ > RESP_DIGITS_MAX)
			return true;
	}
	return false;
}

/* Call cb for each whole reply. */
static inline void
resp_read(const uint8_t *data, size_t len,
    void (*cb)(void *ctx, const redisReply *reply), void *ctx)
{
	redisReader *reader = redisReaderCreate();
	void *reply = NULL;

	REQUIRE(reader != NULL);
	if (!resp_claims_much(data, len) &&
	    redisReaderFeed(reader, (const char *)data, len) == REDIS_OK) {
		while (redisReaderGetReply(reader, &reply) == REDIS_OK &&
		    reply != NULL) {
			cb(ctx, reply);
			freeReplyObject(reply);
		}
	}
	redisReaderFree(reader);
}

#endif
