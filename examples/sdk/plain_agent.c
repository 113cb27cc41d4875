/* SPDX-License-Identifier: MIT */
/* TAUPE_SECRET=... plain_agent RELAY NAME PORT: a device that offers the web server at PORT of this
 * machine through a ws:// relay. Each transfer channel has a process, which may block as it likes. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <taupe.h>

#include "plain_system.h"

static struct taupe_session session;
static int control = -1; /* a socket; -1: none */

/* One transfer channel, visit after visit, until it ends. */
static void serve(const struct taupe_config *config, const struct taupe_event *event, unsigned port)
{
	uint8_t buffer[1024], data[TAUPE_HEADER_MAX + 8192], header[TAUPE_HEADER_MAX], mask[4];
	uint8_t out[TAUPE_MESSAGE_MAX], *payload = data + TAUPE_HEADER_MAX;
	const uint8_t *request;
	struct taupe_stream stream;
	struct taupe_step step;
	struct pollfd fds[2] = {{.fd = -1, .events = POLLIN}, {.fd = -1, .events = POLLIN}};
	int service = -1, from = 0; /* fds[1].fd is the service as long as it may say something */
	size_t len;

	alarm(10); /* for the handshake */
	if (event->relay.secure || (fds[0].fd = dial(event->relay.host, event->relay.port)) < 0 ||
	    !taupe_stream_init(&stream, config, &event->relay, event->id.ptr, buffer, sizeof(buffer)))
		return;
	request = taupe_stream_request(&stream, &len);
	send_all(fds[0].fd, request, len);
	while (poll(fds, 2, -1) > 0) {
		/* by turns, if there is something from both */
		from = fds[!from].revents != 0 ? !from : from;
		ssize_t got = recv(fds[from].fd, payload, 8192, 0);

		if (from == 1) {
			if (got > 0 && (len = taupe_stream_frame(&stream, (size_t)got, header, mask)) > 0) {
				taupe_mask(payload, (size_t)got, mask, 0);
				memcpy(payload - len, header, len);
				send_all(fds[0].fd, payload - len, len + (size_t)got);
			} else if (got <= 0) {
				fds[1].fd = -1;
				send_all(fds[0].fd, out, got == 0 ? taupe_stream_eof(&stream, out)
								  : taupe_stream_abort(&stream, out));
			}
		} else if (got <= 0) {
			return; /* the relay has gone */
		}
		for (size_t at = 0; from == 0 && at < (size_t)got;) {
			at += taupe_stream_input(&stream, payload + at, (size_t)got - at, &step);
			send_all(fds[0].fd, step.output.bytes, step.output.len);
			if (step.type == TAUPE_STEP_READY) {
				alarm(0);
			} else if (step.type == TAUPE_STEP_OPEN) {
				service = fds[1].fd = dial("127.0.0.1", port);
				send_all(fds[0].fd, out, service >= 0 ? taupe_stream_opened(&stream, out)
					: taupe_stream_refused(&stream, "nobody listens", out));
			} else if (step.type == TAUPE_STEP_DATA) {
				if (!send_all(service, step.payload, step.payload_len))
					send_all(fds[0].fd, out, taupe_stream_abort(&stream, out));
			} else if (step.type == TAUPE_STEP_EOF) {
				shutdown(service, SHUT_WR);
			} else if (step.type == TAUPE_STEP_CLOSED || step.type == TAUPE_STEP_FAILED) {
				return;
			}
		}
		if (service >= 0 && taupe_stream_is_idle(&stream)) /* the visit is over, in whatever way */
			close(service), service = fds[1].fd = -1, fds[1].revents = 0;
	}
}

/* The control channel: do what the session wants, and wait for what the relay says. */
static void turn(const struct taupe_config *config, unsigned port)
{
	uint8_t data[TAUPE_REQUEST_MAX];
	struct taupe_action action;
	struct taupe_event event;
	ssize_t got = 1;

	taupe_session_next(&session, clock_ms(), &action);
	if (action.type == TAUPE_WAIT) {
		struct pollfd fd = {.fd = control, .events = POLLIN};
		uint64_t now_ms = clock_ms(), left_ms = action.until_ms - now_ms;

		if (action.until_ms <= now_ms || poll(&fd, 1, left_ms > 60000 ? 60000 : (int)left_ms) <= 0)
			return;
		got = recv(control, data, sizeof(data), 0);
		for (ssize_t at = 0; at < got;) {
			at += (ssize_t)taupe_session_input(&session, 0, data + at, (size_t)(got - at), clock_ms(), &event);
			send_all(control, event.output.bytes, event.output.len);
			for (size_t i = 0; event.type == TAUPE_EVENT_WELCOME && i < event.n_urls; i++)
				printf("%.*s\n", (int)event.urls[i].url.len, event.urls[i].url.ptr), fflush(stdout);
			if (event.type == TAUPE_EVENT_OPEN && fork() == 0)
				close(control), serve(config, &event, port), _exit(0);
		}
	} else if (action.type == TAUPE_DIAL) {
		if (!action.relay.secure && (control = dial(action.relay.host, action.relay.port)) >= 0)
			send_all(control, data, taupe_session_connected(&session, 0, clock_ms(), data, sizeof(data)));
		else
			got = 0;
	} else {
		send_all(control, action.output.bytes, action.output.len);
	}
	if (got > 0 && action.type != TAUPE_CLOSE)
		return;
	if (control >= 0)
		close(control), control = -1;
	if (got <= 0)
		taupe_session_lost(&session, 0, clock_ms(), "no connection", &event);
}

int main(int argc, char **argv)
{
	static uint8_t buffer[4096], memory[2048];
	static const struct taupe_service web = {"web", TAUPE_HTTP};
	const char *relay = argv[1], *wrong = "usage: TAUPE_SECRET=... plain_agent RELAY NAME PORT";
	struct taupe_config config = {.relays = &relay, .n_relays = 1, .services = &web, .n_services = 1,
	    .secret = getenv("TAUPE_SECRET"), .random_cb = random_cb,
	    .buffer = buffer, .buffer_size = sizeof(buffer), .memory = memory,
	    .memory_size = sizeof(memory), .single_link = true, .warm_channels = 1};

	signal(SIGCHLD, SIG_IGN);
	if (argc == 4)
		config.name = argv[2], wrong = taupe_session_init(&session, &config);
	for (; wrong == NULL; turn(&config, (unsigned)atoi(argv[3])))
		;
	fprintf(stderr, "%s\n", wrong);
	return EXIT_FAILURE;
}
