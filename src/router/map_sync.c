/* SPDX-License-Identifier: MIT */
/*
 * One command at a time: step() looks at where things stand and sends what is most
 * useful now, and each reply leads back to it. Whatever goes wrong ends the
 * conversation, and the next one begins with whole maps: there is one way to recover.
 *
 * A transaction (map_writer.h) takes as long as the map is big; changes of other maps, and
 * with an overlay of the same one, go out between its commands.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "router/hapsock.h"
#include "router/map_sync.h"
#include "router/map_writer.h"

#define BUFSIZE_SPARE 64    /* bytes of tune.bufsize that are left free */
#define CHANGES_IN_A_ROW 16 /* between two commands of a transaction */
#define REPLY_LOG_MAX 200

enum awaited {
	AWAITS_NOTHING,
	AWAITS_MAPS,
	AWAITS_CHANGE,
	AWAITS_TRANSACTION,
	AWAITS_CHECK
};

struct map_sync {
	struct loop *loop;
	struct route_table *table;
	struct map_sync_settings settings;
	struct hapsock *sock;
	struct map_view views[ROUTE_KINDS];
	struct map_writer writer;
	struct map_change change; /* the one that was sent last */
	struct map_view *change_view;
	unsigned in_a_row; /* changes since the writer's last command */
	enum awaited awaited;
	bool up, discovered, held, current, check_due;
	struct hap_info info; /* of the process at hand */
	uint64_t up_ms;
	size_t command_max; /* bytes of a command, found by trial if need be */
	char *command;
	struct task step_task;
	struct timer check;
	struct map_sync_counters counters;
};

static void step(struct map_sync *sync);

/* Few and urgent ones first: an agent that is sent to a new relay is waiting; and who is on a list
 * before the routes that ask it. */
static const enum route_kind kinds_by_urgency[ROUTE_KINDS] = {ROUTE_RELAY,
    ROUTE_REVOKED, ROUTE_ALLOW, ROUTE_TCP, ROUTE_SNI, ROUTE_HTTP};

static void
forget(struct map_sync *sync)
{
	int i;

	sync->up = sync->discovered = sync->current = false;
	sync->awaited = AWAITS_NOTHING;
	map_writer_cancel(&sync->writer);
	for (i = 0; i < ROUTE_KINDS; i++)
		map_view_reset(&sync->views[i]);
}

/* A payload was not taken: perhaps HAProxy's buffer is smaller than we were told. */
static void
try_smaller(struct map_sync *sync)
{
	if (sync->command_max / 2 < MAP_COMMAND_MIN)
		return;
	sync->command_max /= 2;
	log_warn("sending less at once to HAProxy",
	    LOG_S("socket", sync->settings.path),
	    LOG_U("bytes", sync->command_max));
}

static void
fail(struct map_sync *sync, const char *why, struct str reply)
{
	/* it has keys: those of a map's entries, or of the command that it repeats */
	if (reply.len > REPLY_LOG_MAX)
		reply.len = REPLY_LOG_MAX;
	reply = route_text_shown(reply);
	log_error("HAProxy did not do as it was told",
	    LOG_S("socket", sync->settings.path), LOG_S("reason", why),
	    LOG_STR("reply", reply));
	if (sync->awaited == AWAITS_TRANSACTION &&
	    map_writer_is_counting(&sync->writer))
		try_smaller(sync);
	sync->counters.failures++;
	forget(sync);
	hapsock_reset(sync->sock, why);
}

static void
report_maps(const struct map_sync *sync)
{
	int i;

	for (i = 0; i < ROUTE_KINDS; i++)
		if (sync->views[i].map[MAP_BASE][0] == '\0')
			log_warn("HAProxy's configuration has no such map",
			    LOG_S("socket", sync->settings.path),
			    LOG_S("map", route_kind_name((enum route_kind)i)));
}

