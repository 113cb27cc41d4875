/* SPDX-License-Identifier: MIT */
/*
 * Each step connects anew, by as much of the way as it is about: where a connection without TLS
 * comes through and one with it does not, it is TLS that fails. A step waits for what it has begun, and
 * runs the loop meanwhile.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "agent/check.h"
#include "agent/check_channel.h"
#include "agent/check_report.h"
#include "agent/look.h"
#include "net/dial.h"
#include "agent/secret_store.h"
#include "base/error_text.h"
#include "net/crypto.h"
#include "wire/url.h"

#define NETWORK "ask the administrator of this network "
#define OPERATOR "ask the operator of the relay "
#define SERVERS_TEXT_MAX 400
#define PLACE_MAX (HOST_NAME_MAX + 10)

struct check {
	struct loop *loop;
	struct settings *settings;
	struct resolver *resolver;
	struct dialler *dialler;
	struct secret_store secrets;
	struct check_report report;
	/* of the step at hand */
	bool done;
	uint64_t began_ms, took_ms;
	size_t n_addresses;
	struct address address;
	char error[700]; /* "": none */
	/* of the relay at hand */
	char host[HOST_NAME_MAX + 1];
	uint16_t port;
	bool secure;
	const struct proxy *proxy;
	struct check_channel channel;
};

/* ---- waiting ---- */

static void
begin(struct check *check)
{
	check->done = false;
	check->error[0] = '\0';
	check->began_ms = loop_now_ms(check->loop);
}

static void
finish(struct check *check, const char *error)
{
	check->done = true;
	check->took_ms = loop_now_ms(check->loop) - check->began_ms;
	snprintf(check->error, sizeof(check->error), "%s",
	    error != NULL ? error : "");
	loop_stop(check->loop);
}

/* True: what was begun went well. */
static bool
wait_for_it(struct check *check)
{
	while (!check->done)
		if (loop_run(check->loop) != 0)
			finish(check, "the event loop failed");
	return check->error[0] == '\0';
}

static void
dialled_cb(void *ctx, const char *error)
{
	finish(ctx, error);
}

static bool
connect_to(struct check *check, const struct dial_to *to, int64_t timeout_ms)
{
	begin(check);
	if (dial_start(check->dialler, &check->channel.conn, to,
		(uint64_t)timeout_ms, dialled_cb, check) == NULL)
		finish(check, "no memory");
	return wait_for_it(check);
}

/* Only whether it can be connected to. */
static bool
try_place(struct check *check, const struct dial_to *to, int64_t timeout_ms)
{
	bool reached = connect_to(check, to, timeout_ms);

	if (conn_is_open(&check->channel.conn))
		address_of_peer(check->channel.conn.fd, &check->address);
	conn_fini(&check->channel.conn);
	return reached;
}

/* ---- the name ---- */

static const char *
servers_text(struct check *check, char out[SERVERS_TEXT_MAX])
{
	struct address servers[NAME_SERVERS_MAX];
	size_t n = resolver_servers(check->resolver, servers, NAME_SERVERS_MAX);
	size_t len = 0;
	char text[ADDRESS_TEXT_MAX];

	snprintf(out, SERVERS_TEXT_MAX, "no name server");
	for (size_t i = 0; i < n; i++)
		len += (size_t)snprintf(out + len, SERVERS_TEXT_MAX - len,
		    "%s%s", i > 0 ? ", " : "", address_text(&servers[i], text));
	return out;
}

static void
resolved_cb(
    void *ctx, const struct address *addresses, size_t n, const char *error)
{
	struct check *check = ctx;

	check->n_addresses = n;
	if (n > 0)
		check->address = addresses[0];
	finish(check, error);
}

static bool
check_name(struct check *check, const char *host, uint16_t port)
{
	char servers[SERVERS_TEXT_MAX], text[ADDRESS_TEXT_MAX];
	char why[sizeof(check->error) + SERVERS_TEXT_MAX + 16];
	struct address address;

	if (address_parse_ip(str_of(host), port, &address)) {
		check_report_skip(&check->report, "dns",
		    "%s is an address: no name is looked up", host);
		return true;
	}
	begin(check);
	if (resolve_start(check->resolver, host, port, resolved_cb, check) ==
	    NULL)
		finish(check, "no memory");
	if (wait_for_it(check)) {
		check_report_ok(&check->report, "dns", check->took_ms,
		    "%s is %s%s", host, address_ip_text(&check->address, text),
		    check->n_addresses > 1 ? ", and more" : "");
		return true;
	}
	(void)servers_text(check, servers);
	snprintf(why, sizeof(why), "%s (asked: %s)", check->error, servers);
	check_report_failed(&check->report, "dns", check->took_ms, EX_NOHOST,
	    why,
	    NETWORK "to let %s be looked up at %s (UDP and TCP port 53), or for "
		    "name servers to set as dns =",
	    host, servers);
	return false;
}

