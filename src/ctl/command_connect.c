/* SPDX-License-Identifier: MIT */
/* connect: standard input and output, or a local port, joined to a device's service. */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "admin/access_admin.h"
#include "base/log.h"
#include "ctl/connect.h"
#include "ctl/connect_stdio.h"
#include "ctl/relay_url.h"
#include "net/crypto.h"
#include "net/listener.h"
#include "net/secret_file.h"
#include "net/socket.h"

#define LOOK_MS 10     /* whether the last bytes are gone */
#define STALL_MS 30000 /* of a peer that takes nothing of them */
#define LINGER_MS 1000
#define PASS_MS 60000 /* clocks differ, and a call may be sent on */

/* What the command has in hand. */
struct connecting {
	struct connector connector; /* the first: over_cb() has this one only */
	struct timer timer;	    /* after the end: until all is written */
	struct ctl *ctl;
	bool passes; /* the registry opens the service to us */
	int code;
};

static int
take_token(struct connect_to *to, const char *file)
{
	int code = secret_file_read(
	    "token_file", file, to->token, sizeof(to->token));

	if (code != EX_OK)
		return code;
	if (to->token[0] == '\0' || !str_only(str_of(to->token), "!~"))
		return ctl_fail(EX_DATAERR,
		    "token_file: the first line of %s is no token", file);
	return EX_OK;
}

/* Not whoever has the configuration may read the registry. Who has said which relay to ask can go on,
 * to what needs no pass. */
static int
go_without(struct connecting *connecting, int code)
{
	struct ctl *ctl = connecting->ctl;

	code = ctl_result(ctl, code);
	admin_fini(&ctl->admin); /* it may be in the middle of something */
	if (ctl->options.relay == NULL)
		return code;
	fputs("taupectl: going on without a pass, for a service that is "
	      "public\n",
	    stderr);
	return EX_OK;
}

/* An operator's pass, for one call. A device that has no record is of an open relay, or there is none:
 * the relay tells. A service that anybody may visit takes nothing of ours, which an audit would tell. */
static int
take_pass(struct connecting *connecting)
{
	struct connect_to *to = &connecting->connector.to;
	struct ctl *ctl = connecting->ctl;
	char place[SHARE_SUBJECT_MAX + 1];
	int code;

	if (!connecting->passes)
		return EX_OK;
	admin_prove(&ctl->admin);
	code = admin_share_pass(
	    &ctl->admin, to->name, to->service, PASS_MS, to->token);
	if (code == ADMIN_UNKNOWN || (code == ADMIN_OK && to->token[0] == '\0'))
		return EX_OK;
	if (code != ADMIN_OK)
		return go_without(connecting, code);
	snprintf(place, sizeof(place), "%s/%s", to->name, to->service);
	return ctl_changed(ctl, "connect", place, ADMIN_OK);
}

/* Of DEVICE/SERVICE, the registry knows where its relay is. */
static int
parse_target(struct connecting *connecting, const char *target)
{
	struct ctl *ctl = connecting->ctl;
	const char *asked = ctl->options.relay;
	char relay[RELAY_URL_MAX], name[DEVICE_NAME_MAX + 1];
	struct str device, service;
	int code;

	if (ctl->admin.store != NULL && asked == NULL &&
	    str_split(str_of(target), '/', &device, &service) &&
	    device_name_valid(device) && service_name_valid(service) &&
	    str_copy(device, name, sizeof(name))) {
		if ((code = relay_url_find(ctl, name, relay)) != EX_OK)
			return code;
		asked = relay;
	}
	return connect_to_parse(&connecting->connector.to, target, asked);
}

static int
take_target(struct connecting *connecting, const char *target)
{
	const struct ctl_options *options = &connecting->ctl->options;
	struct connect_to *to = &connecting->connector.to;
	int code = parse_target(connecting, target);

	if (code != EX_OK)
		return code;
	if (options->token_file == NULL) {
		connecting->passes = to->token[0] == '\0' &&
		    connecting->ctl->admin.store != NULL;
		return EX_OK;
	}
	if (to->token[0] != '\0')
		return ctl_fail(EX_USAGE,
		    "token_file is given, and the link has a token, too");
	return take_token(to, options->token_file);
}

static int
connector_init(struct connector *connector, const struct ctl_options *options)
{
	const char *error;
	int code = proxies_load(&connector->proxies, options->proxy,
	    options->proxy_password_file);

	if (code != EX_OK)
		return code;
	/* also for ws://, from where a redirect may lead to wss:// */
	connector->tls = tls_context_new_client(options->ca_file, &error);
	if (connector->tls == NULL)
		return ctl_fail(EX_NOINPUT, "ca_file: %s", error);
	connector->timeout_ms =
	    (uint64_t)options->registry.redis_timeout_ms;
	LIST_INIT(&connector->calls);
	if ((connector->loop = loop_new()) == NULL ||
	    (connector->resolver = resolver_new(connector->loop, NULL)) ==
		NULL ||
	    (connector->dialler =
		    dialler_new(connector->loop, connector->resolver)) ==
		NULL ||
	    (connector->farewells = farewells_new(
		 connector->loop, STALL_MS, LINGER_MS)) == NULL)
		return ctl_fail_memory();
	return EX_OK;
}

