/* SPDX-License-Identifier: MIT */
/*
 * What the device's owner has allowed, and for how long: a service with access = on-request takes visits
 * only as long as somebody at the device has said so. Nothing of it is kept over a restart, and no relay
 * is asked.
 */
#ifndef TAUPE_AGENT_CONSENT_H
#define TAUPE_AGENT_CONSENT_H

#include "agent/settings.h"
#include "net/loop.h"

/* What a relay is told of a visit that was not allowed, letter for letter (docs/PROTOCOL.md section 5.2). */
#define CONSENT_REFUSAL "no consent"

struct consent {
	struct loop *loop;
	struct timer timer; /* of the next one that ends */
	/* Consent to a service is over: its visits are to be ended. */
	void (*ended_cb)(void *ctx, const char *service);
	void *ctx;
	size_t n;
	struct consent_given {
		char service[SERVICE_NAME_MAX + 1];
		uint64_t until_ms; /* of loop_boot_ms(): a device that sleeps is not asked */
	} given[TAUPE_SERVICES_MAX];
};

void consent_init(struct consent *consent, struct loop *loop,
    void (*ended_cb)(void *ctx, const char *service), void *ctx);
void consent_fini(struct consent *consent);

/* May this service be visited now? */
bool consent_allows(
    const struct consent *consent, const struct target *target);
/* For how long it still may: 0 when it may not. */
uint64_t consent_left_ms(const struct consent *consent, const char *service);
/* Allow it for so long from now on, which replaces what was allowed before. */
void consent_give(
    struct consent *consent, const char *service, uint64_t ms);
/* These are the services from now on: what was allowed of others is forgotten. */
void consent_settle(
    struct consent *consent, const struct target *targets, size_t n);
/* End it, if there is one; ended_cb is called in either case. */
void consent_take(struct consent *consent, const char *service);

#endif