/* One that has no such maps cannot ask a rule, and would let anybody in. */
static void
guard(struct map_sync *sync)
{
	bool unguarded = sync->views[ROUTE_ALLOW].map[MAP_BASE][0] == '\0' ||
	    sync->views[ROUTE_REVOKED].map[MAP_BASE][0] == '\0';
	int i;

	for (i = 0; i < ROUTE_KINDS; i++)
		sync->views[i].unguarded = unguarded;
	if (unguarded)
		log_error("HAProxy's configuration does not ask who may visit: "
			  "services that are not public are not served there",
		    LOG_S("socket", sync->settings.path),
		    LOG_S("hint",
			"take the haproxy.cfg of this version, which names "
			"allow.map and revoked.map"));
}

static void
on_maps(struct map_sync *sync, struct str reply)
{
	bool indexed = sync->info.major > 2 ||
	    (sync->info.major == 2 && sync->info.minor >= 9);
	int i;

	for (i = 0; i < ROUTE_KINDS; i++)
		map_view_discover(&sync->views[i], reply, indexed);
	sync->discovered = true;
	report_maps(sync);
	guard(sync);
}

static void
on_check(struct map_sync *sync, struct str reply)
{
	int i;

	for (i = 0; i < ROUTE_KINDS; i++) {
		struct map_view *view = &sync->views[i];

		if (view->map[MAP_BASE][0] == '\0' || !view->synced ||
		    map_view_agrees(view, reply))
			continue;
		log_warn("a map is not as it was left: writing it anew",
		    LOG_S("socket", sync->settings.path),
		    LOG_S("map", view->map[MAP_BASE]),
		    LOG_S("hint", "nobody else may write HAProxy's maps"));
		view->lost = true;
	}
}

static void
on_transaction(struct map_sync *sync, struct str reply)
{
	const char *why;

	if (map_writer_reply(&sync->writer, reply, &why) ==
	    MAP_TRANSACTION_FAILED)
		fail(sync, why, reply);
	sync->awaited = AWAITS_NOTHING;
}

static void reply_cb(void *ctx, struct str reply);

static void
send_command(struct map_sync *sync, enum awaited awaited, size_t len)
{
	sync->awaited = awaited;
	sync->counters.commands++;
	hapsock_command(sync->sock, sync->command, len, reply_cb);
}

static void
send_show_map(struct map_sync *sync, enum awaited awaited)
{
	static const char show_map[] = "show map\n";

	memcpy(sync->command, show_map, sizeof(show_map) - 1);
	send_command(sync, awaited, sizeof(show_map) - 1);
}

static void
send_change(struct map_sync *sync)
{
	static const char *const verbs[] = {[MAP_CHANGE_SET] = "set map",
	    [MAP_CHANGE_ADD] = "add map",
	    [MAP_CHANGE_DEL] = "del map"};
	const struct map_change *change = &sync->change;
	bool has_value = change->verb != MAP_CHANGE_DEL;
	int n = snprintf(sync->command, sync->command_max, "%s %s %s%s%s\n",
	    verbs[change->verb], change->map, change->line.key,
	    has_value ? " " : "", has_value ? change->line.value : "");

	assert(n > 0 && (size_t)n < sync->command_max);
	sync->counters.changes++;
	send_command(sync, AWAITS_CHANGE, (size_t)n);
}

/* In a big map that is changed directly, we do not know which keys there are. */
static bool
settle_direct_change(struct map_sync *sync, struct str reply)
{
	struct map_change *change = &sync->change;

	switch (change->verb) {
	case MAP_CHANGE_SET:
		if (reply.len > 0) {
			change->verb = MAP_CHANGE_ADD;
			send_change(sync);
		}
		return true;
	case MAP_CHANGE_ADD:
		sync->change_view->entries[MAP_BASE]++;
		return reply.len == 0;
	case MAP_CHANGE_DEL:
		if (reply.len == 0)
			sync->change_view->entries[MAP_BASE]--;
		return true;
	}
	return false;
}

static void
on_change(struct map_sync *sync, struct str reply)
{
	bool right = map_view_has_overlay(sync->change_view)
	    ? reply.len == 0
	    : settle_direct_change(sync, reply);

	if (!right)
		fail(sync, "it refused a change", reply);
}

