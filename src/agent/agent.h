/* SPDX-License-Identifier: MIT */
/*
 * The agent as a whole: what its parts share, its start, its reload and its end. The
 * protocol is libtaupe's; here are sockets, names, timers and files.
 */
#ifndef TAUPE_AGENT_AGENT_H
#define TAUPE_AGENT_AGENT_H

#include "agent/budget.h"
#include "agent/consent.h"
#include "net/dial.h"
#include "agent/health.h"
#include "agent/secret_store.h"
#include "agent/settings.h"
#include "agent/standing.h"
#include "base/pool.h"
#include "net/farewell.h"
#include "net/loop.h"
#include "sdk/taupe.h"

struct command_door;
struct control;
struct visit;
LIST_HEAD(visit_list, visit);
struct transfer;
LIST_HEAD(transfer_list, transfer);
struct shared;
LIST_HEAD(shared_list, shared);

/* Bytes that may wait for a relay that does not read, however much it makes us say. */
#define AGENT_UNREAD_MAX (1u << 20)

struct agent {
	struct loop *loop;
	struct resolver *resolver;
	struct dialler *dialler;
	struct farewells *farewells;
	struct worker *worker; /* for bulk streams */
	struct settings *settings;
	struct secret_store secrets;
	struct taupe_config config; /* libtaupe's view of both */
	struct budget budget;
	struct tls_context *tls; /* the settings' own; NULL until agent_way() */
	struct control *control;
	struct transfer_list transfers;
	struct shared_list shared;
	size_t n_transfers;	   /* both sorts */
	struct pool shared_visits; /* their memory */
	size_t ride_visits; /* at once on each control link; 0: none rides there */
	/* AGENT_HAS_TOOLS: */
	struct visit_list visits; /* that run */
	struct consent consent;
	struct health *health; /* NULL without tools */
	struct standing *standing;	   /* NULL without tools */
	struct command_door *command_door; /* NULL: nobody can ask */
	struct timer stop_timer;
	uint64_t stop_deadline_ms; /* of the drain */
	bool stopping;
	int argc; /* for reading the settings again */
	char **argv;
	uint8_t session_buffer[TAUPE_LINKS * 4096];
	uint8_t session_memory[TAUPE_STATE_MAX];
};

/* Make an agent of settings, which it owns from here (they are freed on failure, too), and
 * let it begin to connect. argv must live on. NULL: what was wrong was logged, and *result is
 * the exit code. */
struct agent *agent_new(struct loop *loop, struct settings *settings, int argc,
    char **argv, int *result);
/* Close everything at once. */
void agent_free(struct agent **agent);

/* How a dial gets to a relay, for now; false: it needs TLS, and there cannot be any (logged). */
bool agent_way(
    struct agent *agent, const struct taupe_relay *relay, struct dial_to *to);

/* Is the session (a number of control_session()) no more, or are we going? Then no visitor
 * comes to the channels that were dug for it. */
bool agent_session_is_over(const struct agent *agent, uint64_t session);
/*
 * The relay asks for another secret, on a session made with `with`: libtaupe's configuration
 * has it afterwards. -1: there cannot be one, and why says so.
 */
int agent_rotate_secret(struct agent *agent, enum taupe_credential with,
    char why[SECRET_STORE_WHY_MAX]);
/* A relay has welcomed the device. */
void agent_welcomed(struct agent *agent);
/* The registry has none of the secrets that libtaupe's configuration has, and no session
 * is up or under way: the next attempt is made with others, if there are any. */
void agent_try_other_secrets(struct agent *agent);
/* Sessions have come or gone: close the channels that rest and belong to none that is up. */
void agent_close_stale(struct agent *agent);

/* Read the configuration again. */
void agent_reload(struct agent *agent);
/* Leave the relay, let running visits end, then stop the loop. Asked a second time: do not
 * wait for them. */
void agent_stop(struct agent *agent);
/* Something has ended: is that all that a stop waits for? */
void agent_check_stop(struct agent *agent);

/* The whole program: its exit code. running_cb is called once it has started; NULL: nobody asks. */
int agent_main(int argc, char **argv, void (*running_cb)(void));

#endif
