/* SPDX-License-Identifier: MIT */
/*
 * All memory is taken at the start, and touched when it is needed: an entry is found through its
 * bucket, and those with nothing running stand in a list, whoever was seen last at its end.
 */
#include "config.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/sip_hash.h"
#include "base/token_bucket.h"
#include "net/crypto.h"
#include "relay/sources.h"

#define BURST_S 10  /* so many seconds' worth may come at once */
#define SPREAD_S 10 /* not all of a crowd come again at the same time */

/* A token bucket whose rate stands in the options. */
struct allowance {
	int64_t level;
	uint64_t at_ms; /* 0: it was not used yet */
};

struct source {
	TAILQ_ENTRY(source) idle; /* in sources->idle, with nothing running */
	struct source *next;	  /* in its bucket */
	uint64_t key[2];
	struct allowance handshake_rate, auth_rate, visitor_rate;
	uint32_t handshakes, visitors; /* running */
};

struct sources {
	const struct relay_options *options;
	struct limit_hits *hits;
	struct address *trusted;
	size_t n_trusted;
	uint64_t hash_key[2];
	TAILQ_HEAD(, source) idle;
	struct source **buckets, *entries;
	size_t n_buckets; /* a power of two */
	size_t n_entries, n_used;
};

struct sources *
sources_new(const struct relay_options *options, struct limit_hits *hits)
{
	const struct option_list *trusted = &options->trusted_proxy;
	struct sources *sources = calloc(1, sizeof(*sources));

	if (sources == NULL)
		return NULL;
	TAILQ_INIT(&sources->idle);
	sources->options = options;
	sources->hits = hits;
	sources->n_entries = (size_t)options->max_sources;
	for (sources->n_buckets = 1; sources->n_buckets < sources->n_entries;)
		sources->n_buckets *= 2;
	sources->entries = calloc(sources->n_entries, sizeof(struct source));
	sources->buckets = calloc(sources->n_buckets, sizeof(struct source *));
	sources->trusted = calloc(trusted->count + 1, sizeof(struct address));
	if (sources->entries == NULL || sources->buckets == NULL ||
	    sources->trusted == NULL) {
		sources_free(&sources);
		return NULL;
	}
	for (size_t i = 0; i < trusted->count; i++)
		sources->n_trusted +=
		    address_parse_ip(str_of(trusted->items[i]), 0,
			&sources->trusted[sources->n_trusted]);
	crypto_random(sources->hash_key, sizeof(sources->hash_key));
	return sources;
}

void
sources_free(struct sources **sourcesp)
{
	struct sources *sources = *sourcesp;

	*sourcesp = NULL;
	if (sources == NULL)
		return;
	free(sources->entries);
	free(sources->buckets);
	free(sources->trusted);
	free(sources);
}

/* Without its port, an IPv4 address as such also where it comes as an IPv6 one. */
static void
ip_of(const struct address *address, uint64_t ip[2])
{
	const struct in6_addr *ip6 = &address->in6.sin6_addr;

	ip[0] = ip[1] = 0;
	if (address->len == 0)
		return;
	if (address->sa.sa_family == AF_INET) {
		ip[1] =
		    UINT64_C(0xffff) << 32 | ntohl(address->in.sin_addr.s_addr);
		return;
	}
	for (int i = 0; i < 16; i++)
		ip[i / 8] = ip[i / 8] << 8 | ip6->s6_addr[i];
}

bool
sources_trusts(const struct sources *sources, const struct address *address)
{
	uint64_t ip[2], trusted[2];

	ip_of(address, ip);
	for (size_t i = 0; i < sources->n_trusted; i++) {
		ip_of(&sources->trusted[i], trusted);
		if (ip[0] == trusted[0] && ip[1] == trusted[1])
			return true;
	}
	return false;
}

void
source_key(const struct address *address, uint64_t key[2])
{
	ip_of(address, key);
	if (key[0] != 0 || key[1] >> 32 != 0xffff)
		key[1] = 0; /* IPv6: the /64 */
}

