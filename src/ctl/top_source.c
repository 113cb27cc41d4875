/* SPDX-License-Identifier: MIT */
/* Reading what the relays announce, and rates from two announcements of one relay, by its own clock:
 * how late we were does not matter. */
#include <stdlib.h>

#include "admin/ask_relay.h"
#include "ctl/report.h"
#include "ctl/top.h"
#include "net/redis_access.h"

static int fail(struct top_source *source, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int
fail(struct top_source *source, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(source->error, sizeof(source->error), format, args);
	va_end(args);
	redis_sync_free(&source->redis);
	return -1;
}

void
top_source_fini(struct top_source *source)
{
	redis_sync_free(&source->redis);
}

void
top_view_fini(struct top_view *view)
{
	free(view->relays);
	free(view->devices);
	*view = (struct top_view){0};
}

/* Devices. */

bool
top_next_busy(struct str *list, struct str *name, uint64_t numbers[3])
{
	struct str entry, number;
	unsigned i;

	while (list->len > 0) {
		(void)str_split(*list, ',', &entry, list);
		(void)str_split(entry, ':', name, &entry);
		for (i = 0; i < 3; i++) {
			(void)str_split(entry, ':', &number, &entry);
			if (!str_to_number(number, UINT64_MAX, &numbers[i]))
				break;
		}
		if (i == 3 && device_name_valid(*name))
			return true;
	}
	return false;
}

static int
take_devices(
    struct top_view *view, const char *relay, struct str list, uint64_t span_ms)
{
	double seconds = (double)span_ms / 1000;
	uint64_t numbers[3];
	struct str name;

	while (span_ms > 0 && top_next_busy(&list, &name, numbers)) {
		struct top_device *devices = realloc(view->devices,
				      (view->n_devices + 1) * sizeof(*devices)),
				  *device;

		if (devices == NULL)
			return -1;
		view->devices = devices;
		device = &devices[view->n_devices++];
		*device = (struct top_device){
		    .visit_rate = (double)numbers[0] / seconds,
		    .byte_in = (double)numbers[1] / seconds,
		    .byte_out = (double)numbers[2] / seconds,
		};
		(void)str_copy(name, device->name, sizeof(device->name));
		(void)str_copy(
		    str_of(relay), device->relay, sizeof(device->relay));
	}
	return 0;
}

/* Relays. */

static const struct top_relay *
find_relay(const struct top_view *view, const char *id)
{
	for (size_t i = 0; i < view->n_relays; i++)
		if (strcmp(view->relays[i].id, id) == 0)
			return &view->relays[i];
	return NULL;
}

/* A counter that has become less was that of a relay before its restart. */
static double
rate_of(uint64_t before, uint64_t now, uint64_t span_ms)
{
	return now > before ? (double)(now - before) * 1000 / (double)span_ms
			    : 0;
}

static void
take_rates(struct top_relay *relay, const struct top_relay *before)
{
	uint64_t span_ms;

	if (before == NULL || relay->clock_ms < before->clock_ms)
		return;
	span_ms = relay->clock_ms - before->clock_ms;
	if (span_ms == 0) { /* it has not announced anything since */
		relay->has_rates = before->has_rates;
		relay->visit_rate = before->visit_rate;
		relay->bits_in = before->bits_in;
		relay->bits_out = before->bits_out;
		return;
	}
	relay->has_rates = true;
	relay->visit_rate = rate_of(before->visits, relay->visits, span_ms);
	relay->bits_in =
	    8 * rate_of(before->bytes_in, relay->bytes_in, span_ms);
	relay->bits_out =
	    8 * rate_of(before->bytes_out, relay->bytes_out, span_ms);
}

/* A relay's record, with its counters under these names. */
static int
take_relay(struct top_view *view, const struct top_view *before, const char *id,
    const json_t *record, const json_t *counters, const char *prefix)
{
	struct top_relay *relays =
	    realloc(view->relays, (view->n_relays + 1) * sizeof(*relays));
	struct top_relay *relay;
	char key[40];

	if (relays == NULL)
		return -1;
	view->relays = relays;
	relay = &relays[view->n_relays++];
	*relay = (struct top_relay){
	    .agents = report_number(record, "agents"),
	    .capacity = report_number(record, "capacity"),
	    .visitors = report_number(record, "visitors"),
	    .draining = report_number(record, "draining") != 0 ||
		report_bool(record, "draining"),
	    .clock_ms = report_number(record, "clock_ms"),
	};
	(void)str_copy(str_of(id), relay->id, sizeof(relay->id));
#define COUNTER(member, name)                                                  \
	snprintf(key, sizeof(key), "%s" name, prefix);                         \
	relay->member = report_number(counters, key)
	COUNTER(visits, "visits_opened");
	COUNTER(bytes_in, "bytes_in");
	COUNTER(bytes_out, "bytes_out");
#undef COUNTER
	take_rates(relay, find_relay(before, id));
	return take_devices(view, id, str_of(report_str(record, "busiest")),
	    report_number(record, "busiest_ms"));
}

/* Redis. */

static json_t *
hash_of(const redisReply *reply)
{
	json_t *hash = json_object();

	for (size_t i = 0; i + 1 < reply->elements; i += 2)
		if (reply->element[i]->type == REDIS_REPLY_STRING &&
		    reply->element[i + 1]->type == REDIS_REPLY_STRING)
			json_object_set_new(hash, reply->element[i]->str,
			    json_string(reply->element[i + 1]->str));
	return hash;
}

/* NULL with the error filled: there is none, or it is an error. */
static redisReply *
check(struct top_source *source, redisReply *reply)
{
	if (reply != NULL && reply->type == REDIS_REPLY_ARRAY)
		return reply;
	(void)fail(source, "Redis: %s",
	    reply == NULL ? redis_sync_error(source->redis)
		: reply->type == REDIS_REPLY_ERROR
		? reply->str
		: "an answer that makes no sense");
	redis_sync_reply_free(&reply);
	return NULL;
}

static int
read_relays(struct top_source *source, const struct top_view *before,
    struct top_view *view, const redisReply *ids)
{
	size_t n = 0;
	int result = 0;

	while (n < ids->elements &&
	    ids->element[n]->type == REDIS_REPLY_STRING &&
	    device_name_valid(str_of(ids->element[n]->str)) &&
	    redis_sync_queuef(source->redis, "HGETALL taupe:relay:%s",
		ids->element[n]->str) == 0)
		n++;
	for (size_t i = 0; i < n && result == 0; i++) {
		redisReply *reply =
		    check(source, redis_sync_fetch(source->redis));
		json_t *hash;

		if (reply == NULL)
			return -1;
		hash = hash_of(reply);
		/* one that is gone and not swept up yet is no relay */
		if (reply->elements > 0)
			result = take_relay(view, before, ids->element[i]->str,
			    hash, hash, "counter/");
		json_decref(hash);
		redis_sync_reply_free(&reply);
	}
	return result == 0 ? 0 : fail(source, "out of memory");
}

static int
look_redis(struct top_source *source, const struct top_view *before,
    struct top_view *view)
{
	char error[REDIS_ACCESS_ERROR_MAX];
	redisReply *ids;
	int result;

	if (source->redis == NULL) {
		source->redis = redis_access_dial(
		    &source->options->registry, "taupectl", 0, NULL, error);
		if (source->redis == NULL)
			return fail(source, "%s", error);
	}
	ids = check(source,
	    redis_sync_commandf(source->redis, "ZRANGE taupe:relays 0 -1"));
	if (ids == NULL)
		return -1;
	result = read_relays(source, before, view, ids);
	redis_sync_reply_free(&ids);
	return result;
}

/* A relay that stands alone. */

static int
look_relay(struct top_source *source, const struct top_view *before,
    struct top_view *view)
{
	json_t *status;
	const char *id;
	int result;

	if (admin_ask_relay(source->admin, "/api/v1/status", &status) !=
	    ADMIN_OK)
		return fail(source, "%s", source->admin->error.text);
	id = report_str(status, "id");
	if (id == NULL || !device_name_valid(str_of(id)))
		result = fail(source,
		    "what answers at %s is no relay's admin server",
		    source->options->admin);
	else if (take_relay(view, before, id, status,
		     json_object_get(status, "counters"), "") != 0)
		result = fail(source, "out of memory");
	else
		result = 0;
	json_decref(status);
	return result;
}

int
top_look(struct top_source *source, const struct top_view *before,
    struct top_view *view)
{
	int result;

	*view = (struct top_view){0};
	result = redis_options_given(&source->options->registry)
	    ? look_redis(source, before, view)
	    : look_relay(source, before, view);
	if (result != 0)
		top_view_fini(view);
	return result;
}
