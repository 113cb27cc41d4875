/* SPDX-License-Identifier: MIT */
#ifndef TAUPE_NET_TCP_PAIR_H
#define TAUPE_NET_TCP_PAIR_H

#include <event2/util.h>

/* Two TCP sockets of the loopback that are connected to each other: unlike a socketpair() of the system's
 * they tell a reset from an end. Non-blocking; the caller's. -1 with errno. */
int tcp_pair(evutil_socket_t fds[2]);

#endif
