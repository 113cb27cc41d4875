/* SPDX-License-Identifier: MIT */
/*
 * The receiving side of a WebSocket as a state machine: bytes in, at any cut, and
 * events out. Holds the order of fragments and control frames (RFC 6455 section 5.4)
 * and refuses what breaks it. Payload is never copied or kept: the events point into
 * the caller's buffer. Only a control frame whose payload is cut in two has to be gathered,
 * in room that the owner lends, so that a reader at rest is small.
 */
#ifndef TAUPE_WIRE_WS_READER_H
#define TAUPE_WIRE_WS_READER_H

#include "wire/ws_frame.h"

enum ws_role {
	WS_CLIENT, /* we dialled: the peer's frames must not be masked */
	WS_SERVER  /* we accepted: the peer's frames must be masked */
};

enum ws_event_type {
	WS_NEED_MORE, /* all input was consumed, nothing to report */
	WS_BINARY,    /* a piece of a binary message, still masked */
	WS_TEXT,      /* a piece of a text message, unmasked in place */
	WS_PING,      /* answer with a pong of the same payload (unmasked) */
	WS_PONG,
	WS_CLOSED,    /* a close frame; nothing after it is looked at */
	WS_NEED_ROOM, /* a control frame is cut behind its header, which was consumed:
			 ws_reader_lend(), then go on */
	WS_ERROR      /* the peer broke the protocol: fail with code and reason */
};

struct ws_event {
	enum ws_event_type type;
	uint8_t *data; /* into the caller's buffer (or the room, for control frames) */
	size_t len;    /* bytes at data; may be 0 */
	/* WS_BINARY: the key and phase for ws_mask(); all zero when not masked */
	uint8_t mask[4];
	size_t phase;
	/* WS_BINARY, WS_TEXT */
	bool first; /* the message begins with this piece */
	bool last;  /* the message ends with this piece */
	ws_length message_length; /* bytes of this message so far, this piece included */
	/* WS_CLOSED: the peer's code and reason (data, len); WS_ERROR: what to fail with */
	unsigned code;
	const char *reason; /* WS_ERROR: a static string that says what was wrong */
};

/* A device has few readers, and shorter code without bit fields. */
#ifdef TAUPE_DEVICE_ONLY
#define WS_BITS(n)
#else
#define WS_BITS(n) : n
#endif

struct ws_reader {
	union {
		struct { /* inside a frame */
			ws_length left; /* its payload bytes still to come */
			uint8_t mask[4];
		};
		uint8_t head[WS_HEADER_MAX]; /* else: its header, as far as it came */
	};
	ws_length message_length; /* of the unfinished data message */
	uint8_t *room; /* for the payload of a cut control frame; NULL: none lent */
	uint32_t text_max;	 /* longest text message allowed, bytes */
	uint8_t gathered;	 /* bytes in head, or in room */
	uint8_t opcode;		 /* of the current frame */
	uint8_t message_op;	 /* of the unfinished message, 0 when none */
	/* of a byte, so that every ABI packs it with the bits that follow */
	uint8_t phase WS_BITS(2); /* payload bytes of the current frame already seen, mod 4 */
	bool server WS_BITS(1);
	bool fin WS_BITS(1); /* the current frame is the last of its message */
	bool in_frame WS_BITS(1);
	bool fresh WS_BITS(1); /* no piece of the current data message was reported yet */
	bool dead WS_BITS(1);	/* WS_CLOSED or WS_ERROR was reported */
};

void ws_reader_init(struct ws_reader *r, enum ws_role role, uint32_t text_max);
/* Lend WS_CONTROL_MAX bytes, which stay the owner's, for as long as the reader is used. May
 * be done before they are asked for. */
void ws_reader_lend(struct ws_reader *r, uint8_t *room);

/*
 * Look at buf[0..len) and report the next event; *consumed bytes of buf are done with.
 * Call again with the rest until WS_NEED_MORE. After WS_CLOSED or WS_ERROR, every
 * further call consumes everything and says WS_NEED_MORE. Text must be UTF-8 only so
 * far as the form grammar is ASCII: a byte above 0x7f or a control character in a text
 * message is WS_ERROR with WS_CLOSE_INVALID_DATA. Precondition: buf may be written to.
 * A frame with no payload gives one event with len 0. WS_PING, WS_PONG and WS_CLOSED
 * are reported once the whole frame is there. The reason in a close frame is whatever
 * the peer sent: escape it before it goes to a log. data stays valid until the next call.
 */
void ws_reader_next(struct ws_reader *r, uint8_t *buf, size_t len, size_t *consumed,
    struct ws_event *event);

/* Will ws_reader_next() of these bytes, len > 0, do nothing but report payload of a binary message,
 * or take a part of the header before it? Nothing is changed. */
bool ws_reader_is_at_payload(
    const struct ws_reader *r, const uint8_t *buf, size_t len);

/* Is the reader between two frames and outside any message? */
bool ws_reader_at_rest(const struct ws_reader *r);

#endif
