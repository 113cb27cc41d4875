/* SPDX-License-Identifier: MIT */
/*
 * A proxy in front speaks to us without TLS: only a listener without is announced to it.
 * Connections keep the certificate's context that they began with.
 */
#include "config.h"

#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "net/listener.h"
#include "net/tls.h"
#include "relay/admission.h"
#include "relay/agent_door.h"
#include "relay/certified.h"
#include "relay/connect.h"
#include "relay/listen_range.h"
#include "relay/relay_setup.h"
#include "relay/sources.h"
#include "relay/transfer.h"
#include "relay/upgrade.h"
#include "wire/url.h"

static const struct upgrade_route routes[] = {
    {CONTROL_PATH, false, admission_start},
    {TRANSFER_PATH, true, transfer_admit},
    {CONNECT_PATH, false, connect_admit},
    {NULL, false, NULL},
};

static void
plain_cb(void *ctx, int fd, const struct address *peer)
{
	upgrade_accept(ctx, fd, peer, routes);
}

/* There is no way yet to tell the agent. */
static void
let_go(
    struct relay *relay, int fd, const struct address *peer, enum limit limit)
{
	char from[ADDRESS_TEXT_MAX];

	close(fd);
	limit_hit(&relay->hits, limit, address_text(peer, from),
	    loop_now_ms(relay->loop));
}

static void
late_cb(void *ctx, int fd, const struct address *peer)
{
	let_go(ctx, fd, peer, LIMIT_HANDSHAKE_TIMEOUT);
}

static bool
begin_tls_cb(void *ctx, int fd, const struct address *peer,
    struct source *source, uint64_t since_us)
{
	struct relay *relay = ctx;

	return upgrade_begin_tls(
	    relay, fd, peer, routes, relay->agent_tls, source, since_us);
}

static const struct door_queue_ops door_queue_ops = {
    .begin_cb = begin_tls_cb,
    .late_cb = late_cb,
};

/* It may wait for half of the time that it has: the agent's own is about as long. Who has too many
 * is counted and logged by sources_admit(). */
static void
tls_cb(void *ctx, int fd, const struct address *peer)
{
	struct relay *relay = ctx;
	const struct relay_options *options = &relay->options;
	struct source *source;
	unsigned retry_after_s;

	if (upgrades_silent(relay) >= (size_t)options->max_handshakes)
		let_go(relay, fd, peer, LIMIT_MAX_HANDSHAKES);
	else if (!sources_admit(relay->sources, SOURCE_AGENT, peer,
		     loop_now_ms(relay->loop), &source, &retry_after_s))
		close(fd);
	else if (door_queue_add(&relay->door_queue, fd, peer, source,
		     (uint64_t)options->handshake_timeout_ms / 2) != 0)
		relay->counters.tls_failed++;
}

/* With the relays that have the same cluster_key_file. */
static int
share_tickets(
    const struct relay *relay, struct tls_context *context, const char **error)
{
	*error = "out of memory";
	if (!relay->shares_tickets)
		return 0;
	return tls_context_share_tickets(context, relay->ticket_secret,
	    (uint64_t)relay->options.ticket_period_ms);
}

/* -1: logged. */
static int
load_certificate(struct relay *relay, const struct relay_options *options)
{
	const char *error;
	struct tls_context *fresh = tls_context_new_server(
	    options->tls_certificate, options->tls_key, &error);

	if (fresh == NULL || share_tickets(relay, fresh, &error) != 0 ||
	    certified_ask(options, fresh, &error) != 0) {
		tls_context_free(&fresh);
		log_error("no certificate for agents", LOG_S("error", error));
		return -1;
	}
	tls_context_free(&relay->agent_tls);
	relay->agent_tls = fresh;
	return 0;
}