/* ---- the connection ---- */

static bool
timed_out(const struct check *check)
{
	return strstr(check->error, "took too long") != NULL ||
	    strcmp(check->error, error_text(ETIMEDOUT)) == 0;
}

static void
report_unreachable(struct check *check, const char *place)
{
	const char *how = "for a route to it";

	if (timed_out(check))
		how = "to let it through: on the way it is dropped without a "
		      "word";
	else if (strcmp(check->error, error_text(ECONNREFUSED)) == 0)
		how = "to let it through; if it is let through already, that "
		      "host itself refuses: is its name and port right?";
	check_report_failed(&check->report, "tcp", check->took_ms,
	    EX_UNAVAILABLE, check->error,
	    NETWORK "about outgoing TCP connections to %s: %s", place, how);
}

static const char *
place_text(const char *host, uint16_t port, char out[PLACE_MAX])
{
	bool brackets = strchr(host, ':') != NULL;

	snprintf(out, PLACE_MAX, "%s%s%s:%u", brackets ? "[" : "", host,
	    brackets ? "]" : "", port);
	return out;
}

/* To the proxy where there is one. */
static bool
check_tcp(struct check *check, const char *host, uint16_t port)
{
	const struct dial_to to = {.host = host, .port = port};
	char place[PLACE_MAX], text[ADDRESS_TEXT_MAX];

	(void)place_text(host, port, place);
	if (!try_place(
		check, &to, check->settings->options.connect_timeout_ms)) {
		report_unreachable(check, place);
		return false;
	}
	check_report_ok(&check->report, "tcp", check->took_ms, "%s%s at %s",
	    check->proxy != NULL ? "the proxy " : "", place,
	    address_text(&check->address, text));
	return true;
}

static bool
check_proxy(struct check *check)
{
	const struct dial_to to = {
	    .host = check->host, .port = check->port, .proxy = check->proxy};
	char place[PLACE_MAX], proxy[PLACE_MAX];
	const char *wish = "whether it is an HTTP proxy that allows CONNECT";

	if (check->proxy == NULL) {
		check_report_skip(
		    &check->report, "proxy", "none is on the way");
		return true;
	}
	(void)place_text(check->host, check->port, place);
	(void)place_text(check->proxy->host, check->proxy->port, proxy);
	if (try_place(
		check, &to, check->settings->options.connect_timeout_ms)) {
		check_report_ok(&check->report, "proxy", check->took_ms,
		    "%s lets us through to %s", proxy, place);
		return true;
	}
	if (strstr(check->error, "(407)") != NULL ||
	    strstr(check->error, "(401)") != NULL)
		wish = "for a user and a password of the proxy, or for a way "
		       "without any";
	else if (strstr(check->error, "(403)") != NULL)
		wish = "to allow CONNECT to this host and port at the proxy";
	else if (strstr(check->error, "(50") != NULL)
		wish = "to let the proxy itself through to this host and port";
	check_report_failed(&check->report, "proxy", check->took_ms,
	    EX_UNAVAILABLE, check->error,
	    NETWORK "about the proxy %s and %s: %s", proxy, place, wish);
	return false;
}

/* ---- TLS ---- */

