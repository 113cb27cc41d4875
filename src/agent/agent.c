/* SPDX-License-Identifier: MIT */
/* The agent's life: made, run, told by signals to reload or to stop. */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "agent/agent.h"
#include "agent/check.h"
#include "agent/command.h"
#include "agent/command_door.h"
#include "agent/control.h"
#include "agent/profile.h"
#include "agent/ride.h"
#include "agent/setup.h"
#include "agent/shared.h"
#include "agent/transfer.h"
#include "agent/visit.h"
#include "base/log.h"
#include "net/crypto.h"
#include "net/process.h"
#include "net/requests.h"
#include "net/slice.h"
#include "net/worker.h"

#define FAREWELL_STALL_MS 300000
#define FAREWELL_LINGER_MS 3000
#define RANDOM_POOL_BYTES 1024
#define STOP_LOOK_MS                                                           \
	20 /* how often a stop looks whether the last bytes are out */

/* Masks need four bytes a frame: a draw for each from the system would be felt. The worker has a pool
 * of its own. */
static void
random_cb(void *ctx, void *out, size_t len)
{
	static _Thread_local uint8_t pool[RANDOM_POOL_BYTES];
	static _Thread_local size_t left;

	(void)ctx;
	if (len > sizeof(pool)) {
		crypto_random(out, len);
		return;
	}
	if (len > left) {
		crypto_random(pool, sizeof(pool));
		left = sizeof(pool);
	}
	memcpy(out, pool + sizeof(pool) - left, len);
	left -= len;
}

static void
set_fixed_config(struct agent *agent)
{
	agent->config.user_agent = "taupe-agent/" TAUPE_VERSION;
	agent->config.random_cb = random_cb;
	agent->config.buffer = agent->session_buffer;
	agent->config.buffer_size = sizeof(agent->session_buffer);
	agent->config.memory = agent->session_memory;
	agent->config.memory_size = sizeof(agent->session_memory);
	agent->config.heartbeat = &agent->budget.search;
}

static void
take_settings(struct agent *agent, struct settings *settings)
{
	agent->settings = settings;
	/* dials under way are content with the old one's place */
	if (agent->tls != NULL)
		(void)settings_need_tls(settings);
	agent->tls = settings->tls;
	settings_apply(settings, &agent->config);
	budget_apply(&agent->budget, settings, loop_now_ms(agent->loop));
	secret_store_apply(&agent->secrets, &agent->config);
}

/* Visits ride on the control channel, if that is wanted. -1: no memory. */
static int
make_room_for_rides(struct agent *agent)
{
	const struct agent_options *options = &agent->settings->options;

	if (!options->one_connection)
		return 0;
	agent->ride_visits = (size_t)options->shared_visits;
	agent->config.visits = ride_places(agent->ride_visits);
	return agent->config.visits != NULL ? 0 : -1;
}

/* The secrets that go with the settings. An exit code; what is wrong was logged. */
static int
need_secrets(struct secret_store *secrets, const struct settings *settings)
{
	if (!settings_want_enrolment(settings)) {
		if (secrets->secret[0] == '\0' &&
		    settings->options.tls_certificate == NULL)
			log_warn("no secret and no secret_file: only a relay "
				 "in open mode takes us");
		return EX_OK;
	}
	if (settings->enrolment_key[0] != '\0')
		return secret_store_need(secrets);
	if (secrets->secret[0] != '\0') {
		log_info("there is no enrolment key, and none is needed: the "
			 "device has its secret",
		    LOG_S("device", settings->name));
		return EX_OK;
	}
	log_error("enrolment_key_file is not there, and the device has no "
		  "secret of its own yet",
	    LOG_S("file", settings->options.enrolment_key_file));
	return EX_NOINPUT;
}

static int
load_secrets(struct secret_store *secrets, const struct settings *settings)
{
	int result = secret_store_init(secrets, settings->options.state_file,
	    settings->name, settings->secret);

	return result == EX_OK ? need_secrets(secrets, settings) : result;
}

int
agent_rotate_secret(struct agent *agent, enum taupe_credential with,
    char why[SECRET_STORE_WHY_MAX])
{
	int result = secret_store_rotate(&agent->secrets, with, why);

	secret_store_apply(&agent->secrets, &agent->config);
	return result;
}

