/* SPDX-License-Identifier: MIT */
/*
 * What the library leaves in memory that it has freed: OpenSSL's readers of PEM and DER free copies of a
 * private key as they are.
 */
#ifndef TAUPE_NET_CRYPTO_MEMORY_H
#define TAUPE_NET_CRYPTO_MEMORY_H

#include <stdbool.h>

/* Have a say in OpenSSL's memory; before its first allocation, or nothing happens. */
void crypto_memory_init(void);
/* From now on, or no more, wipe what OpenSSL frees. It costs too much to be on always. */
void crypto_memory_wipe(bool wanted);

#endif
