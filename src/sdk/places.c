/* SPDX-License-Identifier: MIT */
/*
 * Candidates and permissions. URLs that a relay has named are stored as text and parsed
 * each time that they are needed: that is rare, and the text is smaller.
 */
#include "sdk/places.h"

#include "sdk/profile.h"

#if defined(TAUPE_WITHOUT_CHECKS) && defined(TAUPE_WITHOUT_MEMORY) &&          \
    defined(TAUPE_WITHOUT_REDIRECTS) && defined(TAUPE_WITHOUT_CHANNELS)

/* Of the configuration alone, which is taken as it is: ws://host:port or wss://host:port, and the
 * port may be missing. What is not ws is never in the clear. */
bool
place_parse(struct str text, struct url *url)
{
	struct str port;
	wire_number number;

	if (!str_split(text, '/', &url->scheme, &text) || text.len < 2)
		return false;
	url->secure = url->scheme.len != sizeof("ws:") - 1;
	number = url->secure ? 443 : 80;
	text.ptr++; /* the second slash */
	text.len--;
	if (text.ptr[0] == '[') {
		text.ptr++;
		text.len--;
		(void)str_split(text, ']', &url->host, &port);
		(void)str_split(port, ':', &text, &port);
	} else {
		(void)str_split(text, ':', &url->host, &port);
	}
	if (port.len > 0 && !str_to_number(port, UINT16_MAX, &number))
		return false;
	url->port = (uint16_t)number;
	return true;
}

#else

bool
place_parse(struct str text, struct url *url)
{
	return url_parse(text, url) && url->host.len <= HOST_NAME_MAX &&
	    url->scheme.ptr[0] == 'w'; /* ws or wss, not http */
}

#endif

bool
place_equal(const struct url *a, const struct url *b)
{
	return a->secure == b->secure && a->port == b->port &&
	    str_equal_nocase(a->host, b->host);
}

/* Did the operator of the device ever allow an unencrypted connection? */
static bool
cleartext_configured(const struct taupe_config *config)
{
	struct url url;

	for (size_t i = 0; i < config->n_relays; i++)
		if (place_parse(str_of(config->relays[i]), &url) && !url.secure)
			return true;
	return false;
}

/* A place that was learnt, from a welcome or a state file. */
static bool
learnt(const struct taupe_config *config, const char *text, struct url *url)
{
	return place_parse(str_of(text), url) &&
	    (url->secure || config->n_relays == 0 ||
		cleartext_configured(config));
}

/* The entry at slot of the list with its gaps and repetitions. */
static bool
slot_get(const struct taupe_config *config, const struct memory *memory,
    struct place_order order, unsigned slot, struct url *url)
{
	unsigned peers, relays = (unsigned)config->n_relays;

	if (!HAS_MEMORY)
		return slot < relays &&
		    place_parse(str_of(config->relays[slot]), url);
	peers = memory->n_peers;
	if (!order.relay_last && slot-- == 0)
		return learnt(config, memory_relay(memory), url);
	if (slot < peers)
		return learnt(config,
		    memory_peer(memory, (slot + order.first_peer) % peers),
		    url);
	slot -= peers;
	if (slot < relays)
		return place_parse(str_of(config->relays[slot]), url);
	return learnt(config, memory_relay(memory), url);
}

/* Will this place come again at the end of the list, where it is wanted? */
static bool
comes_last(const struct taupe_config *config, const struct memory *memory,
    struct place_order order, unsigned slot, const struct url *url)
{
	struct url relay;

	return order.relay_last &&
	    slot < memory->n_peers + (unsigned)config->n_relays &&
	    learnt(config, memory_relay(memory), &relay) &&
	    place_equal(&relay, url);
}

static bool
seen_before(const struct taupe_config *config, const struct memory *memory,
    struct place_order order, unsigned slot, const struct url *url)
{
	struct url other;

	while (slot-- > 0)
		if (slot_get(config, memory, order, slot, &other) &&
		    place_equal(&other, url) &&
		    !comes_last(config, memory, order, slot, &other))
			return true;
	return false;
}

bool
place_candidate(const struct taupe_config *config, const struct memory *memory,
    struct place_order order, unsigned index, struct url *url)
{
	unsigned slots = 1u + memory->n_peers + (unsigned)config->n_relays;

	if (!HAS_MEMORY)
		return slot_get(config, memory, order, index, url);
	for (unsigned slot = 0; slot < slots; slot++)
		if (slot_get(config, memory, order, slot, url) &&
		    !seen_before(config, memory, order, slot, url) &&
		    !comes_last(config, memory, order, slot, url) &&
		    index-- == 0)
			return true;
	return false;
}

static bool
under_domain(struct str host, struct str domain)
{
	size_t extra;

	if (domain.len == 0 || host.len < domain.len)
		return false;
	extra = host.len - domain.len;
	if (!str_equal_nocase(
		(struct str){host.ptr + extra, domain.len}, domain))
		return false;
	return extra == 0 || host.ptr[extra - 1] == '.';
}

static bool
host_known(const struct taupe_config *config, const struct memory *memory,
    struct str host)
{
	struct place_order order = {0, false};
	struct url url;

	for (unsigned i = 0; place_candidate(config, memory, order, i, &url);
	     i++)
		if (str_equal_nocase(url.host, host))
			return true;
	return false;
}

const char *
place_refusal(const struct taupe_config *config, const struct memory *memory,
    const struct url *url, bool secure)
{
	if (secure && !url->secure)
		return SAYS("it leads from wss to ws");
	if (host_known(config, memory, url->host))
		return NULL;
	for (size_t i = 0; i < config->n_domains; i++)
		if (under_domain(url->host, str_of(config->domains[i])))
			return NULL;
	return SAYS(
	    "its host is neither in the relay list nor under an allowed "
	    "domain");
}
