/* SPDX-License-Identifier: MIT */
/*
 * What the operator decided about a device: its name, its secret's hash, what is reserved
 * for it, and its own limits. In Redis it is the hash device:<name>, in a stand-alone relay
 * a line of the device file; both use the same keys and this one pair of functions.
 */
#ifndef TAUPE_BASE_DEVICE_RECORD_H
#define TAUPE_BASE_DEVICE_RECORD_H

#include "base/access_rule.h"
#include "base/device_hosts.h"

#define SECRET_HASH_LEN 32 /* SHA-256 */

struct service_port {
	char service[SERVICE_NAME_MAX + 1];
	uint16_t port;
};

#define ROTATION_TEXT_MAX 200
#define ROTATION_ASKED "asked"

/* The limits that a device may have for itself: in place of the relay's options of the same
 * names, and its quotas, which no option stands for. */
enum device_limit {
	DEVICE_MAX_VISITORS,
	DEVICE_VISITOR_RATE,
	DEVICE_VISITOR_BURST,
	DEVICE_RATE,
	DEVICE_QUOTA_DAY,    /* bytes of visits, both directions, on a day (UTC) */
	DEVICE_QUOTA_MONTH,  /* the same in a calendar month */
	DEVICE_QUOTA_ACTION, /* enum quota_action: when one of them is used up */
	DEVICE_QUOTA_RATE,   /* bytes a second, if that is QUOTA_SLOW */
	DEVICE_LIMITS
};

enum quota_action { QUOTA_WARN, QUOTA_SLOW, QUOTA_STOP };
#define QUOTA_ACTION_DEFAULT QUOTA_STOP
#define QUOTA_RATE_DEFAULT 16384 /* bytes a second */

struct own_limit {
	bool is_set;
	int64_t value;
};

/* What becomes of one of them: to.is_set false takes it away. */
struct limit_change {
	bool given;
	struct own_limit to;
};

/* The key in a record and the relay's option; what it may be. */
struct device_limit_row {
	const char *key;
	int64_t min, max;
	bool is_size; /* bytes */
	/* "warn|slow|stop": such a word in text, its place as value; NULL: a number */
	const char *words;
};

extern const struct device_limit_row device_limit_rows[DEVICE_LIMITS];

struct device_record {
	char name[DEVICE_NAME_MAX + 1];
	uint8_t secret_sha256[SECRET_HASH_LEN];
	/* ROTATION_ASKED: it shall draw itself another secret; any other text: why it cannot;
	 * "": nobody has asked for that, or it is done */
	char rotation[ROTATION_TEXT_MAX + 1];
	char fleet[DEVICE_NAME_MAX + 1]; /* that it was enrolled in; "": none */
	char label[LABEL_MAX + 1]; /* reserved for the device; "" when none */
	size_t n_ports;		   /* reserved public ports */
	struct service_port ports[SERVICES_MAX];
	struct own_limit limits[DEVICE_LIMITS];
	/* Who may visit which service; NULL: anybody, all of them. The record that was made by
	 * device_record_set() or device_record_copy() is a keeper of it; a plain copy borrows it. */
	struct access *access;
	/* Further names of its services; NULL: none. Kept likewise. */
	struct device_hosts *hosts;
};

/* Make to, which was all zeros or a record, a copy that keeps what it needs. */
void device_record_copy(
    struct device_record *to, const struct device_record *from);
/* Let go of what it keeps. */
void device_record_drop(struct device_record *record);

/* Take one key and value into the record: name, secret_sha256 (64 lower-case hex digits),
 * label (empty: none), port (repeated, "ssh:20022") or ports ("ssh:20022,db:20023", the
 * form of a Redis field), rotation, fleet, the keys of device_limit_rows (a
 * number or a word; empty: none), access/SERVICE and share/ID (base/access_rule.h), host/HOST
 * (base/device_hosts.h). Unknown keys are
 * skipped. False: the value is malformed, a service has two ports or rules, or there is no
 * memory. The record begins as all zeros; it ends with device_record_drop() in any case. */
bool device_record_set(
    struct device_record *record, struct str key, struct str value);
/* Is it one of these keys? */
bool device_record_knows(struct str key);

/* The value of a limit in the text of a record. False: it may not be that. */
bool device_limit_parse(
    const struct device_limit_row *row, struct str text, int64_t *value);
/* Append it. */
void device_limit_write(
    struct writer *w, const struct device_limit_row *row, int64_t value);

/* 64 lower-case hex digits. */
bool secret_hash_parse(struct str text, uint8_t hash[SECRET_HASH_LEN]);
/* Does the operator want it to draw another secret? */
bool device_record_wants_rotation(const struct device_record *record);

/* Change those that are given. */
void device_limits_change(struct own_limit limits[DEVICE_LIMITS],
    const struct limit_change changes[DEVICE_LIMITS]);

/* Append "ssh:20022"-like text of a reserved port. */
void service_port_write(struct writer *w, const struct service_port *port);
/* Parse it. */
bool service_port_parse(struct str text, struct service_port *port);

/* The port reserved or leased for a service in such a list; 0 when there is none. */
uint16_t service_port_find(
    const struct service_port *ports, size_t n, struct str service);

#endif
