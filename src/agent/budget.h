/* SPDX-License-Identifier: MIT */
/*
 * What being reachable costs the device, and may cost: the bytes of its control connections,
 * handshakes and all, against data_budget. Visits are not counted. Time is the agent's own: a device
 * that is off spends nothing, and one without a clock knows no month; 30 days begin when it is
 * first run.
 */
#ifndef TAUPE_AGENT_BUDGET_H
#define TAUPE_AGENT_BUDGET_H

#include "sdk/taupe.h"
#include "wire/cursor.h"

struct settings;

#define BUDGET_TEXT_MAX 80 /* characters that budget_put() adds */

struct budget {
	struct taupe_heartbeat search;
	bool thrifty;	      /* each byte is paid for */
	uint64_t limit_bytes; /* in 30 days; 0: none */
	uint64_t spent_bytes; /* in these 30 days */
	uint64_t elapsed_ms;  /* of these 30 days, by counted_ms */
	uint64_t counted_ms;  /* loop clock */
	uint32_t clean_bytes; /* from one heartbeat to the next, where nothing else happened */
	bool jumped;	      /* the last one was quite another number */
	bool warned;
	struct {
		bool late; /* it stood already when counting began */
		uint64_t bytes;	   /* of its connection, counted already */
		uint64_t since_beat; /* counted since its last heartbeat */
		bool clean; /* nothing but a heartbeat since the last one */
	} links[TAUPE_LINKS];
};

/* "5MB/month": bytes in 30 days. False: it is not of that shape, or less than 200kB. */
bool budget_parse(struct str text, uint64_t *bytes);

void budget_init(struct budget *budget, uint64_t now_ms);
/* At the start and when settings change. 30 days begin where a budget is set and there was none: what was
 * spent before is nobody's business. */
void budget_apply(struct budget *budget, const struct settings *settings,
    uint64_t now_ms);
/* Does anybody want to know what connections cost? Else nothing need be asked of the system. */
bool budget_counts(const struct budget *budget);

/* A connection begins, with nothing counted. quiet: the system can tell what has arrived. */
void budget_link_begins(struct budget *budget, unsigned link, bool quiet);
/* Count what it has cost by now. known: total is the system's count; else it is estimated. */
void budget_count(struct budget *budget, unsigned link, bool known,
    uint64_t total, uint64_t now_ms);
/* An attempt to connect came to nothing, and cost so much. */
void budget_dial_failed(
    struct budget *budget, uint64_t bytes, uint64_t now_ms);
/* What it has carried since the last count, or an estimate, was visits'. As budget_count(). */
void budget_skip(struct budget *budget, unsigned link, bool known, uint64_t total);
/* Something besides heartbeats happens on it. */
void budget_link_busy(struct budget *budget, unsigned link);
/* A heartbeat is about to be sent on it, and all before it was counted: the interval follows
 * the budget. */
void budget_beat(struct budget *budget, unsigned link, const char *device);

/* How long to wait before connecting again, so that what was spent is no more than may be. */
uint32_t budget_wait_ms(struct budget *budget, uint64_t now_ms);

/* For the state file: append pairs; take them out of a state's text, which is not changed. */
void budget_put(const struct budget *budget, struct writer *w);
void budget_take(struct budget *budget, struct str text);

#endif
