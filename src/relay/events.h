/* SPDX-License-Identifier: MIT */
/*
 * The one way by which the relay says that something has happened, for people and their programs.
 * What the relays tell each other to work together is not this: that is the registry's.
 */
#ifndef TAUPE_RELAY_EVENTS_H
#define TAUPE_RELAY_EVENTS_H

#include "base/event_kind.h"
#include "base/log.h"

struct relay;

/*
 * event_emit(relay, EVENT_CONNECT, device->name, LOG_U("epoch", epoch));
 *
 * device: whom it is about; NULL: no device. The fields are those of a log line, and like there no
 * secret is one. The record also says its kind, an id that no other has, when it was, and
 * at which relay. It goes to the registry, which keeps it when Redis is away; one that cannot be
 * kept is counted, and told of by EVENT_LOST as soon as one can.
 */
#define event_emit(relay, kind, device, ...)                                   \
	event_emit_fields(relay, kind, device,                                 \
	    (const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){.key = NULL}})
void event_emit_fields(struct relay *relay, enum event_kind kind,
    const char *device, const struct log_field *fields);

#endif
