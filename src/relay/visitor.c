/* SPDX-License-Identifier: MIT */
/*
 * While it waits, a visitor is not read: what it sends stays in the kernel, and its end
 * is seen when it is joined.
 */
#include "config.h"

#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "relay/access.h"
#include "relay/connect.h"
#include "relay/counting.h"
#include "relay/handover.h"
#include "relay/limits.h"
#include "relay/quota.h"
#include "relay/service.h"
#include "relay/session.h"
#include "relay/sources.h"
#include "relay/stream.h"
#include "relay/transfer.h"
#include "relay/visitor.h"
#include "relay/warm.h"
#include "wire/http_head.h"

#define KEPT 256 /* visitors whose memory is kept for the next ones */

void
visitors_init(struct relay *relay)
{
	pool_init(&relay->visitors, sizeof(struct visitor), KEPT);
}

void
visitors_fini(struct relay *relay)
{
	pool_fini(&relay->visitors);
}

/* What was sent into a channel that may be dead counts when that has shown that it lives: else it
 * is sent once more. */
void
visitors_count(struct relay *relay)
{
	struct visitor *visitor;

	LIST_FOREACH (visitor, &relay->visits, all_link)
		if (visitor->doubtful)
			continue;
		else if (visitor->stream != NULL)
			stream_count(visitor->stream);
		else if (visitor->transfer != NULL)
			transfer_count(visitor->transfer);
}

static void
stop_waiting(struct visitor *visitor)
{
	timer_clear(visitor->device->relay->loop, &visitor->timer);
	if (!visitor->waiting)
		return;
	TAILQ_REMOVE(&visitor->device->waiting, visitor, link);
	visitor->device->n_waiting--;
	visitor->waiting = false;
}

static void
end_hold(struct visitor *visitor, enum hold_outcome outcome)
{
	struct timings *timings = &visitor->device->relay->timings;

	if (visitor->held_us != 0)
		timing_add(&timings->hold[outcome], visitor->held_us);
	visitor->held_us = 0;
}

/* Precondition: it is in no list, its connection is closed or handed on. */
static void
free_visitor(struct visitor *visitor)
{
	struct device *device = visitor->device;

	end_hold(visitor, HOLD_FAILED);
	if (visitor->connect != NULL)
		connect_parted(visitor->connect);
	timer_clear(device->relay->loop, &visitor->timer);
	buf_put(&visitor->first);
	buf_put(&visitor->spare);
	conn_fini(&visitor->conn);
	sources_leave(device->relay->sources, SOURCE_VISITOR, &visitor->source);
	LIST_REMOVE(visitor, all_link);
	device->n_visitors--;
	device->relay->n_visitors--;
	pool_put(&device->relay->visitors, visitor);
}

void
visitor_finish(struct visitor *visitor)
{
	stop_waiting(visitor);
	farewell_take(visitor->device->relay->farewells, &visitor->conn);
	free_visitor(visitor);
}

void
visitor_abort(struct visitor *visitor)
{
	stop_waiting(visitor);
	conn_abort(&visitor->conn);
	free_visitor(visitor);
}

int
visitor_release(struct visitor *visitor, struct conn *conn,
    const struct conn_ops *ops, void *owner, struct buf **first,
    size_t *first_len)
{
	int result;

	stop_waiting(visitor);
	end_hold(visitor, HOLD_HANDED_OVER);
	*first = visitor->first;
	*first_len = visitor->first_len;
	visitor->first = NULL;
	result = conn_move(conn, &visitor->conn, ops, owner);
	free_visitor(visitor);
	return result;
}

static unsigned
retry_after_s(enum page page)
{
	switch (page) {
	case PAGE_UNKNOWN:
	case PAGE_CONSENT:
		return 0;
	case PAGE_REFUSED:
		return 2;
	case PAGE_DOWN:
		return 30;
	default:
		return 5;
	}
}

