/* SPDX-License-Identifier: MIT */
/* How many descriptors the process may have. */
#ifndef TAUPE_NET_DESCRIPTORS_H
#define TAUPE_NET_DESCRIPTORS_H

#include <stddef.h>

/* Raise the soft limit to the hard one, as servers do: each agent, visitor and listener is
 * a descriptor. Returns how many there may be. */
size_t descriptors_raise_limit(void);

#endif
