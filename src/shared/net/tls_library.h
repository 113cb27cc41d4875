/* SPDX-License-Identifier: MIT */
/*
 * The seam: what a library of TLS does for tls.c (one connection), tls_context.c (what connections
 * share) and tls_certificate.c. One implementation is linked, as ./configure --with-tls says:
 * tls_openssl*.c or tls_mbedtls*.c. Nothing but those knows its library, and nothing that both would
 * do alike is in them.
 *
 * A library's objects are void * here, and NULL is none:
 *   trust    its part of a context: the authorities, a certificate of our own, its key
 *   engine   its part of a connection, in tls->engine
 *   session  what a later connection can go on with
 *
 * It gets its bytes from tls_bio_receive(), puts what it has sealed into tls_bio_seal(), and never
 * touches the socket. Who returns TLS_FAILED has said why with tls_fail_with() or
 * tls_fail_verification().
 */
#ifndef TAUPE_NET_TLS_LIBRARY_H
#define TAUPE_NET_TLS_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>

#include "net/tls.h"

/* A context's part for clients: TLS 1.2 and up, AEADs with ephemeral keys, the peer is verified.
 * NULL: no memory. */
void *tls_library_trust_new_client(void);
void tls_library_trust_free(void *trust);
/* Trust the authorities in a PEM file, or the system's when it is NULL. -1: explained with
 * tls_context_explain(). */
int tls_library_trust_load(void *trust, const char *ca_file);
/* From now on a chain that verified must have a key of tls_context_pins(). */
void tls_library_trust_ask_pins(void *trust);
/* Show this certificate with its chain, and have it signed for with this key (PEM, ended by a
 * NUL; the caller wipes it). NULL, or what is wrong, for people. */
const char *tls_library_use_chain(void *trust, const char *pem, size_t len);
const char *tls_library_use_key(void *trust, const char *pem, size_t len);

/* Make tls->engine: for a client that calls tls->host, and offers the session (which stays the
 * caller's, NULL: none). -1: no memory. */
int tls_library_begin_client(struct tls *tls, void *session);
/* tls->bio has its socket. -1: no memory. */
int tls_library_bind(struct tls *tls);
/* After tls->established: the session may be resumed though nobody said goodbye. */
void tls_library_end(struct tls *tls);

/* A step as far as it goes; TLS_EOF only of a read. At the end of a handshake, or later, a client
 * hands what it can resume with to tls_context_remember(). */
enum tls_result tls_library_handshake(struct tls *tls);
/* At most one record. */
enum tls_result tls_library_read(
    struct tls *tls, void *out, size_t cap, size_t *done);
enum tls_result tls_library_write(
    struct tls *tls, const void *data, size_t len, size_t *done);
enum tls_result tls_library_close_notify(struct tls *tls);
/* Has it more than the last read gave? */
bool tls_library_is_pending(const struct tls *tls);

void tls_library_session_free(void *session);

#endif