static void
fail(struct visitor *visitor, enum page page, unsigned retry_s)
{
	struct relay *relay = visitor->device->relay;
	char from[ADDRESS_TEXT_MAX];

	relay->counters.visits_failed++;
	log_debug("visit failed", LOG_S("device", visitor->device->name),
	    LOG_S("from", address_text(&visitor->from, from)),
	    LOG_S("why",
		page == PAGE_REFUSED	   ? "refused"
		    : page == PAGE_CONSENT ? "no consent"
		    : page == PAGE_DOWN	   ? "service down"
		    : page == PAGE_BUSY	   ? "busy"
		    : page == PAGE_QUOTA_DAY || page == PAGE_QUOTA_MONTH
		    ? "quota"
		    : "offline"));
	if (visitor->kind != SERVICE_HTTP || visitor->touched) {
		struct connect *connect = visitor->connect;

		visitor_abort(visitor);
		if (connect != NULL)
			connect_failed(connect, page);
		return;
	}
	stop_waiting(visitor);
	conn_set_filter(&visitor->conn, NULL); /* this is its last word */
	page_write(&relay->pages, page, retry_s, true, &visitor->conn);
	farewell_take(relay->farewells, &visitor->conn);
	free_visitor(visitor);
}

void
visitor_fail(struct visitor *visitor, enum page page)
{
	fail(visitor, page, retry_after_s(page));
}

typedef bool (*visitor_test)(const struct visitor *visitor);

static struct visitor *
find_visitor_of(const struct device *device, visitor_test test)
{
	struct visitor *visitor;

	LIST_FOREACH (visitor, &device->relay->visits, all_link)
		if (visitor->device == device && test(visitor))
			return visitor;
	return NULL;
}

static void
end_those(struct device *device, visitor_test test, enum page page,
    unsigned retry_s)
{
	struct visitor *visitor;

	/* the end of one may be that of others on its channel */
	while (device->n_visitors > 0 &&
	    (visitor = find_visitor_of(device, test)) != NULL)
		if (visitor->stream != NULL)
			stream_raw_failed(&visitor->stream->side);
		else if (visitor->transfer != NULL)
			transfer_end(visitor->transfer);
		else
			fail(visitor, page, retry_s);
}

static bool
any_visitor(const struct visitor *visitor)
{
	(void)visitor;
	return true;
}

void
visitors_end(struct device *device, enum page page, unsigned retry_s)
{
	end_those(device, any_visitor, page, retry_s);
}

/* Through a proxy or the front each request is asked, and a visit that is one connection runs on. */
static bool
may_not_stay(const struct visitor *visitor)
{
	return visitor->direct && visitor->kind == SERVICE_HTTP &&
	    visitor->service != NULL &&
	    access_check_peer(visitor->service, &visitor->from) !=
	    ACCESS_GRANTED;
}

void
visitors_recheck(struct device *device)
{
	end_those(device, may_not_stay, PAGE_NOT_FROM_HERE, 0);
}

void
visitor_refuse(struct visitor *visitor, struct str reason)
{
	log_info("service refused a visitor",
	    LOG_S("device", visitor->device->name), LOG_STR("reason", reason));
	visitor_fail(visitor, page_of_refusal(reason));
}

struct control_msg
visitor_open_message(
    const struct visitor *visitor, uint64_t number, char from[ADDRESS_TEXT_MAX])
{
	return (struct control_msg){
	    .op = CONTROL_OPEN,
	    .visit = number,
	    .service = str_of(visitor->service->name),
	    .from = str_of(address_text(&visitor->from, from)),
	};
}

static void
waiting_readable_cb(struct conn *conn)
{
	/* paused while waiting; an event that was under way changes nothing */
	conn_pause(conn);
}

static void
waiting_broken_cb(struct conn *conn)
{
	visitor_abort(conn->owner);
}

static const struct conn_ops waiting_conn_ops = {
    .readable_cb = waiting_readable_cb,
    .broken_cb = waiting_broken_cb,
};

static void
end_doubt(struct visitor *visitor)
{
	visitor->doubtful = false;
	buf_put(&visitor->spare);
}

static bool
is_joined(const struct visitor *visitor)
{
	return visitor->transfer != NULL || visitor->stream != NULL;
}

static bool
channel_was_heard(const struct visitor *visitor)
{
	return visitor->stream != NULL
	    ? visitor->stream->phase != STREAM_DOUBTFUL
	    : visitor->transfer->heard;
}

