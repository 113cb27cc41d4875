/* SPDX-License-Identifier: MIT */
/*
 * A gateway is told from others with the same address, 192.168.1.1 say, by its hardware address. Where
 * /proc is out of reach the address range alone has to do.
 */
#include "config.h"

#include "net/way.h"

#ifdef __linux__
#include <inttypes.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#endif

#include "net/address.h"

#define FNV_BASIS 2166136261u
#define FNV_PRIME 16777619u

/* FNV-1a: nobody gains by two networks that look alike. */
static void
hash(uint32_t *sum, const void *data, size_t len)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < len; i++)
		*sum = (*sum ^ bytes[i]) * FNV_PRIME;
}

#ifdef __linux__

#define ETHERNET_HEADER 14
#define IP_HEADER 20
#define IPV6_HEADER 40
#define TCP_HEADER 20
#define TCP_TIMESTAMPS 12
#define ROUTES "/proc/self/net/route"
#define NEIGHBOURS "/proc/self/net/arp"
#define ADDRESSES6 "/proc/self/net/if_inet6"
#define INTERFACES_MAX 64

bool
way_is_ipv6(int fd)
{
	struct address peer;

	address_of_peer(fd, &peer);
	return peer.sa.sa_family == AF_INET6 &&
	    !IN6_IS_ADDR_V4MAPPED(&peer.in6.sin6_addr);
}

bool
way_bytes(int fd, bool ipv6, uint64_t *bytes)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);
	uint64_t segments, header = ETHERNET_HEADER + TCP_HEADER;

	memset(&info, 0, sizeof(info));
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0 ||
	    len < offsetof(struct tcp_info, tcpi_bytes_sent) +
		    sizeof(info.tcpi_bytes_sent))
		return false;
	header += ipv6 ? IPV6_HEADER : IP_HEADER;
	if (info.tcpi_options & TCPI_OPT_TIMESTAMPS)
		header += TCP_TIMESTAMPS;
	segments = (uint64_t)info.tcpi_segs_out + info.tcpi_segs_in;
	*bytes =
	    info.tcpi_bytes_sent + info.tcpi_bytes_received + segments * header;
	return true;
}

int
way_is_acked(int fd)
{
	int waiting;

	return ioctl(fd, SIOCOUTQ, &waiting) == 0 ? waiting == 0 : -1;
}

/* Where an address's bytes are, and how many. */
static const uint8_t *
bytes_of(const struct sockaddr *sa, size_t *len)
{
	if (sa->sa_family == AF_INET) {
		*len = sizeof(struct in_addr);
		return (const uint8_t *)&((const struct sockaddr_in *)sa)
		    ->sin_addr;
	}
	*len = sizeof(struct in6_addr);
	return (const uint8_t *)&((const struct sockaddr_in6 *)sa)->sin6_addr;
}

/* The hardware address of an IPv4 neighbour, as text; "" when it is not known. */
static void
find_neighbour(const char *ip, const char *interface, char out[18])
{
	FILE *file = fopen(NEIGHBOURS, "re");
	char line[200], at[46], hardware[18], device[IFNAMSIZ];

	out[0] = '\0';
	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		if (sscanf(line, "%45s %*s %*s %17s %*s %15s", at, hardware,
			device) == 3 &&
		    strcmp(at, ip) == 0 && strcmp(device, interface) == 0)
			strcpy(out, hardware);
	if (file != NULL)
		fclose(file);
}

/* The gateway of an interface's default route of IPv4. */
static void
hash_gateway(uint32_t *sum, const char *interface)
{
	FILE *file = fopen(ROUTES, "re");
	char line[200], device[IFNAMSIZ], text[ADDRESS_TEXT_MAX], hardware[18];
	uint32_t to, by;
	struct address gateway;

	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line, "%15s %" SCNx32 " %" SCNx32, device, &to,
			&by) != 3 ||
		    to != 0 || by == 0 || strcmp(device, interface) != 0)
			continue;
		(void)address_parse_ip(STR("0.0.0.0"), 0, &gateway);
		gateway.in.sin_addr.s_addr = by;
		find_neighbour(
		    address_ip_text(&gateway, text), interface, hardware);
		hash(sum, &by, sizeof(by));
		hash(sum, hardware, strlen(hardware));
		break;
	}
	if (file != NULL)
		fclose(file);
}