static void
connector_fini(struct connector *connector)
{
	if (connector->loop != NULL)
		connect_calls_free(connector);
	if (connector->farewells != NULL)
		farewells_free(&connector->farewells);
	if (connector->dialler != NULL)
		dialler_free(&connector->dialler);
	if (connector->resolver != NULL)
		resolver_free(&connector->resolver);
	if (connector->loop != NULL)
		loop_free(&connector->loop);
	tls_context_free(&connector->tls);
	crypto_wipe(&connector->to, sizeof(connector->to));
	crypto_wipe(&connector->proxies, sizeof(connector->proxies));
}

/* ---- standard input and output ---- */

static void
look_cb(void *ctx)
{
	struct connecting *connecting = ctx;
	struct connector *connector = &connecting->connector;

	if (farewells_count(connector->farewells) == 0)
		loop_stop(connector->loop);
	else
		timer_set(connector->loop, &connecting->timer, LOOK_MS);
}

static void
stdio_over_cb(struct connector *connector, int code)
{
	struct connecting *connecting = (struct connecting *)(void *)connector;

	connecting->code = code;
	timer_set(connector->loop, &connecting->timer, 0);
}

static int
run_stdio(struct connecting *connecting)
{
	struct connector *connector = &connecting->connector;
	int fd, code = take_pass(connecting);

	if (code != EX_OK)
		return code;
	connector->over_cb = stdio_over_cb;
	timer_init(&connecting->timer, look_cb, connecting);
	if (connect_stdio_begin(&fd) != 0)
		return ctl_fail(EX_OSERR, "no sockets or threads: %s", strerror(errno));
	connecting->code = EX_OSERR;
	if (connect_call(connector, fd))
		(void)loop_run(connector->loop);
	timer_clear(connector->loop, &connecting->timer);
	if (!connect_stdio_end() && connecting->code == EX_OK)
		return ctl_fail(
		    EX_IOERR, "standard output could not be written");
	return connecting->code;
}

/* ---- a local port ---- */

static void
listen_over_cb(struct connector *connector, int code)
{
	(void)connector;
	(void)code; /* it was said; the others go on */
}

static void
accept_cb(void *ctx, int fd, const struct address *peer)
{
	struct connecting *connecting = ctx;

	(void)peer;
	if (take_pass(connecting) == EX_OK)
		(void)connect_call(&connecting->connector, fd);
	else
		socket_close(fd); /* it was said; the others go on */
}

static void
stop_cb(void *ctx)
{
	loop_stop(ctx);
}

static int
open_listener(struct listener *listener, struct listeners *set,
    struct connecting *connecting, const char *where, bool gateway)
{
	const struct connect_to *to = &connecting->connector.to;
	struct address address;
	char text[ADDRESS_TEXT_MAX];

	if (!address_parse(str_of(where), &address))
		return ctl_fail(EX_DATAERR,
		    "listen: %s is no numeric ADDRESS:PORT such as "
		    "127.0.0.1:2222",
		    where);
	if (!address_is_loopback(&address) && !gateway)
		return ctl_fail(EX_USAGE,
		    "listen: whoever reaches %s could visit the service; "
		    "--gateway says that this is meant",
		    where);
	if (listener_open(listener, set, &address, false, accept_cb,
		connecting) != 0)
		return ctl_fail(EX_UNAVAILABLE, "listen: %s: %s", where,
		    strerror(errno));
	listener_address(listener, &address);
	fprintf(stderr, "taupectl: %s/%s is at %s\n", to->name,
	    to->service, address_text(&address, text));
	return EX_OK;
}

static int
run_listen(struct connecting *connecting, const char *where, bool gateway)
{
	struct connector *connector = &connecting->connector;
	struct listeners *set = listeners_new(connector->loop);
	struct listener listener = LISTENER_CLOSED;
	int code;

	if (set == NULL)
		return ctl_fail_memory();
	connector->over_cb = listen_over_cb;
	code = open_listener(&listener, set, connecting, where, gateway);
	if (code == EX_OK) {
		(void)loop_on_signal(
		    connector->loop, SIGINT, stop_cb, connector->loop);
		(void)loop_on_signal(
		    connector->loop, SIGTERM, stop_cb, connector->loop);
		(void)loop_run(connector->loop);
	}
	listener_close(&listener);
	listeners_free(&set);
	return code;
}

int
command_connect(struct ctl *ctl, const char *target)
{
	const struct ctl_options *options = &ctl->options;
	struct connecting connecting = {.ctl = ctl};
	int code;

	log_setup("taupectl", LOG_LEVEL_WARN, false);
	code = take_target(&connecting, target);
	if (code == EX_OK)
		code = connector_init(&connecting.connector, options);
	if (code == EX_OK)
		code = options->listen == NULL
		    ? run_stdio(&connecting)
		    : run_listen(
			  &connecting, options->listen, options->gateway);
	connector_fini(&connecting.connector);
	return code;
}