static void
clock_text(char out[32])
{
	time_t now = time(NULL);
	struct tm utc;

	out[0] = '\0';
	if (gmtime_r(&now, &utc) != NULL)
		strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

static void
report_tls(struct check *check, const char *place)
{
	char now[32];

	clock_text(now);
	if (strstr(check->error, "is the clock right?") != NULL)
		check_report_failed(&check->report, "tls", check->took_ms,
		    EX_PROTOCOL, check->error,
		    "see that this device's clock is right, it says %s; if it "
		    "cannot be set, " NETWORK "for NTP (UDP port 123); if it "
		    "is right, tell who runs the relay",
		    now);
	else if (strstr(check->error, "verify failed") != NULL ||
	    strstr(check->error, "no pin matches") != NULL)
		check_report_failed(&check->report, "tls", check->took_ms,
		    EX_PROTOCOL, check->error,
		    NETWORK "not to open TLS to %s: whoever made that "
			    "certificate reads what is in it; if nobody does, "
			    "is ca_file the relay's?",
		    place);
	else
		check_report_failed(&check->report, "tls", check->took_ms,
		    EX_PROTOCOL, check->error,
		    NETWORK "to let TLS to %s pass as it is, to all names in "
			    "it",
		    place);
}

/* All the way, which is there afterwards. */
static bool
connect_whole(struct check *check)
{
	const struct dial_to to = {.host = check->host,
	    .port = check->port,
	    .tls = check->secure ? &check->settings->tls : NULL,
	    .proxy = check->proxy};

	return connect_to(
	    check, &to, check->settings->options.connect_timeout_ms);
}

static void
report_lost_way(struct check *check)
{
	char place[PLACE_MAX];

	(void)place_text(check->host, check->port, place);
	if (check->secure)
		report_tls(check, place);
	else
		report_unreachable(check, place);
}

/* What was reached a moment ago. */
static bool
connect_again(struct check *check)
{
	if (connect_whole(check))
		return true;
	report_lost_way(check);
	return false;
}

static bool
check_tls(struct check *check)
{
	char place[PLACE_MAX];

	if (check->secure && settings_need_tls(check->settings) != 0) {
		check_report_failed(&check->report, "tls", UINT64_MAX,
		    EX_CONFIG, "TLS cannot be used here",
		    "see the line above, which says why");
		return false;
	}
	if (!connect_again(check))
		return false;
	(void)place_text(check->host, check->port, place);
	if (check->secure)
		check_report_ok(&check->report, "tls", check->took_ms,
		    "%s is who it says it is", place);
	else
		check_report_skip(&check->report, "tls",
		    "ws:// has none: the secret and all visits go in the "
		    "clear");
	return true;
}

/* ---- what came of it ---- */

static void
report_no_websocket(struct check *check)
{
	char place[PLACE_MAX];

	(void)place_text(check->host, check->port, place);
	check_report_failed(&check->report, "websocket", check->took_ms,
	    EX_PROTOCOL, check->channel.text,
	    NETWORK "to let WebSockets (HTTP with Connection: Upgrade and "
		    "Upgrade: websocket) to %s pass; if nothing stands in "
		    "between, is this the relay's URL?",
	    place);
}

static void
report_secret_refused(struct check *check)
{
	char why[sizeof(check->channel.error) + CHECK_TEXT_MAX + 16];

	snprintf(why, sizeof(why), "%s (%u %s)", check->channel.text,
	    check->channel.status, check->channel.error);
	check_report_failed(&check->report, "secret", check->took_ms,
	    EX_NOPERM, why,
	    OPERATOR "to add the device %s, or for its secret",
	    check->settings->name);
}

/* The request came through to a relay, which has refused it. True: the secret is right. */
static bool
report_refusal(struct check *check)
{
	const struct check_channel *channel = &check->channel;

	if (channel->status == 400 || channel->status == 426) {
		report_no_websocket(check);
		return false;
	}
	check_report_ok(&check->report, "websocket", check->took_ms,
	    "a relay answers");
	if (channel->status == 401 || channel->status == 403 ||
	    strcmp(channel->error, "name_taken") == 0) {
		report_secret_refused(check);
		return false;
	}
	if (channel->status == 409) { /* of a relay that knows no checks */
		check_report_ok(&check->report, "secret", UINT64_MAX,
		    "right: the relay says that an agent with this name is "
		    "connected");
		return true;
	}
	check_report_failed(&check->report, "secret", check->took_ms,
	    EX_TEMPFAIL, channel->text,
	    "try again in a while: the relay is busy (%u)", channel->status);
	return false;
}

static void
report_heartbeat(struct check *check, const char *what, const char *why)
{
	char place[PLACE_MAX], text[CHECK_TEXT_MAX + 64];

	(void)place_text(check->host, check->port, place);
	snprintf(text, sizeof(text), "%s did not come back: %s", what, why);
	check_report_failed(&check->report, "heartbeat", check->took_ms,
	    EX_PROTOCOL, text,
	    NETWORK "to let an open WebSocket to %s carry messages both ways, "
		    "for as long as it stands",
	    place);
}

static void
check_heartbeat(struct check *check)
{
	const char *why;
	uint64_t ping_ms;

	begin(check);
	why = check_channel_ping(&check->channel);
	ping_ms = check->took_ms =
	    loop_now_ms(check->loop) - check->began_ms;
	if (why != NULL) {
		report_heartbeat(check, "a ping", why);
		return;
	}
	begin(check);
	why = check_channel_echo(&check->channel);
	check->took_ms = loop_now_ms(check->loop) - check->began_ms;
	if (why != NULL) {
		report_heartbeat(check, "a message of 4000 bytes", why);
		return;
	}
	check_report_ok(&check->report, "heartbeat", ping_ms,
	    "a ping comes back, and 4000 bytes in %llu ms; for how long this "
	    "network remembers a silent connection is not tested",
	    (unsigned long long)check->took_ms);
}

static void
report_session(struct check *check, enum check_outcome outcome)
{
	const char *secret = "right";

	if (outcome == CHECK_MOVED)
		secret = "right: the relay names another one that has more "
			 "room";
	else if (check->channel.credential == TAUPE_ENROLMENT_KEY)
		secret = "the fleet would take this device in";
	else if (check->channel.credential == TAUPE_OLD_SECRET)
		secret = "right: the one before the latest";
	check_report_ok(&check->report, "websocket", check->took_ms,
	    "a relay answers");
	check_report_ok(
	    &check->report, "secret", UINT64_MAX, "%s", secret);
}

static void
report_outcome(struct check *check, enum check_outcome outcome)
{
	if (outcome == CHECK_FOREIGN) {
		report_no_websocket(check);
		return;
	}
	if (outcome == CHECK_REFUSED && !report_refusal(check))
		return;
	if (outcome != CHECK_REFUSED)
		report_session(check, outcome);
	if (outcome == CHECK_OPEN)
		check_heartbeat(check);
	else
		check_report_skip(&check->report, "heartbeat",
		    "this relay is older than such checks");
}

static enum check_outcome
ask(struct check *check)
{
	enum check_outcome outcome;

	begin(check);
	outcome = check_channel_ask(&check->channel);
	check->took_ms = loop_now_ms(check->loop) - check->began_ms;
	return outcome;
}

/* On the connection of the last step; what the relay refuses costs another one. */
static void
check_request(struct check *check)
{
	enum check_outcome outcome = ask(check);

	while (outcome == CHECK_AGAIN) {
		if (!connect_again(check))
			return;
		outcome = ask(check);
	}
	report_outcome(check, outcome);
	check_channel_leave(&check->channel);
}

/* ---- a relay, and the services ---- */

/* What a step has kept from being looked at. */
static void
skip_the_rest(struct check *check)
{
	static const char *const steps[] = {"dns", "tcp", "proxy", "tls",
	    "websocket", "secret", "heartbeat"};
	bool behind = false;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (behind)
			check_report_skip(
			    &check->report, steps[i], "not reached");
		else
			behind = strcmp(check->report.step, steps[i]) == 0;
	}
}

