/* SPDX-License-Identifier: MIT */
/*
 * lwIP on the board's Ethernet: frames in and out, an address by DHCP, and whether the cable is
 * plugged in.
 */
#ifndef NET_H
#define NET_H

#include <stdbool.h>
#include <stdint.h>

void net_init(const uint8_t mac[6], const char *host_name);
/* Take what has come in, and do what lwIP's timers want. False: there was nothing to take. */
bool net_poll(void);
/* Is the cable in, and have we an address? */
bool net_is_up(void);

#endif
