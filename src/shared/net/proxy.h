/* SPDX-License-Identifier: MIT */
/*
 * Which HTTP proxy leads to a relay: the one that the configuration names, for all relays;
 * else the one that the environment names for the relay's kind (https_proxy or HTTPS_PROXY
 * for wss://, http_proxy for ws://), unless no_proxy or NO_PROXY excepts its host.
 */
#ifndef TAUPE_NET_PROXY_H
#define TAUPE_NET_PROXY_H

#include "wire/host_name.h"

#define PROXY_CREDENTIALS_MAX 512

struct proxy {
	char host[HOST_NAME_MAX + 1]; /* "": none */
	uint16_t port;
	char credentials[PROXY_CREDENTIALS_MAX +
	    1]; /* user:password; "": none */
};

struct proxies {
	struct proxy plain, secure; /* to ws:// and to wss:// */
	const char *exceptions;	    /* the environment's own; NULL: none */
};

/* option: a URL, "none", or NULL for the environment's. password_file: NULL for none; its
 * first line is the password of the URL's user. Returns EX_OK or an exit code; what is
 * wrong was logged, without what is secret. */
int proxies_load(
    struct proxies *proxies, const char *option, const char *password_file);
/* NULL: the relay is called directly. */
const struct proxy *proxies_find(const struct proxies *proxies, bool secure,
    const char *host, uint16_t port);

/* Parse "http://[user[:password]@]host[:port]"; escapes in user and password are undone,
 * the port is 80 unless it is named. */
bool proxy_parse(const char *text, struct proxy *proxy);
/* Does a list as of no_proxy hold the host? Its members, between commas or blanks: "*", a
 * domain with all below it, an address, or a network as 10.0.0.0/8; each but the networks
 * with :port or without. */
bool proxy_is_excepted(const char *list, const char *host, uint16_t port);
/* Is there a URL with a password in it among the arguments, where others can read it? */
bool proxy_password_shows(int argc, char **argv);

#endif
