/* SPDX-License-Identifier: MIT */
/*
 * Why a connection ended: one row per reason gives its counter, its log text and its
 * description; docs and metrics are made from this list.
 */
#ifndef TAUPE_BASE_CLOSE_REASON_H
#define TAUPE_BASE_CLOSE_REASON_H

/*          constant            counter             description */
#define CLOSE_REASONS(X) \
	X(CLOSE_DONE,           "done",             "Both sides finished.") \
	X(CLOSE_PEER,           "peer",             "The peer closed the connection.") \
	X(CLOSE_RESET,          "reset",            "The peer reset the connection.") \
	X(CLOSE_IO_ERROR,       "io_error",         "Reading or writing failed.") \
	X(CLOSE_TIMEOUT,        "timeout",          "Nothing was heard in time.") \
	X(CLOSE_HANDSHAKE_TIMEOUT, "handshake_timeout", "The handshake was not complete in time.") \
	X(CLOSE_BAD_REQUEST,    "bad_request",      "The HTTP request was malformed.") \
	X(CLOSE_BAD_FRAME,      "bad_frame",        "A WebSocket frame broke the protocol.") \
	X(CLOSE_BAD_MESSAGE,    "bad_message",      "A control message was malformed.") \
	X(CLOSE_UNAUTHORIZED,   "unauthorized",     "Unknown device or wrong secret.") \
	X(CLOSE_REDIRECTED,     "redirected",       "The agent was sent to another relay.") \
	X(CLOSE_NAME_HELD,      "name_held",        "Another live instance holds the name.") \
	X(CLOSE_TAKEN_OVER,     "taken_over",       "A newer session of the device took over.") \
	X(CLOSE_REVOKED,        "revoked",          "The device was removed, or has another secret.") \
	X(CLOSE_KICKED,         "kicked",           "The operator ended the session.") \
	X(CLOSE_NO_DEVICE,      "no_device",        "No device has that name.") \
	X(CLOSE_OFFLINE,        "offline",          "The device did not come back in time.") \
	X(CLOSE_REFUSED,        "refused",          "The device's service refused the visitor.") \
	X(CLOSE_ABORTED,        "aborted",          "The other side of the tunnel was reset.") \
	X(CLOSE_OVERLOAD,       "overload",         "A limit or the memory was exhausted.") \
	X(CLOSE_REGISTRY,       "registry",         "The registry did not answer.") \
	X(CLOSE_SHUTDOWN,       "shutdown",         "This process is stopping.")

enum close_reason {
#define X(constant, counter, description) constant,
	CLOSE_REASONS(X)
#undef X
	    CLOSE_REASON_COUNT
};

/* The counter's name, which is also the log's reason=… */
const char *close_reason_name(enum close_reason reason);
const char *close_reason_description(enum close_reason reason);

#endif
