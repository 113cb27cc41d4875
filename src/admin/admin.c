/* SPDX-License-Identifier: MIT */
/* The context: which store, and the error that a call leaves. */
#include "admin/admin.h"

#include <stdarg.h>
#include <stdio.h>

#include "admin/admin_internal.h"
#include "admin/name_index.h"
#include "net/redis_sync.h"

void
admin_init(struct admin *admin, const struct redis_options *registry,
    const char *program)
{
	*admin = (struct admin){.registry = registry,
	    .program = program,
	    .store =
		redis_options_given(registry) ? &redis_store : &file_store};
}

void
admin_fini(struct admin *admin)
{
	name_index_free(&admin->index);
	redis_sync_free(&admin->redis);
}

void
admin_prove(struct admin *admin)
{
	redisReply *reply;

	if (admin->redis == NULL)
		return;
	reply = redis_sync_commandf(admin->redis, "PING");
	if (reply == NULL)
		admin_fini(admin);
	redis_sync_reply_free(&reply);
}

int
admin_fail(struct admin *admin, enum admin_code code, const char *format, ...)
{
	va_list args;

	admin->error.code = code;
	va_start(args, format);
	vsnprintf(admin->error.text, sizeof(admin->error.text), format, args);
	va_end(args);
	return (int)code;
}

int
admin_fail_memory(struct admin *admin)
{
	return admin_fail(admin, ADMIN_NO_MEMORY, "out of memory");
}

int
admin_fail_exists(struct admin *admin, const char *name)
{
	return admin_fail(admin, ADMIN_TAKEN,
	    "there is a device %s already; its secret cannot be shown again. "
	    "For a new one: "
	    "taupectl device rotate %s --now",
	    name, name);
}

int
admin_fail_fleet_exists(struct admin *admin, const char *name)
{
	return admin_fail(admin, ADMIN_TAKEN,
	    "there is a fleet %s already; its key cannot be shown again. For a "
	    "new one: taupectl fleet rm %s, and fleet add: its devices stay",
	    name, name);
}

int
admin_fail_no_fleet(struct admin *admin, const char *name)
{
	return admin_fail(admin, ADMIN_UNKNOWN, "there is no fleet %s", name);
}

int
admin_fail_token_exists(struct admin *admin, const char *name)
{
	return admin_fail(admin, ADMIN_TAKEN,
	    "there is a token %s already; it cannot be shown again. For a new "
	    "one: taupectl token rm %s, and token add",
	    name, name);
}

int
admin_fail_no_token(struct admin *admin, const char *name)
{
	return admin_fail(admin, ADMIN_UNKNOWN, "there is no token %s", name);
}

int
admin_fail_reserved(
    struct admin *admin, const char *what, const char *id, const char *owner)
{
	if (strcmp(what, "host") == 0)
		return admin_fail(admin, ADMIN_TAKEN,
		    "%s is a name of the device %s already: choose another "
		    "one, or taupectl domain rm %s first",
		    id, owner, id);
	return admin_fail(admin, ADMIN_TAKEN,
	    "%s %s is reserved for the device %s: choose another one, or "
	    "remove that device, or its alias, first",
	    what, id, owner);
}

int
admin_fail_no_host(struct admin *admin, const char *host)
{
	return admin_fail(admin, ADMIN_UNKNOWN,
	    "%s is no further name of a device; taupectl domain ls lists those "
	    "that there are",
	    host);
}

int
admin_fail_own_name(struct admin *admin, const char *host)
{
	return admin_fail(
	    admin, ADMIN_TAKEN, "%s is that device's own name already", host);
}

int
admin_fail_relays_name(
    struct admin *admin, const char *host, const char *relay, const char *what)
{
	return admin_fail(admin, ADMIN_TAKEN,
	    "%s is where agents find the relay %s: choose another %s", host,
	    relay, what);
}

int
admin_fail_hosts_full(struct admin *admin, const char *name)
{
	return admin_fail(admin, ADMIN_INVALID,
	    "%s has %d further names, and no more are kept of a device: "
	    "taupectl domain rm takes one away",
	    name, HOSTS_MAX);
}

int
admin_fail_host_changed(struct admin *admin, const char *host)
{
	return admin_fail(admin, ADMIN_BUSY,
	    "somebody has removed %s or added it anew meanwhile: try again",
	    host);
}

const char *
admin_outcome(int code)
{
	static const char *const outcomes[ADMIN_CODES] = {
	    [ADMIN_OK] = "done",
	    [ADMIN_UNKNOWN] = "unknown",
	    [ADMIN_NO_RELAY] = "unknown",
	    [ADMIN_TAKEN] = "taken",
	    [ADMIN_INVALID] = "invalid",
	    [ADMIN_BAD_FILE] = "failed",
	    [ADMIN_NOT_GIVEN] = "impossible",
	    [ADMIN_IMPOSSIBLE] = "impossible",
	    [ADMIN_UNPROVED] = "unproved",
	    [ADMIN_BUSY] = "failed",
	    [ADMIN_DOWN] = "failed",
	    [ADMIN_REFUSED] = "failed",
	    [ADMIN_NONSENSE] = "failed",
	    [ADMIN_UNREADABLE] = "failed",
	    [ADMIN_UNWRITABLE] = "failed",
	    [ADMIN_NO_MEMORY] = "failed",
	};

	return outcomes[code];
}
