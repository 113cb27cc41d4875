/* SPDX-License-Identifier: MIT */
/* What Sentinels and their servers answer, for the link of a loop and for that of taupectl. */
#include <string.h>

#include "net/redis_sentinel.h"
#include "wire/str.h"

const char *
redis_sentinel_read(const redisReply *reply, struct redis_endpoint *endpoint)
{
	uint64_t port;

	if (reply->type == REDIS_REPLY_ERROR)
		return reply->str;
	if (reply->type == REDIS_REPLY_NIL)
		return "it watches no master of this name (redis_master_name)";
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
	    reply->element[0]->type != REDIS_REPLY_STRING ||
	    reply->element[1]->type != REDIS_REPLY_STRING ||
	    reply->element[0]->len == 0 ||
	    memchr(reply->element[0]->str, '\0', reply->element[0]->len) !=
		NULL ||
	    !str_to_number(
		(struct str){reply->element[1]->str, reply->element[1]->len},
		UINT16_MAX, &port) ||
	    port == 0 ||
	    !str_copy(
		(struct str){reply->element[0]->str, reply->element[0]->len},
		endpoint->host, sizeof(endpoint->host)))
		return "its answer makes no sense";
	endpoint->port = (uint16_t)port;
	return NULL;
}

const char *
redis_role_check(const redisReply *reply)
{
	if (reply->type == REDIS_REPLY_ERROR)
		return reply->str;
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements == 0 ||
	    reply->element[0]->type != REDIS_REPLY_STRING)
		return "unexpected answer";
	return strcmp(reply->element[0]->str, "master") == 0
	    ? NULL
	    : "it is a replica, not the primary";
}
