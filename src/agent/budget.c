/* SPDX-License-Identifier: MIT */
/*
 * The budget is spread evenly: what is left of it, over what is left of the 30 days, at the price
 * of a heartbeat, is the shortest interval. A tenth of it may be spent ahead, on the search and
 * on a bad day.
 */
#include "config.h"

#include "agent/budget.h"
#include "agent/settings.h"
#include "base/log.h"
#include "wire/form.h"

#define MONTH_MS (UINT64_C(30) * 24 * 3600 * 1000)
#define LEAST_BYTES 200000 /* an hourly heartbeat, and a reconnect a day */
#define AHEAD_PART 10
#define REST_BYTES                                                             \
	20000 /* what may be spent again after a rest: some handshakes */
#define BEAT_ESTIMATE 250  /* with TLS, until it was counted */
#define QUIET_ESTIMATE 160 /* the same of a pong and its acknowledgement */
#define HANDSHAKE_ESTIMATE 6000

bool
budget_parse(struct str text, uint64_t *bytes)
{
	static const struct {
		const char *unit;
		uint64_t factor;
	} units[] = {{"kB", 1000}, {"KB", 1000}, {"MB", 1000000},
	    {"GB", 1000000000}, {"KiB", 1024}, {"MiB", 1u << 20},
	    {"GiB", 1u << 30}};
	struct str amount, period;
	uint64_t number;
	size_t digits = 0;

	if (!str_split(text, '/', &amount, &period) ||
	    !str_equal(period, STR("month")))
		return false;
	while (digits < amount.len && amount.ptr[digits] >= '0' &&
	    amount.ptr[digits] <= '9')
		digits++;
	if (!str_to_number((struct str){amount.ptr, digits}, 1000000, &number))
		return false;
	amount = (struct str){amount.ptr + digits, amount.len - digits};
	while (amount.len > 0 && amount.ptr[0] == ' ') {
		amount.ptr++;
		amount.len--;
	}
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (str_equal(amount, str_of(units[i].unit))) {
			*bytes = number * units[i].factor;
			return *bytes >= LEAST_BYTES &&
			    *bytes <= TAUPE_BUDGET_BYTES_MAX;
		}
	return false;
}

void
budget_init(struct budget *budget, uint64_t now_ms)
{
	memset(budget, 0, sizeof(*budget));
	taupe_heartbeat_init(&budget->search);
	budget->counted_ms = now_ms;
}

static void
pass_time(struct budget *budget, uint64_t now_ms)
{
	if (budget->thrifty)
		budget->elapsed_ms += now_ms - budget->counted_ms;
	budget->counted_ms = now_ms;
	while (budget->elapsed_ms >= MONTH_MS) {
		budget->elapsed_ms -= MONTH_MS;
		budget->spent_bytes =
		    budget->spent_bytes > budget->limit_bytes &&
			budget->limit_bytes != 0
		    ? budget->spent_bytes - budget->limit_bytes
		    : 0;
	}
}

static void
begin_counting(struct budget *budget)
{
	budget->spent_bytes = budget->elapsed_ms = 0;
	for (unsigned i = 0; i < TAUPE_LINKS; i++) {
		budget->links[i].late = true;
		budget->links[i].clean = false;
	}
}

void
budget_apply(
    struct budget *budget, const struct settings *settings, uint64_t now_ms)
{
	const struct agent_options *options = &settings->options;
	bool begins = budget->limit_bytes == 0 && settings->data_budget != 0;

	pass_time(budget, now_ms);
	/* what metered alone has counted is no budget's */
	if (begins || (!budget->thrifty && settings_is_thrifty(settings)))
		begin_counting(budget);
	if (budget->limit_bytes != settings->data_budget)
		budget->search.floor_ms = 0; /* the next heartbeat tells */
	budget->limit_bytes = settings->data_budget;
	budget->thrifty = settings_is_thrifty(settings);
	budget->warned = false;
	budget->search.budget_bytes = budget->limit_bytes;
	budget->search.min_ms = (uint32_t)options->heartbeat_min_ms;
	budget->search.max_ms = options->heartbeat_max_ms != 0
	    ? (uint32_t)options->heartbeat_max_ms
	    : budget->thrifty ? UINT32_MAX
			      : 0;
}

bool
budget_counts(const struct budget *budget)
{
	return budget->thrifty;
}

void
budget_link_begins(struct budget *budget, unsigned link, bool quiet)
{
	budget->links[link].late = false;
	budget->links[link].bytes = 0;
	budget->links[link].clean = false;
	budget->search.can_see_acks = budget->thrifty && quiet;
}

void
budget_count(struct budget *budget, unsigned link, bool known, uint64_t total,
    uint64_t now_ms)
{
	uint64_t more, before = budget->links[link].bytes;

	pass_time(budget, now_ms);
	if (!known)
		total =
		    before == 0 ? HANDSHAKE_ESTIMATE : before + BEAT_ESTIMATE;
	more = total > before && !budget->links[link].late ? total - before : 0;
	budget->links[link].late = false;
	budget->links[link].bytes = total;
	budget->links[link].since_beat += more;
	budget->spent_bytes += more;
}

void
budget_dial_failed(struct budget *budget, uint64_t bytes, uint64_t now_ms)
{
	pass_time(budget, now_ms);
	budget->spent_bytes += bytes;
}

void
budget_skip(struct budget *budget, unsigned link, bool known, uint64_t total)
{
	if (known && total > budget->links[link].bytes)
		budget->links[link].bytes = total;
	budget->links[link].clean = false;
}

void
budget_link_busy(struct budget *budget, unsigned link)
{
	budget->links[link].clean = false;
}

static uint32_t
differs(uint32_t a, uint32_t b)
{
	return (a > b ? a - b : b - a) > b / 8;
}

