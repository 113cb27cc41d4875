/* SPDX-License-Identifier: MIT */
/*
 * One asynchronous connection to Redis (hiredis), kept up for ever: connects, says AUTH,
 * SELECT and CLIENT SETNAME, reconnects with jittered back-off (50 ms to 2 s), and tells
 * its owner when it goes up and down. Commands go through as long as it is up; there is
 * no queue for later: who needs one knows better what is still worth sending.
 */
#ifndef TAUPE_NET_REDIS_LINK_H
#define TAUPE_NET_REDIS_LINK_H

#include <hiredis/hiredis.h>
#include <stdarg.h>

#include "net/loop.h"

#define REDIS_WHY_MAX 200 /* bytes of a reason for the log */

struct redis_link;
struct redis_sentinel;

/* reply is NULL when the link went down, or was freed, before the answer came: what the
 * command did is then not known. The reply belongs to the link. It may hold a string of
 * any bytes, an error, or any other type: check before use. */
typedef void (*redis_reply_cb)(void *ctx, const redisReply *reply);
/* up: the server has let us in and answers; commands may be sent, from inside this call
 * too. down: all callbacks of waiting commands have been made with NULL. */
typedef void (*redis_state_cb)(void *ctx, bool up);

/* What the log has about links to the same server: several that share it say the same thing
 * once. Begins as {0}. */
struct redis_link_log {
	char reason[REDIS_WHY_MAX]; /* why one of them is down; "": not said */
	bool up;		    /* said of one of them, and of none since that it is down */
};

struct redis_link_config {
	const char *host; /* numeric address, name, or path of a unix socket */
	uint16_t port;
	const char *user, *password; /* NULL: no AUTH */
	int database;
	const char *name; /* for CLIENT SETNAME, "taupe-relay:r1" */
	uint64_t
	    timeout_ms; /* to connect, and for a reply: the link is cut when one is
	                          overdue (0: a link for blocking commands, never) */
	/* Not NULL: the Sentinels say where the primary is, instead of host and port. The link
	 * makes sure that it is one, and leaves it when it is none any more. */
	struct redis_sentinel *sentinel;
	/* An attempt has failed, or the connection is lost: instead of a line in the log. The
	 * owner may aim the link elsewhere from inside it, and nothing more. NULL: none. */
	void (*failed_cb)(void *ctx, const char *why);
	struct redis_link_log *log; /* shared with other links, and outlives them; NULL: alone */
	redis_reply_cb unasked_cb; /* messages of SUBSCRIBE; NULL: they cut the link */
};

/* The strings are copied. Connecting starts at once, the first callback comes from the
 * loop. NULL when there is no memory. */
struct redis_link *redis_link_new(struct loop *loop,
    const struct redis_link_config *config, redis_state_cb state_cb, void *ctx);
/* Waiting commands get their callbacks, with NULL, from inside this call; the owner is not
 * told that the link goes down. Fine from inside any callback. */
void redis_link_free(struct redis_link **link);
bool redis_link_is_up(const struct redis_link *link);
/* Have the Sentinels led it to another server since it was asked last? What was written just
 * before may be missing there. */
bool redis_link_has_moved(struct redis_link *link);
/* From now on attempts go to this server. -1: no memory, all stays as it was. */
int redis_link_aim(struct redis_link *link, const char *host, uint16_t port);

/* Send a command of argc pieces (lens may be NULL when all are C strings). cb may be NULL.
 * -1 when the link is down: no callback then. */
int redis_link_command(struct redis_link *link, redis_reply_cb cb, void *ctx,
    int argc, const char *const *argv, const size_t *lens);
/* The same, printf-like as hiredis' redisAsyncCommand(): %s string, %b bytes and length. */
int redis_link_commandf(struct redis_link *link, redis_reply_cb cb, void *ctx,
    const char *format, ...);
int redis_link_vcommandf(struct redis_link *link, redis_reply_cb cb, void *ctx,
    const char *format, va_list args);
/* Cut the connection and come back (a reply made no sense, or is overdue). The link is
 * down at once, the callbacks that say so come from the loop. Replies that were not asked
 * for cut it too, unless there is an unasked_cb. False: there is no connection, nor an attempt
 * at one, and no callback comes. */
bool redis_link_reset(struct redis_link *link, const char *why);

#endif