void
agent_welcomed(struct agent *agent)
{
	secret_store_welcomed(&agent->secrets);
	secret_store_apply(&agent->secrets, &agent->config);
}

void
agent_try_other_secrets(struct agent *agent)
{
	if (!secret_store_next(&agent->secrets))
		return;
	secret_store_apply(&agent->secrets, &agent->config);
	log_info("the next attempt is made with other secrets of the device",
	    LOG_S("device", agent->config.name),
	    LOG_S("file", agent->secrets.path));
}

bool
agent_way(
    struct agent *agent, const struct taupe_relay *relay, struct dial_to *to)
{
	*to = (struct dial_to){
	    .host = relay->host,
	    .port = relay->port,
	    .proxy = proxies_find(&agent->settings->proxies, relay->secure,
		relay->host, relay->port),
	};
	if (!relay->secure)
		return true;
	if (settings_need_tls(agent->settings) != 0)
		return false;
	agent->tls = agent->settings->tls;
	to->tls = &agent->tls;
	return true;
}

bool
agent_session_is_over(const struct agent *agent, uint64_t session)
{
	return agent->stopping || session != control_session(agent->control);
}

void
agent_close_stale(struct agent *agent)
{
	transfers_close_stale(agent);
	shared_close_stale(agent);
}

static void
close_channels(struct agent *agent, bool running_too)
{
	transfers_close(agent, running_too);
	shared_close(agent, running_too);
}

static void
stop_timer_cb(void *ctx)
{
	struct agent *agent = ctx;
	uint64_t now_ms = loop_now_ms(agent->loop);

	if (now_ms >= agent->stop_deadline_ms) {
		control_leave(agent->control);
		close_channels(agent, true);
	}
	/* who still reads our last bytes has had the time to */
	if (now_ms >= agent->stop_deadline_ms + FAREWELL_LINGER_MS)
		loop_stop(agent->loop);
	else
		agent_check_stop(agent);
}

/* What a device's owner has to do with it. False: no memory. */
static bool
make_tools(struct agent *agent)
{
	if (!AGENT_HAS_TOOLS)
		return true;
	if ((agent->standing = malloc(sizeof(*agent->standing))) == NULL)
		return false;
	standing_init(agent->standing);
	agent->command_door = command_door_new(agent);
	agent->health = health_new(agent);
	return agent->health != NULL;
}

static void
consent_ended_cb(void *ctx, const char *service)
{
	visits_end(ctx, service, CONSENT_REFUSAL);
}

struct agent *
agent_new(struct loop *loop, struct settings *settings, int argc, char **argv,
    int *result)
{
	struct agent *agent = calloc(1, sizeof(*agent));

	*result = EX_OSERR;
	if (agent == NULL) {
		settings_free(&settings);
		return NULL;
	}
	agent->loop = loop;
	agent->argc = argc;
	agent->argv = argv;
	LIST_INIT(&agent->transfers);
	LIST_INIT(&agent->visits);
	if (AGENT_HAS_TOOLS)
		consent_init(&agent->consent, loop, consent_ended_cb, agent);
	shared_init(agent);
	timer_init(&agent->stop_timer, stop_timer_cb, agent);
	budget_init(&agent->budget, loop_now_ms(loop));
	set_fixed_config(agent);
	*result = load_secrets(&agent->secrets, settings);
	settings_forget_secret(settings);
	take_settings(agent, settings);
	if (*result != EX_OK) {
		agent_free(&agent);
		return NULL;
	}
	*result = EX_CONFIG;
	if (make_room_for_rides(agent) != 0 || !make_tools(agent) ||
	    (agent->resolver = resolver_new(loop, &settings->dns)) == NULL ||
	    (agent->dialler = dialler_new(loop, agent->resolver)) == NULL ||
	    (agent->farewells = farewells_new(
		 loop, FAREWELL_STALL_MS, FAREWELL_LINGER_MS)) == NULL ||
	    (agent->worker = worker_new(loop)) == NULL ||
	    (agent->control = control_new(agent)) == NULL) {
		log_error("the agent cannot start");
		agent_free(&agent);
	}
	return agent;
}