static struct source **
bucket_of(struct sources *sources, const uint64_t key[2])
{
	return &sources->buckets[sip_hash(sources->hash_key, key) &
	    (sources->n_buckets - 1)];
}

static struct source *
find(struct source *source, const uint64_t key[2])
{
	while (source != NULL &&
	    (source->key[0] != key[0] || source->key[1] != key[1]))
		source = source->next;
	return source;
}

static bool
is_idle(const struct source *source)
{
	return source->handshakes == 0 && source->visitors == 0;
}

/* NULL: all have something running. */
static struct source *
make_room(struct sources *sources)
{
	struct source *source, **at;

	if (sources->n_used < sources->n_entries)
		return &sources->entries[sources->n_used++];
	if ((source = TAILQ_FIRST(&sources->idle)) == NULL)
		return NULL;
	TAILQ_REMOVE(&sources->idle, source, idle);
	at = bucket_of(sources, source->key);
	while (*at != source)
		at = &(*at)->next;
	*at = source->next;
	return source;
}

/* The source of that address, which was seen just now; NULL: there is no room. */
static struct source *
source_of(struct sources *sources, const struct address *address)
{
	uint64_t key[2];
	struct source **bucket, *source;

	source_key(address, key);
	bucket = bucket_of(sources, key);
	if ((source = find(*bucket, key)) != NULL) {
		if (is_idle(source))
			TAILQ_REMOVE(&sources->idle, source, idle);
	} else if ((source = make_room(sources)) != NULL) {
		*source =
		    (struct source){.key = {key[0], key[1]}, .next = *bucket};
		*bucket = source;
	} else {
		return NULL;
	}
	if (is_idle(source))
		TAILQ_INSERT_TAIL(&sources->idle, source, idle);
	return source;
}

static struct token_bucket
open_bucket(const struct allowance *allowance, int64_t rate, uint64_t now_ms)
{
	struct token_bucket bucket;

	token_bucket_init(&bucket, rate, rate * BURST_S, now_ms);
	if (allowance->at_ms != 0) {
		bucket.level = allowance->level;
		bucket.at_ms = allowance->at_ms;
	}
	return bucket;
}

static void
keep(struct allowance *allowance, const struct token_bucket *bucket)
{
	*allowance = (struct allowance){bucket->level, bucket->at_ms};
}

/* Add so many tokens, or take them if negative. */
static void
change(
    struct allowance *allowance, int64_t rate, int64_t tokens, uint64_t now_ms)
{
	struct token_bucket bucket;

	if (rate == 0)
		return;
	bucket = open_bucket(allowance, rate, now_ms);
	token_bucket_charge(&bucket, -tokens, now_ms);
	keep(allowance, &bucket);
}

/* Is one token there? If not, *wait_ms says when. */
static bool
has_token(const struct allowance *allowance, int64_t rate, uint64_t now_ms,
    uint64_t *wait_ms)
{
	struct token_bucket bucket;

	if (rate == 0)
		return true;
	bucket = open_bucket(allowance, rate, now_ms);
	*wait_ms = token_bucket_wait_ms(&bucket, 1, now_ms);
	return *wait_ms == 0;
}

static unsigned
spread(uint64_t wait_ms)
{
	return (unsigned)((wait_ms + 999) / 1000) + 1 + crypto_below(SPREAD_S);
}

/* What holds for a use. */
struct terms {
	enum limit most_limit, rate_limit;
	int64_t most, rate;	   /* 0: any */
	size_t running, allowance; /* where in the source */
};

