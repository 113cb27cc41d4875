/* SPDX-License-Identifier: MIT */
#include "relay/api/live.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "net/http_admin.h"
#include "net/process_metrics.h"

#define SAMPLE_MS 10000
#define SAMPLES 361 /* an hour, and where it begins */
#define TICK_MS 2000
#define VIEW_MS 600000

struct sample {
	uint64_t at_ms; /* wall clock */
	uint64_t bytes_in, bytes_out;
	uint32_t agents, visitors;
};

struct viewer {
	LIST_ENTRY(viewer) link;
	struct live *live;
	struct http_request *request;
	uint64_t until_ms; /* loop clock */
};

struct live {
	struct relay *relay;
	struct timer sample_timer,
	    tick_timer; /* the second while somebody looks */
	struct sample samples[SAMPLES];
	size_t n_samples, next;
	LIST_HEAD(, viewer) viewers;
	size_t n_viewers;
	uint64_t changes; /* since the start */
};

static struct sample
take_sample(const struct relay *relay)
{
	return (struct sample){
	    .at_ms = loop_wall_ms(),
	    .bytes_in = relay->counters.bytes_in,
	    .bytes_out = relay->counters.bytes_out,
	    .agents = (uint32_t)relay->n_sessions,
	    .visitors = (uint32_t)relay->n_visitors,
	};
}

static void
sample_cb(void *ctx)
{
	struct live *live = ctx;

	live->samples[live->next] = take_sample(live->relay);
	live->next = (live->next + 1) % SAMPLES;
	if (live->n_samples < SAMPLES)
		live->n_samples++;
	live->relay->facts.memory_bytes = process_resident_bytes();
	timer_set(live->relay->loop, &live->sample_timer, SAMPLE_MS);
}

static json_t *
point_json(const struct sample *sample)
{
	return json_pack("[I,I,I,I,I]", (json_int_t)sample->at_ms,
	    (json_int_t)sample->agents, (json_int_t)sample->visitors,
	    (json_int_t)sample->bytes_in, (json_int_t)sample->bytes_out);
}

json_t *
live_samples(const struct live *live)
{
	struct sample now = take_sample(live->relay);
	json_t *points = json_array();
	size_t first = live->next + SAMPLES - live->n_samples;

	for (size_t i = 0; i < live->n_samples; i++)
		json_array_append_new(
		    points, point_json(&live->samples[(first + i) % SAMPLES]));
	json_array_append_new(points, point_json(&now));
	return json_pack("{s:i, s:o}", "every_ms", SAMPLE_MS, "points", points);
}

/* ---- viewers ---- */

static void
forget(struct viewer *viewer)
{
	LIST_REMOVE(viewer, link);
	viewer->live->n_viewers--;
	if (viewer->live->n_viewers == 0)
		timer_clear(
		    viewer->live->relay->loop, &viewer->live->tick_timer);
	free(viewer);
}

static void
gone_cb(void *ctx)
{
	forget(ctx);
}

static void
end_view(struct viewer *viewer)
{
	http_request_end(&viewer->request);
	forget(viewer);
}

#define TEXT_MAX 300

static size_t
write_event(const struct live *live, char text[TEXT_MAX])
{
	struct sample now = take_sample(live->relay);
	int len = snprintf(text, TEXT_MAX,
	    "data: {\"at_ms\":%" PRIu64 ",\"agents\":%" PRIu32
	    ",\"visitors\":%" PRIu32 ",\"bytes_in\":%" PRIu64
	    ",\"bytes_out\":%" PRIu64 ",\"changes\":%" PRIu64 "}\n\n",
	    now.at_ms, now.agents, now.visitors, now.bytes_in, now.bytes_out,
	    live->changes);

	return (size_t)len;
}

static void
tick_cb(void *ctx)
{
	struct live *live = ctx;
	struct viewer *viewer, *next;
	uint64_t now_ms = loop_now_ms(live->relay->loop);
	char text[TEXT_MAX];
	size_t len = write_event(live, text);

	timer_set(live->relay->loop, &live->tick_timer, TICK_MS);
	for (viewer = LIST_FIRST(&live->viewers); viewer != NULL;
	     viewer = next) {
		next = LIST_NEXT(viewer, link);
		if (now_ms >= viewer->until_ms ||
		    !http_request_send(viewer->request, text, len))
			end_view(viewer);
	}
}

bool
live_view(struct live *live, struct http_request **request)
{
	struct http_reply reply = {.status = 200, .type = "text/event-stream"};
	struct viewer *viewer;
	char text[TEXT_MAX];

	if (live->n_viewers == LIVE_VIEWERS_MAX ||
	    (viewer = calloc(1, sizeof(*viewer))) == NULL)
		return false;
	viewer->live = live;
	viewer->request = *request;
	viewer->until_ms = loop_now_ms(live->relay->loop) + VIEW_MS;
	*request = NULL;
	LIST_INSERT_HEAD(&live->viewers, viewer, link);
	if (live->n_viewers++ == 0)
		timer_set(live->relay->loop, &live->tick_timer, TICK_MS);
	if (!http_request_stream(viewer->request, &reply, gone_cb, viewer) ||
	    !http_request_send(viewer->request, text, write_event(live, text)))
		end_view(viewer);
	return true;
}

void
live_note_change(struct live *live)
{
	if (live != NULL)
		live->changes++;
}

struct live *
live_new(struct relay *relay)
{
	struct live *live = calloc(1, sizeof(*live));

	if (live == NULL)
		return NULL;
	live->relay = relay;
	timer_init(&live->sample_timer, sample_cb, live);
	timer_init(&live->tick_timer, tick_cb, live);
	sample_cb(live);
	return live;
}

void
live_free(struct live **livep)
{
	struct live *live = *livep;

	if (live == NULL)
		return;
	*livep = NULL;
	while (LIST_FIRST(&live->viewers) != NULL)
		end_view(LIST_FIRST(&live->viewers));
	timer_clear(live->relay->loop, &live->sample_timer);
	timer_clear(live->relay->loop, &live->tick_timer);
	free(live);
}
