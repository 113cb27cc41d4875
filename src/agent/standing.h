/* SPDX-License-Identifier: MIT */
/*
 * How the agent stands, for who asks the running one: what its relay has said last, what was lost and
 * why, and what visits have carried. Written where the log is, read by the command door.
 */
#ifndef TAUPE_AGENT_STANDING_H
#define TAUPE_AGENT_STANDING_H

#include "agent/report.h"

#define STANDING_TEXT_MAX 256
#define STANDING_URL_MAX 300

struct standing {
	bool up;
	uint64_t since_ms; /* wall clock: up, or not */
	uint64_t epoch;
	char relay[RELAY_TEXT_MAX]; /* where it is, or tries to be */
	char label[64];
	/* of the last loss or failure; "": none */
	char lost[STANDING_TEXT_MAX];
	uint64_t lost_ms;  /* wall clock */
	uint64_t retry_ms; /* loop clock: of the next attempt; 0: none is waited for */
	uint64_t visits, bytes_in, bytes_out; /* that have ended */
	size_t n_urls;
	struct {
		char service[SERVICE_NAME_MAX + 1];
		char url[STANDING_URL_MAX];
	} urls[TAUPE_SERVICES_MAX];
};

/* now_ms: the loop's clock. */
void standing_init(struct standing *standing);
/* A connection to this relay is tried. */
void standing_dial(
    struct standing *standing, const struct taupe_relay *relay);
/* What report_event() is told. */
void standing_event(struct standing *standing, const struct taupe_relay *relay,
    const struct taupe_event *event, uint64_t now_ms);
/* What report_failure() is told; up: another link stands. */
void standing_failure(struct standing *standing, const char *reason, bool up,
    uint64_t retry_ms, uint64_t now_ms);
/* The public URL of a service; NULL: none is known. */
const char *standing_url(
    const struct standing *standing, const char *service);

#endif