static int
check_client_options(const struct relay_options *options)
{
	bool asks = options->agent_client_ca != NULL;
	const char *hint = NULL;

	if (asks && options->agent_tls_listen.count == 0)
		hint = "agent_client_ca needs agent_tls_listen";
	else if (!asks && options->agent_client_crl != NULL)
		hint = "agent_client_crl needs agent_client_ca";
	else if (options->proxy_client_certificate &&
	    options->trusted_proxy.count == 0)
		hint = "proxy_client_certificate needs trusted_proxy";
	else if (options->agent_client_certificate ==
		CLIENT_CERTIFICATE_REQUIRED &&
	    !asks && !options->proxy_client_certificate)
		hint = "agent_client_certificate = required needs "
		       "agent_client_ca or proxy_client_certificate";
	if (hint == NULL)
		return 0;
	log_error("nobody could show a certificate", LOG_S("hint", hint));
	return EX_CONFIG;
}

static int
check_options(const struct relay_options *options)
{
	size_t n_tls = options->agent_tls_listen.count;

	if (options->agent_listen.count + n_tls == 0) {
		log_error("agents could not connect: neither agent_listen nor "
			  "agent_tls_listen is set");
		return EX_CONFIG;
	}
	if (n_tls > 0 && options->tls_certificate == NULL) {
		log_error("agent_tls_listen needs a certificate",
		    LOG_S("hint", "set tls_certificate"));
		return EX_CONFIG;
	}
	if (n_tls == 0 &&
	    (options->tls_certificate != NULL || options->tls_key != NULL)) {
		log_error("nobody would see the certificate",
		    LOG_S("hint",
			"set agent_tls_listen, or leave tls_certificate and "
			"tls_key out"));
		return EX_CONFIG;
	}
	return check_client_options(options);
}

static int
open_listeners(struct relay *relay, const char *key,
    const struct option_list *list, listener_cb cb,
    struct listener listeners[AGENT_LISTENERS_MAX], size_t *n)
{
	if (list->count > AGENT_LISTENERS_MAX) {
		log_error("too many addresses to listen at", LOG_S("key", key),
		    LOG_U("most", AGENT_LISTENERS_MAX));
		return EX_CONFIG;
	}
	for (; *n < list->count; ++*n) {
		struct address address;

		(void)address_parse(str_of(list->items[*n]), &address);
		if (listener_open(&listeners[*n], relay->listeners, &address,
			false, cb, relay) != 0)
			return relay_cannot_bind(key, &address);
		listener_address(&listeners[*n], &address);
		relay_log_listening(
		    cb == tls_cb ? "agents with TLS" : "agents", &address);
	}
	return 0;
}

/* The URL that agents get for us. */
static int
set_url(struct relay *relay)
{
	struct relay_info *self = &relay->self;
	const char *configured = relay->options.agent_url;
	bool tls = relay->n_agent_tls_listeners > 0;
	char text[ADDRESS_TEXT_MAX];
	struct address address;

	if (configured != NULL) {
		(void)str_copy(
		    str_of(configured), self->url, sizeof(self->url));
		return 0;
	}
	listener_address(
	    tls ? &relay->agent_tls_listeners[0] : &relay->agent_listeners[0],
	    &address);
	address_text(&address, text);
	if (address_is_wildcard(&address)) {
		log_error("agents cannot dig their transfer channels to a "
			  "wildcard",
		    LOG_S(tls ? "agent_tls_listen" : "agent_listen", text),
		    LOG_S("hint",
			"set agent_url to the URL at which agents reach this "
			"relay"));
		return EX_CONFIG;
	}
	snprintf(
	    self->url, sizeof(self->url), "%s://%s", tls ? "wss" : "ws", text);
	return 0;
}

static int
check_url(const struct relay *relay, const struct url *url)
{
	if (url->secure || relay->n_agent_listeners > 0)
		return 0;
	log_error("agents would come without TLS, and nothing listens for "
		  "that",
	    LOG_S("agent_url", relay->self.url),
	    LOG_S(
		"hint", "set agent_url to a wss URL, or agent_listen as well"));
	return EX_CONFIG;
}

/* Of a listener at all addresses: where services are is one of them, which the proxy reaches. */
static bool
address_for_proxy(const struct relay *relay, struct address *address)
{
	const struct option_list *services = &relay->options.service_listen;
	uint16_t port = address_port(address);
	struct listen_range range;

	if (!address_is_wildcard(address))
		return true;
	if (services->count == 0)
		return false;
	(void)listen_range_parse(str_of(services->items[0]), &range);
	if (address_is_wildcard(&range.address) ||
	    range.address.sa.sa_family != address->sa.sa_family)
		return false;
	*address = range.address;
	address_set_port(address, port);
	return true;
}

