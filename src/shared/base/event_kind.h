/* SPDX-License-Identifier: MIT */
/*
 * What can happen that somebody may want to know: one row a kind, with its name in the registry, in
 * webhooks and at taupectl events. docs/EVENTS.md has the fields of each.
 */
#ifndef TAUPE_BASE_EVENT_KIND_H
#define TAUPE_BASE_EVENT_KIND_H

#include "wire/str.h"

/*        constant          name          description */
#define EVENT_KINDS(X) \
	X(EVENT_CONNECT,    "connect",    "A device's session stands.") \
	X(EVENT_DISCONNECT, "disconnect", "A device's session has ended.") \
	X(EVENT_ENROL,      "enrol",      "A device has entered a fleet.") \
	X(EVENT_LEASE,      "lease",      "A device was granted a label or ports, or its lease has ended.") \
	X(EVENT_MOVE,       "move",       "A device was asked to go to another relay.") \
	X(EVENT_SHARE,      "share",      "A share link was used.") \
	X(EVENT_LIMIT,      "limit",      "A limit was hit.") \
	X(EVENT_QUOTA,      "quota",      "A device has used up its quota, or most of it.") \
	X(EVENT_AUDIT,      "audit",      "An operator has changed something.") \
	X(EVENT_RELAY,      "relay",      "A relay has gone without a goodbye.") \
	X(EVENT_LOST,       "lost",       "A relay could not keep events: these are missing.")

enum event_kind {
#define X(constant, name, description) constant,
	EVENT_KINDS(X)
#undef X
	    EVENT_KIND_COUNT
};

const char *event_kind_name(enum event_kind kind);
const char *event_kind_description(enum event_kind kind);
/* False: there is no such kind. */
bool event_kind_parse(struct str name, enum event_kind *kind);

#endif
