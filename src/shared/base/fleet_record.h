/* SPDX-License-Identifier: MIT */
/*
 * What the operator decided about a fleet: the key with which its devices enrol, and how
 * many, which, and until when. In Redis it is the hash fleet:<name>, in a stand-alone relay
 * a line of the device file; both use the same keys and this one pair of functions.
 */
#ifndef TAUPE_BASE_FLEET_RECORD_H
#define TAUPE_BASE_FLEET_RECORD_H

#include "base/device_record.h"

#define FLEET_PATTERN_MAX 63

struct fleet_record {
	char name[DEVICE_NAME_MAX + 1]; /* shaped as a device's */
	uint8_t key_sha256[SECRET_HASH_LEN];
	uint64_t max;  /* devices that it enrols; 0: any number */
	uint64_t used; /* that it has enrolled, those that were removed too */
	uint64_t expires_ms; /* wall clock; 0: never */
	uint64_t created_ms; /* wall clock; 0: not known */
	/* of its devices' names, '*' for any characters and '?' for one; "": any name */
	char pattern[FLEET_PATTERN_MAX + 1];
};

/* Take one key and value into the record: fleet (its name), key_sha256 (64 lower-case hex
 * digits), max, used, expires_ms, created_ms, pattern. Unknown keys are skipped. False: the
 * value is malformed. The record begins as all zeros. */
bool fleet_record_set(
    struct fleet_record *record, struct str key, struct str value);
/* Is it one of these keys? */
bool fleet_record_knows(struct str key);

/* Up to FLEET_PATTERN_MAX of what a device's name is made of, and '*' and '?'. */
bool fleet_pattern_valid(struct str pattern);
/* Does the name fit? */
bool fleet_pattern_fits(const char *pattern, const char *name);

#endif
