/* SPDX-License-Identifier: MIT */
/*
 * Closing well: a connection whose last bytes are queued is written out, ended, and read
 * until the peer ends too. Closed at once, a socket with unread input resets the peer,
 * and the answer that was just sent is lost with it (RFC 9112 section 9.6).
 */
#ifndef TAUPE_NET_FAREWELL_H
#define TAUPE_NET_FAREWELL_H

#include "net/conn.h"

struct farewells; /* all such connections of a process */

/* stall_ms: how long a peer may take nothing while bytes are queued for it (one that reads
 * slowly is no reason to lose its last bytes; then it is reset). linger_ms: how long we wait
 * for the peer's end after all is written (then it is closed). */
struct farewells *farewells_new(struct loop *loop, uint64_t stall_ms, uint64_t linger_ms);
/* Cuts those that are left. */
void farewells_free(struct farewells **farewells);
size_t farewells_count(const struct farewells *farewells);
/* How many of them still have bytes to write. */
size_t farewells_unsent(const struct farewells *farewells);

/* Take over an open connection, its queue included, and end it; conn is as after
 * conn_fini(). */
void farewell_take(struct farewells *farewells, struct conn *conn);

#endif
