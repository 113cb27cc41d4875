/* SPDX-License-Identifier: MIT */
/*
 * Name look-ups on libevent's evdns. What evdns leaves to its user is here: localhost
 * without a server (RFC 6761 section 6.3), the order of the answers, a resolv.conf that
 * changes while we run (a device often starts before its network does), and answers
 * that never come from inside the call that asks.
 *
 * A request that nobody waits for any more is left to run to its end, and a resolver
 * stays until its last one has: evdns touches its base when it delivers an answer.
 */
#include "config.h"

#include <event2/dns.h>
#include <event2/util.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "net/address_order.h"
#include "net/resolve.h"
#include "net/resolve_system.h"

#define HOST_MAX 255

struct resolve_request {
	LIST_ENTRY(resolve_request) link;
	struct resolver *resolver;
	struct task task;
	resolve_cb cb;
	void *ctx;
	bool in_dns;	/* evdns has not answered */
	bool cancelled; /* nobody waits for it; it is on no list */
	uint16_t port;
	size_t n;
	struct address addresses[RESOLVE_MAX];
	char host[HOST_MAX + 1];
	char error[HOST_MAX + 96];
};

struct resolver {
	struct loop *loop;
	struct evdns_base *dns; /* NULL until it is needed */
	struct name_servers servers;
	struct resolve_stamp stamp;
	LIST_HEAD(, resolve_request) requests;
	size_t n_in_dns;
	struct task free_task;
	bool freed;
	LIST_ENTRY(resolver) link; /* of abandoned */
};

/* Freed by their owners, but evdns still works for them. If the process ends first, this
 * tells a leak checker that they were not forgotten. */
static LIST_HEAD(, resolver) abandoned = LIST_HEAD_INITIALIZER(abandoned);

/*
 * Tell evdns whom to ask. It takes a server that is named twice once. It goes round the
 * servers for both families at once, so that one of them needs two tries more to come by each;
 * and it must not give it up when the other is through, which may have no address. An answer
 * that is late is taken nevertheless. resolv.conf may say otherwise.
 */
static int
name_servers(struct resolver *resolver, struct evdns_base *dns)
{
	static const char *const tries[NAME_SERVERS_MAX + 1] = {
	    "5", "4", "4", "5", "6"};
	size_t n = resolver->servers.n;

	(void)evdns_base_set_option(dns, "timeout:", "1");
	(void)evdns_base_set_option(dns, "attempts:", tries[n]);
	(void)evdns_base_set_option(dns, "getaddrinfo-allow-skew:", tries[n]);
	if (n == 0) {
		resolve_system_servers(dns);
		return 0;
	}
	evdns_base_search_clear(dns);
	for (size_t i = 0; i < n; i++)
		(void)evdns_base_nameserver_sockaddr_add(dns,
		    &resolver->servers.list[i].sa,
		    resolver->servers.list[i].len, 0);
	return evdns_base_count_nameservers(dns) > 0 ? 0 : -1;
}

static struct evdns_base *
open_dns(struct resolver *resolver)
{
	struct evdns_base *dns = evdns_base_new(
	    loop_base(resolver->loop), EVDNS_BASE_DISABLE_WHEN_INACTIVE);

	if (dns == NULL)
		return NULL;
	if (resolver->servers.n > 0)
		resolve_system_hosts(dns);
	if (name_servers(resolver, dns) == 0)
		return dns;
	evdns_base_free(dns, 0);
	return NULL;
}

/* Ask the system again when what it says has changed, once no request is under way. */
static int
refresh_dns(struct resolver *resolver)
{
	struct resolve_stamp stamp;

	if (resolver->n_in_dns > 0)
		return 0;
	stamp = resolve_system_stamp();
	if (resolver->dns != NULL &&
	    memcmp(&stamp, &resolver->stamp, sizeof(stamp)) == 0)
		return 0;
	if (resolver->dns != NULL)
		evdns_base_free(resolver->dns, 0);
	resolver->stamp = stamp;
	resolver->dns = open_dns(resolver);
	return resolver->dns != NULL ? 0 : -1;
}

static void
destroy(struct resolver *resolver)
{
	if (resolver->dns != NULL)
		evdns_base_free(resolver->dns, 0);
	free(resolver);
}

