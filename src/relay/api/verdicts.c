/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "net/crypto.h"
#include "relay/api/verdicts.h"

/* NULL: there is none. */
static struct verdict *
find(const struct verdicts *verdicts, const uint8_t sha256[SECRET_HASH_LEN])
{
	const struct verdict *found = NULL;

	for (size_t i = 0; i < VERDICTS_MAX; i++)
		if (verdicts->list[i].token.role != TOKEN_NONE &&
		    crypto_equal(verdicts->list[i].token.sha256, sha256,
			SECRET_HASH_LEN))
			found = &verdicts->list[i];
	return (struct verdict *)(void *)(uintptr_t)found;
}

const struct verdict *
verdict_find(
    const struct verdicts *verdicts, const uint8_t sha256[SECRET_HASH_LEN])
{
	return find(verdicts, sha256);
}

bool
verdict_stands_in(const struct verdict *verdict, uint64_t now_ms)
{
	return now_ms - verdict->at_ms < VERDICT_MS;
}

/* A free one has never been asked for. */
static struct verdict *
oldest(struct verdicts *verdicts)
{
	struct verdict *found = &verdicts->list[0];

	for (size_t i = 1; i < VERDICTS_MAX; i++)
		if (verdicts->list[i].at_ms < found->at_ms)
			found = &verdicts->list[i];
	return found;
}

void
verdict_keep(struct verdicts *verdicts, const struct token_record *token,
    uint64_t now_ms)
{
	struct verdict *verdict = find(verdicts, token->sha256);

	if (verdict == NULL)
		verdict = oldest(verdicts);
	*verdict = (struct verdict){*token, now_ms};
}

void
verdict_forget(struct verdicts *verdicts, const uint8_t sha256[SECRET_HASH_LEN])
{
	struct verdict *verdict = find(verdicts, sha256);

	if (verdict != NULL)
		*verdict = (struct verdict){0};
}
