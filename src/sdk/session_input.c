/* SPDX-License-Identifier: MIT */
/*
 * What a relay says on a control link: the answer to the handshake (accepted, sent
 * elsewhere, refused), then control messages, and finally its close.
 */
#include "sdk/session.h"

/* Is it of any use to know the welcome's relay? */
#define KEEPS_RELAY (HAS_CHANNELS || HAS_MEMORY || HAS_REDIRECTS)
#define RETRY_AFTER_MAX_S 3600

/* The link failed by what the relay sent; event->output may hold a close frame. */
static void
fail(struct session *s, struct link *link, const char *reason,
    struct taupe_event *event)
{
	event->type = TAUPE_EVENT_FAILED;
	event->reason = reason;
	session_link_ended(s, link, END_FAILED, 0, event);
	link_finish(link, 0, reason);
}

static void
fail_with_close(struct session *s, struct link *link, unsigned code,
    const char *reason, struct taupe_event *event)
{
	event->output.len =
	    channel_close(&link->channel, code, reason, event->output.bytes);
	fail(s, link, reason, event);
}

/* ---- the answer to the handshake ---- */

/* The hops of a Location's query; as many as we have followed when it has none. */
static uint8_t
location_hops(const struct link *link, struct str query)
{
	struct form_reader reader;
	struct form_pair pair;
	wire_number hops = link->redirects;

	/* the slice points into the link's own buffer, so it may be decoded in place */
	form_reader_init(&reader, (char *)(uintptr_t)query.ptr, query.len);
	while (form_next(&reader, &pair) == WIRE_DONE)
		if (str_is(pair.key, "hops") &&
		    !str_to_number(pair.value, 100, &hops))
			hops = link->redirects;
	return (uint8_t)hops;
}

static void
take_redirect(struct session *s, struct link *link, struct str location,
    struct taupe_event *event)
{
	struct str base, query;
	struct url url;
	const char *refusal;

	/* the limit for URLs is without the query */
	(void)str_split(location, '?', &base, &query);
	if (location.ptr == NULL || !place_parse(base, &url) ||
	    !str_is(url.path, CONTROL_PATH))
		refusal = SAYS("it is not the URL of a control channel");
	else if (link->redirects >= REDIRECTS_MAX)
		refusal = SAYS("too many redirects");
	else
		refusal =
		    place_refusal(s->config, &s->memory, &url, link->secure);
	if (refusal != NULL || !link_set_place(link, &url)) {
		fail(s, link,
		    refusal != NULL ? refusal : SAYS("its host is too long"),
		    event);
		event->text = text_of(base);
		event->type = TAUPE_EVENT_REDIRECT_REFUSED;
		return;
	}
	link->redirects++;
	link->followed = true;
	link->hops = location_hops(link, query);
	link_finish(link, 0, NULL);
	link->dial_again = true;
	event->type = TAUPE_EVENT_REDIRECT;
	link_tell_relay(link, &event->relay);
}

/* Nobody is where we are sent: we come back, and the hops end the matter. */
static void
decline_redirect(struct link *link, struct taupe_event *event)
{
	link->hops = ++link->redirects;
	link_finish(link, 0, NULL);
	link->dial_again = true;
	event->type = TAUPE_EVENT_REDIRECT;
	link_tell_relay(link, &event->relay);
}

static enum link_end
end_of_status(unsigned status)
{
	switch (status) {
	case 400:
	case 401:
	case 403:
	case 404:
	case 409:
	case 426:
		return END_HOPELESS;
	default:
		return END_FAILED;
	}
}

/* What a refusal's body says. */
static void
read_refusal(const struct channel *c, struct taupe_event *event)
{
	struct form_reader reader;
	struct form_pair pair;

	form_reader_init(&reader, (char *)c->buffer, c->used);
	while (form_next(&reader, &pair) == WIRE_DONE) {
		if (str_is(pair.key, "error"))
			event->error = text_of(pair.value);
		else if (str_is(pair.key, "reason"))
			event->text = text_of(pair.value);
		else if (str_is(pair.key, "since"))
			event->since = text_of(pair.value);
		else if (str_is(pair.key, "from"))
			event->from = text_of(pair.value);
	}
}

/* The refusal is complete, as far as it ever will be. */
static void
take_refusal(struct session *s, struct link *link, struct taupe_event *event)
{
	event->type = TAUPE_EVENT_REFUSED;
	event->status = link->status;
	if (HAS_TEXTS)
		read_refusal(&link->channel, event);
	if (link->status == 401 && session_next_credential(s, link)) {
		event->type = TAUPE_EVENT_OTHER_SECRET;
		event->credential = (enum taupe_credential)link->credential;
		link_finish(link, 0, NULL);
		link->dial_again = true;
		return;
	}
	session_link_ended(
	    s, link, end_of_status(link->status), link->retry_after_ms, event);
	link_finish(link, 0, NULL);
}