/* The proxy leads to us who asks for the host name in our URL. Where that is an address, it has a
 * name that stands for where we listen, and that nobody asks for: the proxy still brings us share
 * links, which any relay opens. */
static int
set_route(struct relay *relay, const struct url *url)
{
	const char *ip = relay->options.advertise_address;
	char own[ADDRESS_TEXT_MAX], text[ADDRESS_TEXT_MAX + 16];
	struct address address;
	bool named = !address_parse_ip(url->host, 0, &address);

	if (relay->n_agent_listeners == 0)
		return 0;
	listener_address(&relay->agent_listeners[0], &address);
	if (named && ip == NULL && address_is_wildcard(&address)) {
		log_error("agent_listen is a wildcard, which no proxy can "
			  "connect to",
		    LOG_S("agent_listen", relay->self.address),
		    LOG_S("hint",
			"set advertise_address to this host's address"));
		return EX_CONFIG;
	}
	if (ip == NULL && !address_for_proxy(relay, &address))
		return 0;
	if (ip == NULL)
		ip = address_ip_text(&address, own);
	snprintf(text, sizeof(text), "at-%s-%u", ip, address_port(&address));
	for (char *c = text; *c != '\0'; c++)
		if (*c == '.' || *c == ':')
			*c = '-';
	snprintf(relay->self_route.key, sizeof(relay->self_route.key),
	    "relay/%.*s", (int)(named ? url->host.len : strlen(text)),
	    named ? url->host.ptr : text);
	snprintf(relay->self_route.value, sizeof(relay->self_route.value),
	    "%s,%u", ip, address_port(&address));
	return 0;
}

/* How agents and the proxy reach us. */
static int
announce_self(struct relay *relay)
{
	struct relay_info *self = &relay->self;
	struct address address;
	struct url url;
	int code;

	listener_address(relay->n_agent_listeners > 0
		? &relay->agent_listeners[0]
		: &relay->agent_tls_listeners[0],
	    &address);
	address_text(&address, self->address);
	if ((code = set_url(relay)) != 0)
		return code;
	self->weight = (uint32_t)relay->options.weight;
	self->capacity = (uint64_t)relay->options.capacity;
	self->since_ms = loop_wall_ms();
	if (!url_parse(str_of(self->url), &url))
		return 0;
	if ((code = check_url(relay, &url)) != 0)
		return code;
	return set_route(relay, &url);
}

int
agent_doors_open(struct relay *relay)
{
	const struct relay_options *options = &relay->options;
	int code;

	door_queue_init(&relay->door_queue, relay->loop, relay->sources,
	    &door_queue_ops, relay);
	if ((code = check_options(options)) != 0)
		return code;
	if (options->agent_tls_listen.count > 0 &&
	    load_certificate(relay, options) != 0)
		return EX_NOINPUT;
	if ((code = open_listeners(relay, "agent_listen",
		 &options->agent_listen, plain_cb, relay->agent_listeners,
		 &relay->n_agent_listeners)) != 0 ||
	    (code = open_listeners(relay, "agent_tls_listen",
		 &options->agent_tls_listen, tls_cb, relay->agent_tls_listeners,
		 &relay->n_agent_tls_listeners)) != 0)
		return code;
	return announce_self(relay);
}

void
agent_doors_reload(struct relay *relay, const struct relay_options *fresh)
{
	if (relay->agent_tls == NULL)
		return;
	if (fresh->tls_certificate == NULL)
		log_error("no certificate for agents",
		    LOG_S("error", "tls_certificate is not set any more"));
	else if (load_certificate(relay, fresh) == 0)
		return;
	log_warn("the certificate stays as it was");
}

void
agent_doors_close(struct relay *relay)
{
	for (size_t i = 0; i < relay->n_agent_listeners; i++)
		listener_close(&relay->agent_listeners[i]);
	for (size_t i = 0; i < relay->n_agent_tls_listeners; i++)
		listener_close(&relay->agent_tls_listeners[i]);
	door_queue_fini(&relay->door_queue);
	tls_context_free(&relay->agent_tls);
}
