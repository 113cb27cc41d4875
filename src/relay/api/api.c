/* SPDX-License-Identifier: MIT */
/*
 * A request becomes a call, if it is one of those in the table and may be made; the call goes to
 * the worker, where it is found out who makes it, and back, and is answered.
 */
#include "config.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/printable.h"
#include "net/crypto.h"
#include "relay/admin.h"
#include "relay/api/api_call.h"
#include "relay/api/dashboard.h"
#include "relay/api/live.h"

#define PREFIX "/api/v1/"
#define CALLS_MAX 64 /* under way: others come again */
#define TURN_MS 5000 /* so long a call waits for those before it */

/* ---- what a call comes to ---- */

void
api_answer(struct api_call *call, int status, json_t *output)
{
	json_decref(call->output);
	call->status = status;
	call->output = output;
}

void
api_fail(struct api_call *call, int status, const char *error, const char *hint,
    const char *what, ...)
{
	char text[ADMIN_ERROR_MAX];
	va_list args;

	va_start(args, what);
	vsnprintf(text, sizeof(text), what, args);
	va_end(args);
	make_printable(
	    text); /* a body may be quoted up to the middle of a character */
	api_answer(call, status,
	    json_pack(
		"{s:s, s:s, s:s}", "error", error, "what", text, "hint", hint));
}

bool
api_has_changed(struct api_call *call, struct admin *admin, int code)
{
	call->changed = code == ADMIN_OK;
	return api_went_well(call, admin, code);
}

bool
api_went_well(struct api_call *call, struct admin *admin, int code)
{
	static const struct {
		int status;
		const char *error, *hint;
	} failures[ADMIN_CODES] = {
	    [ADMIN_UNKNOWN] = {404, "not_found",
		"GET the list of those that there are"},
	    [ADMIN_NO_RELAY] = {404, "not_found",
		"GET /api/v1/relays shows those that are alive"},
	    [ADMIN_TAKEN] = {409, "conflict",
		"choose another name, label or port"},
	    [ADMIN_INVALID] = {422, "invalid",
		"what taupectl calls --url or --relay is \"url\" here"},
	    [ADMIN_BAD_FILE] = {500, "failed", "mend the file"},
	    [ADMIN_NOT_GIVEN] = {409, "impossible",
		"start the relay with devices_file or redis"},
	    [ADMIN_IMPOSSIBLE] = {409, "impossible", "see what"},
	    [ADMIN_UNPROVED] = {409, "unproved",
		"let its owner set the TXT record, and try again"},
	    [ADMIN_BUSY] = {503, "busy", "try again"},
	    [ADMIN_DOWN] = {503, "unavailable",
		"try again when the registry is back"},
	    [ADMIN_REFUSED] = {503, "unavailable",
		"set admin_redis_user to a user who may do this, such as "
		"taupe-api"},
	    [ADMIN_NONSENSE] = {503, "unavailable", "look at what is in Redis"},
	    [ADMIN_UNREADABLE] = {500, "failed",
		"make the file readable to the relay"},
	    [ADMIN_UNWRITABLE] = {500, "failed",
		"make the file and its folder the relay's"},
	    [ADMIN_NO_MEMORY] = {503, "busy", "try again"},
	};

	call->code = code;
	if (code == ADMIN_OK)
		return true;
	api_fail(call, failures[code].status, failures[code].error,
	    failures[code].hint, "%s", admin->error.text);
	return false;
}

/* ---- the end of a call, in the loop ---- */

static void
free_call(struct api_call *call)
{
	LIST_REMOVE(call, link);
	call->api->n_calls--;
	json_decref(call->input);
	json_decref(call->output);
	free(call->body);
	free(call->page);
	crypto_wipe(call->token, sizeof(call->token));
	free(call);
}

/* The login's cookie, new or ended; out is for its text. */
static void
add_cookie(
    struct api_call *call, struct http_reply *reply, char *out, size_t cap)
{
	const char *id =
	    json_string_value(json_object_get(call->output, "login"));

	if (id == NULL)
		return;
	snprintf(out, cap, "%s=%s; HttpOnly; SameSite=Strict; Path=/%s%s",
	    call->api->cookie, id, call->over_https ? "; Secure" : "",
	    id[0] == '\0' ? "; Max-Age=0" : "");
	json_object_del(call->output, "login");
	reply->headers[0].name = "Set-Cookie";
	reply->headers[0].value = out;
}

