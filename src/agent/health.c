/* SPDX-License-Identifier: MIT */
/*
 * One answer says little: a service is down when three of the last five looks have failed, and up again when
 * three in a row have not. So one that flaps stays down, and who looks at it, or is told of it, has peace.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/control.h"
#include "agent/health.h"
#include "agent/look.h"
#include "base/log.h"
#include "net/crypto.h"
#include "wire/form.h"

#define LOOKS 5
#define FAILED_MANY 3
#define GOOD_LOOKS 0x7 /* the bits of the last three */
#define MESSAGE_MAX 512

struct probe {
	struct health *health;
	struct health_check check; /* its settings */
	struct target target;
	struct look look;
	struct timer timer;  /* of the next look */
	unsigned looks;	     /* so far, no more than LOOKS */
	uint8_t failed;	     /* a bit for each of the last LOOKS, the latest the lowest */
	bool down;
	char error[HEALTH_ERROR_MAX]; /* of the last look; "": none */
};

struct health {
	struct agent *agent;
	size_t n;
	struct probe probes[];
};

/* ---- what is said of it ---- */

/* Only on change, and so no burden where bytes are dear. */
static void
tell(const struct agent *agent, const struct probe *probe, bool down)
{
	char message[MESSAGE_MAX];
	struct writer w;

	writer_init(&w, message, sizeof(message));
	form_put(&w, "op", STR("health"));
	form_put(&w, "service", str_of(probe->target.name));
	if (down)
		form_put(&w, "error", str_of(probe->error));
	if (!w.full)
		control_say(agent->control, message, writer_len(&w));
}

void
health_tell_all(const struct health *health)
{
	for (size_t i = 0; i < health->n; i++)
		if (health->probes[i].down)
			tell(health->agent, &health->probes[i], true);
}

bool
health_verdict(bool down, unsigned failed)
{
	unsigned n = 0;

	for (unsigned i = 0; i < LOOKS; i++)
		n += failed >> i & 1;
	return down ? (failed & GOOD_LOOKS) != 0 : n >= FAILED_MANY;
}

static void
judge(struct probe *probe)
{
	const struct agent *agent = probe->health->agent;
	bool down = health_verdict(probe->down, probe->failed);

	if (down == probe->down)
		return;
	probe->down = down;
	if (down)
		log_warn("service is down", LOG_S("device", agent->config.name),
		    LOG_S("service", probe->target.name),
		    LOG_S("reason", probe->error));
	else
		log_info("service is up again",
		    LOG_S("device", agent->config.name),
		    LOG_S("service", probe->target.name));
	tell(agent, probe, down);
}

/* ---- a look ---- */

/* error NULL: the service is right. */
static void
looked_cb(void *ctx, const char *error)
{
	struct probe *probe = ctx;
	uint64_t interval_ms = probe->check.interval_ms;

	snprintf(probe->error, sizeof(probe->error), "%s",
	    error != NULL ? error : "");
	probe->failed =
	    (uint8_t)((probe->failed << 1 | (error != NULL)) & ((1 << LOOKS) - 1));
	probe->looks += probe->looks < LOOKS;
	/* not all at once, nor all devices */
	timer_set(probe->health->agent->loop, &probe->timer,
	    interval_ms + crypto_below((uint32_t)(interval_ms / 10 + 1)));
	judge(probe);
}

static void
timer_cb(void *ctx)
{
	struct probe *probe = ctx;
	const struct agent *agent = probe->health->agent;

	probe->look.dialler = agent->dialler;
	probe->look.timeout_ms =
	    (uint64_t)agent->settings->options.service_timeout_ms;
	look_begin(&probe->look, &probe->target, probe->check.path);
}

/* ---- its life ---- */

static struct probe *
find(const struct health *health, const char *service)
{
	for (size_t i = 0; health != NULL && i < health->n; i++)
		if (strcmp(health->probes[i].target.name, service) == 0)
			return (struct probe *)&health->probes[i];
	return NULL;
}

struct health *
health_new(struct agent *agent)
{
	const struct settings *settings = agent->settings;
	struct health *health = calloc(1,
	    sizeof(*health) +
		TAUPE_SERVICES_MAX * sizeof(struct probe));

	if (health == NULL)
		return NULL;
	health->agent = agent;
	for (size_t i = 0; i < settings->n_services; i++) {
		struct probe *probe = &health->probes[health->n];

		if (settings->checks[i].interval_ms == 0)
			continue;
		health->n++;
		probe->health = health;
		probe->check = settings->checks[i];
		probe->target = settings->targets[i];
		probe->look = (struct look){
		    .loop = agent->loop, .cb = looked_cb, .ctx = probe};
		look_init(&probe->look);
		timer_init(&probe->timer, timer_cb, probe);
		timer_set(agent->loop, &probe->timer, 0);
	}
	return health;
}

void
health_free(struct health **healthp)
{
	struct health *health = *healthp;

	if (health == NULL)
		return;
	for (size_t i = 0; i < health->n; i++) {
		look_cancel(&health->probes[i].look);
		timer_clear(health->agent->loop, &health->probes[i].timer);
	}
	free(health);
	*healthp = NULL;
}

/* What was found of the one says nothing of another place, or of what another look would find. */
static bool
looks_same(const struct probe *a, const struct probe *b)
{
	return a->target.port == b->target.port &&
	    strcmp(a->target.host, b->target.host) == 0 &&
	    strcmp(a->check.path, b->check.path) == 0;
}

int
health_renew(struct health **healthp, struct agent *agent)
{
	struct health *old = *healthp, *fresh = health_new(agent);

	if (fresh == NULL)
		return -1;
	for (size_t i = 0; i < old->n; i++) {
		const struct probe *was = &old->probes[i];
		struct probe *is = find(fresh, was->target.name);

		if (is == NULL || !looks_same(was, is)) {
			if (was->down)
				tell(agent, was, false);
			continue;
		}
		is->looks = was->looks;
		is->failed = was->failed;
		is->down = was->down;
		memcpy(is->error, was->error, sizeof(is->error));
	}
	health_free(healthp);
	*healthp = fresh;
	return 0;
}

enum health_state
health_of(
    const struct health *health, const char *service, const char **error)
{
	const struct probe *probe = find(health, service);

	*error = probe != NULL ? probe->error : "";
	if (probe == NULL)
		return HEALTH_UNCHECKED;
	if (probe->down)
		return HEALTH_DOWN;
	return probe->looks > 0 ? HEALTH_UP : HEALTH_UNKNOWN;
}