/* How much of a refusal's body is worth waiting for: none unless it is ours. */
static uint32_t
body_length(const struct channel *c, const struct str *fields)
{
	struct str kind, rest;
	wire_number length;

	(void)str_split(fields[HTTP_CONTENT_TYPE], ';', &kind, &rest);
	if (!str_is_nocase(kind, "application/x-www-form-urlencoded") ||
	    !str_to_number(fields[HTTP_CONTENT_LENGTH], c->size, &length))
		return 0;
	return (uint32_t)length;
}

static uint32_t
retry_after_ms(struct str field)
{
	wire_number seconds;

	if (!str_to_number(field, WIRE_NUMBER_MAX, &seconds))
		return 0;
	if (seconds > RETRY_AFTER_MAX_S)
		seconds = RETRY_AFTER_MAX_S;
	return (uint32_t)seconds * 1000;
}

static void
take_answer(struct session *s, struct link *link,
    const struct http_answer *answer, struct taupe_event *event)
{
	if (answer->status == 101) {
		link->state = LINK_WELCOME;
		link->deadline_ms = s->now_ms + session_stage_ms(s);
		return;
	}
	if (!HAS_REDIRECTS && answer->status == 302 &&
	    link->redirects < REDIRECTS_MAX) {
		decline_redirect(link, event);
		return;
	}
	if (HAS_REDIRECTS && answer->status == 302) {
		take_redirect(s, link, answer->fields[HTTP_LOCATION], event);
		return;
	}
	link->status = (uint16_t)answer->status;
	link->retry_after_ms = retry_after_ms(answer->fields[HTTP_RETRY_AFTER]);
	if (HAS_TEXTS) {
		link->body_left = body_length(&link->channel, answer->fields);
		link->channel.used = 0;
		link->state = LINK_BODY;
	}
	if (!HAS_TEXTS || link->body_left == 0)
		take_refusal(s, link, event);
}

static size_t
head_input(struct session *s, struct link *link, const uint8_t *data,
    size_t len, struct taupe_event *event)
{
	struct http_answer answer;
	size_t consumed;

	switch (channel_answer(&link->channel, data, len, &consumed, &answer)) {
	case WIRE_MORE:
		break;
	case WIRE_BAD:
		fail(s, link, answer.error, event);
		break;
	case WIRE_DONE:
		take_answer(s, link, &answer, event);
		break;
	}
	return consumed;
}

static size_t
body_input(struct session *s, struct link *link, const uint8_t *data,
    size_t len, struct taupe_event *event)
{
	struct channel *c = &link->channel;

	if (len > link->body_left)
		len = link->body_left;
	memcpy(c->buffer + c->used, data, len);
	c->used += (uint32_t)len;
	link->body_left -= (uint32_t)len;
	if (link->body_left == 0)
		take_refusal(s, link, event);
	return len;
}

/* ---- control messages ---- */

#ifndef TAUPE_WITHOUT_MEMORY

/* Drop the peers that would lead us out of TLS. */
static void
keep_secure_peers(struct control_msg *msg)
{
	size_t kept = 0;
	struct url url;

	for (size_t i = 0; i < msg->n_peers; i++)
		if (place_parse(msg->peers[i], &url) && url.secure)
			msg->peers[kept++] = msg->peers[i];
	msg->n_peers = kept;
}

#endif

static void
report_welcome(const struct control_msg *msg, struct taupe_event *event)
{
	event->type = TAUPE_EVENT_WELCOME;
	event->epoch = msg->epoch;
	event->heartbeat_ms = msg->heartbeat_ms;
	event->lease_ms = msg->lease_ms;
	event->label = text_of(msg->label);
#ifndef TAUPE_WITHOUT_TEXTS
	event->n_urls = msg->n_urls;
	for (size_t i = 0; i < msg->n_urls; i++) {
		event->urls[i].service = text_of(msg->urls[i].service);
		event->urls[i].url = text_of(msg->urls[i].url);
	}
#endif
}

/* Where the session's transfer channels go, and we ourselves the next time. */
static bool
take_relay(struct session *s, struct link *link, const struct control_msg *msg,
    struct taupe_event *event)
{
	struct url relay;

	if (!place_parse(msg->relay, &relay)) {
		fail_with_close(s, link, WS_CLOSE_PROTOCOL_ERROR,
		    SAYS("relay: not a ws or wss URL"), event);
		return false;
	}
	/* what follows would travel in the clear, and at the next start the secret too */
	if (link->secure && !relay.secure) {
		fail_with_close(s, link, WS_CLOSE_POLICY,
		    SAYS("the welcome's relay leads from wss to ws"), event);
		event->text = text_of(msg->relay);
		return false;
	}
	if (!link_set_place(link, &relay)) {
		fail_with_close(s, link, WS_CLOSE_PROTOCOL_ERROR,
		    SAYS("relay: its host is too long"), event);
		return false;
	}
	return true;
}

