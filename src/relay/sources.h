/* SPDX-License-Identifier: MIT */
/*
 * What one source address may use: agents' handshakes and visitors at once and a second, and
 * failed authentications a second. A source is an IPv4 address, or the /64 of an IPv6 address,
 * within which anyone picks addresses as they like. Loopback addresses and those of trusted_proxy
 * are no sources: behind them stand others.
 *
 * The table has a fixed size. Who has nothing running makes room for a new one, whoever was seen
 * longest ago first; if all have, a new one is let in without being counted: the limits of the
 * relay and of the devices hold all the same, and refusing strangers would be what an attacker
 * with many addresses wants.
 */
#ifndef TAUPE_RELAY_SOURCES_H
#define TAUPE_RELAY_SOURCES_H

#include "net/address.h"
#include "relay/limit_hits.h"
#include "relay/relay_options.h"

struct source;
struct sources;

enum source_use {
	SOURCE_AGENT,	/* an agent's handshake, until it is through */
	SOURCE_GUEST,	/* a visitor who has not said yet whom it wants */
	SOURCE_VISITOR, /* a visitor of a device */
};

/* options are kept and read anew each time, but for trusted_proxy and max_sources; hits are kept,
 * too. NULL: no memory. */
struct sources *sources_new(
    const struct relay_options *options, struct limit_hits *hits);
/* Precondition: nobody holds a source. */
void sources_free(struct sources **sources);

/* What stands for the source of an address: an IPv4 address, or the /64 of an IPv6 one. */
void source_key(const struct address *address, uint64_t key[2]);

/* Is it one of trusted_proxy? */
bool sources_trusts(
    const struct sources *sources, const struct address *address);

/*
 * May one more come from there? True: *held is its source, to be given to sources_leave() at its
 * end, or NULL if it is not counted. False: it was counted and logged, and *retry_after_s says when
 * to come again.
 */
bool sources_admit(struct sources *sources, enum source_use use,
    const struct address *from, uint64_t now_ms, struct source **held,
    unsigned *retry_after_s);
/* It has ended. Clears *held, which may be NULL. */
void sources_leave(
    struct sources *sources, enum source_use use, struct source **held);

/* The handshake that was admitted is one that we have asked for: it does not count into the
 * rate. source may be NULL, as below. */
void sources_excuse(
    struct sources *sources, struct source *source, uint64_t now_ms);

/* May a secret from there be looked at? As sources_admit(); from is for the log. */
bool sources_may_try(struct sources *sources, struct source *source,
    const char *from, uint64_t now_ms, unsigned *retry_after_s);
/* It was wrong. Those that are looked at at the same time may run into debt. */
void sources_failed(
    struct sources *sources, struct source *source, uint64_t now_ms);

#endif
