/* SPDX-License-Identifier: MIT */
/*
 * Which tokens were good when the registry was asked last. It is asked with each call all the same; this
 * is for when it does not answer, and to tell who was good from who guesses.
 */
#ifndef TAUPE_RELAY_API_VERDICTS_H
#define TAUPE_RELAY_API_VERDICTS_H

#include "base/token_record.h"

#define VERDICTS_MAX 64
#define VERDICT_MS 300000 /* so long one stands in for the registry */

struct verdict {
	struct token_record token; /* role TOKEN_NONE: free */
	uint64_t at_ms;		   /* loop clock */
};

/* All zeros: none. */
struct verdicts {
	struct verdict list[VERDICTS_MAX];
};

/* By the hash of a token's text; NULL: it was not good lately, as far as is known. */
const struct verdict *verdict_find(
    const struct verdicts *verdicts, const uint8_t sha256[SECRET_HASH_LEN]);
/* Was that so short a time ago that it stands in for the registry? Precondition: the token has not
 * expired meanwhile. */
bool verdict_stands_in(const struct verdict *verdict, uint64_t now_ms);
/* It is good now. The one that was asked for longest ago makes room. */
void verdict_keep(struct verdicts *verdicts, const struct token_record *token,
    uint64_t now_ms);
/* It is not, or not any more. */
void verdict_forget(
    struct verdicts *verdicts, const uint8_t sha256[SECRET_HASH_LEN]);

#endif
