/* SPDX-License-Identifier: MIT */
/*
 * A session here is asked by its own probe. One elsewhere is asked for through the event stream,
 * where its relay says that it lives, or that it has ended; if neither comes, it does not live.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "relay/holder_probe.h"

#define SLACK_MS                                                               \
	500 /* for the news of a probe's end to come from another relay */

/* The probe may be gone afterwards. */
static void
conclude(struct holder_probe *probe, bool alive)
{
	holder_probe_cancel(probe);
	probe->cb(probe->ctx, alive);
}

static void
probed_cb(void *ctx, bool alive)
{
	conclude(ctx, alive);
}

static void
timer_cb(void *ctx)
{
	conclude(ctx, false);
}

void
holder_probe_init(struct holder_probe *probe, struct relay *relay,
    void (*cb)(void *ctx, bool alive), void *ctx)
{
	memset(probe, 0, sizeof(*probe));
	probe->relay = relay;
	probe->probe.cb = probed_cb;
	probe->probe.ctx = probe;
	timer_init(&probe->timer, timer_cb, probe);
	probe->cb = cb;
	probe->ctx = ctx;
}

static void
ask_elsewhere(struct holder_probe *probe, const char *name)
{
	struct relay *relay = probe->relay;

	probe->elsewhere = true;
	timer_set(relay->loop, &probe->timer,
	    (uint64_t)relay->options.probe_timeout_ms + SLACK_MS);
	relay->registry->ops->probe(
	    relay->registry, name, probe->holder.epoch, probe->holder.relay);
}

void
holder_probe_start(struct holder_probe *probe, const char *name,
    const struct session_info *holder)
{
	struct relay *relay = probe->relay;
	struct device *device = device_find(relay, str_of(name));

	probe->holder = *holder;
	if (strcmp(holder->relay, relay->self.id) != 0)
		ask_elsewhere(probe, name);
	else if (device != NULL && device->session != NULL)
		session_probe(device->session, &probe->probe);
	else if (device != NULL && device->pins > 0 &&
	    device->grant->epoch == holder->epoch)
		conclude(probe, true); /* it is just being admitted */
	else
		conclude(probe, false); /* of an earlier life of this relay */
}

void
holder_probe_notice(
    struct holder_probe *probe, const struct registry_event *event)
{
	if (!probe->elsewhere || event->epoch != probe->holder.epoch)
		return;
	if (event->type == REGISTRY_ALIVE)
		conclude(probe, true);
	else if (event->type == REGISTRY_SESSION && !event->up)
		conclude(probe, false);
}

void
holder_probe_cancel(struct holder_probe *probe)
{
	probe_cancel(&probe->probe);
	timer_clear(probe->relay->loop, &probe->timer);
	probe->elsewhere = false;
}

/* A relay that must find out whether one of our sessions lives. */
struct foreign_probe {
	struct probe probe;
	struct relay *relay;
	uint64_t epoch;
	char name[DEVICE_NAME_MAX + 1];
};

static void
foreign_probe_cb(void *ctx, bool alive)
{
	struct foreign_probe *asked = ctx;
	struct registry *registry = asked->relay->registry;

	/* a dead session was closed, and its end is news by itself */
	if (alive)
		registry->ops->alive(registry, asked->name, asked->epoch);
	free(asked);
}

void
holder_probe_answer(struct relay *relay, const struct registry_event *event)
{
	struct device *device = device_find(relay, str_of(event->name));
	struct foreign_probe *asked;

	if (device == NULL || device->session == NULL ||
	    device->grant->epoch != event->epoch ||
	    (asked = calloc(1, sizeof(*asked))) == NULL)
		return;
	asked->probe.cb = foreign_probe_cb;
	asked->probe.ctx = asked;
	asked->relay = relay;
	asked->epoch = event->epoch;
	(void)str_copy(str_of(event->name), asked->name, sizeof(asked->name));
	session_probe(device->session, &asked->probe);
}
