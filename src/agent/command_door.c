/* SPDX-License-Identifier: MIT */
/* Whoever asks has a few seconds for it, and few may at once: the loop has other things to do. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/command_door.h"
#include "agent/control.h"
#include "agent/visit.h"
#include "base/log.h"
#include "net/local_door.h"
#include "net/socket.h"
#include "wire/form.h"

#define CLIENTS_MAX 8
#define PATIENCE_MS 5000

struct client {
	LIST_ENTRY(client) link;
	struct command_door *door;
	struct conn conn;
	struct timer timer;
	size_t len;
	char line[COMMAND_LINE_MAX];
};

struct command_door {
	struct agent *agent;
	struct local_door *door;
	size_t n_clients;
	LIST_HEAD(, client) clients;
};

static void
client_free(struct client *client)
{
	timer_clear(client->door->agent->loop, &client->timer);
	conn_fini(&client->conn);
	LIST_REMOVE(client, link);
	client->door->n_clients--;
	free(client);
}

/* ---- answers ---- */

/* form_put() makes one list of a writer: each line has one of its own. */
struct answer {
	char text[COMMAND_ANSWER_MAX];
	size_t len;
	struct writer line;
};

static void
begin_line(struct answer *answer)
{
	writer_init(&answer->line, answer->text + answer->len,
	    sizeof(answer->text) - answer->len);
}

static void
end_line(struct answer *answer)
{
	writer_char(&answer->line, '\n');
	if (!answer->line.full)
		answer->len += writer_len(&answer->line);
}

static void
put(struct answer *answer, const char *key, const char *value)
{
	if (value != NULL && value[0] != '\0')
		form_put(&answer->line, key, str_of(value));
}

static void
put_number(struct answer *answer, const char *key, uint64_t value)
{
	form_put_number(&answer->line, key, value);
}

static void
send_answer(struct client *client, struct answer *answer)
{
	struct command_door *door = client->door;

	begin_line(answer);
	put(answer, "end", "1");
	end_line(answer);
	if (conn_write(&client->conn, answer->text, answer->len) == 0)
		farewell_take(door->agent->farewells, &client->conn);
	client_free(client);
}

static void
fail(struct client *client, const char *error)
{
	struct answer answer = {.len = 0};

	begin_line(&answer);
	put(&answer, "error", error);
	end_line(&answer);
	send_answer(client, &answer);
}

static void
put_budget(struct answer *answer, const struct budget *budget)
{
	if (!budget_counts(budget))
		return;
	put_number(answer, "spent_bytes", budget->spent_bytes);
	if (budget->limit_bytes != 0)
		put_number(answer, "budget_bytes", budget->limit_bytes);
}

static void
put_visits(struct answer *answer, const struct agent *agent)
{
	const struct standing *standing = agent->standing;
	uint64_t bytes_in = standing->bytes_in, bytes_out = standing->bytes_out;
	const struct visit *visit;
	size_t n = 0;

	LIST_FOREACH (visit, &agent->visits, link)
		n++;
	put_number(answer, "visits", n);
	put_number(answer, "visits_ended", standing->visits);
	put_number(answer, "in_bytes", bytes_in);
	put_number(answer, "out_bytes", bytes_out);
}

static void
put_whole(struct answer *answer, const struct agent *agent)
{
	const struct standing *standing = agent->standing;
	uint64_t now_ms = loop_now_ms(agent->loop);

	begin_line(answer);
	put(answer, "device", agent->config.name);
	put(answer, "state",
	    agent->stopping   ? "stopping"
		: standing->up ? "connected"
			       : "not connected");
	put(answer, "relay", standing->relay);
	put_number(answer, "since_ms", standing->since_ms);
	put_number(answer, "now_ms", loop_wall_ms());
	if (standing->up) {
		put(answer, "label", standing->label);
		put_number(answer, "epoch", standing->epoch);
		put_number(answer, "heartbeat_ms",
		    control_heartbeat_ms(agent->control));
	} else if (standing->retry_ms > now_ms) {
		put_number(answer, "retry_ms", standing->retry_ms - now_ms);
	}
	put(answer, "lost", standing->lost);
	if (standing->lost[0] != '\0')
		put_number(answer, "lost_ms", standing->lost_ms);
	put_visits(answer, agent);
	put_budget(answer, &agent->budget);
	end_line(answer);
}

