/* SPDX-License-Identifier: MIT */
/* Two ends of TLS, ours both, with a certificate that is made for them. */
#ifndef TAUPE_TESTS_NET_TLS_PAIR_H
#define TAUPE_TESTS_NET_TLS_PAIR_H

#include "net/tls_internal.h"

/* What the two show and trust; names as of cert_new(). */
void tls_pair_begin(const char *names);
void tls_pair_end(void);

/* For "relay.test". Not bound to a socket. */
struct tls *tls_pair_client(void);
struct tls *tls_pair_server(void);

/* Go on with both handshakes until both are complete: how often one of them had to wait for
 * room. The test fails when they do not get there. */
int tls_pair_shake_hands(struct tls *client, struct tls *server);

/* What the tests must know of the library that is at hand: tls_pair_openssl.c, or tls_pair_mbedtls.c,
 * which has a server's end as well. */
extern const bool tls_pair_is_1_3;	       /* what the two agree on */
extern const size_t tls_pair_alert_bytes;      /* an alert's record, sealed */
extern const size_t tls_pair_certificate_max; /* bytes */
/* Has the client what it can resume with? */
bool tls_pair_has_ticket(const struct tls *client);
/* Has it heard the other's close-notify, and not said its own? */
bool tls_pair_has_heard_bye(const struct tls *tls);
/* Want new keys of the peer, with TLS 1.3. */
void tls_pair_ask_new_keys(struct tls *tls);

#endif