static void
reply_cb(void *ctx, struct str reply)
{
	struct map_sync *sync = ctx;
	enum awaited awaited = sync->awaited;

	/* what fails in a transaction depends on whose reply it is */
	if (awaited != AWAITS_TRANSACTION)
		sync->awaited = AWAITS_NOTHING;
	switch (awaited) {
	case AWAITS_MAPS:
		on_maps(sync, reply);
		break;
	case AWAITS_CHANGE:
		on_change(sync, reply);
		break;
	case AWAITS_TRANSACTION:
		on_transaction(sync, reply);
		break;
	case AWAITS_CHECK:
		on_check(sync, reply);
		break;
	case AWAITS_NOTHING:
		break;
	}
	step(sync);
}

/* May a change of this kind go out now? */
static bool
may_change(const struct map_view *view)
{
	return entry_list_count(&view->dirty) > 0 &&
	    map_view_plan(view) != MAP_PLAN_REBUILD &&
	    map_view_takes_changes(view);
}

static bool
try_change(struct map_sync *sync)
{
	int i;

	if (map_writer_is_ready(&sync->writer) &&
	    sync->in_a_row >= CHANGES_IN_A_ROW)
		return false;
	for (i = 0; i < ROUTE_KINDS; i++) {
		struct map_view *view = &sync->views[kinds_by_urgency[i]];

		if (!may_change(view))
			continue;
		(void)map_view_take(view, &sync->change);
		sync->change_view = view;
		sync->in_a_row++;
		send_change(sync);
		return true;
	}
	return false;
}

static void
begin_transaction(struct map_sync *sync)
{
	int i;

	for (i = 0; i < ROUTE_KINDS; i++) {
		struct map_view *view = &sync->views[kinds_by_urgency[i]];
		enum map_plan plan = map_view_plan(view);

		if (plan == MAP_PLAN_REST || plan == MAP_PLAN_CHANGE)
			continue;
		sync->counters.rebuilds++;
		map_writer_begin(&sync->writer, view,
		    plan == MAP_PLAN_RENEW ? MAP_OVERLAY : MAP_BASE,
		    plan != MAP_PLAN_REBUILD);
		return;
	}
}

static bool
try_transaction(struct map_sync *sync)
{
	size_t len;

	if (map_writer_view(&sync->writer) == NULL && !sync->held)
		begin_transaction(sync);
	if (!map_writer_is_ready(&sync->writer))
		return false;
	sync->in_a_row = 0;
	len =
	    map_writer_command(&sync->writer, sync->command, sync->command_max);
	if (len > 0)
		send_command(sync, AWAITS_TRANSACTION, len);
	return len > 0;
}

static void
rest(struct map_sync *sync)
{
	if (sync->held)
		return;
	hapsock_settle(sync->sock);
	if (sync->current)
		return;
	sync->current = true;
	log_info("HAProxy has the routes", LOG_S("socket", sync->settings.path),
	    LOG_U("http", sync->views[ROUTE_HTTP].entries[MAP_BASE]),
	    LOG_U("sni", sync->views[ROUTE_SNI].entries[MAP_BASE]),
	    LOG_U("tcp", sync->views[ROUTE_TCP].entries[MAP_BASE]),
	    LOG_U("relay", sync->views[ROUTE_RELAY].entries[MAP_BASE]),
	    LOG_U("took_ms", loop_now_ms(sync->loop) - sync->up_ms));
}

static void
step(struct map_sync *sync)
{
	if (!sync->up || !hapsock_is_idle(sync->sock))
		return;
	if (!sync->discovered)
		send_show_map(sync, AWAITS_MAPS);
	else if ((!sync->held && try_change(sync)) || try_transaction(sync) ||
	    map_writer_view(&sync->writer) != NULL)
		return;
	else if (sync->check_due) {
		sync->check_due = false;
		send_show_map(sync, AWAITS_CHECK);
	} else {
		rest(sync);
	}
}

static void
step_cb(void *ctx)
{
	step(ctx);
}

static void
writing_failed_cb(void *ctx, const char *why, struct str reply)
{
	fail(ctx, why, reply);
}