static void
answer_call(struct api_call *call)
{
	struct http_reply reply = {
	    .status = call->status, .type = "application/json"};
	char cookie[200], seconds[12];

	snprintf(seconds, sizeof(seconds), "%u",
	    call->status == 429 ? call->retry_after_s : 1);
	if (call->status == 401) {
		reply.headers[0].name = "WWW-Authenticate";
		reply.headers[0].value = "Bearer realm=\"taupe\"";
	} else if (call->status == 503 || call->status == 429) {
		reply.headers[0].name = "Retry-After";
		reply.headers[0].value = seconds;
	}
	add_cookie(call, &reply, cookie, sizeof(cookie));
	if (call->status != 204) {
		reply.body = json_dumps(call->output, JSON_INDENT(2));
		if (reply.body == NULL)
			reply.status = 500;
		else
			reply.len = strlen(reply.body);
	} else {
		reply.type = NULL;
	}
	http_request_answer(&call->request, &reply);
	free_call(call);
}

/* It is back from the worker, or did not have to go there. */
static void
finish_call(struct api_call *call)
{
	const struct api_operation *operation = call->operation;

	api_learn(call);
	if (call->runs_route && call->status == 0) {
		http_request_run(&call->request);
		free_call(call);
		return;
	}
	if (!call->runs_route && call->status < 300 &&
	    operation->finish != NULL)
		operation->finish(call, call->api->relay);
	if (call->request == NULL) { /* a stream, which goes on */
		free_call(call);
		return;
	}
	if (!call->runs_route && operation->audit != NULL)
		api_audit(call);
	/* who may have a page may have all that come after it */
	if (call->streams && call->status == 200 && api_stream_events(call)) {
		free_call(call);
		return;
	}
	answer_call(call);
}

/* ---- in the worker ---- */

static void
load_body(struct api_call *call, json_error_t *error)
{
	if (call->body != NULL)
		call->input = json_loadb(
		    call->body, call->body_len, JSON_REJECT_DUPLICATES, error);
}

/* False: it is no object, which was said. */
static bool
parse_body(struct api_call *call)
{
	json_error_t error;

	load_body(call, &error);
	if (call->body == NULL || json_is_object(call->input))
		return true;
	api_fail(call, 400, "bad_request", "send one JSON object",
	    "the body is no JSON object: line %d: %s", error.line,
	    call->input != NULL ? "another type" : error.text);
	return false;
}

/* Who calls is asked first: nobody's body is not looked at. */
static void
serve(struct api_call *call, struct admin *admin)
{
	json_error_t ignored;

	admin->label_holder = NULL;
	if (call->looked) {
		call->operation->ask(call, admin);
	} else if (!api_may_call(call, admin)) {
		if (call->bearer.role != TOKEN_NONE)
			load_body(call, &ignored); /* the audit names it */
	} else if (parse_body(call) && !call->runs_route &&
	    call->operation->ask != NULL) {
		call->operation->ask(call, admin);
	}
}

static void
arrived_cb(struct guest *guest, struct loop *loop)
{
	struct api_call *call = (struct api_call *)guest;
	struct admin *admin = &call->api->admin;

	(void)loop;
	if (loop_wall_ms() > call->due_ms) {
		api_fail(call, 503, "busy", "try again",
		    "too many calls were before this one");
	} else {
		admin_prove(admin);
		serve(call, admin);
	}
	/* it may be in the middle of something */
	if (call->code >= ADMIN_DOWN)
		admin_fini(admin);
	worker_return(call->api->worker, guest);
}

/* A guest is with the worker for the time of arrived_cb() alone. */
static void
recalled_cb(struct guest *guest)
{
	(void)guest;
	assert(!"the worker was in a callback of this guest");
}

static void
send_call(struct api_call *call)
{
	if (worker_send(call->api->worker, &call->guest))
		return;
	api_fail(call, 503, "busy", "try again",
	    "the relay cannot begin a thread now");
	finish_call(call);
}

static void
returned_cb(struct guest *guest)
{
	struct api_call *call = (struct api_call *)guest;

	if (call->look == NULL) {
		finish_call(call);
		return;
	}
	call->look(call, call->api->relay);
	call->look = NULL;
	call->looked = true;
	send_call(call);
}

static const struct guest_ops guest_ops = {
    arrived_cb, recalled_cb, returned_cb};

/* ---- a request becomes a call ---- */

/* What stands in a path in the place of a pattern's; absent: it has none. */
struct path_names {
	struct str name, service, share, host;
};

static struct str *
place_of(struct path_names *names, struct str part)
{
	if (str_equal(part, STR("{name}")))
		return &names->name;
	if (str_equal(part, STR("{service}")))
		return &names->service;
	if (str_equal(part, STR("{share}")))
		return &names->share;
	return str_equal(part, STR("{host}")) ? &names->host : NULL;
}

static bool
path_fits(const char *pattern, const char *path, struct path_names *names)
{
	struct str left = str_of(pattern), right = str_of(path), a, b, *place;

	*names = (struct path_names){0};
	while (left.len > 0 && right.len > 0) {
		str_split(left, '/', &a, &left);
		str_split(right, '/', &b, &right);
		if ((place = place_of(names, a)) != NULL)
			*place = b;
		else if (!str_equal(a, b))
			return false;
	}
	return left.len == 0 && right.len == 0 && path[strlen(path) - 1] != '/';
}