static const char *
kind_name(enum taupe_service_kind kind)
{
	return kind == TAUPE_HTTP ? "http" : kind == TAUPE_TLS ? "tls" : "tcp";
}

static void
put_health(
    struct answer *answer, const struct agent *agent, const char *service)
{
	static const char *const names[] = {
	    [HEALTH_UNCHECKED] = "unchecked",
	    [HEALTH_UNKNOWN] = "unknown",
	    [HEALTH_UP] = "up",
	    [HEALTH_DOWN] = "down",
	};
	const char *error;

	put(answer, "health",
	    names[health_of(agent->health, service, &error)]);
	put(answer, "error", error);
}

static void
put_service(struct answer *answer, const struct agent *agent, size_t i)
{
	const struct target *target = &agent->settings->targets[i];
	char place[HOST_NAME_MAX + 10];
	const struct visit *visit;
	size_t n = 0;

	LIST_FOREACH (visit, &agent->visits, link)
		n += strcmp(visit->service_name, target->name) == 0;
	snprintf(place, sizeof(place), "%s:%u", target->host, target->port);
	begin_line(answer);
	put(answer, "service", target->name);
	put(answer, "kind", kind_name(agent->settings->services[i].kind));
	put(answer, "target", place);
	put(answer, "url", standing_url(agent->standing, target->name));
	put_number(answer, "visits", n);
	put(answer, "access", target->on_request ? "on-request" : "open");
	if (target->on_request)
		put_number(answer, "allowed_ms",
		    consent_left_ms(&agent->consent, target->name));
	put_health(answer, agent, target->name);
	end_line(answer);
}

static void
answer_status(struct client *client)
{
	const struct agent *agent = client->door->agent;
	struct answer *answer = calloc(1, sizeof(*answer));

	if (answer == NULL) {
		client_free(client);
		return;
	}
	control_count(agent->control);
	put_whole(answer, agent);
	for (size_t i = 0; i < agent->settings->n_services; i++)
		put_service(answer, agent, i);
	send_answer(client, answer);
	free(answer);
}

/* ---- consent ---- */

/* For each service that this is about: all that want consent, or the one that is named. False: there
 * is none, and error says why. */
static bool
change_consent(struct agent *agent, const char *service, uint64_t ms,
    const char **error)
{
	const struct settings *settings = agent->settings;
	bool known = service[0] == '\0', any = false;

	for (size_t i = 0; i < settings->n_services; i++) {
		const struct target *target = &settings->targets[i];

		if (service[0] != '\0' && strcmp(service, target->name) != 0)
			continue;
		known = true;
		if (!target->on_request)
			continue;
		any = true;
		if (ms > 0)
			consent_give(&agent->consent, target->name, ms);
		else
			consent_take(&agent->consent, target->name);
	}
	*error = !known ? "there is no service of this name"
	    : service[0] != '\0'
	    ? "this service asks for no consent: its access is not on-request"
	    : "no service asks for consent: access = on-request is not set";
	return any;
}

/* ---- questions ---- */

struct question {
	char op[16], service[SERVICE_NAME_MAX + 1];
	uint64_t ms;
};

static bool
read_question(char *text, size_t len, struct question *question)
{
	struct form_reader reader;
	struct form_pair pair;
	enum wire_result result;

	memset(question, 0, sizeof(*question));
	form_reader_init(&reader, text, len);
	while ((result = form_next(&reader, &pair)) == WIRE_DONE) {
		if (str_is(pair.key, "op") &&
		    !str_copy(pair.value, question->op, sizeof(question->op)))
			return false;
		if (str_is(pair.key, "service") &&
		    !str_copy(pair.value, question->service,
			sizeof(question->service)))
			return false;
		if (str_is(pair.key, "ms") &&
		    !str_to_number(
			pair.value, COMMAND_FOREVER_MS, &question->ms))
			return false;
	}
	return result == WIRE_MORE;
}