static void
free_abandoned_cb(void *ctx)
{
	struct resolver *resolver = ctx;

	LIST_REMOVE(resolver, link);
	destroy(resolver);
}

/* evdns would write to stderr. What matters of it comes back as an error. */
static void
dns_log_cb(int is_warning, const char *message)
{
	(void)is_warning;
	log_debug("name resolution", LOG_S("detail", message));
}

struct resolver *
resolver_new(struct loop *loop, const struct name_servers *servers)
{
	struct resolver *resolver = calloc(1, sizeof(*resolver));

	if (resolver == NULL)
		return NULL;
	evdns_set_log_fn(dns_log_cb);
	resolver->loop = loop;
	LIST_INIT(&resolver->requests);
	task_init(&resolver->free_task, free_abandoned_cb, resolver);
	if (servers != NULL)
		resolver->servers = *servers;
	return resolver;
}

static bool
same_servers(const struct name_servers *a, const struct name_servers *b)
{
	return a->n == b->n &&
	    memcmp(a->list, b->list, a->n * sizeof(a->list[0])) == 0;
}

void
resolver_set_servers(
    struct resolver *resolver, const struct name_servers *servers)
{
	struct evdns_base *dns = resolver->dns;

	if (same_servers(&resolver->servers, servers))
		return;
	resolver->servers = *servers;
	if (dns == NULL)
		return;
	if (resolver->n_in_dns == 0) {
		evdns_base_free(dns, 0);
		resolver->dns = NULL;
		return;
	}
	/* what is under way is asked anew */
	(void)evdns_base_clear_nameservers_and_suspend(dns);
	(void)name_servers(resolver, dns);
	/* without any, evdns would wait for one; so they end by their time */
	if (evdns_base_count_nameservers(dns) == 0)
		(void)evdns_base_nameserver_ip_add(dns, "127.0.0.1");
	(void)evdns_base_resume(dns);
}

size_t
resolver_servers(struct resolver *resolver, struct address *list, size_t cap)
{
	size_t n = 0;

	if (refresh_dns(resolver) != 0)
		return 0;
	while (n < cap) {
		struct sockaddr_storage place;
		int len = evdns_base_get_nameserver_addr(resolver->dns, (int)n,
		    (struct sockaddr *)&place, sizeof(place));

		if (len <= 0 || (size_t)len > sizeof(list[n].in6))
			break;
		memset(&list[n], 0, sizeof(list[n]));
		memcpy(&list[n].sa, &place, (size_t)len);
		list[n++].len = (socklen_t)len;
	}
	return n;
}

void
resolver_free(struct resolver **resolverp)
{
	struct resolver *resolver = *resolverp;
	struct resolve_request *request;

	if (resolver == NULL)
		return;
	*resolverp = NULL;
	while ((request = LIST_FIRST(&resolver->requests)) != NULL)
		resolve_cancel(&request);
	if (resolver->n_in_dns == 0) {
		destroy(resolver);
		return;
	}
	resolver->freed = true;
	LIST_INSERT_HEAD(&abandoned, resolver, link);
}

static void
deliver_cb(void *ctx)
{
	struct resolve_request *request = ctx;

	LIST_REMOVE(request, link);
	request->cb(request->ctx, request->addresses, request->n,
	    request->n > 0 ? NULL : request->error);
	free(request);
}

static void
fail(struct resolve_request *request, const char *why)
{
	request->n = 0;
	snprintf(request->error, sizeof(request->error),
	    "cannot resolve %s: %s", request->host, why);
}

static const char *
silence_text(const struct resolver *resolver)
{
	const char *missing = resolve_system_missing();

	return resolver->servers.n > 0 || missing == NULL
	    ? "the name server gave no answer"
	    : missing;
}

static const char *
failure_text(const struct resolver *resolver, int error)
{
	switch (error) {
	case EVUTIL_EAI_NONAME:
		return "no such host name";
	case EVUTIL_EAI_NODATA:
		return "it has no address";
	case EVUTIL_EAI_AGAIN:
	case EVUTIL_EAI_FAIL: /* evdns: silence, or a server that failed */
		return silence_text(resolver);
	default:
		return evutil_gai_strerror(error);
	}
}