static const struct map_writer_ops writer_ops = {
    .wake_cb = step_cb, .failed_cb = writing_failed_cb};

static void
check_cb(void *ctx)
{
	struct map_sync *sync = ctx;

	timer_set(sync->loop, &sync->check, sync->settings.check_ms);
	sync->check_due = true;
	step(sync);
}

static size_t
configured_max(const struct map_sync *sync)
{
	return sync->settings.bufsize - BUFSIZE_SPARE;
}

static void
up_cb(void *ctx, const struct hap_info *info)
{
	struct map_sync *sync = ctx;

	forget(sync);
	if (info->pid != sync->info.pid || info->start_s != sync->info.start_s)
		sync->command_max = configured_max(sync);
	sync->info = *info;
	sync->up = true;
	sync->up_ms = loop_now_ms(sync->loop);
	sync->counters.conversations++;
	step(sync);
}

static void
down_cb(void *ctx, const char *why)
{
	struct map_sync *sync = ctx;

	(void)why; /* hapsock has logged it */
	if (sync->awaited == AWAITS_TRANSACTION &&
	    map_writer_is_adding(&sync->writer))
		try_smaller(sync);
	forget(sync);
}

static const struct hapsock_ops sock_ops = {.up_cb = up_cb, .down_cb = down_cb};

struct map_sync *
map_sync_new(struct loop *loop, struct route_table *table,
    const struct map_sync_settings *settings)
{
	struct map_sync *sync = calloc(1, sizeof(*sync));
	int i;

	if (sync == NULL)
		return NULL;
	sync->loop = loop;
	sync->table = table;
	sync->settings = *settings;
	sync->held = true;
	sync->command_max = configured_max(sync);
	assert(sync->command_max >= MAP_COMMAND_MIN);
	for (i = 0; i < ROUTE_KINDS; i++)
		map_view_init(&sync->views[i], table, settings->viewer,
		    (enum route_kind)i);
	map_writer_init(&sync->writer, loop, settings->path,
	    settings->timeout_ms, &writer_ops, sync);
	task_init(&sync->step_task, step_cb, sync);
	timer_init(&sync->check, check_cb, sync);
	sync->command = malloc(sync->command_max);
	sync->sock = hapsock_new(
	    loop, settings->path, settings->timeout_ms, &sock_ops, sync);
	if (sync->command == NULL || sync->sock == NULL)
		map_sync_free(&sync);
	else if (settings->check_ms > 0)
		timer_set(loop, &sync->check, settings->check_ms);
	return sync;
}

void
map_sync_free(struct map_sync **sync)
{
	int i;

	if (*sync == NULL)
		return;
	timer_clear((*sync)->loop, &(*sync)->check);
	task_cancel((*sync)->loop, &(*sync)->step_task);
	map_writer_cancel(&(*sync)->writer);
	hapsock_free(&(*sync)->sock);
	for (i = 0; i < ROUTE_KINDS; i++)
		map_view_fini(&(*sync)->views[i]);
	free((*sync)->command);
	free(*sync);
	*sync = NULL;
}

void
map_sync_note(struct map_sync *sync, struct route_entry *entry)
{
	map_view_note(&sync->views[entry->kind], entry);
	task_post(sync->loop, &sync->step_task);
}

void
map_sync_hold(struct map_sync *sync, bool held)
{
	sync->held = held;
	if (!held)
		task_post(sync->loop, &sync->step_task);
}

bool
map_sync_is_current(const struct map_sync *sync)
{
	int i;

	if (!sync->current || sync->awaited == AWAITS_CHANGE ||
	    (map_sync_is_writing(sync) && !sync->writer.patient))
		return false;
	for (i = 0; i < ROUTE_KINDS; i++)
		if (!map_view_is_told(&sync->views[i]))
			return false;
	return true;
}

bool
map_sync_is_writing(const struct map_sync *sync)
{
	return map_writer_view(&sync->writer) != NULL;
}

const char *
map_sync_path(const struct map_sync *sync)
{
	return sync->settings.path;
}

const struct map_sync_counters *
map_sync_counters(const struct map_sync *sync)
{
	return &sync->counters;
}