static void
answer_question(struct client *client, size_t len)
{
	struct question question;
	const char *error;
	bool allow;

	if (!read_question(client->line, len, &question)) {
		fail(client, "that is no question");
		return;
	}
	allow = strcmp(question.op, "allow") == 0;
	if (strcmp(question.op, "status") == 0)
		answer_status(client);
	else if (!allow && strcmp(question.op, "deny") != 0)
		fail(client, "this agent knows no such command");
	else if (allow && question.ms == 0)
		fail(client, "for how long?");
	else if (!change_consent(client->door->agent, question.service,
		     allow ? question.ms : 0, &error))
		fail(client, error);
	else
		answer_status(client);
}

static void
readable_cb(struct conn *conn)
{
	struct client *client = conn->owner;
	ssize_t got = conn_read(conn, client->line + client->len,
	    sizeof(client->line) - client->len);
	const char *end;

	if (got == CONN_AGAIN)
		return;
	if (got <= 0) {
		client_free(client);
		return;
	}
	client->len += (size_t)got;
	end = memchr(client->line, '\n', client->len);
	if (end != NULL)
		answer_question(client, (size_t)(end - client->line));
	else if (client->len == sizeof(client->line))
		fail(client, "the question is too long");
}

static void
broken_cb(struct conn *conn)
{
	client_free(conn->owner);
}

static const struct conn_ops client_ops = {
    .readable_cb = readable_cb,
    .broken_cb = broken_cb,
};

static void
timer_cb(void *ctx)
{
	client_free(ctx);
}

static void
come_cb(void *ctx, int fd)
{
	struct command_door *door = ctx;
	struct client *client = door->n_clients < CLIENTS_MAX
	    ? calloc(1, sizeof(*client))
	    : NULL;

	if (client == NULL ||
	    conn_init(&client->conn, door->agent->loop, fd, &client_ops,
		client) != 0) {
		free(client);
		socket_close(fd);
		return;
	}
	client->door = door;
	timer_init(&client->timer, timer_cb, client);
	timer_set(door->agent->loop, &client->timer, PATIENCE_MS);
	LIST_INSERT_HEAD(&door->clients, client, link);
	door->n_clients++;
}

/* ---- the door ---- */

/* One that was asked for is missed; else it may well be that its folder is not ours. */
static void
report_failure_to_open(const struct settings *settings, const char *path)
{
	const char *error = errno == EADDRINUSE
	    ? "another agent listens there: do two have the same state_file?"
	    : log_errno();

	log_at_(settings->options.control_socket != NULL ? LOG_LEVEL_WARN
							 : LOG_LEVEL_INFO,
	    "taupe-agent status will not reach this agent: no control_socket",
	    LOG_S("path", path), LOG_S("error", error));
}

struct command_door *
command_door_new(struct agent *agent)
{
	struct command_door *door;
	char path[SOCKET_PATH_MAX];

	if (!settings_socket_path(agent->settings, path))
		return NULL;
	if ((door = calloc(1, sizeof(*door))) == NULL)
		return NULL;
	door->agent = agent;
	LIST_INIT(&door->clients);
	door->door = local_door_new(agent->loop, path, come_cb, door);
	if (door->door == NULL) {
		report_failure_to_open(agent->settings, path);
		free(door);
		return NULL;
	}
	return door;
}

void
command_door_free(struct command_door **doorp)
{
	struct command_door *door = *doorp;

	if (door == NULL)
		return;
	while (LIST_FIRST(&door->clients) != NULL)
		client_free(LIST_FIRST(&door->clients));
	local_door_free(&door->door);
	free(door);
	*doorp = NULL;
}
