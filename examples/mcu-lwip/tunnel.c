/* SPDX-License-Identifier: MIT */
/*
 * Everything happens in tunnel_poll(): lwIP's callbacks only note what they were told, since
 * from within them a connection cannot be ended at will.
 *
 * Back-pressure, from end to end:
 *   from the visitor  a visit's bytes wait in its backlog until the web server wants them, and only
 *                     then is the relay given credit for more: mux_window is the backlog's size;
 *   to the visitor    what is sent lies in one buffer until it has arrived at the relay, and the
 *                     web server makes the next piece when there is room for it there, and
 *                     credit of the relay, which knows how slow the visitor is;
 *   the relay itself  while there is no room for what the input may make us say, the input
 *                     waits, and lwIP's window closes.
 */
#include "tunnel.h"

#include <string.h>

#include "lwip/dns.h"
#include "lwip/tcp.h"
#include "taupe.h"

#include "board.h"
#include "http.h"
#include "net.h"
#include "random.h"

#define LINK 0		  /* the only one */
#define WINDOW 1024	  /* of a visit: the least that there is */
#define OUT_SIZE 4096	  /* a power of two */
#define PIECE 512	  /* of a visit's answer: the visits take turns */
#define ROOM_TO_ANSWER (TAUPE_OUTPUT_MAX + TAUPE_MESSAGE_MAX)
#define CLOSE_PATIENCE_MS 1000
#define IDLE_PATIENCE_MS 300

struct visitor {
	bool here;
	bool over_for_us;   /* we have said the last word */
	bool may_end;	    /* the visitor has ended its side */
	uint32_t idle_ms;   /* since when no request is under way */
	uint32_t may_send;
	uint32_t taken;	    /* bytes that no credit was given for yet */
	uint16_t backlog_len;
	uint8_t backlog[WINDOW];
	struct http http;
};

static struct taupe_session session;
static struct taupe_config config;
static struct taupe_visit visits[TUNNEL_VISITS];
static uint8_t message_buffer[1536];
static const char *relays[SETTINGS_RELAYS_MAX];
static struct visitor visitors[TUNNEL_VISITS];
static unsigned turn; /* whose piece is next */

static struct tcp_pcb *connection;
static struct pbuf *received; /* not looked at yet */
static bool connected, ended, failed;
static uint16_t dial_number; /* a look-up may answer when another dial is under way */
static bool closing; /* the last words are on their way */
static uint32_t closing_ms;

/* What is to be sent, until the relay's TCP has it: lwIP sends it from here. The counters go
 * round; in - acknowledged is what the buffer holds. */
static struct {
	uint32_t in, sent, acknowledged;
	uint8_t bytes[OUT_SIZE];
} out;

/* ---- what is to be sent ---- */

static size_t
room(void)
{
	return OUT_SIZE - (out.in - out.acknowledged);
}

/* Precondition: there is room. */
static void
put(const void *data, size_t len)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < len; i++)
		out.bytes[out.in++ % OUT_SIZE] = bytes[i];
}

static void
flush(void)
{
	if (connection == NULL || !connected)
		return;
	while (out.sent != out.in) {
		uint32_t at = out.sent % OUT_SIZE, len = out.in - out.sent;

		if (len > OUT_SIZE - at)
			len = OUT_SIZE - at;
		if (len > tcp_sndbuf(connection))
			len = tcp_sndbuf(connection);
		if (len == 0 ||
		    tcp_write(connection, out.bytes + at, (u16_t)len, 0) !=
			ERR_OK)
			break; /* when something has arrived, there is room again */
		out.sent += len;
	}
	tcp_output(connection);
}

/* ---- the connection ---- */

static err_t
on_connected(void *arg, struct tcp_pcb *pcb, err_t error)
{
	(void)arg, (void)pcb, (void)error;
	connected = true;
	return ERR_OK;
}

static err_t
on_received(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t error)
{
	(void)arg, (void)pcb, (void)error;
	if (p == NULL)
		ended = true;
	else if (received == NULL)
		received = p;
	else
		pbuf_cat(received, p);
	return ERR_OK;
}

