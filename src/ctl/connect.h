/* SPDX-License-Identifier: MIT */
/*
 * taupectl connect: connections to a device's service, each over a WebSocket of its own to a relay
 * (docs/PROTOCOL.md has the exchange).
 */
#ifndef TAUPE_CTL_CONNECT_H
#define TAUPE_CTL_CONNECT_H

#include <sys/queue.h>

#include "ctl/ctl.h"
#include "net/dial.h"
#include "net/farewell.h"
#include "net/share_token.h"
#include "net/ws_link.h"
#include "wire/handshake.h"
#include "wire/url.h"

/* Where to go, and with what: of all calls. */
struct connect_to {
	char relay[URL_MAX + 1]; /* its base URL, "wss://relay.example.com" */
	char domain[HOST_NAME_MAX + 1]; /* redirects may lead below it; "": nowhere but to the host */
	char name[DEVICE_NAME_MAX + 1];
	char service[SERVICE_NAME_MAX + 1];
	char token[SHARE_TOKEN_MAX]; /* "": none */
};

/* Parse what was given for the target: "alice/ssh", with the relay's URL, or a share link with both in
 * it. Returns an exit code; says what is wrong. */
int connect_to_parse(
    struct connect_to *to, const char *target, const char *relay);
/* NULL: a redirect may lead there; else why not. */
const char *connect_redirect_refusal(const struct connect_to *to,
    const struct url *from, const struct url *url);

struct connector {
	struct loop *loop;
	struct resolver *resolver;
	struct dialler *dialler;
	struct farewells *farewells;
	struct tls_context *tls;
	struct proxies proxies;
	struct connect_to to;
	uint64_t timeout_ms;
	/* A call is over: EX_OK, or what went wrong was said. */
	void (*over_cb)(struct connector *connector, int code);
	LIST_HEAD(, call) calls;
};

/* Begin one; takes the descriptor of the connection that it is for. Its end comes by over_cb, from the
 * loop, unless there is no memory: false, which was said. */
bool connect_call(struct connector *connector, evutil_socket_t fd);
void connect_calls_free(struct connector *connector);

#endif
