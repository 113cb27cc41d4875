/* SPDX-License-Identifier: MIT */
/*
 * A transfer channel under a hostile relay and a driver that does things at any time. The
 * input is a script: a letter for what the driver does, or a length and that many bytes
 * from the relay. Played twice, in whole pieces and byte by byte, it must end the same.
 */
#include <stdint.h>
#include <string.h>

#include "require.h"
#include "sdk/taupe.h"
#include "wire/handshake.h"

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
    .random_cb = random_cb};

struct run {
	struct taupe_stream stream;
	uint8_t buffer[600];
	size_t cut;
	uint32_t trace; /* of what happened, whatever the cuts */
	bool ended, visiting, in_ended;
};

static void
trace(struct run *run, uint8_t what)
{
	run->trace = (run->trace ^ what) * 16777619u;
}

static void
check_step(struct run *run, const struct taupe_step *step, const uint8_t *data,
    size_t done)
{
	REQUIRE(step->output.len <= sizeof(step->output.bytes));
	if (run->ended)
		REQUIRE(step->type == TAUPE_STEP_NONE && step->output.len == 0);
	switch (step->type) {
	case TAUPE_STEP_OPEN:
		REQUIRE(!run->visiting && step->service < 2);
		run->visiting = true;
		run->in_ended = false;
		break;
	case TAUPE_STEP_DATA:
		REQUIRE(
		    run->visiting && !run->in_ended && step->payload_len > 0);
		REQUIRE(step->payload >= data &&
		    step->payload + step->payload_len <= data + done);
		for (size_t i = 0; i < step->payload_len; i++)
			trace(run, step->payload[i]);
		return;
	case TAUPE_STEP_EOF:
		REQUIRE(run->visiting && !run->in_ended);
		run->in_ended = true;
		break;
	case TAUPE_STEP_ABORT:
		REQUIRE(run->visiting);
		run->visiting = false;
		break;
	case TAUPE_STEP_FAILED:
		REQUIRE(step->reason != NULL);
		/* fallthrough */
	case TAUPE_STEP_CLOSED:
		run->ended = true;
		break;
	case TAUPE_STEP_NONE:
		if (step->output.len == 0)
			return;
		break;
	case TAUPE_STEP_READY:
		break;
	case TAUPE_STEP_CREDIT:
	case TAUPE_STEP_MOVED:
		REQUIRE(!"a step of a shared channel");
	}
	trace(run, (uint8_t)(0x80 + step->type));
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
			bool payload = taupe_stream_is_at_payload(
			    &run->stream, piece + at, n - at);
			size_t done = taupe_stream_input(
			    &run->stream, piece + at, n - at, &step);

			REQUIRE(!payload || step.type == TAUPE_STEP_DATA ||
			    (step.type == TAUPE_STEP_NONE &&
				step.output.len == 0));
			REQUIRE(done > 0 && done <= n - at);
			check_step(run, &step, piece + at, done);
			if (taupe_stream_is_idle(&run->stream))
				run->visiting = false;
			at += done;
		}
		data += n;
		len -= n;
	}
}

static void
drive(struct run *run, uint8_t what)
{
	uint8_t out[TAUPE_MESSAGE_MAX], mask[4];
	size_t len = 0;

	switch (what % 6) {
	case 0:
		len = taupe_stream_opened(&run->stream, out);
		break;
	case 1:
		if ((len = taupe_stream_refused(&run->stream, "no", out)) > 0)
			run->visiting = false;
		break;
	case 2:
		len = taupe_stream_eof(&run->stream, out);
		break;
	case 3:
		if ((len = taupe_stream_abort(&run->stream, out)) > 0)
			run->visiting = false;
		break;
	case 4:
		len = taupe_stream_frame(&run->stream, what, out, mask);
		break;
	case 5:
		if (what < 0xf0)
			return;
		len = taupe_stream_close(&run->stream, out);
		run->ended = true;
		break;
	}
	REQUIRE(len <= sizeof(out));
	if (taupe_stream_is_idle(&run->stream))
		run->visiting = false;
	trace(run, (uint8_t)len);
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
	const uint8_t *request = taupe_stream_request(&run->stream, &len);

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

	REQUIRE(taupe_stream_init(&run.stream, &config, &relay,
	    "9f86d081884c7d659a2feaa0c55ad015", run.buffer,
	    sizeof(run.buffer)));
	if (len > 0 && (data[0] & 1) == 0)
		shake_hands(&run);
	for (size_t at = 1; at < len;) {
		size_t n = data[at] & 0x7f;

		at++;
		if (data[at - 1] & 0x80) {
			drive(&run, data[at - 1]);
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