static err_t
on_sent(void *arg, struct tcp_pcb *pcb, u16_t len)
{
	(void)arg, (void)pcb;
	out.acknowledged += len;
	return ERR_OK;
}

static void
on_error(void *arg, err_t error)
{
	(void)arg, (void)error;
	connection = NULL; /* lwIP has freed it */
	failed = true;
}

/* Let go of the connection; what was not sent is lost. */
static void
drop_connection(void)
{
	if (connection != NULL) {
		tcp_err(connection, NULL);
		tcp_abort(connection);
	}
	connection = NULL;
	if (received != NULL)
		pbuf_free(received);
	received = NULL;
	connected = ended = failed = closing = false;
	dial_number++;
	out.in = out.sent = out.acknowledged = 0;
}

static void
lose(const char *why)
{
	struct taupe_event event;

	board_print("tunnel: ");
	board_print(why);
	board_print("\n");
	drop_connection();
	taupe_session_lost(&session, LINK, board_uptime_ms(), why, &event);
}

static void
on_resolved(const char *name, const ip_addr_t *address, void *arg)
{
	u16_t port = (u16_t)(uintptr_t)arg;

	(void)name;
	if ((uint16_t)((uintptr_t)arg >> 16) != dial_number)
		return;
	if (address == NULL || connection != NULL ||
	    (connection = tcp_new()) == NULL) {
		failed = true;
		return;
	}
	tcp_err(connection, on_error);
	tcp_recv(connection, on_received);
	tcp_sent(connection, on_sent);
	tcp_nagle_disable(connection);
	if (tcp_connect(connection, address, port, on_connected) != ERR_OK)
		failed = true;
}

static void
dial(const struct taupe_relay *relay)
{
	void *which; /* the dial, and its port */
	ip_addr_t address;
	err_t error;

	drop_connection();
	which = (void *)((uintptr_t)dial_number << 16 | relay->port);
	if (relay->secure) { /* see README.md on how to have it */
		board_print("tunnel: wss needs TLS, which is not built in\n");
		failed = true;
		return;
	}
	board_print("tunnel: connecting to ");
	board_print(relay->host);
	board_print(" port ");
	board_print_number(relay->port);
	board_print("\n");
	error = dns_gethostbyname(relay->host, &address, on_resolved, which);
	if (error == ERR_OK)
		on_resolved(relay->host, &address, which);
	else if (error != ERR_INPROGRESS)
		failed = true;
}

/* ---- visits ---- */

static void
begin_visit(size_t place)
{
	struct visitor *v = &visitors[place];
	uint8_t message[TAUPE_MESSAGE_MAX];

	memset(v, 0, sizeof(*v));
	v->here = true;
	v->may_send = TAUPE_MUX_WINDOW;
	v->idle_ms = board_now_ms();
	http_begin(&v->http);
	put(message,
	    taupe_visit_opened(&session, place, board_uptime_ms(), message));
}

static void
take_step(const struct taupe_step *step)
{
	struct visitor *v = &visitors[step->visit];

	switch (step->type) {
	case TAUPE_STEP_OPEN:
		begin_visit(step->visit);
		break;
	case TAUPE_STEP_DATA: /* no more than the window, which is the backlog's size */
		memcpy(v->backlog + v->backlog_len, step->payload,
		    step->payload_len);
		v->backlog_len = (uint16_t)(v->backlog_len + step->payload_len);
		break;
	case TAUPE_STEP_EOF:
		v->may_end = true;
		break;
	case TAUPE_STEP_CREDIT:
		v->may_send += step->bytes;
		break;
	case TAUPE_STEP_ABORT:
		v->over_for_us = true;
		break;
	default:
		break;
	}
}

