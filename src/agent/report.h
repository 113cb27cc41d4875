/* SPDX-License-Identifier: MIT */
/*
 * What happens on a control link, told to people: one line for each event, with what they
 * can do about it.
 */
#ifndef TAUPE_AGENT_REPORT_H
#define TAUPE_AGENT_REPORT_H

#include "sdk/taupe.h"
#include "wire/host_name.h"

#define RELAY_TEXT_MAX (HOST_NAME_MAX + 20)

/* "wss://relay.example.com:443"; returns out. */
const char *relay_text(
    const struct taupe_relay *relay, char out[RELAY_TEXT_MAX]);

/* Log an event of the link to relay; those that are no news log nothing. */
void report_event(const char *device, const struct taupe_relay *relay,
    const struct taupe_event *event);
/* The link to relay failed for this reason. */
void report_failure(const char *device, const struct taupe_relay *relay,
    const char *reason, uint64_t retry_ms);

#endif