static bool
check_way(struct check *check)
{
	const char *host =
	    check->proxy != NULL ? check->proxy->host : check->host;
	uint16_t port = check->proxy != NULL ? check->proxy->port : check->port;

	return check_name(check, host, port) && check_tcp(check, host, port) &&
	    check_proxy(check) && check_tls(check);
}

/* False: libtaupe cannot use this configuration, which was said. */
static bool
prepare(struct check *check, const char *const *relay)
{
	struct taupe_config config = {
	    .user_agent = "taupe-agent/" TAUPE_VERSION " (check)"};
	const char *wrong;

	settings_apply(check->settings, &config);
	secret_store_apply(&check->secrets, &config);
	config.relays = relay;
	config.n_relays = 1;
	wrong = check_channel_init(&check->channel, check->loop, &config,
	    (uint64_t)check->settings->options.connect_timeout_ms);
	if (wrong != NULL)
		check_report_failed(&check->report, "relay", UINT64_MAX,
		    EX_CONFIG, wrong, "mend the configuration");
	return wrong == NULL;
}

static void
check_relay(struct check *check, const char *text)
{
	struct url url;

	if (!url_parse(str_of(text), &url) ||
	    !str_copy(url.host, check->host, sizeof(check->host)))
		return; /* the table has checked it */
	check->port = url.port;
	check->secure = url.secure;
	check->proxy = proxies_find(&check->settings->proxies, check->secure,
	    check->host, check->port);
	check_report_ok(&check->report, "relay", UINT64_MAX, "%s", text);
	if (!prepare(check, &text))
		return;
	if (check_way(check))
		check_request(check);
	skip_the_rest(check);
	check_channel_fini(&check->channel);
}