/* Hand the web server what it wants of the backlog, and give the relay credit for it. */
static void
feed(size_t place)
{
	struct visitor *v = &visitors[place];
	uint8_t message[TAUPE_MESSAGE_MAX];
	size_t taken =
	    http_take(&v->http, (const char *)v->backlog, v->backlog_len);

	v->backlog_len = (uint16_t)(v->backlog_len - taken);
	memmove(v->backlog, v->backlog + taken, v->backlog_len);
	v->taken += taken;
	if (taken > 0 || !http_is_idle(&v->http))
		v->idle_ms = board_now_ms();
	if (v->taken < sizeof(v->backlog) / 2 || room() < ROOM_TO_ANSWER)
		return;
	put(message,
	    taupe_visit_credit(
		&session, place, v->taken, board_uptime_ms(), message));
	v->taken = 0;
}

/* Send the next piece of an answer. False: nothing is to be sent, or may be. */
static bool
send_piece(size_t place)
{
	struct visitor *v = &visitors[place];
	uint8_t header[TAUPE_MUX_HEADER_MAX], mask[4], piece[PIECE];
	size_t len = PIECE, header_len;

	if (room() < ROOM_TO_ANSWER + sizeof(header) + PIECE)
		return false;
	if (len > v->may_send)
		len = v->may_send;
	len = http_answer(&v->http, (char *)piece, len);
	if (len == 0)
		return false;
	header_len = taupe_visit_frame(
	    &session, place, len, board_uptime_ms(), header, mask);
	if (header_len == 0) { /* the visitor takes no more */
		v->over_for_us = true;
		return false;
	}
	v->may_send -= len;
	taupe_mask(piece, len, mask, 0);
	put(header, header_len);
	put(piece, len);
	return true;
}

/* The web server has said all that it will say. */
static void
end_visit(size_t place)
{
	struct visitor *v = &visitors[place];
	uint8_t message[TAUPE_MESSAGE_MAX];

	if (room() < ROOM_TO_ANSWER)
		return;
	put(message,
	    taupe_visit_eof(&session, place, board_uptime_ms(), message));
	v->over_for_us = true;
}

/* When all places are taken, no visitor may keep one for a request that will come some time: who has
 * one under way is told that the connection ends with its answer, and who has none has it ended. */
static void
make_room(void)
{
	unsigned taken = 0;

	for (size_t i = 0; i < TUNNEL_VISITS; i++)
		taken += visitors[i].here;
	for (size_t i = 0; i < TUNNEL_VISITS && taken == TUNNEL_VISITS; i++) {
		struct visitor *v = &visitors[i];

		http_be_last(&v->http);
		if (!v->over_for_us && v->backlog_len == 0 &&
		    http_is_idle(&v->http) &&
		    board_now_ms() - v->idle_ms > IDLE_PATIENCE_MS)
			end_visit(i);
	}
}

static void
serve(void)
{
	unsigned idle = 0;

	for (size_t i = 0; i < TUNNEL_VISITS; i++)
		if (visitors[i].here && taupe_visit_is_over(&session, i))
			visitors[i].here = false;
	make_room();
	while (idle < TUNNEL_VISITS) {
		size_t place = turn++ % TUNNEL_VISITS;
		struct visitor *v = &visitors[place];

		idle++;
		if (!v->here || v->over_for_us)
			continue;
		feed(place);
		if (send_piece(place))
			idle = 0;
		else if (!http_has_answer(&v->http) &&
		    (http_is_done(&v->http) ||
			(v->may_end && v->backlog_len == 0)))
			end_visit(place);
	}
}

/* ---- the session ---- */

static void
tell(const struct taupe_event *event)
{
	switch (event->type) {
	case TAUPE_EVENT_WELCOME:
		board_print("tunnel: up, the label is ");
		for (size_t i = 0; i < event->label.len; i++)
			board_putc(event->label.ptr[i]); /* of a-z, 0-9, '-' */
		board_print("\ntunnel: most stack used so far, bytes: ");
		board_print_number(board_stack_used());
		board_print("\n");
		break;
	case TAUPE_EVENT_REFUSED:
		board_print("tunnel: refused with status ");
		board_print_number(event->status);
		board_print("\n");
		break;
	case TAUPE_EVENT_MOVE:
		board_print("tunnel: the relay asks us to go to another\n");
		break;
	case TAUPE_EVENT_CLOSED:
		board_print("tunnel: closed by the relay, code ");
		board_print_number(event->code);
		board_print("\n");
		break;
	case TAUPE_EVENT_FAILED:
		board_print("tunnel: the relay broke the protocol\n");
		break;
	default:
		break;
	}
}

