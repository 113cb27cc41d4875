/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <assert.h>
#include <string.h>

#include "agent/consent.h"
#include "base/log.h"

#define LOOK_MS 30000

static struct consent_given *
find(const struct consent *consent, const char *service)
{
	for (size_t i = 0; i < consent->n; i++)
		if (strcmp(consent->given[i].service, service) == 0)
			return (struct consent_given *)&consent->given[i];
	return NULL;
}

/* Wait for the one that ends first; timers stand still while the device sleeps, so look in between. */
static void
set_timer(struct consent *consent)
{
	uint64_t now_ms = loop_boot_ms(), next_ms = UINT64_MAX;

	for (size_t i = 0; i < consent->n; i++)
		if (consent->given[i].until_ms < next_ms)
			next_ms = consent->given[i].until_ms;
	if (consent->n == 0)
		timer_clear(consent->loop, &consent->timer);
	else if (next_ms <= now_ms)
		timer_set(consent->loop, &consent->timer, 0);
	else
		timer_set(consent->loop, &consent->timer,
		    next_ms - now_ms < LOOK_MS ? next_ms - now_ms : LOOK_MS);
}

static void
drop(struct consent *consent, struct consent_given *given)
{
	*given = consent->given[--consent->n];
}

static void
timer_cb(void *ctx)
{
	struct consent *consent = ctx;
	uint64_t now_ms = loop_boot_ms();

	for (size_t i = 0; i < consent->n;) {
		char service[SERVICE_NAME_MAX + 1];

		if (consent->given[i].until_ms > now_ms) {
			i++;
			continue;
		}
		memcpy(service, consent->given[i].service, sizeof(service));
		drop(consent, &consent->given[i]);
		log_info("consent is over", LOG_S("service", service));
		consent->ended_cb(consent->ctx, service);
	}
	set_timer(consent);
}

void
consent_init(struct consent *consent, struct loop *loop,
    void (*ended_cb)(void *ctx, const char *service), void *ctx)
{
	consent->loop = loop;
	consent->ended_cb = ended_cb;
	consent->ctx = ctx;
	consent->n = 0;
	timer_init(&consent->timer, timer_cb, consent);
}

void
consent_fini(struct consent *consent)
{
	timer_clear(consent->loop, &consent->timer);
}

uint64_t
consent_left_ms(const struct consent *consent, const char *service)
{
	const struct consent_given *given = find(consent, service);
	uint64_t now_ms = loop_boot_ms();

	return given != NULL && given->until_ms > now_ms
	    ? given->until_ms - now_ms
	    : 0;
}

bool
consent_allows(const struct consent *consent, const struct target *target)
{
	return !target->on_request ||
	    consent_left_ms(consent, target->name) > 0;
}

void
consent_give(struct consent *consent, const char *service, uint64_t ms)
{
	struct consent_given *given = find(consent, service);

	if (given == NULL) {
		assert(consent->n < TAUPE_SERVICES_MAX); /* a service each */
		given = &consent->given[consent->n++];
	}
	(void)str_copy(str_of(service), given->service, sizeof(given->service));
	given->until_ms = loop_boot_ms() + ms;
	log_info("consent is given", LOG_S("service", service),
	    LOG_U("for_ms", ms));
	set_timer(consent);
}

static bool
is_among(const char *service, const struct target *targets, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(targets[i].name, service) == 0)
			return true;
	return false;
}

void
consent_settle(struct consent *consent, const struct target *targets, size_t n)
{
	for (size_t i = 0; i < consent->n;) {
		if (is_among(consent->given[i].service, targets, n))
			i++;
		else
			drop(consent, &consent->given[i]);
	}
	set_timer(consent);
}

void
consent_take(struct consent *consent, const char *service)
{
	struct consent_given *given = find(consent, service);

	if (given != NULL) {
		drop(consent, given);
		log_info("consent is taken back", LOG_S("service", service));
	}
	set_timer(consent);
	consent->ended_cb(consent->ctx, service);
}