static struct terms
terms_of(const struct sources *sources, enum source_use use)
{
	const struct relay_options *options = sources->options;

	if (use == SOURCE_VISITOR)
		return (struct terms){LIMIT_SOURCE_VISITORS,
		    LIMIT_SOURCE_VISITOR_RATE, options->source_visitors,
		    options->source_visitor_rate,
		    offsetof(struct source, visitors),
		    offsetof(struct source, visitor_rate)};
	return (struct terms){LIMIT_SOURCE_HANDSHAKES,
	    LIMIT_SOURCE_HANDSHAKE_RATE, options->source_handshakes,
	    use == SOURCE_AGENT ? options->source_handshake_rate : 0,
	    offsetof(struct source, handshakes),
	    offsetof(struct source, handshake_rate)};
}

static uint32_t *
running_of(struct source *source, const struct terms *terms)
{
	return (uint32_t *)(void *)((char *)source + terms->running);
}

static struct allowance *
allowance_of(struct source *source, const struct terms *terms)
{
	return (struct allowance *)(void *)((char *)source + terms->allowance);
}

/* Is the address one that counts for this use? */
static bool
counts(const struct sources *sources, enum source_use use,
    const struct terms *terms, const struct address *from)
{
	bool limited = terms->most != 0 || terms->rate != 0 ||
	    (use == SOURCE_AGENT && sources->options->source_auth_rate != 0);

	return limited && from->len > 0 && !address_is_loopback(from) &&
	    !sources_trusts(sources, from);
}

static void
note(struct sources *sources, enum limit limit, const struct address *from,
    uint64_t now_ms)
{
	char text[ADDRESS_TEXT_MAX];

	limit_hit(sources->hits, limit, address_ip_text(from, text), now_ms);
}

bool
sources_admit(struct sources *sources, enum source_use use,
    const struct address *from, uint64_t now_ms, struct source **held,
    unsigned *retry_after_s)
{
	struct terms terms = terms_of(sources, use);
	struct source *source;
	uint64_t wait_ms = 0;

	*held = NULL;
	if (!counts(sources, use, &terms, from))
		return true;
	if ((source = source_of(sources, from)) == NULL) {
		note(sources, LIMIT_MAX_SOURCES, from, now_ms);
		return true;
	}
	if (terms.most != 0 && *running_of(source, &terms) >= terms.most) {
		note(sources, terms.most_limit, from, now_ms);
		*retry_after_s = spread(0);
		return false;
	}
	if (!has_token(
		allowance_of(source, &terms), terms.rate, now_ms, &wait_ms)) {
		note(sources, terms.rate_limit, from, now_ms);
		*retry_after_s = spread(wait_ms);
		return false;
	}
	change(allowance_of(source, &terms), terms.rate, -1, now_ms);
	if (is_idle(source))
		TAILQ_REMOVE(&sources->idle, source, idle);
	++*running_of(source, &terms);
	*held = source;
	return true;
}

void
sources_leave(
    struct sources *sources, enum source_use use, struct source **held)
{
	struct source *source = *held;
	struct terms terms;

	*held = NULL;
	if (source == NULL)
		return;
	terms = terms_of(sources, use);
	assert(*running_of(source, &terms) > 0);
	--*running_of(source, &terms);
	if (is_idle(source))
		TAILQ_INSERT_TAIL(&sources->idle, source, idle);
}

void
sources_excuse(struct sources *sources, struct source *source, uint64_t now_ms)
{
	if (source != NULL)
		change(&source->handshake_rate,
		    sources->options->source_handshake_rate, 1, now_ms);
}

bool
sources_may_try(struct sources *sources, struct source *source,
    const char *from, uint64_t now_ms, unsigned *retry_after_s)
{
	uint64_t wait_ms = 0;

	if (source == NULL ||
	    has_token(&source->auth_rate, sources->options->source_auth_rate,
		now_ms, &wait_ms))
		return true;
	limit_hit(sources->hits, LIMIT_SOURCE_AUTH_RATE, from, now_ms);
	*retry_after_s = spread(wait_ms);
	return false;
}

void
sources_failed(struct sources *sources, struct source *source, uint64_t now_ms)
{
	if (source != NULL)
		change(&source->auth_rate, sources->options->source_auth_rate,
		    -1, now_ms);
}
