/* SPDX-License-Identifier: MIT */
/*
 * Visitors whom a proxy introduces: with proxy_protocol, a TCP connection from a trusted_proxy to a tcp or
 * tls service, or to the built-in front, begins with a PROXY protocol header that says whose it is.
 * Nothing else decides it: bytes that merely look like one are a visitor's.
 */
#ifndef TAUPE_RELAY_INTRODUCTION_H
#define TAUPE_RELAY_INTRODUCTION_H

#include "relay/service.h"
#include "wire/result.h"

/* Does what comes from there begin with a header? */
bool introduction_is_due(
    const struct relay *relay, const struct address *peer);

/*
 * Take the header off the start of a buffer's *len bytes. WIRE_DONE: *from is whom the proxy speaks
 * for, or is left as it is where that is the proxy itself; *tls, whether with TLS. WIRE_BAD: there is
 * none (it was logged).
 */
WIRE_MUST_CHECK enum wire_result introduction_read(struct buf *buf, size_t *len,
    struct address *from, bool *tls);

/* Await the header of a connection to a service's listener, and let the visitor in. Takes the
 * descriptor. */
void introduction_await(
    struct service *service, int fd, const struct address *peer);
/* A service is closed: those who wanted it are reset. */
void introductions_forget_service(const struct service *service);

#endif
