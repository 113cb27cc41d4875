/* SPDX-License-Identifier: MIT */
/*
 * What HAProxy's runtime socket says in interactive mode (HAProxy management guide,
 * section 9.3), as a parser without I/O. A reply ends with an empty line and the prompt
 * "> "; before it there is a "+ " for each line of a payload.
 */
#ifndef TAUPE_NET_HAP_REPLY_H
#define TAUPE_NET_HAP_REPLY_H

#include "wire/result.h"
#include "wire/str.h"

#define HAP_REPLY_MAX 262144 /* bytes of the longest reply that is believed */

/* The reply under way. */
struct hap_reply {
	char *text;
	size_t len, room;
	size_t seen; /* bytes that have no end of reply in them */
};

/* All zero is an empty one. */
void hap_reply_fini(struct hap_reply *reply);
/* Forget the text; the memory stays for the next. */
void hap_reply_reset(struct hap_reply *reply);

/*
 * Take in some bytes. WIRE_DONE: the reply is whole; *text is what it says, without
 * prompts and line ends around it, valid until the next call. WIRE_MORE: not yet.
 * WIRE_BAD: something follows the prompt that nobody asked for, the reply is longer than
 * HAP_REPLY_MAX, has a NUL in it, or there is no memory.
 */
WIRE_MUST_CHECK enum wire_result hap_reply_feed(
    struct hap_reply *reply, const char *data, size_t len, struct str *text);

/* From "show info". */
struct hap_info {
	uint64_t pid;
	uint64_t start_s; /* Unix time of its start; 0 when it does not say */
	unsigned major, minor;
	bool stopping; /* a reload has replaced this process */
	char version[32];
};

/* False: no such reply: Pid or Version is missing or makes no sense. */
bool hap_info_parse(struct str text, struct hap_info *info);

/* One line of "show map". */
struct hap_map_line {
	struct str file;  /* the map's name in commands */
	uint64_t entries; /* of all versions */
	bool has_entries;
};

/* Take the next map from *text; false at the end. Other lines are skipped. */
bool hap_map_line_next(struct str *text, struct hap_map_line *line);

/* "New version created: 3" */
bool hap_version_parse(struct str text, uint64_t *version);

/* The value in the reply to "get map"; absent: the key is not in the map. False: no
 * such reply. */
bool hap_value_parse(struct str text, struct str *value);

#endif