void
agent_free(struct agent **agent)
{
	struct agent *a = *agent;

	if (a == NULL)
		return;
	a->stopping = true;
	if (AGENT_HAS_TOOLS) {
		command_door_free(&a->command_door);
		health_free(&a->health);
		consent_fini(&a->consent);
	}
	if (a->farewells != NULL)
		close_channels(a, true);
	timer_clear(a->loop, &a->stop_timer);
	control_free(&a->control);
	worker_free(&a->worker);
	if (a->farewells != NULL)
		farewells_free(&a->farewells);
	if (a->dialler != NULL)
		dialler_free(&a->dialler);
	if (a->resolver != NULL)
		resolver_free(&a->resolver);
	pool_fini(&a->shared_visits);
	free(a->config.visits);
	if (AGENT_HAS_TOOLS)
		free(a->standing);
	settings_free(&a->settings);
	secret_store_fini(&a->secrets);
	crypto_wipe(a, sizeof(*a));
	free(a);
	*agent = NULL;
}

static bool
same(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* What only a restart can change; names the first such key that was changed. */
static const char *
fixed_key_changed(const struct settings *now, const struct settings *fresh)
{
	if (strcmp(now->name, fresh->name) != 0)
		return "name";
	if (!same(now->options.state_file, fresh->options.state_file))
		return "state_file";
	if (!same(now->options.user, fresh->options.user))
		return "user";
	if (AGENT_HAS_TOOLS &&
	    !same(now->options.control_socket, fresh->options.control_socket))
		return "control_socket";
	if (now->options.core_dumps != fresh->options.core_dumps)
		return "core_dumps";
	if (now->options.one_connection != fresh->options.one_connection)
		return "one_connection";
	if (now->options.one_connection &&
	    now->options.shared_visits != fresh->options.shared_visits)
		return "shared_visits";
	return NULL;
}

static bool
same_secret(const struct settings *a, const struct settings *b)
{
	return crypto_equal(a->secret_sha256, b->secret_sha256, SHA256_LEN);
}

/* Has something changed that a relay is told with the handshake? */
static bool
needs_handshake(const struct settings *now, const struct settings *fresh)
{
	if (now->n_services != fresh->n_services ||
	    now->options.warm_channels != fresh->options.warm_channels ||
	    settings_is_thrifty(now) != settings_is_thrifty(fresh) ||
	    now->options.mux != fresh->options.mux ||
	    now->options.shared_visits != fresh->options.shared_visits ||
	    !same_secret(now, fresh))
		return true;
	for (size_t i = 0; i < now->n_services; i++)
		if (now->services[i].kind != fresh->services[i].kind ||
		    strcmp(now->services[i].name, fresh->services[i].name) != 0)
			return true;
	return false;
}

/* What we have of our own stays as long as what the operator gives does. */
static int
reload_secrets(struct agent *agent, const struct settings *fresh)
{
	struct secret_store secrets;
	int result;

	if (same_secret(agent->settings, fresh))
		return need_secrets(&agent->secrets, fresh);
	if ((result = load_secrets(&secrets, fresh)) != EX_OK) {
		secret_store_fini(&secrets);
		return result;
	}
	secret_store_fini(&agent->secrets);
	agent->secrets = secrets;
	crypto_wipe(&secrets, sizeof(secrets));
	return EX_OK;
}

/* A service may want consent from now on. */
static void
end_unwanted_visits(struct agent *agent)
{
	const struct settings *settings = agent->settings;

	for (size_t i = 0; i < settings->n_services; i++)
		if (!consent_allows(&agent->consent, &settings->targets[i]))
			visits_end(agent, settings->targets[i].name,
			    CONSENT_REFUSAL);
}

void
agent_reload(struct agent *agent)
{
	struct settings *fresh, *old = agent->settings;
	const char *fixed;

	if (agent->stopping)
		return;
	if (settings_reload(agent->argc, agent->argv, &fresh) != 0) {
		log_error("the new configuration is wrong and not used");
		return;
	}
	if ((fixed = fixed_key_changed(old, fresh)) != NULL) {
		log_error("a key that only a restart can change has changed: "
			  "nothing was changed",
		    LOG_S("key", fixed));
		settings_free(&fresh);
		return;
	}
	if (reload_secrets(agent, fresh) != EX_OK) {
		log_error(
		    "the new configuration has no secret and is not used");
		settings_free(&fresh);
		return;
	}
	settings_forget_secret(fresh);
	take_settings(agent, fresh);
	resolver_set_servers(agent->resolver, &fresh->dns);
	log_setup("taupe-agent", (enum log_level)fresh->options.log_level,
	    fresh->options.log_syslog);
	log_info(
	    "configuration read again", LOG_S("device", agent->config.name));
	/* a key says nothing about a device that has been taken in; one that rests for its budget need
	 * not rest any longer */
	if (needs_handshake(old, fresh) ||
	    (fresh->data_budget > old->data_budget &&
		control_session(agent->control) == 0) ||
	    (!agent->secrets.enrolled &&
		strcmp(old->enrolment_key, fresh->enrolment_key) != 0))
		control_renew(agent->control);
	else
		control_act(agent->control);
	if (AGENT_HAS_TOOLS) {
		end_unwanted_visits(agent);
		consent_settle(&agent->consent, fresh->targets,
		    fresh->n_services);
		if (health_renew(&agent->health, agent) != 0)
			log_error("no memory to look at other services");
	}
	settings_free(&old);
}

void
agent_stop(struct agent *agent)
{
	uint64_t drain_ms = (uint64_t)agent->settings->options.drain_timeout_ms;
	bool again = agent->stopping;

	if (!again)
		log_info("stopping", LOG_S("device", agent->config.name),
		    LOG_U("transfers", agent->n_transfers));
	agent->stopping = true;
	agent->stop_deadline_ms =
	    loop_now_ms(agent->loop) + (again ? 0 : drain_ms);
	control_leave(agent->control);
	close_channels(agent, again);
	agent_check_stop(agent);
}

void
agent_check_stop(struct agent *agent)
{
	if (!agent->stopping)
		return;
	if (agent->n_transfers == 0 && control_is_closed(agent->control) &&
	    farewells_count(agent->farewells) == 0)
		loop_stop(agent->loop);
	else
		timer_set(agent->loop, &agent->stop_timer, STOP_LOOK_MS);
}

static void
request_cb(void *ctx, enum request request)
{
	switch (request) {
	case REQUEST_STOP:
		agent_stop(ctx);
		break;
	case REQUEST_RELOAD:
		agent_reload(ctx);
		break;
	}
}

static int
run(struct loop *loop, struct settings *settings, int argc, char **argv,
    void (*running_cb)(void))
{
	struct requests *requests;
	int result;
	struct agent *agent = agent_new(loop, settings, argc, argv, &result);

	if (agent == NULL)
		return result;
	result = EX_OK;
	if ((requests = requests_new(loop, request_cb, agent)) == NULL) {
		log_error(
		    "signals cannot be watched", LOG_S("error", log_errno()));
		agent_free(&agent);
		return EX_OSERR;
	}
	if (running_cb != NULL)
		running_cb();
	if (loop_run(loop) != 0) {
		log_error("the event loop failed", LOG_S("error", log_errno()));
		result = EX_OSERR;
	} else {
		log_info("stopped", LOG_S("device", agent->config.name));
	}
	requests_free(&requests);
	agent_free(&agent);
	return result;
}

int
agent_main(int argc, char **argv, void (*running_cb)(void))
{
	struct settings *settings;
	struct loop *loop;
	int result;

	if (AGENT_HAS_TOOLS && argc > 1 && strcmp(argv[1], "setup") == 0)
		return setup_main(argc - 1, argv + 1);
	process_begin();
	result = settings_load(argc, argv, &settings);
	if (settings == NULL)
		return result < 0 ? EX_OK : result;
	if (AGENT_HAS_TOOLS && settings->options.command.count > 0) {
		result = command_run(settings);
		settings_free(&settings);
		return result;
	}
	if ((loop = loop_new()) == NULL) {
		log_error("the event loop cannot be made",
		    LOG_S("error", log_errno()));
		settings_free(&settings);
		return EX_OSERR;
	}
	if (AGENT_HAS_TOOLS && settings->options.check) {
		result = check_run(loop, settings);
		settings_free(&settings);
		loop_free(&loop);
		return result;
	}
	slice_ask_short();
	result = run(loop, settings, argc, argv, running_cb);
	loop_free(&loop);
	buf_pool_drain();
	return result;
}
