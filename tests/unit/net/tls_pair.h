/* SPDX-License-Identifier: MIT */
/* Two ends of TLS, ours both, with a certificate that is made for them. */
#ifndef TAUPE_TESTS_NET_TLS_PAIR_H
#define TAUPE_TESTS_NET_TLS_PAIR_H

#include "net/tls_openssl.h"

/* What the two show and trust; names as of cert_new(). */
void tls_pair_begin(const char *names);
void tls_pair_end(void);

/* For "relay.test". Not bound to a socket. */
struct tls *tls_pair_client(void);
struct tls *tls_pair_server(void);

/* Go on with both handshakes until both are complete: how often one of them had to wait for
 * room. The test fails when they do not get there. */
int tls_pair_shake_hands(struct tls *client, struct tls *server);

#endif