/* As its health check looks at it, if it has one. */
static bool
look_at(struct check *check, const struct target *target, const char *path)
{
	struct look look = {
	    .dialler = check->dialler,
	    .timeout_ms =
		(uint64_t)check->settings->options.service_timeout_ms,
	    .cb = dialled_cb,
	    .ctx = check,
	    .loop = check->loop,
	};

	look_init(&look);
	begin(check);
	look_begin(&look, target, path);
	return wait_for_it(check);
}

static void
check_service(struct check *check, size_t i)
{
	const struct target *target = &check->settings->targets[i];
	const char *path = check->settings->checks[i].path;
	char step[SERVICE_NAME_MAX + 10], place[PLACE_MAX];

	snprintf(step, sizeof(step), "service %s", target->name);
	(void)place_text(target->host, target->port, place);
	if (!look_at(check, target, ""))
		check_report_failed(&check->report, step, check->took_ms,
		    EX_UNAVAILABLE, check->error,
		    "start what shall listen at %s, or mend this line of "
		    "service",
		    place);
	else if (path[0] == '\0')
		check_report_ok(&check->report, step, check->took_ms,
		    "%s takes connections", place);
	else if (look_at(check, target, path))
		check_report_ok(&check->report, step, check->took_ms,
		    "%s takes connections, and answers a GET of %s", place,
		    path);
	else
		check_report_failed(&check->report, step, check->took_ms,
		    EX_UNAVAILABLE, check->error,
		    "see what is wrong with what listens at %s, or mend this "
		    "line of health: its visitors would be told that it is "
		    "down (GET %s)",
		    place, path);
}

static int
run(struct check *check)
{
	const struct settings *settings = check->settings;
	const struct option_list *relays = &settings->options.relay;

	check_report_ok(&check->report, "configuration", UINT64_MAX,
	    "right: device %s, %u %s", settings->name,
	    (unsigned)settings->n_services,
	    settings->n_services == 1 ? "service" : "services");
	for (size_t i = 0; i < relays->count; i++)
		check_relay(check, relays->items[i]);
	for (size_t i = 0; i < settings->n_services; i++)
		check_service(check, i);
	check_report_end(&check->report);
	return check->report.result;
}

/*
 * An enrolment key goes with the hash of a secret, which is the device's own and is kept: a relay that
 * knows no checks enrols the device with it, and the agent comes with the same.
 */
static int
load_secrets(struct check *check)
{
	const struct settings *settings = check->settings;
	int result = secret_store_init(&check->secrets,
	    settings->options.state_file, settings->name, settings->secret);

	if (result == EX_OK && settings->enrolment_key[0] != '\0' &&
	    settings_want_enrolment(settings))
		result = secret_store_need(&check->secrets);
	return result;
}

int
check_run(struct loop *loop, struct settings *settings)
{
	struct check *check = calloc(1, sizeof(*check));
	int result = EX_OSERR;

	if (check == NULL)
		return result;
	check->loop = loop;
	check->channel.conn = (struct conn)CONN_CLOSED;
	check->settings = settings;
	check->report.json = settings->options.json;
	if ((result = load_secrets(check)) == EX_OK) {
		result = EX_OSERR;
		check->resolver = resolver_new(loop, &settings->dns);
		if (check->resolver != NULL)
			check->dialler = dialler_new(loop, check->resolver);
		if (check->dialler != NULL)
			result = run(check);
	}
	if (check->dialler != NULL)
		dialler_free(&check->dialler);
	resolver_free(&check->resolver);
	secret_store_fini(&check->secrets);
	crypto_wipe(check, sizeof(*check));
	free(check);
	return result;
}
