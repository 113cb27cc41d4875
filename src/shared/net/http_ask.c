/* SPDX-License-Identifier: MIT */
/* evhttp's client on an event base of its own, that runs until the answer is there. */
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "base/wipe.h"
#include "net/http_ask.h"

#define TOKEN_HEADER_MAX 256

struct request {
	struct event_base *base;
	struct http_ask_answer *answer;
	char *error;
	int result;
};

static void
fail(struct request *request, const char *text)
{
	snprintf(request->error, HTTP_ASK_ERROR_MAX, "%s", text);
	request->result = -1;
}

static void
take_answer(struct request *request, struct evhttp_request *http)
{
	struct evbuffer *body = evhttp_request_get_input_buffer(http);
	struct http_ask_answer *answer = request->answer;

	answer->status = evhttp_request_get_response_code(http);
	answer->len = evbuffer_get_length(body);
	answer->body = malloc(answer->len + 1);
	if (answer->body == NULL ||
	    evbuffer_remove(body, answer->body, answer->len) < 0) {
		free(answer->body);
		fail(request, "out of memory");
		return;
	}
	answer->body[answer->len] = '\0';
	request->result = 0;
}

static void
answered_cb(struct evhttp_request *http, void *ctx)
{
	struct request *request = ctx;

	/* without a connection there is a request, but no answer in it */
	if (http != NULL && evhttp_request_get_response_code(http) != 0)
		take_answer(request, http);
	event_base_loopbreak(request->base);
}

static void
error_cb(enum evhttp_request_error error, void *ctx)
{
	struct request *request = ctx;

	switch (error) {
	case EVREQ_HTTP_TIMEOUT:
		fail(request, "no answer in time");
		break;
	case EVREQ_HTTP_DATA_TOO_LONG:
		fail(request, "the answer is too long");
		break;
	default:
		fail(request, "the connection ended before the answer");
		break;
	}
	event_base_loopbreak(request->base);
}

static int
add_headers(struct evhttp_request *http, const struct http_question *question)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(http);
	char host[ADDRESS_TEXT_MAX], bearer[TOKEN_HEADER_MAX];
	int result = 0;

	address_text(&question->address, host);
	if (evhttp_add_header(headers, "Host", host) != 0 ||
	    evhttp_add_header(headers, "Connection", "close") != 0)
		return -1;
	if (question->token == NULL || question->token[0] == '\0')
		return 0;
	snprintf(bearer, sizeof(bearer), "Bearer %s", question->token);
	result = evhttp_add_header(headers, "Authorization", bearer);
	wipe(bearer, sizeof(bearer));
	return result;
}

static int
send_request(struct request *request, struct evhttp_connection *connection,
    const struct http_question *question)
{
	struct evhttp_request *http = evhttp_request_new(answered_cb, request);

	if (http == NULL)
		return -1;
	evhttp_request_set_error_cb(http, error_cb);
	if (add_headers(http, question) != 0) {
		evhttp_request_free(http);
		return -1;
	}
	/* the connection takes the request, also when this fails */
	return evhttp_make_request(connection, http,
	    question->post ? EVHTTP_REQ_POST : EVHTTP_REQ_GET, question->path);
}

int
http_ask(const struct http_question *question, struct http_ask_answer *answer,
    char error[HTTP_ASK_ERROR_MAX])
{
	struct timeval timeout = {(time_t)(question->timeout_ms / 1000),
	    (suseconds_t)(question->timeout_ms % 1000 * 1000)};
	struct request request = {event_base_new(), answer, error, -1};
	struct evhttp_connection *connection = NULL;
	char ip[ADDRESS_TEXT_MAX];

	*answer = (struct http_ask_answer){0};
	snprintf(error, HTTP_ASK_ERROR_MAX, "nothing answers there");
	address_ip_text(&question->address, ip);
	if (request.base != NULL)
		connection = evhttp_connection_base_new(
		    request.base, NULL, ip, address_port(&question->address));
	if (connection == NULL) {
		fail(&request, "out of memory");
	} else {
		evhttp_connection_set_timeout_tv(connection, &timeout);
		evhttp_connection_set_max_body_size(
		    connection, HTTP_ASK_BODY_MAX);
		if (send_request(&request, connection, question) == 0)
			event_base_dispatch(request.base);
		evhttp_connection_free(connection);
	}
	if (request.base != NULL)
		event_base_free(request.base);
	return request.result;
}
