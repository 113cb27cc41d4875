/* SPDX-License-Identifier: MIT */
/* What a relay counts: one row gives the name in Redis and in the metrics, and its help. */
#ifndef TAUPE_RELAY_COUNTERS_H
#define TAUPE_RELAY_COUNTERS_H

#include <stddef.h>
#include <stdint.h>

#include "base/close_reason.h"

/*        member             description */
#define RELAY_COUNTERS(X)                                                      \
	X(sessions_opened, "Control channels that were welcomed.")             \
	X(sessions_closed, "Control channels that ended.")                     \
	X(agents_redirected, "Agents sent to another relay.")                  \
	X(agents_moved, "Agents that were asked to move to another relay.")    \
	X(agents_refused, "Handshakes of agents that were refused.")           \
	X(agents_unauthorized,                                                 \
	    "Of these, for a device that is unknown or a wrong secret.")       \
	X(agents_over_services,                                                \
	    "Of these, for more services than max_services.")                  \
	X(agents_gone, "Agents that had given up before they were let in.")    \
	X(devices_enrolled, "Devices that were enrolled in a fleet.")          \
	X(enrolments_refused, "Devices that were not.")                        \
	X(secrets_rotated, "Devices that were given another secret while "     \
			   "they were connected.")                               \
	X(handshakes_over_max, "Handshakes turned away: max_handshakes.")      \
	X(handshakes_late,                                                     \
	    "Handshakes that took longer than handshake_timeout.")             \
	X(claims_late,                                                         \
	    "Agents sent away, as they had waited for their turn to claim "    \
	    "their name.")                                                     \
	X(heads_over_max, "Request heads longer than max_head.")               \
	X(messages_over_max,                                                   \
	    "Control messages of agents longer than max_message.")             \
	X(source_handshakes_over_max,                                          \
	    "Handshakes turned away: source_handshakes.")                      \
	X(source_handshakes_over_rate,                                         \
	    "Handshakes turned away: source_handshake_rate.")                  \
	X(source_auth_over_rate, "Handshakes turned away: source_auth_rate.")  \
	X(source_visitors_over_max, "Visitors turned away: source_visitors.")  \
	X(source_visitors_over_rate,                                           \
	    "Visitors turned away: source_visitor_rate.")                      \
	X(source_guesses_over_max,                                             \
	    "Passwords that were not looked at: source_guesses.")              \
	X(sources_over_max,                                                    \
	    "Connections that were not counted by source: max_sources.")       \
	X(tls_handshakes, "TLS handshakes with agents that succeeded.")        \
	X(tls_resumed, "Of these, short ones, that resumed a session.")        \
	X(tls_failed, "TLS handshakes with agents that failed.")               \
	X(probes, "Sessions that were asked whether they live.")               \
	X(transfers_opened, "Transfer channels that agents dug.")              \
	X(visits_opened, "Visitors that were accepted.")                       \
	X(visits_joined, "Visitors that were joined to a transfer channel.")   \
	X(visits_reused,                                                       \
	    "Of these, on a channel that had carried one before.")             \
	X(visits_held, "Visitors that had to wait for their device.")          \
	X(visits_handed_over,                                                  \
	    "Of these, led on to the relay that has the device now.")          \
	X(visits_failed, "Visitors that could not be served.")                 \
	X(visits_over_max,                                                     \
	    "Visitors turned away: their device had as many as it may.")       \
	X(visits_over_rate,                                                    \
	    "Visitors turned away: too many came to their device at once.")    \
	X(rate_waits, "Times that a device had to wait for its byte rate.")    \
	X(transfers_over_max,                                                  \
	    "Times that a device had to do with max_transfers channels.")      \
	X(visits_unknown, "Visitors for a name that no device has.")           \
	X(events_lost, "Events that could not be kept.")                       \
	X(bytes_in, "Payload bytes from visitors to devices.")                 \
	X(bytes_out, "Payload bytes from devices to visitors.")

struct counters {
#define X(member, description) uint64_t member;
	RELAY_COUNTERS(X)
#undef X
	uint64_t closed[CLOSE_REASON_COUNT]; /* control channels, by reason */
};

#define X(member, description) +1
enum { COUNTERS_FLAT = 0 RELAY_COUNTERS(X) };
#undef X

/* The flat counters as two parallel lists; values must hold COUNTERS_FLAT numbers. */
const char *const *counters_names(void);
const char *const *counters_descriptions(void);
void counters_values(const struct counters *counters, uint64_t *values);

#endif