static void
take_welcome(struct session *s, struct link *link, struct control_msg *msg,
    struct taupe_event *event)
{
	if (KEEPS_RELAY && !take_relay(s, link, msg, event))
		return;
#ifndef TAUPE_WITHOUT_MEMORY
	if (link->secure)
		keep_secure_peers(msg);
#endif
	link->heartbeat_ms = msg->heartbeat_ms > HEARTBEAT_MIN_MS
	    ? (uint32_t)msg->heartbeat_ms
	    : HEARTBEAT_MIN_MS;
	if (HAS_HEARTBEAT_SEARCH)
		session_heartbeat_begin(s, link, msg);
	report_welcome(msg, event);
	event->state_changed = HAS_MEMORY && memory_set(&s->memory, msg);
	link_tell_relay(link, &event->relay);
	event->credential = (enum taupe_credential)link->credential;
	session_link_up(s, link);
}

/* Tell the relay that there is none of what msg asks for. The answer is made of msg: the stack has no
 * room for a second one. */
static void
decline(const struct link *link, enum control_op op, struct control_msg *msg,
    const char *why, struct taupe_event *event)
{
	struct str id = msg->id;

	memset(msg, 0, sizeof(*msg));
	msg->op = op;
	if (op == CONTROL_REFUSED) {
		msg->id = id;
		msg->reason = str_of(why);
	} else {
		msg->error = str_of(why);
	}
	event->output.len = channel_message(&link->channel, msg,
	    event->output.bytes, sizeof(event->output.bytes));
}

static const char *
take_open(struct session *s, struct link *link, struct control_msg *msg,
    struct taupe_event *event)
{
	if (msg->id.ptr == NULL)
		return SAYS("open without an id");
	if (session_has_rides(s)) {
		event->type = TAUPE_EVENT_NO_CHANNEL;
		decline(
		    link, CONTROL_REFUSED, msg, "no transfer channels", event);
		return NULL;
	}
	event->type = TAUPE_EVENT_OPEN;
	event->id = text_of(msg->id);
	event->service = text_of(msg->service);
	link_tell_relay(link, &event->relay);
	event->shared = msg->mux != 0;
	event->visits = link->max_visits;
	return NULL;
}

static void
take_move(struct session *s, struct link *link, const struct control_msg *msg,
    struct taupe_event *event)
{
	const char *refusal;
	struct url url;

	if (link_index(s, link) != s->current || s->moving)
		return;
	event->type = TAUPE_EVENT_MOVE;
	event->text = text_of(msg->reason);
	if (!HAS_REDIRECTS) {
		session_move_on(s, link);
		return;
	}
	if (msg->to.ptr == NULL) {
		if (!session_move(s, NULL))
			event->reason = SAYS("no other relay is known");
		return;
	}
	if (!place_parse(msg->to, &url))
		refusal = SAYS("it is no ws or wss URL");
	else
		refusal =
		    place_refusal(s->config, &s->memory, &url, link->secure);
	if (refusal != NULL) {
		event->type = TAUPE_EVENT_REDIRECT_REFUSED;
		event->reason = refusal;
		event->text = text_of(msg->to);
		event->standing = true;
		return;
	}
	(void)session_move(s, &url);
}

static void
take_rotate(const struct link *link, struct control_msg *msg,
    struct taupe_event *event)
{
	if (!HAS_ROTATION) {
		decline(link, CONTROL_SECRET, msg,
		    "this device has no other secret", event);
		return;
	}
	event->type = TAUPE_EVENT_ROTATE;
	event->credential = (enum taupe_credential)link->credential;
}

/* A link that is up says something about itself. NULL, or how it broke the protocol. */
static const char *
take_control(struct session *s, struct link *link, struct control_msg *msg,
    struct taupe_event *event)
{
	if (msg->op == CONTROL_OPEN)
		return take_open(s, link, msg, event);
	if (msg->op == CONTROL_MOVE)
		take_move(s, link, msg, event);
	else if (msg->op == CONTROL_ROTATE)
		take_rotate(link, msg, event);
	else if (HAS_ROTATION && msg->op == CONTROL_SECRET)
		session_take_secret(s, link, msg, event);
	else
		return SAYS("a message that has no place on a control channel");
	return NULL;
}

static const char *
take_message(struct session *s, struct link *link, const struct ws_event *text,
    struct taupe_event *event)
{
	struct control_msg msg;
	const char *error;

