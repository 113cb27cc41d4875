/* SPDX-License-Identifier: MIT */
/*
 * The servers of each network adapter that is up, in Windows' order. libevent's own way to them
 * knows no IPv6, and keeps what was true at the start.
 */
#include "config.h"

#include <winsock2.h>
#include <ws2tcpip.h>
#include <windows.h>

#include <event2/dns.h>
#include <iphlpapi.h>
#include <stdlib.h>
#include <string.h>

#include "net/address.h"
#include "net/resolve_system.h"

#define HOSTS_FILE L"\\drivers\\etc\\hosts"
#define FIRST_BYTES 16384u
#define ATTEMPTS 3
#define DNS_PORT 53
#define QUESTION                                                               \
	(GAA_FLAG_SKIP_UNICAST | GAA_FLAG_SKIP_ANYCAST |                       \
	    GAA_FLAG_SKIP_MULTICAST | GAA_FLAG_SKIP_FRIENDLY_NAME)

/* From malloc; NULL: nothing is known. */
static IP_ADAPTER_ADDRESSES *
adapters(void)
{
	ULONG bytes = FIRST_BYTES;

	for (int i = 0; i < ATTEMPTS; i++) {
		IP_ADAPTER_ADDRESSES *list = malloc(bytes);
		ULONG error = list == NULL ? ERROR_OUTOFMEMORY
					   : GetAdaptersAddresses(AF_UNSPEC,
						 QUESTION, NULL, list, &bytes);

		if (error == NO_ERROR)
			return list;
		free(list);
		if (error != ERROR_BUFFER_OVERFLOW)
			break;
	}
	return NULL;
}

/* What Windows tells of an adapter that nobody has told a server. */
static bool
is_placeholder(const struct sockaddr *server)
{
	static const unsigned char prefix[] = {
	    0xfe, 0xc0, 0, 0, 0xff, 0xff}; /* fec0:0:0:ffff::1 to ::3 */

	return server->sa_family == AF_INET6 &&
	    memcmp(
		&((const struct sockaddr_in6 *)(const void *)server)->sin6_addr,
		prefix, sizeof(prefix)) == 0;
}

static void
for_each_server(void (*cb)(void *ctx, const struct address *server), void *ctx)
{
	IP_ADAPTER_ADDRESSES *list = adapters();

	for (IP_ADAPTER_ADDRESSES *a = list; a != NULL; a = a->Next) {
		IP_ADAPTER_DNS_SERVER_ADDRESS *s = a->FirstDnsServerAddress;

		for (; a->OperStatus == IfOperStatusUp && s != NULL;
		     s = s->Next) {
			const SOCKET_ADDRESS *found = &s->Address;
			struct address server = {0};

			if (found->iSockaddrLength < 0 ||
			    (size_t)found->iSockaddrLength >
				sizeof(server.in6) ||
			    is_placeholder(found->lpSockaddr))
				continue;
			memcpy(&server.sa, found->lpSockaddr,
			    (size_t)found->iSockaddrLength);
			server.len = found->iSockaddrLength;
			address_set_port(&server, DNS_PORT);
			cb(ctx, &server);
		}
	}
	free(list);
}

static void
stamp_cb(void *ctx, const struct address *server)
{
	const unsigned char *bytes = (const unsigned char *)&server->sa;
	uint64_t *hash = ctx;

	for (socklen_t i = 0; i < server->len; i++) /* FNV-1a */
		*hash = (*hash ^ bytes[i]) * UINT64_C(0x100000001b3);
}

static bool
hosts_path(wchar_t path[MAX_PATH])
{
	UINT len = GetSystemDirectoryW(path, MAX_PATH);

	if (len == 0 || len + wcslen(HOSTS_FILE) >= MAX_PATH)
		return false;
	wcscpy(path + len, HOSTS_FILE);
	return true;
}

struct resolve_stamp
resolve_system_stamp(void)
{
	struct resolve_stamp stamp = {{UINT64_C(0xcbf29ce484222325)}, {0}};
	WIN32_FILE_ATTRIBUTE_DATA hosts;
	wchar_t path[MAX_PATH];

	for_each_server(stamp_cb, &stamp.servers[0]);
	if (hosts_path(path) &&
	    GetFileAttributesExW(path, GetFileExInfoStandard, &hosts)) {
		stamp.hosts[0] = hosts.nFileSizeLow;
		stamp.hosts[1] = hosts.ftLastWriteTime.dwLowDateTime;
		stamp.hosts[2] = hosts.ftLastWriteTime.dwHighDateTime;
	}
	return stamp;
}

static void
count_cb(void *ctx, const struct address *server)
{
	(void)server;
	++*(size_t *)ctx;
}

const char *
resolve_system_missing(void)
{
	size_t n = 0;

	for_each_server(count_cb, &n);
	return n > 0 ? NULL
		     : "no network that is up has a name server, and this "
		       "machine has none";
}

static void
add_cb(void *ctx, const struct address *server)
{
	(void)evdns_base_nameserver_sockaddr_add(
	    ctx, &server->sa, server->len, 0);
}

void
resolve_system_servers(struct evdns_base *dns)
{
	for_each_server(add_cb, dns);
	/* without any evdns would wait for one, and never answer */
	if (evdns_base_count_nameservers(dns) == 0)
		(void)evdns_base_nameserver_ip_add(dns, "127.0.0.1");
	resolve_system_hosts(dns);
}

void
resolve_system_hosts(struct evdns_base *dns)
{
	wchar_t wide[MAX_PATH];
	char path[MAX_PATH];

	/* libevent takes the code page's bytes; the folder's name is ASCII wherever Windows is */
	if (hosts_path(wide) &&
	    WideCharToMultiByte(
		CP_ACP, 0, wide, -1, path, sizeof(path), NULL, NULL) > 0)
		(void)evdns_base_load_hosts(dns, path);
}
