/* SPDX-License-Identifier: MIT */
/*
 * The signed lease that an agent stores and presents on its next connection: with it a
 * device gets its label and ports back even from a registry that has lost everything.
 * base64url(payload) "." base64url(HMAC-SHA256 of the secret's hash and that text); the
 * payload is form-encoded: name, label, port (repeated), epoch, issued_ms. Agents treat it
 * as opaque.
 *
 * The secret's hash is covered but not contained. So a token that comes with its secret
 * proves that a relay has found this very secret right, which lets a device in while the
 * registry is away; and one that was read in a proxy's log of URLs is worth nothing.
 */
#ifndef TAUPE_REGISTRY_LEASE_TOKEN_H
#define TAUPE_REGISTRY_LEASE_TOKEN_H

#include "net/crypto.h"
#include "registry/registry.h"

#define LEASE_KEY_LEN 32
#define LEASE_KEY_FILE_MIN                                                     \
	32 /* bytes that a cluster's key must have at least */

struct lease_key {
	uint8_t bytes[LEASE_KEY_LEN];
};

/* Derive the key from the cluster's secret, of any length from LEASE_KEY_FILE_MIN on. */
void lease_key_init(struct lease_key *key, const void *secret, size_t len);
/* A key that nobody knows, for a relay without a cluster. */
void lease_key_random(struct lease_key *key);

/* Write the token as a C string. Precondition: the lease is valid. False: no room in out;
 * LEASE_TOKEN_MAX + 1 is always enough. */
bool lease_token_make(const struct lease_key *key, const char *name,
    const uint8_t secret_sha256[SHA256_LEN], const struct lease *lease,
    char *out, size_t cap);

/* Is the token one that we made for this device and its secret? Then *lease is what it
 * says, and *issued_ms (may be NULL) when. False: any other bytes. */
bool lease_token_verify(const struct lease_key *key, struct str token,
    const char *name, const uint8_t secret_sha256[SHA256_LEN],
    struct lease *lease, uint64_t *issued_ms);

#endif
