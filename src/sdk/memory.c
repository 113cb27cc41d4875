/* SPDX-License-Identifier: MIT */
/* What is remembered of the last welcome; its exported form is the state file. */
#include "sdk/memory.h"

#include "sdk/heartbeat.h"
#include "wire/url.h"

#ifndef TAUPE_WITHOUT_MEMORY

void
memory_init(struct memory *m, void *start, size_t size)
{
	memset(m, 0, sizeof(*m));
	m->size = size < UINT16_MAX ? (uint32_t)size : UINT16_MAX;
	/* room for the three first strings, be they empty */
	if (start == NULL || size < 3)
		return;
	m->start = memset(start, 0, size);
	m->lease = 1;
	m->relay = 2;
	m->peers = 3;
	m->used = 3;
}

/* Append s. *at is its place; false: no room, nothing was changed. */
static bool
append(struct memory *m, struct str s, uint32_t reserve, bool *changed)
{
	char *to = m->start + m->used;

	if (s.len + 1 + reserve > m->size - m->used)
		return false;
	if (memcmp(to, s.ptr != NULL ? s.ptr : "", s.len) != 0 ||
	    to[s.len] != '\0')
		*changed = true;
	if (s.len > 0)
		memcpy(to, s.ptr, s.len);
	to[s.len] = '\0';
	m->used += (uint32_t)s.len + 1;
	return true;
}

/* Append s, or nothing where there is no room; `reserve` bytes stay free behind it. */
static uint16_t
append_or_empty(struct memory *m, struct str s, uint32_t reserve, bool *changed)
{
	uint16_t at = (uint16_t)m->used;

	if (!append(m, s, reserve, changed))
		(void)append(m, (struct str){"", 0}, reserve, changed);
	return at;
}

bool
memory_set(struct memory *m, const struct control_msg *welcome)
{
	uint8_t n_peers = m->n_peers;
	bool changed = false;

	if (m->start == NULL)
		return false;
	m->used = 0;
	m->n_peers = 0;
	(void)append_or_empty(m, welcome->label, 2, &changed);
	m->lease = append_or_empty(m, welcome->lease, 1, &changed);
	m->relay = append_or_empty(m, welcome->relay, 0, &changed);
	m->peers = (uint16_t)m->used;
	for (size_t i = 0; i < welcome->n_peers; i++)
		if (append(m, welcome->peers[i], 0, &changed))
			m->n_peers++;
	return changed || m->n_peers != n_peers;
}

static const char *
string_at(const struct memory *m, unsigned at)
{
	return m->start != NULL ? m->start + at : "";
}

bool
memory_set_lease(struct memory *m, struct str lease)
{
	const char *old = memory_lease(m);
	size_t old_len = strlen(old);
	uint32_t tail = m->relay, moved;

	if (m->start == NULL || str_equal(lease, str_of(old)) ||
	    lease.len > old_len + (m->size - m->used))
		return false;
	moved = m->lease + (uint32_t)lease.len + 1;
	memmove(m->start + moved, m->start + tail, m->used - tail);
	memcpy(m->start + m->lease, lease.ptr, lease.len);
	m->start[m->lease + lease.len] = '\0';
	m->used = m->used - tail + moved;
	m->relay = (uint16_t)moved;
	m->peers = (uint16_t)(m->peers - tail + moved);
	return true;
}

const char *
memory_label(const struct memory *m)
{
	return string_at(m, 0);
}

const char *
memory_lease(const struct memory *m)
{
	return string_at(m, m->lease);
}

const char *
memory_relay(const struct memory *m)
{
	return string_at(m, m->relay);
}

const char *
memory_peer(const struct memory *m, unsigned index)
{
	const char *peer = m->start + m->peers;

	while (index-- > 0)
		peer += strlen(peer) + 1;
	return peer;
}

static void
write_pair(struct writer *w, const char *key, const char *value)
{
	if (*value != '\0')
		form_put(w, key, str_of(value));
}

void
memory_write(const struct memory *m, struct writer *w)
{
	write_pair(w, "label", memory_label(m));
	write_pair(w, "lease", memory_lease(m));
	write_pair(w, "relay", memory_relay(m));
	for (unsigned i = 0; i < m->n_peers; i++)
		write_pair(w, "peer", memory_peer(m, i));
}

/* Take one pair into the welcome that we pretend to have got; false: a wrong shape. */
static bool
take_pair(struct control_msg *welcome, struct taupe_heartbeat *heartbeat,
    const struct form_pair *pair)
{
	struct url url;

	if (str_is(pair->key, "label")) {
		welcome->label = pair->value;
		return label_valid(pair->value);
	}
	if (str_is(pair->key, "lease")) {
		welcome->lease = pair->value;
		return pair->value.len <= LEASE_TOKEN_MAX;
	}
	if (str_is(pair->key, "relay")) {
		welcome->relay = pair->value;
		return url_parse(pair->value, &url);
	}
	if (str_is(pair->key, "peer")) {
		if (welcome->n_peers == PEERS_MAX)
			return false;
		welcome->peers[welcome->n_peers++] = pair->value;
		return url_parse(pair->value, &url);
	}
	if (heartbeat != NULL && str_is(pair->key, "network"))
		return heartbeat->ops->take(heartbeat, pair->value);
	return true;
}

bool
memory_read(
    struct memory *m, struct taupe_heartbeat *heartbeat, char *text, size_t len)
{
	struct control_msg welcome;
	struct form_reader reader;
	struct form_pair pair;
	enum wire_result result;

	memset(&welcome, 0, sizeof(welcome));
	form_reader_init(&reader, text, len);
	while ((result = form_next(&reader, &pair)) == WIRE_DONE)
		if (!take_pair(&welcome, heartbeat, &pair))
			return false;
	if (result == WIRE_BAD)
		return false;
	(void)memory_set(m, &welcome);
	return true;
}

#endif
