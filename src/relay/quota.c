/* SPDX-License-Identifier: MIT */
/*
 * Visits are not ended where bytes are counted, in the midst of them, but when the relay tends its
 * quotas, each announce interval. While the registry is away a quota holds for what is counted
 * here, so that billing never stops a device that has something left.
 */
#include "config.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/utc_day.h"
#include "relay/counting.h"
#include "relay/events.h"
#include "relay/limits.h"
#include "relay/quota.h"
#include "relay/visitor.h"

/* The relay that had the device before may still write. */
#define LOOK_AGAIN_MS 5000
/* Visits that began there may run on there. */
#define LOOK_MS 60000

enum period { DAY, MONTH, PERIODS };

struct quota {
	LIST_ENTRY(quota) link; /* in relay->quotas */
	struct device *device; /* NULL: it is gone, and the registry is asked */
	uint64_t most[PERIODS]; /* 0: any */
	uint64_t before, today; /* bytes of this month */
	uint64_t counted;	/* of today, that the answer will not have */
	uint64_t look_ms;	/* loop clock: when the registry is asked */
	int64_t rate;
	uint32_t day; /* today */
	enum quota_action action;
	uint8_t told[PERIODS]; /* percent */
	uint32_t asked_day;    /* that the registry is asked about, and */
	bool asked_whole;      /* the days of its month before it */
	bool asked;
	bool known;	     /* before is what the registry has */
	bool told_elsewhere; /* what it had used when it came here */
	bool slow;
};

static struct relay *
relay_of(const struct quota *quota)
{
	return quota->device->relay;
}

static uint64_t
used(const struct quota *quota, enum period period)
{
	return period == DAY ? quota->today : quota->before + quota->today;
}

static bool
is_over(const struct quota *quota, enum period period)
{
	return quota->most[period] > 0 &&
	    used(quota, period) >= quota->most[period];
}

/* A new day has begun. */
static void
roll(struct quota *quota)
{
	uint32_t day = relay_of(quota)->day;
	bool same_month =
	    utc_day_first_of_month(day) == utc_day_first_of_month(quota->day);

	if (day == quota->day)
		return;
	quota->before = same_month ? used(quota, MONTH) : 0;
	quota->today = quota->counted = 0;
	quota->told[DAY] = 0;
	if (!same_month)
		quota->told[MONTH] = 0;
	quota->day = day;
}

void
quota_count(struct device *device, uint64_t bytes)
{
	struct quota *quota = device->quota;

	if (quota == NULL)
		return;
	roll(quota);
	quota->today += bytes;
	quota->counted += bytes;
}

static uint64_t
end_ms(const struct quota *quota, enum period period)
{
	return utc_day_begin_ms(period == DAY
		? utc_day_next(quota->day)
		: utc_day_first_of_next_month(quota->day));
}

static unsigned
seconds_left(const struct quota *quota, enum period period)
{
	uint64_t now = loop_wall_ms(), end = end_ms(quota, period);

	return end > now ? (unsigned)((end - now + 999) / 1000) : 1;
}

/* The longer one, if both are used up. */
static enum period
period_over(const struct quota *quota)
{
	return is_over(quota, MONTH) ? MONTH
	    : is_over(quota, DAY)    ? DAY
				     : PERIODS;
}

static bool
admits(const struct quota *quota, enum page *page, unsigned *retry_after_s)
{
	enum period period = period_over(quota);

	if (period == PERIODS || quota->action != QUOTA_STOP)
		return true;
	*page = period == MONTH ? PAGE_QUOTA_MONTH : PAGE_QUOTA_DAY;
	*retry_after_s = seconds_left(quota, period);
	return false;
}

bool
quota_admits(
    const struct device *device, enum page *page, unsigned *retry_after_s)
{
	return device->quota == NULL ||
	    admits(device->quota, page, retry_after_s);
}

bool
quota_rate(const struct device *device, int64_t *rate)
{
	const struct quota *quota = device->quota;

	if (quota == NULL || quota->action != QUOTA_SLOW)
		return false;
	*rate = quota->slow ? quota->rate : TOKEN_RATE_MAX;
	return true;
}

static void
forget(struct quota *quota)
{
	LIST_REMOVE(quota, link);
	free(quota);
}

void
quota_leave(struct device *device)
{
	struct quota *quota = device->quota;

	if (quota == NULL)
		return;
	device->quota = NULL;
	quota->device = NULL;
	if (!quota->asked)
		forget(quota);
}

void
quotas_free_all(struct relay *relay)
{
	while (!LIST_EMPTY(&relay->quotas))
		forget(LIST_FIRST(&relay->quotas));
}

static struct quota *
quota_new(struct device *device)
{
	struct quota *quota = calloc(1, sizeof(*quota));

	if (quota == NULL)
		return NULL;
	quota->device = device;
	quota->day = device->relay->day;
	quota->today = counting_waits(device);
	/* without a grant it has just come */
	quota->told_elsewhere = device->grant == NULL;
	LIST_INSERT_HEAD(&device->relay->quotas, quota, link);
	device->quota = quota;
	return quota;
}

static uint64_t
value_of(const struct own_limit *own, uint64_t otherwise)
{
	return own->is_set ? (uint64_t)own->value : otherwise;
}

static void
set_most(struct quota *quota, enum period period, uint64_t most)
{
	if (quota->most[period] == most)
		return;
	quota->most[period] = most;
	quota->told[period] = 0;
	quota->look_ms = 0;
	quota->known = quota->asked_whole = false;
}