/* The agent has been asked whether it lives. */
static void
wait_on(struct visitor *visitor)
{
	const struct relay *relay = visitor->device->relay;

	timer_set(relay->loop, &visitor->timer,
	    (uint64_t)relay->options.probe_timeout_ms +
		(uint64_t)relay->options.hold_ms);
}

/* The visitor may be gone afterwards. */
static void
unanswered(struct visitor *visitor)
{
	if (visitor->stream == NULL)
		transfer_unanswered(visitor->transfer);
	else if (!stream_unanswered(visitor->stream))
		wait_on(visitor);
}

/* Has anything come on the channel since the open? A dead one fails the visitor, or lets it
 * wait again. */
static void
settle_doubt(struct visitor *visitor)
{
	const struct relay *relay = visitor->device->relay;

	if (!channel_was_heard(visitor)) {
		unanswered(visitor);
		return;
	}
	end_doubt(visitor);
	timer_set(relay->loop, &visitor->timer,
	    (uint64_t)relay->options.open_timeout_ms);
}

/* Waiting: the time is up, or it is time to ask whether the agent lives. Joined: the
 * agent has not answered the open. */
static void
timer_cb(void *ctx)
{
	struct visitor *visitor = ctx;
	struct device *device = visitor->device;

	if (visitor->doubtful) {
		settle_doubt(visitor);
		return;
	}
	if (device->session != NULL && !visitor->probed) {
		visitor->probed = true;
		wait_on(visitor);
		if (visitor->stream != NULL)
			stream_probe(visitor->stream);
		session_probe(
		    device->session, NULL); /* a dead session ends its visits */
		return;
	}
	if (is_joined(visitor))
		unanswered(visitor); /* fails the visitor */
	else
		visitor_fail(visitor,
		    device_is_slowed(device) ? PAGE_BUSY : PAGE_OFFLINE);
}

void
visitor_hold(struct visitor *visitor)
{
	struct relay *relay = visitor->device->relay;

	relay->counters.visits_held++;
	if (visitor->held_us == 0)
		visitor->held_us = loop_now_us();
	timer_set(
	    relay->loop, &visitor->timer, (uint64_t)relay->options.hold_ms);
}

/* Put it in the queue, and its device to work. */
static void
wait_for_channel(struct visitor *visitor)
{
	struct device *device = visitor->device;
	struct relay *relay = device->relay;
	bool online = device->session != NULL;

	visitor->waiting = true;
	TAILQ_INSERT_TAIL(&device->waiting, visitor, link);
	device->n_waiting++;
	if (!online) {
		visitor_hold(visitor);
		if (device->moved)
			handovers_seek(device);
		return;
	}
	device_serve(device);
	if (visitor->waiting)
		timer_set(relay->loop, &visitor->timer,
		    (uint64_t)relay->options.open_timeout_ms);
	warm_tend(device);
}

/* Takes its source. */
static struct visitor *
visitor_new(
    struct service *service, const struct address *from, struct source *source)
{
	struct device *device = service->device;
	struct relay *relay = device->relay;
	struct visitor *visitor;

	if ((visitor = pool_get(&relay->visitors)) == NULL) {
		relay->counters.visits_failed++;
		sources_leave(relay->sources, SOURCE_VISITOR, &source);
		return NULL;
	}
	visitor->conn.fd = -1;
	visitor->source = source;
	visitor->device = device;
	visitor->service = service;
	visitor->kind = service->kind;
	visitor->from = *from;
	visitor->since_us = loop_now_us();
	timer_init(&visitor->timer, timer_cb, visitor);
	LIST_INSERT_HEAD(&relay->visits, visitor, all_link);
	device->n_visitors++;
	relay->n_visitors++;
	relay->counters.visits_opened++;
	counting_add(device, 1, 0, 0);
	return visitor;
}

/* When a channel is there to take them, a visitor's first bytes are read at once, so that
 * they go with the open. *got: as of conn_read(). */
static int
open_conn(struct visitor *visitor, int fd, ssize_t *got)
{
	struct device *device = visitor->device;
	struct loop *loop = device->relay->loop;
	int result;

	*got = CONN_AGAIN;
	if ((TAILQ_EMPTY(&device->idle) && !shared_is_open(device)) ||
	    (visitor->first = buf_get(BUF_SMALL)) == NULL)
		return conn_init(
		    &visitor->conn, loop, fd, &waiting_conn_ops, visitor);
	result = conn_init_read(&visitor->conn, loop, fd, &waiting_conn_ops,
	    visitor, visitor->first, got);
	if (*got > 0)
		visitor->first_len = (size_t)*got;
	else
		buf_put(&visitor->first);
	return result;
}

