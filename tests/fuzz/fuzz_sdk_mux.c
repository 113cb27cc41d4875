/* SPDX-License-Identifier: MIT */
/*
 * A shared channel under a hostile relay and a driver that does things at any time. The input
 * is a script: two letters for what the driver does to which visit, or a length and that many bytes
 * from the relay. Played twice, in whole pieces and byte by byte, it must end the same; and
 * whatever comes, a visit's steps are in order, within its window, and its place its own.
 */
#include <stdint.h>
#include <string.h>

#include "require.h"
#include "sdk/taupe.h"
#include "wire/handshake.h"

#define VISITS 4
#define WINDOW 1024

static const struct taupe_service services[] = {
    {"web", TAUPE_HTTP}, {"ssh", TAUPE_TCP}};

static void
random_cb(void *ctx, void *out, size_t len)
{
	(void)ctx;
	memset(out, 0x5a, len);
}

static const struct taupe_config config = {.name = "alice",
    .services = services,
    .n_services = 2,
    .mux_visits = VISITS,
    .mux_window = WINDOW,
    .random_cb = random_cb};

/* A visit as its driver sees it. */
struct seat {
	bool running, in_ended, moving;
	size_t window, credit;
	uint32_t trace; /* of what happened, whatever the cuts */
};

struct run {
	struct taupe_mux mux;
	struct taupe_visit visits[VISITS];
	struct seat seats[VISITS];
	uint8_t buffer[600];
	size_t cut;
	uint32_t trace;
	bool ended;
};

static void
trace(uint32_t *sum, uint32_t what)
{
	*sum = (*sum ^ what) * 16777619u;
}

static void
leave(struct run *run, struct seat *seat)
{
	/* how much of a message that breaks the rules came through depends on the cuts */
	if (!run->ended)
		trace(&run->trace, seat->trace);
	seat->running = false;
}

static void
leave_what_is_over(struct run *run)
{
	for (size_t i = 0; i < VISITS; i++)
		if (run->seats[i].running && taupe_mux_is_over(&run->mux, i))
			leave(run, &run->seats[i]);
}

static void
check_visit_step(struct run *run, struct seat *seat,
    const struct taupe_step *step, const uint8_t *data, size_t done)
{
	REQUIRE(seat->running);
	switch (step->type) {
	case TAUPE_STEP_DATA:
		REQUIRE(!seat->in_ended && step->payload_len > 0);
		REQUIRE(step->payload_len <= seat->window);
		REQUIRE(step->payload >= data &&
		    step->payload + step->payload_len <= data + done);
		seat->window -= step->payload_len;
		for (size_t i = 0; i < step->payload_len; i++)
			trace(&seat->trace, step->payload[i]);
		return;
	case TAUPE_STEP_EOF:
		REQUIRE(!seat->in_ended && !seat->moving);
		seat->in_ended = true;
		break;
	case TAUPE_STEP_CREDIT:
		REQUIRE(!seat->moving && step->bytes > 0);
		seat->credit += step->bytes;
		REQUIRE(seat->credit <= INT32_MAX);
		break;
	case TAUPE_STEP_MOVED:
		REQUIRE(seat->moving &&
		    taupe_mux_is_over(&run->mux, (size_t)(seat - run->seats)));
		break;
	default:
		REQUIRE(step->type == TAUPE_STEP_ABORT);
	}
	trace(&seat->trace, 0x100 + step->type);
}

static void
check_step(struct run *run, const struct taupe_step *step, const uint8_t *data,
    size_t done)
{
	REQUIRE(step->output.len <= sizeof(step->output.bytes));
	if (run->ended)
		REQUIRE(step->type == TAUPE_STEP_NONE && step->output.len == 0);
	switch (step->type) {
	case TAUPE_STEP_NONE:
		if (step->output.len == 0)
			return;
		break;
	case TAUPE_STEP_READY:
		break;
	case TAUPE_STEP_FAILED:
		REQUIRE(step->reason != NULL);
		/* fallthrough */
	case TAUPE_STEP_CLOSED:
		run->ended = true;
		break;
	case TAUPE_STEP_OPEN:
		REQUIRE(step->visit < VISITS && step->service < 2);
		REQUIRE(!run->seats[step->visit].running);
		run->seats[step->visit] = (struct seat){.running = true,
		    .window = WINDOW,
		    .credit = TAUPE_MUX_WINDOW};
		break;
	default:
		REQUIRE(step->visit < VISITS);
		check_visit_step(
		    run, &run->seats[step->visit], step, data, done);
		return;
	}
	trace(&run->trace, 0x100 + step->type);
}