static void ask(struct quota *quota);

int
quota_set(struct device *device, const struct own_limit own[DEVICE_LIMITS])
{
	struct quota *quota = device->quota;

	if (!own[DEVICE_QUOTA_DAY].is_set && !own[DEVICE_QUOTA_MONTH].is_set) {
		quota_leave(device);
		return 0;
	}
	if (quota == NULL && (quota = quota_new(device)) == NULL)
		return -1;
	roll(quota);
	set_most(quota, DAY, value_of(&own[DEVICE_QUOTA_DAY], 0));
	set_most(quota, MONTH, value_of(&own[DEVICE_QUOTA_MONTH], 0));
	quota->action = (enum quota_action)value_of(
	    &own[DEVICE_QUOTA_ACTION], QUOTA_ACTION_DEFAULT);
	quota->rate =
	    (int64_t)value_of(&own[DEVICE_QUOTA_RATE], QUOTA_RATE_DEFAULT);
	quota->slow =
	    quota->action == QUOTA_SLOW && period_over(quota) != PERIODS;
	ask(quota);
	return 0;
}

static unsigned
level(const struct quota *quota, enum period period)
{
	uint64_t most = quota->most[period];

	return is_over(quota, period)				 ? 100
	    : most > 0 && used(quota, period) >= most - most / 5 ? 80
								 : 0;
}

static void
tell(struct quota *quota, enum period period)
{
	static const char *const names[] = {"day", "month"};
	struct str action;
	char text[8];
	struct writer w;
	unsigned percent = level(quota, period);

	if (percent <= quota->told[period])
		return;
	quota->told[period] = (uint8_t)percent;
	writer_init(&w, text, sizeof(text));
	device_limit_write(
	    &w, &device_limit_rows[DEVICE_QUOTA_ACTION], quota->action);
	action = (struct str){text, writer_len(&w)};
	log_warn(percent == 100 ? "a device has used up its quota"
				: "a device has used most of its quota",
	    LOG_S("device", quota->device->name),
	    LOG_S("period", names[period]), LOG_U("used", used(quota, period)),
	    LOG_U("quota", quota->most[period]), LOG_STR("action", action));
	event_emit(relay_of(quota), EVENT_QUOTA, quota->device->name,
	    LOG_S("period", names[period]), LOG_U("percent", percent),
	    LOG_U("used", used(quota, period)),
	    LOG_U("quota", quota->most[period]), LOG_STR("action", action),
	    LOG_U("ends_ms", end_ms(quota, period)));
}

static void
act(struct quota *quota)
{
	struct device *device = quota->device;
	bool over = period_over(quota) != PERIODS;
	enum page page;
	unsigned retry_after_s;

	tell(quota, DAY);
	tell(quota, MONTH);
	if (quota->slow != (over && quota->action == QUOTA_SLOW)) {
		quota->slow = !quota->slow;
		(void)device_limits_set(device, NULL); /* there is memory */
	}
	if (!admits(quota, &page, &retry_after_s))
		visitors_end(device, page, retry_after_s);
}

/* An answer. */
static void
take(struct quota *quota, uint64_t before, uint64_t today)
{
	bool again = quota->known;

	quota->today = today + quota->counted;
	if (quota->asked_whole)
		quota->before = before;
	quota->known = quota->asked_whole || quota->known;
	if (!quota->known)
		return; /* it was changed meanwhile, and is asked for again */
	quota->look_ms = loop_now_ms(relay_of(quota)->loop) +
	    (again ? LOOK_MS : LOOK_AGAIN_MS);
	if (!quota->told_elsewhere)
		return;
	quota->told_elsewhere = false;
	quota->told[DAY] = (uint8_t)level(quota, DAY);
	quota->told[MONTH] = (uint8_t)level(quota, MONTH);
}

static void
usage_cb(
    void *ctx, enum registry_status status, uint64_t before, uint64_t today)
{
	struct quota *quota = ctx;

	quota->asked = false;
	if (quota->device == NULL) {
		forget(quota);
		return;
	}
	roll(quota);
	if (status == REGISTRY_OK && quota->day == quota->asked_day)
		take(quota, before, today);
}

static bool
is_due(const struct quota *quota)
{
	const struct relay *relay = relay_of(quota);

	return relay->registry->ops->usage != NULL && !quota->asked &&
	    loop_now_ms(relay->loop) >= quota->look_ms &&
	    relay->registry->ops->is_up(relay->registry);
}

/* The days before today are asked for once. */
static void
ask(struct quota *quota)
{
	struct registry *registry = relay_of(quota)->registry;
	uint32_t from;

	if (!is_due(quota))
		return;
	quota->asked_day = quota->day;
	quota->asked_whole = !quota->known;
	from = quota->asked_whole && quota->most[MONTH] > 0
	    ? utc_day_first_of_month(quota->day)
	    : quota->day;
	quota->counted = counting_waits(quota->device);
	quota->asked = registry->ops->usage(registry, quota->device->name, from,
			   quota->day, usage_cb, quota) == 0;
}

void
quotas_tend(struct relay *relay)
{
	struct quota *quota, *next;

	for (quota = LIST_FIRST(&relay->quotas); quota != NULL; quota = next) {
		next = LIST_NEXT(quota, link);
		if (quota->device == NULL)
			continue;
		roll(quota);
		ask(quota);
		act(quota);
	}
}
