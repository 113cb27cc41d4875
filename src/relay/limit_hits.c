/* SPDX-License-Identifier: MIT */
/* One row a limit. */
#include "config.h"

#include <stddef.h>

#include "base/log.h"
#include "relay/limit_hits.h"

#define SAY_MS 1000
#define TELL_MS 60000

static const struct {
	const char *option;
	size_t counter; /* where in struct counters */
} rows[LIMIT_COUNT] = {
#define ROW(limit, option, counter)                                            \
	[LIMIT_##limit] = {option, offsetof(struct counters, counter)}
    ROW(MAX_HANDSHAKES, "max_handshakes", handshakes_over_max),
    ROW(HANDSHAKE_TIMEOUT, "handshake_timeout", handshakes_late),
    ROW(CLAIMS, "claims", claims_late),
    ROW(MAX_HEAD, "max_head", heads_over_max),
    ROW(MAX_MESSAGE, "max_message", messages_over_max),
    ROW(MAX_SERVICES, "max_services", agents_over_services),
    ROW(SOURCE_HANDSHAKES, "source_handshakes", source_handshakes_over_max),
    ROW(SOURCE_HANDSHAKE_RATE, "source_handshake_rate",
	source_handshakes_over_rate),
    ROW(SOURCE_AUTH_RATE, "source_auth_rate", source_auth_over_rate),
    ROW(SOURCE_VISITORS, "source_visitors", source_visitors_over_max),
    ROW(SOURCE_VISITOR_RATE, "source_visitor_rate", source_visitors_over_rate),
    ROW(SOURCE_GUESSES, "source_guesses", source_guesses_over_max),
    ROW(MAX_SOURCES, "max_sources", sources_over_max),
#undef ROW
};

bool
hits_due(struct hits *hits, uint64_t now_ms, uint32_t *times)
{
	*times = ++hits->count;
	if (hits->said_ms != 0 && now_ms - hits->said_ms < SAY_MS)
		return false;
	hits->said_ms = now_ms;
	hits->untold += hits->count;
	hits->count = 0;
	return true;
}

bool
hits_tell(struct hits *hits, uint64_t now_ms, uint32_t *times)
{
	*times = hits->untold;
	if (hits->told_ms != 0 && now_ms - hits->told_ms < TELL_MS)
		return false;
	hits->told_ms = now_ms;
	hits->untold = 0;
	return true;
}

void
limit_hit(
    struct limit_hits *hits, enum limit limit, const char *who, uint64_t now_ms)
{
	char *counters = (char *)hits->counters;
	uint32_t times;

	++*(uint64_t *)(void *)(counters + rows[limit].counter);
	if (!hits_due(&hits->hits[limit], now_ms, &times))
		return;
	log_warn("a limit was hit", LOG_S("limit", rows[limit].option),
	    LOG_S("last", who), LOG_U("times", times));
	if (hits_tell(&hits->hits[limit], now_ms, &times))
		hits->tell_cb(hits->ctx, rows[limit].option, who, times);
}