/* Why a visitor may not come, and when to come again. */
struct objection {
	enum page page;
	unsigned retry_after_s;
};

/* May one more come to the service? Takes it into account at its source. */
static bool
admit(const struct service *service, const struct address *from,
    struct source **source, struct objection *objection)
{
	struct relay *relay = service->device->relay;

	if (!quota_admits(
		service->device, &objection->page, &objection->retry_after_s))
		return false;
	objection->page = PAGE_CROWD;
	if (!sources_admit(relay->sources, SOURCE_VISITOR, from,
		loop_now_ms(relay->loop), source, &objection->retry_after_s))
		return false;
	objection->page = PAGE_BUSY;
	if (device_admits_visitor(service->device, &objection->retry_after_s))
		return true;
	sources_leave(relay->sources, SOURCE_VISITOR, source);
	return false;
}

/* Who waits for nothing but the end of the page is bounded, as agents are that were turned away. */
static void
turn_away(struct relay *relay, enum service_kind kind,
    const struct objection *objection, struct conn *conn)
{
	relay->counters.visits_failed++;
	if (kind != SERVICE_HTTP ||
	    farewells_count(relay->farewells) >=
		(size_t)relay->options.max_handshakes) {
		conn_abort(conn);
		return;
	}
	page_write(&relay->pages, objection->page, objection->retry_after_s,
	    true, conn);
	farewell_take(relay->farewells, conn);
}

static void
turn_away_fd(
    const struct service *service, int fd, const struct objection *objection)
{
	struct relay *relay = service->device->relay;
	struct conn conn;

	if (conn_init(&conn, relay->loop, fd, &waiting_conn_ops, NULL) != 0)
		close(fd);
	else
		turn_away(relay, service->kind, objection, &conn);
}

/* A proxy asks by itself who may come, so what comes past it is turned away. */
static void
refuse_peer(const struct service *service, int fd, const struct address *from,
    enum access_verdict verdict)
{
	struct objection objection = {.page = access_page(verdict)};
	char text[ADDRESS_TEXT_MAX];

	log_info("who came to a service's listener may not visit it",
	    LOG_S("device", service->device->name),
	    LOG_S("service", service->name),
	    LOG_S("from", address_text(from, text)),
	    LOG_S("hint",
		"if that is your proxy, name its address in trusted_proxy"));
	turn_away_fd(service, fd, &objection);
}

void
visitor_accept(struct service *service, int fd, const struct address *from)
{
	enum access_verdict verdict = access_check_peer(service, from);
	struct visitor *visitor;
	struct objection objection;
	struct source *source;
	ssize_t got;

	if (verdict != ACCESS_GRANTED) {
		refuse_peer(service, fd, from, verdict);
		return;
	}
	if (!admit(service, from, &source, &objection)) {
		turn_away_fd(service, fd, &objection);
		return;
	}
	visitor = visitor_new(service, from, source);
	if (visitor == NULL) {
		close(fd);
		return;
	}
	visitor->direct = true;
	if (open_conn(visitor, fd, &got) != 0) {
		close(fd);
		free_visitor(visitor);
		return;
	}
	if (got == CONN_ERROR) {
		visitor_abort(visitor);
		return;
	}
	conn_pause(&visitor->conn);
	wait_for_channel(visitor);
}

void
visitor_adopt(struct service *service, struct conn *conn, struct buf **first,
    size_t first_len, const struct address *from)
{
	struct visitor *visitor;
	struct objection objection;
	struct source *source;

	if (!admit(service, from, &source, &objection)) {
		buf_put(first);
		turn_away(
		    service->device->relay, service->kind, &objection, conn);
		return;
	}
	if ((visitor = visitor_new(service, from, source)) == NULL) {
		buf_put(first);
		conn_abort(conn);
		return;
	}
	visitor->first = *first;
	visitor->first_len = first_len;
	*first = NULL;
	if (conn_move(&visitor->conn, conn, &waiting_conn_ops, visitor) != 0) {
		free_visitor(visitor);
		return;
	}
	conn_pause(&visitor->conn);
	wait_for_channel(visitor);
}

