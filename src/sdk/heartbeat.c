/* SPDX-License-Identifier: MIT */
/*
 * The longest interval that the network bears, between the longest that was answered
 * (good) and the shortest after which the link was found dead (bad). While nothing is bad it
 * grows by half; then the gap is halved until it is small. Sessions come and go meanwhile: a
 * loss counts when the next welcome shows that the network itself was there.
 */
#include "sdk/heartbeat.h"

#include "wire/form.h"

#define LOSS_SPAN_MS 60000u /* a welcome so soon: it was the link alone */
#define SURE 8u		    /* answers after which a loss was by chance */
#define PING_EVERY 48u	    /* one in so many is answered by the relay itself */
#define RETRY_FIRST 1024u   /* heartbeats until what was bad is tried again */
#define RETRY_LAST 16384u
#define DAY_MS 86400000u /* longer is no interval */
#define LATE_MS 250u	 /* a timer may be so late */

/* The network at hand. */
static const struct taupe_network *
here(const struct taupe_heartbeat *h)
{
	return &h->networks[0];
}

static bool
is_settled(const struct taupe_heartbeat *h)
{
	const struct taupe_network *n = here(h);

	return n->bad_ms != 0 &&
	    n->bad_ms <= n->good_ms + n->good_ms / 32 + LATE_MS;
}

/* Without the bounds. */
static uint32_t
wanted(const struct taupe_heartbeat *h)
{
	const struct taupe_network *n = here(h);
	uint32_t margin = n->good_ms / 64 + LATE_MS;

	if (n->good_ms == 0)
		return h->base_ms;
	/* after a loss, what is thought to be good is tried before anything longer */
	if (!h->doubt || h->calm > 0) {
		if (n->bad_ms == 0)
			return n->good_ms + n->good_ms / 2;
		if (!is_settled(h))
			return n->good_ms + (n->bad_ms - n->good_ms) / 2;
		if (h->calm >= h->retry)
			return n->bad_ms;
	}
	return n->good_ms > margin ? n->good_ms - margin : n->good_ms;
}

static uint32_t
interval(const struct taupe_heartbeat *h)
{
	uint32_t ms = wanted(h), most = h->max_ms != 0 ? h->max_ms : h->base_ms;

	if (ms > most)
		ms = most;
	if (ms < h->min_ms)
		ms = h->min_ms;
	if (ms < h->floor_ms)
		ms = h->floor_ms;
	if (ms < h->least_ms)
		ms = h->least_ms;
	return ms < h->most_ms ? ms : h->most_ms;
}

static bool
is_quiet(const struct taupe_heartbeat *h)
{
	return h->can_see_acks && !h->doubt &&
	    interval(h) <= here(h)->good_ms &&
	    h->calm % PING_EVERY != PING_EVERY - 1;
}

static void
answered(struct taupe_heartbeat *h, uint32_t interval_ms, bool proven)
{
	struct taupe_network *n = &h->networks[0];

	h->calm++;
	if (h->calm >= SURE)
		h->doubt = false;
	if (!proven || interval_ms <= n->good_ms)
		return;
	n->good_ms = interval_ms;
	if (n->good_ms >= n->bad_ms)
		n->bad_ms = 0; /* that was by chance, or long ago */
	h->calm = 0;
	h->changed = true;
}

static void
lost(struct taupe_heartbeat *h, uint32_t interval_ms, uint64_t now_ms)
{
	h->lost_interval_ms = interval_ms;
	h->lost_ms = now_ms;
}

/* The link did not bear that interval. What was borne before may have been lost by chance: the
 * second time counts, and from then on each until heartbeats are answered again. */
static void
count_loss(struct taupe_heartbeat *h, uint32_t interval_ms)
{
	struct taupe_network *n = &h->networks[0];

	h->calm = 0;
	if (n->good_ms != 0 && interval_ms > n->good_ms) {
		if (is_settled(h) && h->retry < RETRY_LAST)
			h->retry *= 2;
		if (n->bad_ms == 0 || interval_ms < n->bad_ms)
			n->bad_ms = interval_ms;
		h->changed = true;
	} else if (h->doubt) {
		n->bad_ms = interval_ms;
		n->good_ms = interval_ms / 2;
		h->changed = true;
	} else {
		h->doubt = true;
	}
}

/* Make it the network at hand. */
static void
change_network(struct taupe_heartbeat *h, uint32_t id)
{
	struct taupe_network found = {.id = id}, *list = h->networks;
	unsigned at = 0;

	while (at < TAUPE_NETWORKS - 1 && list[at].id != found.id)
		at++;
	if (list[at].id == found.id)
		found = list[at];
	if (at == 0)
		return;
	memmove(list + 1, list, at * sizeof(*list));
	list[0] = found;
	h->lost_interval_ms = h->calm = 0;
	h->doubt = false;
	h->retry = RETRY_FIRST;
}

static void
begin(struct taupe_heartbeat *h, const struct heartbeat_terms *terms,
    uint64_t now_ms)
{
	change_network(h, terms->network);
	h->base_ms = terms->base_ms;
	h->least_ms = terms->least_ms != 0 ? terms->least_ms : terms->base_ms;
	if (h->least_ms < HEARTBEAT_MIN_MS)
		h->least_ms = HEARTBEAT_MIN_MS;
	/* its own interval cannot be too long for it */
	h->most_ms =
	    terms->most_ms > terms->base_ms ? terms->most_ms : terms->base_ms;
	if (h->lost_interval_ms != 0 && now_ms - h->lost_ms <= LOSS_SPAN_MS)
		count_loss(h, h->lost_interval_ms);
	h->lost_interval_ms = 0;
}

static void
put(const struct taupe_heartbeat *h, struct writer *w)
{
	for (unsigned i = 0; i < TAUPE_NETWORKS; i++) {
		const struct taupe_network *n = &h->networks[i];
		char text[40];
		struct writer value;

		if (n->good_ms == 0)
			continue;
		writer_init(&value, text, sizeof(text));
		writer_u64(&value, n->id);
		writer_char(&value, ':');
		writer_u64(&value, n->good_ms);
		writer_char(&value, ':');
		writer_u64(&value, n->bad_ms);
		form_put(w, "network", (struct str){text, writer_len(&value)});
	}
}

static bool
take(struct taupe_heartbeat *h, struct str value)
{
	wire_number numbers[3];
	struct str part;

	for (unsigned i = 0; i < 3; i++) {
		if (str_split(value, ':', &part, &value) != (i < 2) ||
		    !str_to_number(
			part, i == 0 ? UINT32_MAX : DAY_MS, &numbers[i]))
			return false;
	}
	for (unsigned i = 0; i < TAUPE_NETWORKS; i++) {
		if (h->networks[i].good_ms != 0)
			continue;
		h->networks[i] = (struct taupe_network){(uint32_t)numbers[0],
		    (uint32_t)numbers[1], (uint32_t)numbers[2]};
		break;
	}
	return true;
}

static const struct taupe_heartbeat_ops heartbeat_ops = {
    begin, answered, lost, interval, is_quiet, put, take};

void
taupe_heartbeat_init(struct taupe_heartbeat *heartbeat)
{
	memset(heartbeat, 0, sizeof(*heartbeat));
	heartbeat->retry = RETRY_FIRST;
	heartbeat->ops = &heartbeat_ops;
}

void
taupe_heartbeat_network(struct taupe_heartbeat *heartbeat, uint32_t id)
{
	heartbeat->next_network = id;
}
