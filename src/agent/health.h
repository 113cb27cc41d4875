/* SPDX-License-Identifier: MIT */
/*
 * Are the services themselves alive? Those that the configuration names are looked at now and then, by a
 * connection, or by a GET and the status of its answer. What is down is said to the relay, when that changes and
 * at each welcome, and its visits are refused without being tried.
 */
#ifndef TAUPE_AGENT_HEALTH_H
#define TAUPE_AGENT_HEALTH_H

#include "agent/settings.h"

struct agent;
struct health;

/* What a relay is told of a visit to a service that is down, letter for letter (docs/PROTOCOL.md section
 * 5.2). */
#define HEALTH_REFUSAL "service down"
#define HEALTH_ERROR_MAX 120

enum health_state {
	HEALTH_UNCHECKED, /* nobody has asked for it */
	HEALTH_UNKNOWN,	  /* it was not looked at yet */
	HEALTH_UP,
	HEALTH_DOWN
};

/* Look from now on as the agent's settings say. NULL: no memory. */
struct health *health_new(struct agent *agent);
void health_free(struct health **health);
/* The settings have changed: what is known of services that stay is kept. -1: no memory, and all stays
 * as it was, as far as there are such services. */
int health_renew(struct health **health, struct agent *agent);

/* A service's state; *error: why it is down, or what the last look has found; "" when that was right. */
enum health_state health_of(
    const struct health *health, const char *service, const char **error);
/* Is it down, if it was (or not), after looks that have failed (a bit for each, the latest the lowest)? */
bool health_verdict(bool down, unsigned failed);
/* A relay has welcomed us: it knows of nothing that is down. */
void health_tell_all(const struct health *health);

#endif