/* NULL: with allowed filled, the methods that there are; if it is empty, there is nothing. */
static const struct api_operation *
find_operation(const char *path, enum http_method method,
    struct path_names *names, char allowed[80])
{
	static const char *const methods[] = {
	    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"};

	allowed[0] = '\0';
	if (method == HTTP_HEAD)
		method = HTTP_GET;
	for (size_t i = 0; i < api_n_operations; i++) {
		const struct api_operation *operation = &api_operations[i];
		size_t len = strlen(allowed);

		if (!path_fits(operation->path, path, names))
			continue;
		if (operation->method == method)
			return operation;
		snprintf(allowed + len, 80 - len, "%s%s", len > 0 ? ", " : "",
		    methods[operation->method]);
	}
	return NULL;
}

/* It is looked at when it is known who sends it. */
static bool
take_body(struct api_call *call, const struct http_request *request)
{
	struct str body = http_request_body(request);
	const char *type = http_request_header(request, "Content-Type");

	if (call->operation->body == BODY_NONE ||
	    (call->operation->body == BODY_OPTIONAL && body.len == 0))
		return true;
	if (type == NULL || strncmp(type, "application/json", 16) != 0) {
		api_fail(call, 415, "not_json",
		    "send Content-Type: application/json",
		    "the body must be JSON");
		return false;
	}
	if ((call->body = malloc(body.len + 1)) == NULL) {
		api_fail(call, 503, "busy", "try again", "out of memory");
		return false;
	}
	if (body.len > 0)
		memcpy(call->body, body.ptr, body.len);
	call->body_len = body.len;
	return true;
}

/* What is in the path and is none stays "". */
static void
take_names(struct api_call *call, const struct path_names *names)
{
	call->name_in_path = names->name.ptr != NULL;
	if (call->name_in_path && device_name_valid(names->name))
		(void)str_copy(names->name, call->name, sizeof(call->name));
	if (names->service.ptr != NULL && service_name_valid(names->service))
		(void)str_copy(
		    names->service, call->service, sizeof(call->service));
	if (names->share.ptr != NULL && share_id_valid(names->share))
		(void)str_copy(names->share, call->share, sizeof(call->share));
	if (names->host.ptr != NULL && device_host_valid(names->host))
		(void)str_copy(names->host, call->host, sizeof(call->host));
}

static bool
names_are_good(struct api_call *call, const struct path_names *names)
{
	const char *hint = NULL;

	if (names->name.ptr != NULL && call->name[0] == '\0')
		hint =
		    "names are letters, digits, dots, hyphens and underscores";
	else if (names->service.ptr != NULL && call->service[0] == '\0')
		hint = "services have names of a-z, 0-9 and hyphens";
	else if (names->share.ptr != NULL && call->share[0] == '\0')
		hint = "ids of share links have 16 digits from 0 to f";
	else if (names->host.ptr != NULL && call->host[0] == '\0')
		hint = "hosts are names in lower case, without a port";
	if (hint != NULL)
		api_fail(
		    call, 404, "not_found", hint, "nothing has such a name");
	return hint == NULL;
}

/* What the operation takes. False: the call has failed, which was said. */
static bool
take_input(struct api_call *call, const struct http_request *request,
    const struct path_names *names)
{
	if (!take_body(call, request) || !names_are_good(call, names))
		return false;
	return call->operation->take == NULL ||
	    call->operation->take(call, request);
}

static void
go(struct api_call *call)
{
	bool is_somebody =
	    call->token[0] != '\0' || call->login_name[0] != '\0';

	if (!is_somebody && (call->runs_route || call->operation->ask == NULL))
		finish_call(call);
	else
		send_call(call);
}

static void
fail_request(struct http_request *request, int status, const char *error,
    const char *hint, const char *what, const char *allowed)
{
	struct http_reply reply = {
	    .status = status, .type = "application/json"};
	json_t *json = json_pack(
	    "{s:s, s:s, s:s}", "error", error, "what", what, "hint", hint);

	if (allowed != NULL) {
		reply.headers[0].name = "Allow";
		reply.headers[0].value = allowed;
	}
	if (status == 503) {
		reply.headers[0].name = "Retry-After";
		reply.headers[0].value = "1";
	}
	reply.body = json != NULL ? json_dumps(json, JSON_INDENT(2)) : NULL;
	reply.len = reply.body != NULL ? strlen(reply.body) : 0;
	json_decref(json);
	http_request_answer(&request, &reply);
}

static struct api_call *
new_call(struct api *api, struct http_request *request,
    const struct api_operation *operation)
{
	struct api_call *call;

	if (api->n_calls == CALLS_MAX ||
	    (call = calloc(1, sizeof(*call))) == NULL) {
		fail_request(request, 503, "busy", "try again",
		    "too many calls are under way", NULL);
		return NULL;
	}
	call->guest.ops = &guest_ops;
	call->api = api;
	call->request = request;
	call->operation = operation;
	call->runs_route = operation == NULL;
	call->due_ms = loop_wall_ms() + TURN_MS;
	snprintf(
	    call->peer, sizeof(call->peer), "%s", http_request_peer(request));
	(void)address_parse_ip(str_of(call->peer), 0, &call->from);
	LIST_INSERT_HEAD(&api->calls, call, link);
	api->n_calls++;
	return call;
}

static void
begin_call(struct api *api, struct http_request *request,
    const struct api_operation *operation, const struct path_names *names)
{
	struct api_call *call = new_call(api, request, operation);

	if (call == NULL)
		return;
	take_names(call, names);
	if (api_take_credentials(call, request) &&
	    (call->runs_route || take_input(call, request, names)))
		go(call);
	else
		answer_call(call);
}

static void
handle_cb(void *ctx, struct http_request *request)
{
	struct relay *relay = ctx;
	const char *path = http_request_path(request);
	const struct api_operation *operation;
	struct path_names names = {0};
	char allowed[80];

	if (http_request_too_large(request)) {
		fail_request(request, 413, "too_large", "send less",
		    "a body may have 65536 bytes", NULL);
	} else if (path[0] == '\0') {
		fail_request(request, 400, "bad_request", "send HTTP/1.1",
		    "the request makes no sense", NULL);
	} else if (http_request_route(request) != NULL) {
		if (relay_admin_is_open(http_request_route(request)))
			http_request_run(&request);
		else
			begin_call(relay->api, request, NULL, &names);
	} else if (dashboard_answer(&request)) {
		return;
	} else if (strncmp(path, PREFIX, sizeof(PREFIX) - 1) != 0) {
		fail_request(request, 404, "not_found", "the API is at " PREFIX,
		    "there is nothing here", NULL);
	} else if ((operation = find_operation(path + sizeof(PREFIX) - 1,
			http_request_method(request), &names, allowed)) !=
	    NULL) {
		begin_call(relay->api, request, operation, &names);
	} else if (allowed[0] != '\0') {
		fail_request(request, 405, "bad_method", "see Allow",
		    "this cannot be done here", allowed);
	} else {
		fail_request(request, 404, "not_found",
		    "docs/openapi.json has all paths", "there is nothing here",
		    NULL);
	}
}

/* ---- streams ---- */

bool
api_answer_head(struct api_call *call)
{
	struct http_reply reply = {.status = 200, .type = "text/event-stream"};

	if (http_request_method(call->request) != HTTP_HEAD)
		return false;
	http_request_answer(&call->request, &reply);
	return true;
}

void
api_live(struct api_call *call, struct relay *relay)
{
	if (!api_answer_head(call) && !live_view(relay->live, &call->request))
		api_fail(call, 503, "busy", "close another one",
		    "%d dashboards are open at this relay already",
		    LIVE_VIEWERS_MAX);
}

/* ---- life ---- */

struct api *
api_new(struct relay *relay)
{
	struct api *api = calloc(1, sizeof(*api));
	const struct relay_options *options = &relay->options;

	if (api == NULL || (api->worker = worker_new(relay->loop)) == NULL) {
		free(api);
		return NULL;
	}
	api->relay = relay;
	guesses_init(&api->guesses);
	api->registry = options->registry;
	if (options->admin_redis_user != NULL) {
		api->registry.redis_user = options->admin_redis_user;
		api->registry.redis_password_file =
		    options->admin_redis_password_file;
	}
	snprintf(api->program, sizeof(api->program), "taupe-relay-api:%s",
	    relay->self.id);
	snprintf(api->cookie, sizeof(api->cookie), "taupe-%s", relay->self.id);
	admin_init(&api->admin, &api->registry, api->program);
	api->admin.devices_file = options->devices_file;
	api->admin.domain = options->domain;
	http_admin_handle(relay->admin, handle_cb);
	if (options->admin_private)
		http_admin_allow_any_host(relay->admin);
	return api;
}

void
api_free(struct api **apip)
{
	struct api *api = *apip;
	struct api_call *call;

	if (api == NULL)
		return;
	*apip = NULL;
	api_streams_end(api);
	while ((call = LIST_FIRST(&api->calls)) != NULL) {
		struct http_reply nothing = {.status = 503};

		worker_recall(api->worker, &call->guest);
		if (call->changed)
			api_audit(call);
		http_request_answer(&call->request, &nothing);
		free_call(call);
	}
	worker_free(&api->worker);
	admin_fini(&api->admin);
	crypto_wipe(&api->logins, sizeof(api->logins));
	free(api);
}
