/* SPDX-License-Identifier: MIT */
/* What taupectl has changed stands beside what the relays say has happened (docs/EVENTS.md). */
#include "admin/store_redis.h"
#include "net/crypto.h"
#include "net/loop.h"

#define ID_LEN 26 /* 130 random bits */

int
redis_audit(struct admin *admin, const char *what, const char *object, int code)
{
	char id[ID_LEN + 1];
	redisReply *reply;
	int asked;

	if (admin->redis == NULL)
		return ADMIN_OK; /* nothing can have been changed */
	crypto_base32_label(id, ID_LEN);
	reply = store_ask(admin, &asked,
	    "XADD taupe:history MAXLEN ~ 100000 * kind audit id %s at_ms %llu "
	    "who %s from %s what %s object %s outcome %s",
	    id, (unsigned long long)loop_wall_ms(), admin->who, admin->from,
	    what, object, admin_outcome(code));
	redis_sync_reply_free(&reply);
	return asked;
}
