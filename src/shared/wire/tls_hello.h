/* SPDX-License-Identifier: MIT */
/*
 * The server name in a TLS ClientHello (RFC 8446 section 4.1.2, RFC 6066 section 3),
 * read without a TLS library: for joining a visitor to a device that holds its own
 * certificate. Nothing is decrypted.
 */
#ifndef TAUPE_WIRE_TLS_HELLO_H
#define TAUPE_WIRE_TLS_HELLO_H

#include "wire/result.h"
#include "wire/str.h"

/* A first byte of 22 is a TLS handshake record; no HTTP method starts with it. */
#define TLS_RECORD_HANDSHAKE 22
#define TLS_HELLO_MAX 16384 /* bytes of the longest hello that is looked at */

/*
 * Find the server name in in[0..len), across records. WIRE_DONE: *name points into in,
 * or is absent when the hello carries none. WIRE_MORE: not all there yet. WIRE_BAD: no
 * ClientHello. Where the name itself is cut by a record boundary it is WIRE_BAD: no
 * client does that.
 */
WIRE_MUST_CHECK enum wire_result tls_hello_server_name(const uint8_t *in, size_t len,
    struct str *name);

#endif