static void
hear(struct run *run, const uint8_t *data, size_t len)
{
	uint8_t piece[512];

	while (len > 0) {
		size_t n = len < run->cut ? len : run->cut, at = 0;

		memcpy(piece, data, n);
		while (at < n) {
			struct taupe_step step;
			size_t done = taupe_mux_input(
			    &run->mux, piece + at, n - at, &step);

			REQUIRE(done > 0 && done <= n - at);
			check_step(run, &step, piece + at, done);
			leave_what_is_over(run);
			at += done;
		}
		data += n;
		len -= n;
	}
}

static size_t
send_payload(struct run *run, size_t visit, size_t len)
{
	uint8_t header[TAUPE_MUX_HEADER_MAX], mask[4];
	struct seat *seat = &run->seats[visit];
	size_t header_len =
	    taupe_mux_frame(&run->mux, visit, len, header, mask);

	if (header_len > 0) {
		REQUIRE(len <= seat->credit && !seat->moving);
		seat->credit -= len;
	}
	return header_len;
}

static size_t
try_to_move(struct run *run, uint32_t stream, uint8_t *out)
{
	size_t visit;

	if (!taupe_mux_find(&run->mux, stream, &visit))
		return taupe_mux_stay(&run->mux, stream, out);
	REQUIRE(visit < VISITS && !run->seats[visit].in_ended);
	if (!run->seats[visit].running)
		return 0; /* refused by libtaupe, or parted from */
	run->seats[visit].moving = true;
	return taupe_mux_move(&run->mux, visit, out);
}

static void
drive(struct run *run, uint8_t what, uint8_t whom)
{
	uint8_t out[TAUPE_MESSAGE_MAX];
	size_t visit = whom % VISITS, len = 0;
	struct seat *seat = &run->seats[visit];

	if (what % 9 < 7 && !seat->running)
		return; /* the place is nobody's, for us */
	switch (what % 9) {
	case 0:
		len = taupe_mux_opened(&run->mux, visit, out);
		break;
	case 1:
		if ((len = taupe_mux_refused(&run->mux, visit, "no", out)) > 0)
			leave(run, seat);
		break;
	case 2:
		len = taupe_mux_eof(&run->mux, visit, out);
		break;
	case 3:
		if ((len = taupe_mux_abort(&run->mux, visit, out)) > 0)
			leave(run, seat);
		break;
	case 4:
		len = send_payload(run, visit, whom * 400u);
		break;
	case 5:
	case 6:
		len = taupe_mux_credit(&run->mux, visit, WINDOW / 2, out);
		if (len > 0)
			seat->window += WINDOW / 2;
		break;
	case 7:
		len = try_to_move(run, 1u + whom % 8, out);
		break;
	case 8:
		if (what < 0xf0)
			return;
		len = taupe_mux_close(&run->mux, out);
		run->ended = true;
		break;
	}
	REQUIRE(len <= sizeof(out));
	leave_what_is_over(run);
	trace(&run->trace, (uint32_t)len);
}

static void
shake_hands(struct run *run)
{
	struct http_head head;
	struct str key;
	struct writer w;
	const char *error;
	char answer[300];
	size_t len, consumed;
	const uint8_t *request = taupe_mux_request(&run->mux, &len);

	REQUIRE(http_request_parse(
		    (const char *)request, len, &head, &consumed) == WIRE_DONE);
	REQUIRE(handshake_request_check(&head, &key, &error) == 101);
	writer_init(&w, answer, sizeof(answer));
	handshake_response_write(&w, key.ptr);
	hear(run, (const uint8_t *)answer, writer_len(&w));
}

static uint32_t
play(const uint8_t *data, size_t len, size_t cut)
{
	static const struct taupe_relay relay = {"r1.example.com", 8000, false};
	struct run run = {.cut = cut, .trace = 2166136261u};

	memset(run.visits, 0xa5, sizeof(run.visits));
	REQUIRE(taupe_mux_init(&run.mux, &config, &relay,
	    "9f86d081884c7d659a2feaa0c55ad015", run.visits, VISITS, run.buffer,
	    sizeof(run.buffer)));
	if (len > 0 && (data[0] & 1) == 0)
		shake_hands(&run);
	for (size_t at = 1; at < len;) {
		uint8_t first = data[at++];
		size_t n = first & 0x7f;

		if (first & 0x80) {
			drive(&run, first, at < len ? data[at++] : 0);
			continue;
		}
		n = n < len - at ? n : len - at;
		hear(&run, data + at, n);
		at += n;
	}
	return run.trace;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	REQUIRE(play(data, len, 512) == play(data, len, 1));
	return 0;
}
