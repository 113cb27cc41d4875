/* SPDX-License-Identifier: MIT */
/*
 * What the operator decided about a token of the admin API: whose it is, what its bearer may do,
 * and until when. In Redis it is the hash token:<name>, in a stand-alone relay a line of the
 * device file; both use the same keys and this one pair of functions.
 */
#ifndef TAUPE_BASE_TOKEN_RECORD_H
#define TAUPE_BASE_TOKEN_RECORD_H

#include "base/device_record.h"

/* Each may what those before it may. */
enum token_role {
	TOKEN_NONE,
	TOKEN_READ,    /* look */
	TOKEN_OPERATE, /* and drain relays, kick devices, have their secrets changed */
	TOKEN_ADMIN    /* and make and remove devices, fleets and tokens */
};

struct token_record {
	char name[DEVICE_NAME_MAX + 1]; /* shaped as a device's */
	uint8_t sha256[SECRET_HASH_LEN]; /* of its whole text */
	enum token_role role;
	uint64_t expires_ms; /* wall clock; 0: never */
	uint64_t created_ms; /* wall clock */
};

/* Take one key and value into the record: token (its name), sha256 (64 lower-case hex digits),
 * role, expires_ms, created_ms. Unknown keys are skipped. False: the value is malformed. The
 * record begins as all zeros. */
bool token_record_set(
    struct token_record *record, struct str key, struct str value);
/* Is it one of these keys? */
bool token_record_knows(struct str key);

/* "read", "operate", "admin"; TOKEN_NONE: none of these. */
enum token_role token_role_parse(struct str text);
const char *token_role_name(enum token_role role);

#endif
