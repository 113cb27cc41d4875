/* SPDX-License-Identifier: MIT */
/*
 * The addresses and port ranges in which listeners for devices' services are opened:
 * several ranges, apart or adjoining, IPv4 and IPv6.
 */
#ifndef TAUPE_RELAY_SERVICE_PORTS_H
#define TAUPE_RELAY_SERVICE_PORTS_H

#include "net/listener.h"
#include "registry/port_set.h"
#include "relay/listen_range.h"

struct service_ports;

/* ranges are copied, the set of the listeners is kept. NULL: no memory. */
struct service_ports *service_ports_new(
    struct listeners *set, const struct listen_range *ranges, size_t n);
void service_ports_free(struct service_ports **ports);

/* All ports that the ranges name. */
void service_ports_numbers(
    const struct service_ports *ports, struct port_set *set);

/* Is this number in one of the ranges? */
bool service_ports_have(const struct service_ports *ports, uint16_t port);

/* Is ip:port in one of the ranges? With an empty ip, the port alone. */
bool service_ports_hold(
    const struct service_ports *ports, struct str ip, uint16_t port);

/* The number is somebody's who has no listener now: it is given to nobody until it is given
 * back, and rests then: searches begin behind it. One that was kept twice is nobody's until all
 * are given back: false. */
void service_ports_keep(struct service_ports *ports, uint16_t port);
bool service_ports_give_back(struct service_ports *ports, uint16_t port);
/* The same of one that was kept so often, and each time for the one who gives it back. */
bool service_ports_give_back_times(
    struct service_ports *ports, uint16_t port, unsigned times);
void service_ports_give_back_all(struct service_ports *ports);

/*
 * Open a listener. A tcp service names its public port: where the ranges hold it, the
 * listener takes just that one, so that the service can also be reached without a proxy; any
 * service names the port that was kept for it.
 * Else (wanted 0, or not in the ranges, or kept, or taken by another program) any free one,
 * and never one of `avoid` (public ports that belong to devices) if another is free.
 * -1: no port is free; errno says what the last try gave.
 */
int service_ports_open(struct service_ports *ports, struct listener *listener,
    uint16_t wanted, const struct port_set *avoid, listener_cb cb, void *ctx);

#endif
