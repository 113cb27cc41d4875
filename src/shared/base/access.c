/* SPDX-License-Identifier: MIT */
/* The rules and shares of one device, as an object that copies of its record share. */
#include <assert.h>
#include <stdlib.h>

#include "base/access_rule.h"

struct access *
access_keep(struct access *access)
{
	if (access != NULL)
		access->n_keepers++;
	return access;
}

void
access_drop(struct access **accessp)
{
	struct access *access = *accessp;

	*accessp = NULL;
	if (access == NULL || --access->n_keepers > 0)
		return;
	free(access->rules);
	free(access->shares);
	free(access);
}

const struct access_rule *
access_rule_of(const struct access *access, struct str service)
{
	for (size_t i = 0; access != NULL && i < access->n_rules; i++)
		if (str_is(service, access->rules[i].service))
			return &access->rules[i];
	return NULL;
}

const struct access_share *
access_share_of(const struct access *access, struct str id)
{
	for (size_t i = 0; access != NULL && i < access->n_shares; i++)
		if (str_is(id, access->shares[i].id))
			return &access->shares[i];
	return NULL;
}

static bool
rule_equal(const struct access_rule *a, const struct access_rule *b)
{
	return a->mode == b->mode && a->n_nets == b->n_nets &&
	    strcmp(a->user, b->user) == 0 &&
	    memcmp(a->key, b->key, sizeof(a->key)) == 0 &&
	    memcmp(a->salt, b->salt, sizeof(a->salt)) == 0 &&
	    memcmp(a->hash, b->hash, sizeof(a->hash)) == 0 &&
	    memcmp(a->nets, b->nets, sizeof(a->nets)) == 0;
}

static bool
share_equal(const struct access_share *a, const struct access_share *b)
{
	return a->created_ms == b->created_ms &&
	    a->expires_ms == b->expires_ms && a->revoked == b->revoked &&
	    strcmp(a->service, b->service) == 0 && strcmp(a->by, b->by) == 0 &&
	    strcmp(a->note, b->note) == 0;
}

bool
access_equal(const struct access *a, const struct access *b)
{
	static const struct access none;

	a = a != NULL ? a : &none;
	b = b != NULL ? b : &none;
	if (a->n_rules != b->n_rules || a->n_shares != b->n_shares)
		return false;
	for (size_t i = 0; i < a->n_rules; i++) {
		const struct access_rule *other =
		    access_rule_of(b, str_of(a->rules[i].service));

		if (other == NULL || !rule_equal(&a->rules[i], other))
			return false;
	}
	for (size_t i = 0; i < a->n_shares; i++) {
		const struct access_share *other =
		    access_share_of(b, str_of(a->shares[i].id));

		if (other == NULL || !share_equal(&a->shares[i], other))
			return false;
	}
	return true;
}

/* With room for one more of each. NULL: no memory. */
static struct access *
copy_of(const struct access *from)
{
	struct access *copy = calloc(1, sizeof(*copy));

	if (copy == NULL)
		return NULL;
	copy->n_keepers = 1;
	if (from != NULL) {
		copy->n_rules = from->n_rules;
		copy->n_shares = from->n_shares;
	}
	copy->rules = calloc(copy->n_rules + 1, sizeof(*copy->rules));
	copy->shares = calloc(copy->n_shares + 1, sizeof(*copy->shares));
	if (copy->rules == NULL || copy->shares == NULL) {
		access_drop(&copy);
		return NULL;
	}
	if (copy->n_rules > 0)
		memcpy(copy->rules, from->rules,
		    copy->n_rules * sizeof(*copy->rules));
	if (copy->n_shares > 0)
		memcpy(copy->shares, from->shares,
		    copy->n_shares * sizeof(*copy->shares));
	return copy;
}

static void
replace(struct access **access, struct access *copy)
{
	access_drop(access);
	*access = copy;
	if (copy->n_rules == 0 && copy->n_shares == 0)
		access_drop(access); /* all is public */
}

static void
remove_shares(struct access *access, const char *service)
{
	size_t n = 0;

	for (size_t i = 0; i < access->n_shares; i++)
		if (strcmp(access->shares[i].service, service) != 0)
			access->shares[n++] = access->shares[i];
	access->n_shares = n;
}

int
access_put_rule(struct access **access, const struct access_rule *rule)
{
	struct access *copy = copy_of(*access);
	size_t at;

	if (copy == NULL)
		return -1;
	for (at = 0; at < copy->n_rules; at++)
		if (strcmp(copy->rules[at].service, rule->service) == 0)
			break;
	if (rule->mode == ACCESS_PUBLIC) {
		if (at < copy->n_rules)
			copy->rules[at] = copy->rules[--copy->n_rules];
		remove_shares(copy, rule->service);
	} else if (at == SERVICES_MAX) {
		access_drop(&copy);
		return -1;
	} else {
		copy->rules[at] = *rule;
		copy->n_rules += at == copy->n_rules;
	}
	replace(access, copy);
	return 0;
}

int
access_put_share(struct access **access, const struct access_share *share)
{
	struct access *copy = copy_of(*access);
	size_t at;

	if (copy == NULL)
		return -1;
	for (at = 0; at < copy->n_shares; at++)
		if (strcmp(copy->shares[at].id, share->id) == 0)
			break;
	if (at == SHARES_MAX) {
		access_drop(&copy);
		return -1;
	}
	copy->shares[at] = *share;
	copy->n_shares += at == copy->n_shares;
	replace(access, copy);
	return 0;
}

int
access_forget_expired(struct access **access, uint64_t now_ms)
{
	struct access *copy;
	size_t n = 0;

	if (*access == NULL)
		return 0;
	if ((copy = copy_of(*access)) == NULL)
		return -1;
	for (size_t i = 0; i < copy->n_shares; i++)
		if (copy->shares[i].expires_ms > now_ms)
			copy->shares[n++] = copy->shares[i];
	copy->n_shares = n;
	replace(access, copy);
	return 0;
}
