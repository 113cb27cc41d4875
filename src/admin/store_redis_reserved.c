/* SPDX-License-Identifier: MIT */
/*
 * What is reserved for devices in Redis: labels, ports and further host names.
 *
 * All of it is one hash, which a relay cannot watch while it grants a lease: every device that is added would
 * have it begin again. So who reserves something also touches the key that says who has it,
 * label:LABEL, port:NUMBER or host:HOST, which the relay does watch, and other operators: of a
 * reservation and a lease that are made at once, or of two reservations, one sees the other, and who
 * reserves something else is in nobody's way. A label that rests goes to whom it is reserved for: its
 * rest ends here.
 */
#include <stdio.h>
#include <string.h>

#include "admin/store_redis.h"

/* Whose name stands in the answer? "" for nobody. */
static int
ask_name(struct admin *admin, char name[DEVICE_NAME_MAX + 1],
    const char *format, const struct reservation *wanted)
{
	int code;
	redisReply *reply =
	    store_ask(admin, &code, format, wanted->what, wanted->id);

	name[0] = '\0';
	if (reply == NULL)
		return code;
	(void)str_copy(redis_text(reply), name, DEVICE_NAME_MAX + 1);
	redis_sync_reply_free(&reply);
	return ADMIN_OK;
}

/* Does the standing lease of its holder have the label or port? */
static int
ask_leased(struct admin *admin, const struct reservation *wanted, bool *leased)
{
	const char *field =
	    strcmp(wanted->what, "label") == 0 ? "label" : "ports";
	int code = store_tell(admin, "WATCH taupe:lease:%s", wanted->holder);
	redisReply *reply;
	struct str rest, item, service, number;

	*leased = false;
	if (code != ADMIN_OK)
		return code;
	reply = store_ask(
	    admin, &code, "HGET taupe:lease:%s %s", wanted->holder, field);
	if (reply == NULL)
		return code;
	for (rest = redis_text(reply); rest.len > 0;) {
		str_split(rest, ',', &item, &rest);
		if (!str_split(item, ':', &service, &number))
			number = item; /* a label */
		*leased = *leased || str_equal(number, str_of(wanted->id));
	}
	redis_sync_reply_free(&reply);
	return ADMIN_OK;
}

static int
check_lease(struct admin *admin, const struct reservation *wanted)
{
	bool leased;
	int code = ask_leased(admin, wanted, &leased);

	if (code == ADMIN_OK && leased)
		return admin_fail(admin, ADMIN_TAKEN,
		    "%s %s is leased to the device %s: choose another one, or "
		    "wait until its lease has ended",
		    wanted->what, wanted->id, wanted->holder);
	return code;
}

int
store_check_free(
    struct admin *admin, const char *name, struct reservation *wanted)
{
	char owner[DEVICE_NAME_MAX + 1];
	int code =
	    store_tell(admin, "WATCH taupe:%s:%s", wanted->what, wanted->id);

	if (code == ADMIN_OK)
		code = ask_name(
		    admin, owner, "HGET taupe:reserved %s/%s", wanted);
	if (code == ADMIN_OK && owner[0] != '\0' && strcmp(owner, name) != 0)
		return admin_fail_reserved(
		    admin, wanted->what, wanted->id, owner);
	if (code == ADMIN_OK)
		code = ask_name(
		    admin, wanted->holder, "GET taupe:%s:%s", wanted);
	wanted->rests = false;
	if (code != ADMIN_OK || wanted->holder[0] == '\0' ||
	    strcmp(wanted->holder, name) == 0 ||
	    strcmp(wanted->what, "host") == 0)
		return code;
	wanted->rests = true;
	return check_lease(admin, wanted);
}

/* Change nothing of it, but for whoever watches. */
static int
queue_touch(
    struct admin *admin, const char *name, const struct reservation *wanted)
{
	int code;

	if (wanted->holder[0] != '\0' && !wanted->rests)
		return store_tell(admin, "SET taupe:%s:%s %s KEEPTTL",
		    wanted->what, wanted->id, wanted->holder);
	code = store_tell(
	    admin, "SET taupe:%s:%s %s", wanted->what, wanted->id, name);
	if (code == ADMIN_OK)
		code = store_tell(
		    admin, "DEL taupe:%s:%s", wanted->what, wanted->id);
	return code;
}

int
store_queue_reserve(
    struct admin *admin, const char *name, const struct reservation *wanted)
{
	int code = store_tell(admin, "HSET taupe:reserved %s/%s %s",
	    wanted->what, wanted->id, name);

	return code == ADMIN_OK ? queue_touch(admin, name, wanted) : code;
}
