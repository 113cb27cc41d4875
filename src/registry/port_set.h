/* SPDX-License-Identifier: MIT */
/*
 * A set of ports as the operator writes it: "20000-20999,30000,31000-31099", ranges
 * apart, adjoining or overlapping (merged).
 */
#ifndef TAUPE_REGISTRY_PORT_SET_H
#define TAUPE_REGISTRY_PORT_SET_H

#include <stdint.h>

#include "wire/str.h"

struct port_set {
	uint64_t bits[65536 / 64];
	uint32_t count;
};

void port_set_clear(struct port_set *set);
/* Add what text names. False: malformed, port 0, or a range that runs backwards. */
bool port_set_parse(struct port_set *set, struct str text);
void port_set_add(struct port_set *set, uint16_t port);
void port_set_remove(struct port_set *set, uint16_t port);
bool port_set_has(const struct port_set *set, uint16_t port);
/* The first port of the set at or after `from`, going round; 0 when the set is empty. */
uint16_t port_set_next(const struct port_set *set, uint16_t from);
/* The same of those that are not in it; 0 may be one of them. */
uint16_t port_set_next_absent(const struct port_set *set, uint16_t from);
/* The port of the set that has n others before it; 0 when there is none. */
uint16_t port_set_nth(const struct port_set *set, uint32_t n);

#endif