/* Hand in what was received, as long as there is room for what that may make us say. */
static void
take_input(void)
{
	while (received != NULL && room() >= ROOM_TO_ANSWER) {
		struct taupe_event event;
		size_t done = taupe_session_input(&session, LINK,
		    received->payload, received->len, board_uptime_ms(),
		    &event);

		put(event.output.bytes, event.output.len);
		if (event.type == TAUPE_EVENT_VISIT)
			take_step(&event.step);
		tell(&event);
		received = pbuf_free_header(received, (u16_t)done);
		if (connection != NULL)
			tcp_recved(connection, (u16_t)done);
	}
}

static void
begin_closing(const struct taupe_action *action)
{
	put(action->output.bytes, action->output.len);
	closing = true;
	closing_ms = board_now_ms();
}

static void
act(void)
{
	struct taupe_action action;

	while (!closing && room() >= ROOM_TO_ANSWER) {
		taupe_session_next(&session, board_uptime_ms(), &action);
		switch (action.type) {
		case TAUPE_DIAL:
			dial(&action.relay);
			return;
		case TAUPE_SEND:
			put(action.output.bytes, action.output.len);
			break;
		case TAUPE_CLOSE:
			begin_closing(&action);
			return;
		case TAUPE_WAIT: /* the loop comes round each millisecond */
			return;
		}
	}
}

/* The connection stands: what was put into the buffer first is the request. */
static void
send_request(void)
{
	out.in = taupe_session_connected(
	    &session, LINK, board_uptime_ms(), out.bytes, sizeof(out.bytes));
}

/* The last words have arrived, or will not any more. */
static void
close_connection(void)
{
	if (connection != NULL && out.acknowledged != out.in &&
	    board_now_ms() - closing_ms < CLOSE_PATIENCE_MS)
		return;
	if (connection != NULL && out.acknowledged == out.in) {
		tcp_err(connection, NULL);
		tcp_recv(connection, NULL);
		tcp_sent(connection, NULL);
		if (tcp_close(connection) == ERR_OK)
			connection = NULL;
	}
	drop_connection();
}

void
tunnel_poll(void)
{
	static bool requested;

	if (!net_is_up()) { /* the time of the next attempt goes by meanwhile */
		if (connection != NULL)
			lose("the network is gone");
		return;
	}
	if (!connected)
		requested = false;
	if (failed)
		lose("no connection");
	if (connected && !requested && !closing) {
		requested = true;
		send_request();
	}
	take_input();
	if (ended && received == NULL && !closing)
		lose("the relay has gone");
	act();
	serve();
	flush();
	if (closing)
		close_connection();
}

bool
tunnel_is_up(void)
{
	return taupe_session_is_up(&session);
}

static void
draw(void *ctx, void *data, size_t len)
{
	(void)ctx;
	random_bytes(data, len);
}

const char *
tunnel_init(const struct settings *settings)
{
	static const struct taupe_service services[] = {{"web", TAUPE_HTTP}};

	for (size_t i = 0; i < settings->n_relays; i++)
		relays[i] = settings->relays[i];
	config = (struct taupe_config){
	    .name = settings->name,
	    .secret = settings->secret,
	    .services = services,
	    .n_services = 1,
	    .relays = relays,
	    .n_relays = settings->n_relays,
	    .user_agent = "mcu-lwip/" TAUPE_VERSION,
	    .random_cb = draw,
	    .buffer = message_buffer,
	    .buffer_size = sizeof(message_buffer),
	    .visits = visits,
	    .mux_visits = TUNNEL_VISITS,
	    .mux_window = sizeof(visitors[0].backlog),
	    .single_link = true,
	};
	return taupe_session_init(&session, &config);
}
