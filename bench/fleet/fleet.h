/* SPDX-License-Identifier: MIT */
/*
 * A fleet: a process that is N agents on libtaupe, each with an address of its own, its own
 * lease and one http service, for measuring what a fleet costs its relay. What its
 * agents share stands here.
 */
#ifndef TAUPE_BENCH_FLEET_H
#define TAUPE_BENCH_FLEET_H

#include "base/options.h"
#include "net/address.h"
#include "net/loop.h"
#include "net/conn.h"
#include "sdk/taupe.h"

struct fleet_agent;
struct visit;

struct fleet_options {
	struct option_list relay, domain;
	int64_t agents, window, sample, report_ms;
	bool steps;
	char *name, *secret_file, *service, *first_address, *proxy, *ca_file;
};

struct fleet {
	struct loop *loop;
	struct fleet_options options;
	struct taupe_config config; /* what all agents' have in common */
	struct taupe_service service;
	struct address first_address, proxy;
	char secret[TAUPE_SECRET_MAX + 1];
	uint8_t random_pool[4096];
	size_t random_used;
	struct timer report;
	struct fleet_agent *agents;
	/* all there are; that shall run; that do; that were welcomed at least once */
	size_t n, wanted, started, welcomed;
	bool complete; /* all that are wanted are up, and that was said */
	struct conn input; /* standard input: how many are wanted */
	LIST_HEAD(, visit) visits;
	/* counted since the start, but for up */
	struct fleet_counts {
		uint64_t up, dialled, welcomes, redirects, refused, failed, lost,
		    visits;
	} counts, reported;
};

/* The source address of agent number i. */
void fleet_source_address(
    const struct fleet *fleet, size_t i, struct address *address);
/* An agent has its welcome. label is from a peer, but its shape was checked. */
void fleet_welcomed(struct fleet_agent *agent, struct taupe_text label);

#endif
