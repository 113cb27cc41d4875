/* SPDX-License-Identifier: MIT */
/*
 * TLS behind a small interface, so that conn does not know the library: OpenSSL, or Mbed TLS
 * (./configure --with-tls), behind tls_library.h. TLS 1.2 and up. What is a server's is there with
 * OpenSSL alone.
 */
#ifndef TAUPE_NET_TLS_H
#define TAUPE_NET_TLS_H

#include <event2/util.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define TLS_TICKET_SECRET_LEN 32

struct tls_context; /* settings shared by connections, reference-counted */
struct tls;	    /* one connection */

enum tls_result { TLS_OK, TLS_WANT_READ, TLS_WANT_WRITE, TLS_EOF, TLS_FAILED };

/* A client's context: the peer's certificate is verified against ca_file, or against the
 * system's store (OpenSSL's, else what ca_places.h finds) when ca_file is NULL. NULL on failure with *error a text for people
 * (static or valid until the next call). */
struct tls_context *tls_context_new_client(
    const char *ca_file, const char **error);
/* A server's context: certificate is a PEM file with the certificate and its chain, key one
 * with its private key; NULL: that is in the first file, too. NULL on failure, as above. */
struct tls_context *tls_context_new_server(
    const char *certificate, const char *key, const char **error);
/* Show a certificate of our own to servers that ask for one; as above. -1: *error says why. */
int tls_context_use_certificate(struct tls_context *client,
    const char *certificate, const char *key, const char **error);

/* Which certificates a server takes of its clients. */
struct tls_clients {
	const char *ca_file;  /* PEM: they are signed by one of these */
	const char *crl_file; /* PEM: and revoked by none of these; NULL: no list */
	bool required;	      /* who has none is refused */
};

/* Ask clients for certificates. A session is resumed only under the same rules. -1: *error
 * says why. Before the first connection. */
int tls_context_ask_clients(struct tls_context *server,
    const struct tls_clients *clients, const char **error);
/* Let a session that began at any server with this secret be resumed here; the keys of
 * tickets change each period_ms (> 0) of the wall clock, and a ticket is good for one to two
 * periods. -1: no memory. Before the first connection. */
int tls_context_share_tickets(struct tls_context *server,
    const uint8_t secret[TLS_TICKET_SECRET_LEN], uint64_t period_ms);
void tls_context_free(struct tls_context **context);

/* A client connection to host: its name is sent as SNI (unless it is an address) and must
 * stand in the certificate. NULL when there is no memory. */
struct tls *tls_new_client(struct tls_context *context, const char *host);
/* The server's end of a connection; NULL when there is no memory. */
struct tls *tls_new_server(struct tls_context *context);
void tls_free(struct tls **tls);
/* Wipe what comes in from OpenSSL's buffers once it was read, or not: a server's end does
 * from the end of its handshake, until this says that no secret comes any more. Nothing happens before
 * OpenSSL 3. */
void tls_wipe_input(struct tls *tls, bool wanted);

/* From now on nothing that it shares with other connections is touched, but to be looked at, so that another
 * thread may have it: a session that the peer offers so late is not remembered. */
void tls_isolate(struct tls *tls);

/* Bind to the connection's socket; before the first handshake call. */
int tls_set_fd(struct tls *tls, evutil_socket_t fd);
enum tls_result tls_handshake(struct tls *tls);
/* On TLS_OK *done > 0 bytes, of as many records as fit. TLS_EOF comes without a close-notify
 * as well: the protocols of taupe mark their own ends, so that a cut cannot be taken for
 * one. */
enum tls_result tls_read(struct tls *tls, void *out, size_t cap, size_t *done);
/* Did the last read empty the socket, and deliver all that it held? Then there is nothing to
 * read before the system says so. */
bool tls_is_dry(const struct tls *tls);
/* Seal bytes: on TLS_OK *done > 0 of them, which are TLS's from then on, and go out with
 * tls_flush(). TLS_WANT_WRITE: what is sealed must be sent first; the next call offers
 * the same bytes again, from any place in memory, with others behind them or not. */
enum tls_result tls_write(
    struct tls *tls, const void *data, size_t len, size_t *done);
/* Send what is sealed; TLS_OK when all is sent. */
enum tls_result tls_flush(struct tls *tls);
/* Bytes that are sealed and not sent. Reading and the handshake seal, too: answers, tickets. */
size_t tls_unsent(const struct tls *tls);
/* Send close-notify behind what is sealed; TLS_OK when all is sent. May be called again. Not
 * after a tls_write() that has to be repeated. */
enum tls_result tls_shutdown(struct tls *tls);
/* After the handshake: was it a short one, that goes on with an earlier session? */
bool tls_was_resumed(const struct tls *tls);

/* Which device a certificate is for: its first subjectAltName that is a URI taupe:NAME. */
enum tls_peer {
	TLS_PEER_NONE,	   /* there is no certificate that was found right */
	TLS_PEER_NAMELESS, /* it names no device */
	TLS_PEER_EXPIRED,
	TLS_PEER_NAMED, /* out is its name */
};
/* That of a client, after the handshake. A name that does not fit is none. */
enum tls_peer tls_peer_name(const struct tls *tls, char *out, size_t cap);
/* That of a certificate (DER) that somebody else has verified. */
enum tls_peer tls_certificate_name(
    const void *der, size_t len, char *out, size_t cap);
/* Why the last call failed: "certificate verify failed: self-signed certificate". Valid
 * as long as the connection. */
const char *tls_error(struct tls *tls);

#endif