/* The interface that has this address, and which of its bits are the network's. */
struct interface {
	char name[IFNAMSIZ];
	uint8_t mask[sizeof(struct in6_addr)];
};

static bool
find_interface4(int fd, const struct in_addr *own, struct interface *found)
{
	struct ifreq list[INTERFACES_MAX];
	struct ifconf conf = {.ifc_len = sizeof(list), .ifc_buf = (char *)list};
	int n;

	if (ioctl(fd, SIOCGIFCONF, &conf) != 0)
		return false;
	n = conf.ifc_len / (int)sizeof(list[0]);
	for (int i = 0; i < n; i++) {
		struct sockaddr_in in;

		memcpy(&in, &list[i].ifr_addr, sizeof(in));
		if (in.sin_addr.s_addr != own->s_addr ||
		    ioctl(fd, SIOCGIFNETMASK, &list[i]) != 0)
			continue;
		memcpy(&in, &list[i].ifr_addr, sizeof(in));
		memcpy(found->mask, &in.sin_addr, sizeof(in.sin_addr));
		memcpy(found->name, list[i].ifr_name, sizeof(found->name));
		return true;
	}
	return false;
}

static bool
find_interface6(const struct in6_addr *own, struct interface *found)
{
	FILE *file = fopen(ADDRESSES6, "re");
	char line[200], wanted[33], address[33];
	unsigned prefix;
	bool is = false;

	for (unsigned i = 0; i < sizeof(*own); i++)
		snprintf(wanted + 2 * i, 3, "%02x", own->s6_addr[i]);
	while (file != NULL && !is && fgets(line, sizeof(line), file) != NULL)
		is = sscanf(line, "%32s %*s %x %*s %*s %15s", address, &prefix,
			 found->name) == 3 &&
		    strcmp(address, wanted) == 0;
	if (file != NULL)
		fclose(file);
	for (unsigned bit = 0; is && bit < prefix && bit < 128; bit++)
		found->mask[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	return is;
}

static bool
is_point_to_point(int fd, const char *interface)
{
	struct ifreq request = {0};

	memcpy(request.ifr_name, interface, sizeof(request.ifr_name));
	return ioctl(fd, SIOCGIFFLAGS, &request) == 0 &&
	    (request.ifr_flags & IFF_POINTOPOINT);
}

/* Not by getifaddrs(): that asks by netlink, of which emulators of a processor do not know all. */
static void
hash_way(uint32_t *sum, int fd)
{
	struct address own;
	struct interface at = {"", {0}};
	const uint8_t *bytes;
	size_t len;
	int of4 = -1; /* what these ioctls want */
	bool found;

	address_of_socket(fd, &own);
	if (own.len == 0 ||
	    (of4 = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) < 0)
		return;
	bytes = bytes_of(&own.sa, &len);
	found = own.sa.sa_family == AF_INET
	    ? find_interface4(of4, &own.in.sin_addr, &at)
	    : find_interface6(&own.in6.sin6_addr, &at);
	if (found && is_point_to_point(of4, at.name)) {
		/* a mobile network gives another address each time */
		hash(sum, at.name, strlen(at.name));
	} else if (found) {
		for (size_t i = 0; i < len; i++) {
			uint8_t byte = bytes[i] & at.mask[i];

			hash(sum, &byte, 1);
		}
		hash_gateway(sum, at.name);
	}
	close(of4);
}

#else

bool
way_is_ipv6(int fd)
{
	(void)fd;
	return false;
}

bool
way_bytes(int fd, bool ipv6, uint64_t *bytes)
{
	(void)fd;
	(void)ipv6;
	(void)bytes;
	return false;
}

int
way_is_acked(int fd)
{
	(void)fd;
	return -1;
}

static void
hash_way(uint32_t *sum, int fd)
{
	(void)sum;
	(void)fd;
}

#endif

uint32_t
way_network(int fd, struct str host)
{
	uint32_t sum = FNV_BASIS;

	hash(&sum, host.ptr, host.len);
	hash_way(&sum, fd);
	return sum;
}