	if (control_msg_decode((char *)text->data, text->len, &msg, &error) !=
	    WIRE_DONE)
		return error;
	if (msg.op == CONTROL_UNKNOWN)
		return NULL;
	if (link->state == LINK_WELCOME) {
		if (msg.op != CONTROL_WELCOME)
			return SAYS("a message before the welcome");
		take_welcome(s, link, &msg, event);
		return NULL;
	}
	if (session_has_rides(s) && msg.visit != 0 && visits_takes(msg.op))
		return session_take_visit_message(s, link, &msg, event);
	if (link->state == LINK_LEAVING)
		return NULL; /* what else is said on a link that was left is late */
	return take_control(s, link, &msg, event);
}

/* A session with a secret that counts no more is not hopeless if there is another. */
static enum link_end
policy_end(struct session *s, struct str reason)
{
	if (!HAS_CREDENTIALS)
		return END_HOPELESS;
	if (!str_is(reason, "revoked") || !session_has_other_credential(s))
		return END_HOPELESS;
	s->credential = (uint8_t)session_first_credential(s);
	return END_FAILED;
}

static void
take_close(struct session *s, struct link *link, const struct ws_event *closed,
    struct taupe_event *event)
{
	struct str reason = {(const char *)closed->data, closed->len};
	enum link_end end = END_FAILED;

	event->type = TAUPE_EVENT_CLOSED;
	event->code = closed->code;
	event->text = text_of(reason);
	if (closed->code == WS_CLOSE_GOING_AWAY)
		end = END_SENT_AWAY;
	else if (closed->code == WS_CLOSE_POLICY)
		end = policy_end(s, reason);
	session_link_ended(s, link, end, 0, event);
	link_finish(link, 0, NULL);
}

static size_t
frames_input(struct session *s, struct link *link, uint8_t *data, size_t len,
    struct taupe_event *event)
{
	struct ws_event ws;
	const char *error = NULL;
	size_t consumed =
	    channel_next(&link->channel, data, len, &ws, &event->output);

	switch (ws.type) {
	case WS_TEXT:
		error = take_message(s, link, &ws, event);
		break;
	case WS_BINARY:
		error = session_take_visit_bytes(s, link, &ws, event);
		break;
	case WS_CLOSED:
		take_close(s, link, &ws, event);
		break;
	case WS_ERROR:
		fail(s, link, ws.reason, event);
		break;
	default:
		break;
	}
	if (error != NULL)
		fail_with_close(s, link, WS_CLOSE_PROTOCOL_ERROR, error, event);
	if (event->output.len > 0)
		link->sent_ms = s->now_ms;
	return consumed;
}

/* ---- the doors ---- */

size_t
taupe_session_input(struct taupe_session *session, unsigned index,
    uint8_t *data, size_t len, uint64_t now_ms, struct taupe_event *event)
{
	struct session *s = session_at(session, now_ms);
	struct link *link = session_link(s, index);
	size_t done = 0;

	memset(event, 0, offsetof(struct taupe_event, output.bytes));
	link->heard_ms = s->now_ms;
	if (HAS_HEARTBEAT_SEARCH && link->pinged)
		session_heartbeat_answered(s, link);
	link->pinged = false;
	while (done < len && event->type == TAUPE_EVENT_NONE &&
	    event->output.len == 0) {
		switch (link->state) {
		case LINK_HEAD:
			done +=
			    head_input(s, link, data + done, len - done, event);
			break;
		case LINK_BODY:
			if (HAS_TEXTS)
				done += body_input(
				    s, link, data + done, len - done, event);
			break;
		case LINK_WELCOME:
		case LINK_UP:
		case LINK_LEAVING:
			done += frames_input(
			    s, link, data + done, len - done, event);
			break;
		default:
			return len;
		}
	}
	if (HAS_HEARTBEAT_SEARCH && session_heartbeat_changed(s))
		event->state_changed = true;
	return done;
}

void
taupe_session_lost(struct taupe_session *session, unsigned index,
    uint64_t now_ms, const char *reason, struct taupe_event *event)
{
	struct session *s = session_at(session, now_ms);
	struct link *link = session_link(s, index);
	bool again;

	memset(event, 0, offsetof(struct taupe_event, output.bytes));
	if (HAS_TEXTS && link->state == LINK_BODY) {
		take_refusal(s, link, event);
	} else if (link_is_under_way(link) && link->state != LINK_WANTED) {
		event->type = TAUPE_EVENT_FAILED;
		event->reason = reason;
		session_link_ended(s, link,
		    link->state == LINK_DIALLING ? END_UNREACHED : END_FAILED,
		    0, event);
	}
	again = link->dial_again; /* a refusal may just have wanted that */
	if (link->state != LINK_WANTED)
		link->state = again ? LINK_WANTED : LINK_FREE;
	link->dial_again = false;
}