/* The price of a heartbeat alone. One in many that costs more is part of the average, another price
 * from now on is not. */
static void
take_clean(struct budget *budget, uint32_t bytes)
{
	if (!differs(bytes, budget->clean_bytes)) {
		budget->jumped = false;
	} else if (budget->clean_bytes == 0 || budget->jumped) {
		budget->clean_bytes = bytes;
		budget->jumped = false;
		return;
	} else {
		budget->jumped = true;
	}
	budget->clean_bytes = (budget->clean_bytes * 7 + bytes + 4) / 8;
}

static uint64_t
month_part_ms(const struct budget *budget, uint64_t bytes)
{
	return (uint64_t)((double)bytes * (double)MONTH_MS /
	    (double)budget->limit_bytes);
}

/* So much may have been spent by now. */
static uint64_t
allowed(const struct budget *budget)
{
	uint64_t limit = budget->limit_bytes;
	uint64_t may = (uint64_t)((double)limit * (double)budget->elapsed_ms /
			   (double)MONTH_MS) +
	    limit / AHEAD_PART;

	return may < limit ? may : limit;
}

static uint32_t
wait_ms(const struct budget *budget)
{
	uint64_t may, ms;

	if (budget->limit_bytes == 0)
		return 0;
	may = allowed(budget);
	if (budget->spent_bytes <= may)
		return 0;
	/* all of it: until the next 30 days begin */
	ms = budget->spent_bytes >= budget->limit_bytes
	    ? MONTH_MS - budget->elapsed_ms
	    : month_part_ms(budget, budget->spent_bytes - may);
	return ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
}

uint32_t
budget_wait_ms(struct budget *budget, uint64_t now_ms)
{
	pass_time(budget, now_ms);
	return wait_ms(budget);
}

/* The interval at which what is left lasts for the rest of the month. */
static uint32_t
even_ms(const struct budget *budget)
{
	uint64_t price = budget->clean_bytes != 0 ? budget->clean_bytes
	    : budget->search.can_see_acks	  ? QUIET_ESTIMATE
						  : BEAT_ESTIMATE;
	uint64_t left = budget->limit_bytes > budget->spent_bytes
	    ? budget->limit_bytes - budget->spent_bytes
	    : 1;
	uint64_t ms = (MONTH_MS - budget->elapsed_ms) * price / left;

	return ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
}

static void
warn_of_network(struct budget *budget, const char *device)
{
	const struct taupe_network *network = &budget->search.networks[0];

	if (budget->warned)
		return;
	budget->warned = true;
	log_warn("data_budget is less than being reachable costs on this "
		 "network, which forgets idle connections: when it is spent, "
		 "the device rests, and visitors find nobody",
	    LOG_S("device", device), LOG_U("forgets_after_ms", network->bad_ms),
	    LOG_U("budget_bytes", budget->limit_bytes),
	    LOG_U("needed_bytes",
		MONTH_MS * budget->clean_bytes / (network->good_ms + 1)));
}

/* Heartbeats that come too late are worse than none: each costs a handshake. So where the network
 * forgets sooner, they come as it wants them until nothing may be spent, and then not at all. */
static void
set_floor(struct budget *budget, const char *device)
{
	uint32_t bad_ms = budget->search.networks[0].bad_ms, ms;
	uint64_t rest_ms = wait_ms(budget);

	if (rest_ms > 0) {
		rest_ms += month_part_ms(budget, REST_BYTES);
		ms = rest_ms < UINT32_MAX ? (uint32_t)rest_ms : UINT32_MAX;
		log_info("data_budget is spent for now: the device rests",
		    LOG_S("device", device),
		    LOG_U("spent_bytes", budget->spent_bytes),
		    LOG_U("rest_ms", ms));
	} else {
		/* until it is known where the network ends, the search grows beyond it soon */
		ms = bad_ms != 0 ? even_ms(budget) : 0;
		if (bad_ms != 0 && ms >= bad_ms) {
			warn_of_network(budget, device);
			ms = 0;
		}
	}
	/* each change is told, and costs bytes */
	if (ms == 0 || differs(ms, budget->search.floor_ms))
		budget->search.floor_ms = ms;
}

void
budget_beat(struct budget *budget, unsigned link, const char *device)
{
	uint64_t bytes = budget->links[link].since_beat;

	if (budget->links[link].clean && bytes > 0 &&
	    bytes <= TAUPE_BEAT_BYTES_MAX)
		take_clean(budget, (uint32_t)bytes);
	/* what is told costs bytes itself: not for every little change */
	if (budget->thrifty &&
	    differs(budget->clean_bytes, budget->search.beat_bytes))
		budget->search.beat_bytes = budget->clean_bytes;
	budget->links[link].since_beat = 0;
	budget->links[link].clean = true;
	if (budget->limit_bytes != 0)
		set_floor(budget, device);
}

void
budget_put(const struct budget *budget, struct writer *w)
{
	if (budget->limit_bytes == 0)
		return;
	writer_char(w, '&'); /* it is added to a list */
	form_put_number(w, "budget_spent", budget->spent_bytes);
	form_put_number(w, "budget_elapsed_ms", budget->elapsed_ms);
}

void
budget_take(struct budget *budget, struct str text)
{
	struct str pair, key, value;

	while (text.len > 0) {
		(void)str_split(text, '&', &pair, &text);
		if (!str_split(pair, '=', &key, &value))
			continue;
		if (str_equal(key, STR("budget_spent")))
			(void)str_to_number(value, TAUPE_BUDGET_BYTES_MAX,
			    &budget->spent_bytes);
		else if (str_equal(key, STR("budget_elapsed_ms")))
			(void)str_to_number(
			    value, MONTH_MS, &budget->elapsed_ms);
	}
}
