/* SPDX-License-Identifier: MIT */
/* One bit a port. Ranges need no order and no merging that way. */
#include "registry/port_set.h"

#define PORTS 65536u
#define WORD_BITS 64u

void
port_set_clear(struct port_set *set)
{
	*set = (struct port_set){0};
}

bool
port_set_has(const struct port_set *set, uint16_t port)
{
	return set->bits[port / WORD_BITS] >> (port % WORD_BITS) & 1;
}

void
port_set_add(struct port_set *set, uint16_t port)
{
	if (port == 0 || port_set_has(set, port))
		return;
	set->bits[port / WORD_BITS] |= UINT64_C(1) << (port % WORD_BITS);
	set->count++;
}

void
port_set_remove(struct port_set *set, uint16_t port)
{
	if (!port_set_has(set, port))
		return;
	set->bits[port / WORD_BITS] &= ~(UINT64_C(1) << (port % WORD_BITS));
	set->count--;
}

static struct str
trim(struct str s)
{
	while (s.len > 0 && s.ptr[0] == ' ')
		s.ptr++, s.len--;
	while (s.len > 0 && s.ptr[s.len - 1] == ' ')
		s.len--;
	return s;
}

/* "30000" or "20000-20999" */
static bool
parse_range(struct str text, uint64_t *low, uint64_t *high)
{
	struct str first, last;

	if (!str_split(text, '-', &first, &last))
		last = first;
	return str_to_number(trim(first), PORTS - 1, low) &&
	    str_to_number(trim(last), PORTS - 1, high) && *low > 0 &&
	    *low <= *high;
}

bool
port_set_parse(struct port_set *set, struct str text)
{
	struct str item;
	bool more;

	do {
		uint64_t low, high;

		more = str_split(text, ',', &item, &text);
		if (!parse_range(trim(item), &low, &high))
			return false;
		for (uint64_t port = low; port <= high; port++)
			port_set_add(set, (uint16_t)port);
	} while (more);
	return true;
}

/* flip: all ones to look for a port that is not there. */
static uint16_t
find_next(const struct port_set *set, uint16_t from, uint64_t flip)
{
	/* the word of `from` is looked at twice: from its bit on, and whole at the end */
	uint64_t mask = ~UINT64_C(0) << (from % WORD_BITS);

	for (unsigned i = 0; i <= PORTS / WORD_BITS; i++) {
		unsigned at = (from / WORD_BITS + i) % (PORTS / WORD_BITS);
		uint64_t word = (set->bits[at] ^ flip) & mask;

		if (word != 0)
			return (uint16_t)(at * WORD_BITS +
			    (unsigned)__builtin_ctzll(word));
		mask = ~UINT64_C(0);
	}
	return 0;
}

uint16_t
port_set_next(const struct port_set *set, uint16_t from)
{
	return find_next(set, from, 0);
}

uint16_t
port_set_next_absent(const struct port_set *set, uint16_t from)
{
	return find_next(set, from, ~UINT64_C(0));
}

uint16_t
port_set_nth(const struct port_set *set, uint32_t n)
{
	for (unsigned at = 0; at < PORTS / WORD_BITS; at++) {
		uint64_t word = set->bits[at];
		uint32_t here = (uint32_t)__builtin_popcountll(word);

		if (n >= here) {
			n -= here;
			continue;
		}
		for (; n > 0; n--)
			word &= word - 1;
		return (
		    uint16_t)(at * WORD_BITS + (unsigned)__builtin_ctzll(word));
	}
	return 0;
}
