/* SPDX-License-Identifier: MIT */
/*
 * A webhook: every event that is wanted goes to one URL, in order, at least once, signed. The
 * registry's history is the queue: what is kept here is the place in it up to which all was taken.
 */
#ifndef TAUPE_CTL_WEBHOOK_H
#define TAUPE_CTL_WEBHOOK_H

#include "ctl/event_feed.h"

/* As the options say, until the receiver answers 410. Returns an exit code. */
int webhook_run(struct event_feed *feed);

/* What the state file holds, "PLACE URL" in its first line: the place, and whose it is. False: it is of
 * another form. */
bool webhook_state_parse(
    struct str text, char place[EVENT_PLACE_MAX], struct str *url);

/* What signs a body: "t=SECONDS,v1=HEX", HEX the HMAC-SHA256 over "SECONDS." and the body. -1: no
 * memory. */
#define WEBHOOK_SIGNATURE_MAX 100
int webhook_sign(const char *key, size_t key_len, uint64_t at_s,
    const char *body, size_t len, char out[WEBHOOK_SIGNATURE_MAX]);

#endif