bool
visitor_connect(struct service *service, int fd, const struct address *from,
    struct connect *connect, struct visitor **made, enum page *page)
{
	struct objection objection;
	struct source *source;
	struct visitor *visitor;

	*page = PAGE_BUSY;
	if (!admit(service, from, &source, &objection)) {
		service->device->relay->counters.visits_failed++;
		*page = objection.page;
		close(fd);
		return false;
	}
	if ((visitor = visitor_new(service, from, source)) == NULL) {
		close(fd);
		return false;
	}
	if (conn_init(&visitor->conn, service->device->relay->loop, fd,
		&waiting_conn_ops, visitor) != 0) {
		close(fd);
		free_visitor(visitor);
		return false;
	}
	visitor->connect = connect;
	*made = visitor;
	conn_pause(&visitor->conn);
	wait_for_channel(visitor);
	return true;
}

void
visitor_joined(struct visitor *visitor)
{
	struct relay *relay = visitor->device->relay;

	stop_waiting(visitor);
	visitor->probed = false;
	end_hold(visitor, HOLD_SERVED);
	relay->counters.visits_joined++;
	timer_set(relay->loop, &visitor->timer,
	    visitor->doubtful ? (uint64_t)relay->options.probe_timeout_ms
			      : (uint64_t)relay->options.open_timeout_ms);
}

/* Are its first bytes of no consequence if the service gets them twice? A TLS handshake is
 * begun anew, and a request with a safe method may be repeated (RFC 9110 section 9.2.2). */
static bool
may_be_repeated(const struct visitor *visitor)
{
	static const char *const safe[] = {"GET", "HEAD", "OPTIONS"};
	struct http_head head;
	size_t consumed;

	if (visitor->first == NULL || visitor->kind == SERVICE_TCP)
		return false;
	if (visitor->kind == SERVICE_TLS)
		return true;
	if (http_request_parse((char *)buf_data(visitor->first),
		visitor->first_len, &head, &consumed) != WIRE_DONE ||
	    consumed != visitor->first_len)
		return false;
	for (size_t i = 0; i < sizeof(safe) / sizeof(safe[0]); i++)
		if (str_equal(head.method, str_of(safe[i])))
			return true;
	return false;
}

void
visitor_doubt(struct visitor *visitor)
{
	visitor->doubtful = true;
	if (may_be_repeated(visitor) &&
	    (visitor->spare = buf_get(visitor->first_len)) != NULL)
		memcpy(buf_data(visitor->spare), buf_data(visitor->first),
		    visitor->first_len);
}

bool
visitor_is_held_back(const struct visitor *visitor)
{
	return visitor->doubtful && visitor->spare == NULL;
}

bool
visitor_retry(struct visitor *visitor, uint64_t sent_bytes)
{
	size_t kept = visitor->spare != NULL ? visitor->first_len : 0;

	if (!visitor->doubtful || visitor->touched || sent_bytes > kept ||
	    visitor->service == NULL || visitor->device->released)
		return false;
	if (visitor->spare != NULL)
		visitor->first = visitor->spare;
	visitor->spare = NULL;
	visitor->doubtful = false;
	visitor->transfer = NULL;
	visitor->stream = NULL;
	conn_set_owner(&visitor->conn, &waiting_conn_ops, visitor);
	conn_pause(&visitor->conn);
	wait_for_channel(visitor);
	return true;
}

void
visitor_moves(struct visitor *visitor)
{
	struct relay *relay = visitor->device->relay;

	visitor->probed = false;
	timer_set(relay->loop, &visitor->timer,
	    (uint64_t)relay->options.open_timeout_ms);
}

void
visitor_touched(struct visitor *visitor)
{
	if (visitor->touched)
		return;
	visitor->touched = true;
	timing_add(
	    &visitor->device->relay->timings.first_byte, visitor->since_us);
}

void
visitor_answered(struct visitor *visitor)
{
	timer_clear(visitor->device->relay->loop, &visitor->timer);
	end_doubt(visitor);
}
