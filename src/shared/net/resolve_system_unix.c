/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <event2/dns.h>
#include <sys/stat.h>

#include "net/resolve_system.h"

#define RESOLV_CONF "/etc/resolv.conf"
#define HOSTS_FILE "/etc/hosts"

static void
stamp_file(const char *path, uint64_t stamp[4])
{
	struct stat status;

	if (stat(path, &status) != 0)
		return;
	stamp[0] = (uint64_t)status.st_ino;
	stamp[1] = (uint64_t)status.st_size;
	stamp[2] = (uint64_t)status.st_mtim.tv_sec;
	stamp[3] = (uint64_t)status.st_mtim.tv_nsec;
}

struct resolve_stamp
resolve_system_stamp(void)
{
	struct resolve_stamp stamp = {0};

	stamp_file(RESOLV_CONF, stamp.servers);
	stamp_file(HOSTS_FILE, stamp.hosts);
	return stamp;
}

const char *
resolve_system_missing(void)
{
	struct stat status;

	return stat(RESOLV_CONF, &status) == 0
	    ? NULL
	    : "no name server is configured (there is no " RESOLV_CONF
	      "), and this machine has none";
}

void
resolve_system_servers(struct evdns_base *dns)
{
	(void)evdns_base_resolv_conf_parse(dns, DNS_OPTIONS_ALL, RESOLV_CONF);
}

void
resolve_system_hosts(struct evdns_base *dns)
{
	(void)evdns_base_load_hosts(dns, HOSTS_FILE);
}