static void
take_answer(struct resolve_request *request, const struct evutil_addrinfo *list)
{
	for (; list != NULL && request->n < RESOLVE_MAX; list = list->ai_next) {
		struct address *address = &request->addresses[request->n];

		if ((list->ai_family != AF_INET &&
			list->ai_family != AF_INET6) ||
		    list->ai_addrlen > sizeof(address->in6))
			continue;
		memset(address, 0, sizeof(*address));
		memcpy(&address->sa, list->ai_addr, list->ai_addrlen);
		address->len = (socklen_t)list->ai_addrlen;
		address_set_port(address, request->port);
		request->n++;
	}
	address_order(request->addresses, request->n);
}

static void
answered_cb(int error, struct evutil_addrinfo *list, void *arg)
{
	struct resolve_request *request = arg;
	struct resolver *resolver = request->resolver;

	request->in_dns = false;
	resolver->n_in_dns--;
	if (!request->cancelled) {
		take_answer(request, error == 0 ? list : NULL);
		if (request->n == 0)
			fail(request,
			    failure_text(resolver,
				error != 0 ? error : EVUTIL_EAI_NODATA));
		task_post(resolver->loop, &request->task);
	} else {
		free(request);
	}
	if (list != NULL)
		evutil_freeaddrinfo(list);
	/* not from inside evdns */
	if (resolver->freed && resolver->n_in_dns == 0)
		task_post(resolver->loop, &resolver->free_task);
}

static bool
is_localhost(struct str host)
{
	const struct str name = STR("localhost");

	if (host.len > 0 && host.ptr[host.len - 1] == '.')
		host.len--;
	if (host.len < name.len ||
	    !str_equal_nocase(
		(struct str){host.ptr + host.len - name.len, name.len}, name))
		return false;
	return host.len == name.len || host.ptr[host.len - name.len - 1] == '.';
}

/* Answer without a server if that is possible. */
static bool
answer_here(struct resolve_request *request)
{
	struct str host = str_of(request->host);

	if (address_parse_ip(host, request->port, &request->addresses[0])) {
		request->n = 1;
		return true;
	}
	if (!is_localhost(host))
		return false;
	(void)address_parse_ip(
	    STR("::1"), request->port, &request->addresses[0]);
	(void)address_parse_ip(
	    STR("127.0.0.1"), request->port, &request->addresses[1]);
	request->n = 2;
	address_order(request->addresses, request->n);
	return true;
}

static void
ask_dns(struct resolve_request *request)
{
	static const struct evutil_addrinfo hints = {
	    .ai_family = AF_UNSPEC,
	    .ai_socktype = SOCK_STREAM,
	    .ai_protocol = IPPROTO_TCP,
	};
	struct resolver *resolver = request->resolver;

	if (refresh_dns(resolver) != 0) {
		fail(request, "the resolver cannot be opened");
		task_post(resolver->loop, &request->task);
		return;
	}
	request->in_dns = true;
	resolver->n_in_dns++;
	/* It may answer at once, and it always answers. */
	(void)evdns_getaddrinfo(
	    resolver->dns, request->host, NULL, &hints, answered_cb, request);
}

struct resolve_request *
resolve_start(struct resolver *resolver, const char *host, uint16_t port,
    resolve_cb cb, void *ctx)
{
	struct resolve_request *request = calloc(1, sizeof(*request));

	if (request == NULL)
		return NULL;
	request->resolver = resolver;
	request->port = port;
	request->cb = cb;
	request->ctx = ctx;
	task_init(&request->task, deliver_cb, request);
	LIST_INSERT_HEAD(&resolver->requests, request, link);
	if (host[0] == '\0' ||
	    !str_copy(str_of(host), request->host, sizeof(request->host))) {
		fail(request,
		    host[0] == '\0' ? "it is empty" : "it is too long");
		task_post(resolver->loop, &request->task);
	} else if (answer_here(request)) {
		task_post(resolver->loop, &request->task);
	} else {
		ask_dns(request);
	}
	return request;
}

void
resolve_cancel(struct resolve_request **requestp)
{
	struct resolve_request *request = *requestp;

	if (request == NULL)
		return;
	*requestp = NULL;
	LIST_REMOVE(request, link);
	if (request->in_dns) {
		request->cancelled = true;
		return;
	}
	task_cancel(request->resolver->loop, &request->task);
	free(request);
}
