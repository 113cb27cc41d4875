/* SPDX-License-Identifier: MIT */
/*
 * The conversation with one HAProxy over its runtime socket: a single connection in
 * interactive mode that is kept open for ever. It comes back by itself, tells when the
 * process behind it is another one, and carries one command at a time; what the commands
 * mean it does not know.
 *
 * All callbacks come from the loop, never from inside a call.
 */
#ifndef TAUPE_ROUTER_HAPSOCK_H
#define TAUPE_ROUTER_HAPSOCK_H

#include "net/loop.h"
#include "net/hap_reply.h"

struct hapsock;

struct hapsock_ops {
	/* A conversation has begun; whatever was known of the maps may be wrong. */
	void (*up_cb)(void *ctx, const struct hap_info *info);
	/* It has ended: the process is gone or being replaced, or does not answer. The
	 * reply that was awaited will not come. */
	void (*down_cb)(void *ctx, const char *why);
};

/* The reply's text, without prompts; valid during the call. */
typedef void (*hapsock_reply_cb)(void *ctx, struct str reply);

/* Begins to connect from the loop. timeout_ms: how long a reply may take. path and ops
 * are kept, not copied. NULL when there is no memory. */
struct hapsock *hapsock_new(struct loop *loop, const char *path,
    uint64_t timeout_ms, const struct hapsock_ops *ops, void *ctx);
void hapsock_free(struct hapsock **sock);
const char *hapsock_path(const struct hapsock *sock);

/* Up, and no reply awaited. */
bool hapsock_is_idle(const struct hapsock *sock);
/* Send a command with its line ends and payload. Precondition: hapsock_is_idle(). */
void hapsock_command(
    struct hapsock *sock, const char *text, size_t len, hapsock_reply_cb cb);

/* Cut the connection, because a reply made no sense, and come back later; each time in a
 * row it is later, up to 5 s. down_cb is not called for it. */
void hapsock_reset(struct hapsock *sock, const char *why);
/* All is well with this conversation: the next reset starts with a short pause again. */
void hapsock_settle(struct hapsock *sock);

#endif
