/* SPDX-License-Identifier: MIT */
/*
 * SipHash-2-4 (Aumasson and Bernstein, 2012): a hash with a key, for tables whose keys an attacker
 * chooses. Who does not know the key cannot make entries collide.
 */
#ifndef TAUPE_BASE_SIP_HASH_H
#define TAUPE_BASE_SIP_HASH_H

#include <stdint.h>

/* The hash of the sixteen bytes of two words, the less significant byte of each first. */
uint64_t sip_hash(const uint64_t key[2], const uint64_t words[2]);

#endif
