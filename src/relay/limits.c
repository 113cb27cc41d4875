/* SPDX-License-Identifier: MIT */
/*
 * A device without rates has nothing here until it hits a limit. What is hit is logged once a
 * second at most, with how often.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "net/crypto.h"
#include "relay/events.h"
#include "relay/limits.h"
#include "relay/quota.h"
#include "wire/ws_frame.h"

#define FULL_RETRY_S 5

struct device_limits {
	struct device *device;
	struct flow flow;
	struct flow_turn begin; /* of the visitors who wait */
	struct token_bucket visitors;
	struct hits full, fast, slowed, lacking;
	struct own_limit own[DEVICE_LIMITS];
	bool has_rate, has_visitor_rate;
};

static uint64_t
now_ms(const struct device *device)
{
	return loop_now_ms(device->relay->loop);
}

static void
say(struct device *device, struct hits *hits, const char *limit)
{
	uint32_t times;

	if (!hits_due(hits, now_ms(device), &times))
		return;
	log_warn("a device is at its limit", LOG_S("device", device->name),
	    LOG_S("limit", limit), LOG_U("times", times));
	if (hits_tell(hits, now_ms(device), &times))
		event_emit(device->relay, EVENT_LIMIT, device->name,
		    LOG_S("limit", limit), LOG_U("times", times));
}

static struct device_limits *
limits_of(struct device *device)
{
	if (device->limits == NULL &&
	    (device->limits = calloc(1, sizeof(*device->limits))) != NULL)
		device->limits->device = device;
	return device->limits;
}

static void
limited_cb(struct flow *flow)
{
	struct device_limits *limits =
	    (struct device_limits *)(void *)((char *)flow -
		offsetof(struct device_limits, flow));

	limits->device->relay->counters.rate_waits++;
	say(limits->device, &limits->slowed, "device_rate");
}

static void
begin_wake_cb(struct flow_turn *turn)
{
	struct device_limits *limits =
	    (struct device_limits *)(void *)((char *)turn -
		offsetof(struct device_limits, begin));

	device_serve(limits->device);
}

static void
set_rate(struct device_limits *limits, int64_t bytes_s)
{
	struct loop *loop = limits->device->relay->loop;

	if (bytes_s == 0) {
		/* what has begun at the old rate is let go at this one */
		if (limits->has_rate)
			flow_set_rate(&limits->flow, TOKEN_RATE_MAX);
	} else if (limits->has_rate) {
		flow_set_rate(&limits->flow, bytes_s);
	} else {
		flow_init(&limits->flow, loop, bytes_s, limited_cb);
		flow_turn_init(&limits->begin, &limits->flow, begin_wake_cb);
		limits->has_rate = true;
	}
}

static void
set_visitor_rate(struct device_limits *limits, int64_t rate, int64_t burst)
{
	uint64_t now = now_ms(limits->device);

	if (burst == 0)
		burst = rate;
	if (limits->has_visitor_rate && rate > 0)
		token_bucket_set(&limits->visitors, rate, burst, now);
	else if (rate > 0)
		token_bucket_init(&limits->visitors, rate, burst, now);
	limits->has_visitor_rate = rate > 0;
}

/* Its own one, or else the relay's. */
static int64_t
limit_of(const struct device *device, enum device_limit limit)
{
	const struct relay_options *options = &device->relay->options;
	const int64_t of_relay[DEVICE_LIMITS] = {
	    [DEVICE_MAX_VISITORS] = options->max_visitors,
	    [DEVICE_VISITOR_RATE] = options->visitor_rate,
	    [DEVICE_VISITOR_BURST] = options->visitor_burst,
	    [DEVICE_RATE] = options->device_rate,
	};

	return device->limits != NULL && device->limits->own[limit].is_set
	    ? device->limits->own[limit].value
	    : of_relay[limit];
}

/* A device that may be slowed has a rate from the beginning, so that what runs by then has it, too. */
static int64_t
rate_of(const struct device *device)
{
	int64_t rate = limit_of(device, DEVICE_RATE), slow;

	if (!quota_rate(device, &slow))
		return rate;
	return rate == 0 || slow < rate ? slow : rate;
}

static bool
has_own(const struct own_limit own[DEVICE_LIMITS])
{
	for (int i = 0; own != NULL && i < DEVICE_LIMITS; i++)
		if (own[i].is_set)
			return true;
	return false;
}

int
device_limits_set(
    struct device *device, const struct own_limit own[DEVICE_LIMITS])
{
	const struct relay_options *options = &device->relay->options;

	if (device->limits == NULL && !has_own(own) &&
	    options->device_rate == 0 && options->visitor_rate == 0)
		return 0;
	if (limits_of(device) == NULL)
		return -1;
	if (own != NULL)
		memcpy(device->limits->own, own, sizeof(device->limits->own));
	if (own != NULL && quota_set(device, own) != 0)
		return -1;
	set_rate(device->limits, rate_of(device));
	set_visitor_rate(device->limits, limit_of(device, DEVICE_VISITOR_RATE),
	    limit_of(device, DEVICE_VISITOR_BURST));
	return 0;
}

void
device_limits_free(struct device *device)
{
	struct device_limits *limits = device->limits;

	if (limits == NULL)
		return;
	flow_rest(&limits->begin);
	if (limits->has_rate)
		flow_fini(&limits->flow);
	free(limits);
	device->limits = NULL;
}

/* Not all of a crowd at the same time. */
static unsigned
spread(uint64_t wait_ms)
{
	unsigned s = (unsigned)((wait_ms + 999) / 1000);

	return s + 1 + crypto_below(s + FULL_RETRY_S);
}

bool
device_admits_visitor(struct device *device, unsigned *retry_after_s)
{
	struct relay *relay = device->relay;
	struct device_limits *limits = device->limits;

	if (device->n_visitors >= limit_of(device, DEVICE_MAX_VISITORS)) {
		relay->counters.visits_over_max++;
		if ((limits = limits_of(device)) != NULL)
			say(device, &limits->full, "max_visitors");
		*retry_after_s = spread(0);
		return false;
	}
	if (limits == NULL || !limits->has_visitor_rate ||
	    token_bucket_take(&limits->visitors, 1, now_ms(device)))
		return true;
	relay->counters.visits_over_rate++;
	say(device, &limits->fast, "visitor_rate");
	*retry_after_s =
	    spread(token_bucket_wait_ms(&limits->visitors, 1, now_ms(device)));
	return false;
}

bool
device_may_begin(struct device *device)
{
	struct device_limits *limits = device->limits;
	size_t taken;

	if (limits == NULL || !limits->has_rate)
		return true;
	/* how many bytes it will be is not known yet: they are taken when they come */
	if ((taken = flow_take(&limits->begin, 1)) == 0)
		return false;
	flow_return(&limits->begin, taken);
	flow_rest(&limits->begin);
	return true;
}

bool
device_is_slowed(const struct device *device)
{
	return device->limits != NULL && device->limits->begin.waits;
}

void
device_lacks_transfers(struct device *device)
{
	device->relay->counters.transfers_over_max++;
	if (limits_of(device) != NULL)
		say(device, &device->limits->lacking, "max_transfers");
}

void
device_note_bad_frame(struct device *device, unsigned code)
{
	if (code == WS_CLOSE_TOO_BIG)
		limit_hit(&device->relay->hits, LIMIT_MAX_MESSAGE, device->name,
		    now_ms(device));
}

struct flow *
device_flow(const struct device *device)
{
	struct device_limits *limits = device->limits;

	return limits != NULL && limits->has_rate ? &limits->flow : NULL;
}
