/* SPDX-License-Identifier: MIT */
/*
 * The search for the longest interval, through a session, over a network that forgets: what is
 * sent after a longer silence than its mappings live reaches nobody, and nobody is told.
 */
#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "sdk/heartbeat.h"

#define HOME 0x1234
#define TRAVEL 0x5678
#define RELAY "ws://r1.example.com:8000"
#define TERMS "&heartbeat_min_ms=5000&heartbeat_max_ms=3600000"
#define HOUR UINT64_C(3600000)

struct net {
	struct bench b;
	struct taupe_heartbeat search;
	uint64_t
	    mapping_ms; /* how long a mapping lives without use; 0: for ever */
	uint64_t used_ms; /* when it last was */
	bool dead;	  /* it is gone, and the agent does not know */
	unsigned lose;	  /* so many heartbeats to come, by chance */
	bool acks;	  /* the driver can see them */
	bool away;	  /* nobody can be reached */
	uint32_t network;
	const char *terms;
	uint64_t told_ms; /* the relay knows of this interval */
	unsigned pings, pongs, deaths, tells;
};

static void
net_init(struct net *net, uint64_t mapping_ms)
{
	memset(net, 0, sizeof(*net));
	init(&net->b);
	taupe_heartbeat_init(&net->search);
	net->search.max_ms = UINT32_MAX;
	net->b.config.heartbeat = &net->search;
	net->mapping_ms = mapping_ms;
	net->network = HOME;
	net->terms = TERMS;
	begin(&net->b);
}

static void
come_up(struct net *net)
{
	char welcome[400];

	snprintf(
	    welcome, sizeof(welcome), "%s%s", WELCOME(RELAY, ""), net->terms);
	taupe_heartbeat_network(&net->search, net->network);
	net->dead = false;
	net->told_ms = 30000;
	net->used_ms = net->b.now;
	accepted(&net->b, 0);
	hear_text(&net->b, 0, welcome);
	ck_assert(taupe_session_is_up(&net->b.session));
}

/* Something was sent: does it reach the relay? */
static bool
reaches(struct net *net)
{
	if (net->mapping_ms != 0 &&
	    net->b.now - net->used_ms >= net->mapping_ms)
		net->dead = true;
	if (net->lose > 0) {
		net->lose--;
		net->dead = true;
	}
	if (!net->dead)
		net->used_ms = net->b.now;
	return !net->dead;
}

static void
take_ping(struct net *net)
{
	struct bytes in = {.len = 0};

	net->pings++;
	if (!reaches(net))
		return;
	relay_frame(&in, WS_OP_PONG, "", 0);
	hear(&net->b, 0, &in);
}

static void
take_pong(struct net *net)
{
	net->pongs++;
	if (!reaches(net) || !net->acks)
		return;
	taupe_session_acked(&net->b.session, 0, net->b.now);
	act(&net->b);
}

/* What the agent has just done. False: nothing. */
static bool
take_word(struct net *net, const char *word)
{
	unsigned long long ms;

	if (strncmp(word, "op=heartbeat", 12) == 0) {
		ck_assert_int_eq(
		    sscanf(word, "op=heartbeat&heartbeat_ms=%llu", &ms), 1);
		net->tells++;
		if (reaches(net))
			net->told_ms = ms;
	} else if (strcmp(word, "ping") == 0) {
		take_ping(net);
	} else if (strcmp(word, "pong") == 0) {
		take_pong(net);
	} else if (strncmp(word, "dial0", 5) == 0) {
		if (net->away)
			lost(&net->b, 0);
		else
			come_up(net);
	} else if (strncmp(word, "close0", 6) == 0) {
		net->deaths++;
	}
	return true;
}

static void
take_trace(struct net *net)
{
	char trace[sizeof(net->b.trace)];

	while (net->b.trace[0] != '\0') {
		memcpy(trace, net->b.trace, sizeof(trace));
		net->b.trace[0] = '\0';
		for (char *word = strtok(trace, " "); word != NULL;
		     word = strtok(NULL, " "))
			take_word(net, word);
	}
}

static void
run(struct net *net, uint64_t ms)
{
	uint64_t end = net->b.now + ms;

	act(&net->b);
	take_trace(net);
	while (net->b.until <= end) {
		net->b.now = net->b.until;
		act(&net->b);
		take_trace(net);
		/* the relay must never count three intervals before the agent speaks */
		if (taupe_session_is_up(&net->b.session) && !net->dead)
			ck_assert_uint_eq(net->told_ms,
			    taupe_session_heartbeat_ms(&net->b.session));
	}
	net->b.now = end;
}

/* The interval, once the session is up. */
static uint32_t
kept(struct net *net)
{
	while (!taupe_session_is_up(&net->b.session))
		run(net, 100);
	return taupe_session_heartbeat_ms(&net->b.session);
}

START_TEST(settles_below_what_the_network_bears)
{
	static const uint32_t mappings[] = {12000, 30000, 45000, 60000, 120000,
	    299000, 300000, 301000, 350000, 900000};
	struct net net;

	for (size_t i = 0; i < COUNT(mappings); i++) {
		unsigned deaths;

		net_init(&net, mappings[i]);
		run(&net, 6 * HOUR);
		printf("mapping %u ms: %u ms kept, %u links lost on the way\n",
		    mappings[i], kept(&net), net.deaths);
		ck_assert_uint_lt(kept(&net), mappings[i]);
		ck_assert_uint_gt(
		    kept(&net), mappings[i] - mappings[i] / 16 - 500);
		ck_assert_uint_le(net.deaths, 8);
		/* and stays there */
		deaths = net.deaths;
		run(&net, 12 * HOUR);
		ck_assert_uint_le(net.deaths, deaths + 2);
	}
}
END_TEST

START_TEST(month_on_five_minutes_is_within_the_budget)
{
	struct net net;
	uint64_t bytes;

	net_init(&net, 300000);
	net.acks = net.search.can_see_acks = true;
	run(&net, 6 * HOUR);
	net.pings = net.pongs = net.tells = net.deaths = 0;
	run(&net, 30 * 24 * HOUR);
	/* TLS, Ethernet headers and TCP's timestamps counted: a pong and its acknowledgement; a ping, its
	 * pong and that one's; a link that is lost, with its handshakes */
	bytes = net.pongs * (94u + 66) + net.pings * (94u + 90 + 66) +
	    net.tells * 250u + net.deaths * 6000u;
	printf("a month: %u pongs, %u pings, %u links lost: %llu bytes\n",
	    net.pongs, net.pings, net.deaths, (unsigned long long)bytes);
	ck_assert_uint_gt(net.pongs, 30 * net.pings);
	ck_assert_uint_le(bytes, 1500000);
	ck_assert_uint_le(net.deaths, 3);
}
END_TEST

START_TEST(grows_up_to_the_relays_bound)
{
	struct net net;

	net_init(&net, 0);
	run(&net, 12 * HOUR);
	ck_assert_uint_eq(kept(&net), 3600000);
	ck_assert_uint_eq(net.deaths, 0);
}
END_TEST

START_TEST(grows_up_to_its_own_bound)
{
	struct net net;

	net_init(&net, 0);
	net.search.max_ms = 120000;
	run(&net, HOUR);
	ck_assert_uint_eq(kept(&net), 120000);
}
END_TEST

START_TEST(without_a_bound_the_relays_interval_is_the_longest)
{
	struct net net;

	net_init(&net, 0);
	net.search.max_ms = 0;
	run(&net, HOUR);
	ck_assert_uint_eq(kept(&net), 30000);
	ck_assert_uint_eq(net.tells, 0);
	ck_assert_uint_eq(net.pongs, 0);
}
END_TEST

START_TEST(relay_that_knows_no_other_interval_is_told_none)
{
	struct net net;

	net_init(&net, 0);
	net.terms = "";
	run(&net, HOUR);
	ck_assert_uint_eq(kept(&net), 30000);
	ck_assert_uint_eq(net.tells, 0);
}
END_TEST

START_TEST(never_below_its_own_bound_or_the_relays)
{
	struct net net;

	net_init(&net, 3000);
	run(&net, HOUR);
	ck_assert_uint_eq(kept(&net), 5000);
	net_init(&net, 3000);
	net.search.min_ms = 20000;
	run(&net, HOUR);
	ck_assert_uint_eq(kept(&net), 20000);
}
END_TEST

START_TEST(relays_bounds_that_make_no_sense_do_no_harm)
{
	static const char *const terms[] = {
	    "&heartbeat_min_ms=1&heartbeat_max_ms=1",
	    "&heartbeat_min_ms=1&heartbeat_max_ms=50"};

	for (size_t i = 0; i < COUNT(terms); i++) {
		struct net net;

		net_init(&net, 0);
		net.terms = terms[i];
		run(&net, HOUR);
		ck_assert_uint_eq(kept(&net), 30000);
		ck_assert_uint_eq(net.deaths, 0);
		ck_assert_uint_le(net.pings, 120);
	}
	/* nor does a network that bears next to nothing */
	{
		struct net net;

		net_init(&net, 0);
		net.terms = "&heartbeat_min_ms=1&heartbeat_max_ms=3600000";
		net.search.max_ms = 1;
		run(&net, 60000);
		ck_assert_uint_eq(kept(&net), 100);
		ck_assert_uint_eq(net.deaths, 0);
	}
}
END_TEST

START_TEST(one_loss_by_chance_changes_nothing)
{
	struct net net;
	uint32_t before;

	net_init(&net, 300000);
	run(&net, 6 * HOUR);
	before = kept(&net);
	net.lose = 1;
	run(&net, HOUR);
	ck_assert_uint_eq(kept(&net), before);
	/* nor another one, a while later */
	net.lose = 1;
	run(&net, HOUR);
	ck_assert_uint_eq(kept(&net), before);
}
END_TEST

START_TEST(loss_by_chance_while_it_grows_is_made_up_for)
{
	struct net net;

	net_init(&net, 300000);
	run(&net, 35000); /* the first one is answered */
	net.lose = 1;
	run(&net, 4 * HOUR);
	ck_assert_uint_lt(kept(&net), 60000);
	/* 1,024 heartbeats later it tries again */
	run(&net, 24 * HOUR);
	ck_assert_uint_gt(kept(&net), 280000);
	ck_assert_uint_lt(kept(&net), 300000);
}
END_TEST

START_TEST(two_losses_in_a_row_are_believed)
{
	struct net net;

	net_init(&net, 300000);
	run(&net, 6 * HOUR);
	net.mapping_ms = 60000; /* the provider has changed something */
	run(&net, 3 * HOUR);
	ck_assert_uint_lt(kept(&net), 60000);
	ck_assert_uint_gt(kept(&net), 55000);
}
END_TEST

START_TEST(network_that_was_away_altogether_is_not_blamed)
{
	struct net net;
	uint32_t before;

	net_init(&net, 300000);
	run(&net, 6 * HOUR);
	before = kept(&net);
	for (int i = 0; i < 4; i++) {
		net.lose = 1;
		net.away = true;
		run(&net, HOUR);
		net.away = false;
		run(&net, 5 * 60000);
	}
	run(&net, 60000);
	ck_assert_uint_eq(kept(&net), before);
}
END_TEST

START_TEST(each_network_has_its_own_interval)
{
	struct net net;
	uint32_t home;

	net_init(&net, 300000);
	run(&net, 6 * HOUR);
	home = kept(&net);
	net.network = TRAVEL;
	net.mapping_ms = 60000;
	net.dead = true; /* the address has changed */
	run(&net, 2 * HOUR);
	ck_assert_uint_lt(kept(&net), 60000);
	ck_assert_uint_gt(kept(&net), 55000);
	net.network = HOME;
	net.mapping_ms = 300000;
	net.dead = true;
	run(&net, 120000);
	ck_assert_uint_eq(kept(&net), home);
}
END_TEST

/* It is dialled there while the old link stands, which goes on for an hour: what is answered by then
 * has been answered at home. */
START_TEST(network_counts_from_the_welcome_on)
{
	struct net net;
	uint32_t good;

	net_init(&net, 0);
	run(&net, 60000);
	good = net.search.networks[0].good_ms;
	taupe_heartbeat_network(&net.search, TRAVEL);
	run(&net, HOUR);
	ck_assert_uint_eq(net.search.networks[0].id, HOME);
	ck_assert_uint_gt(net.search.networks[0].good_ms, good);
	good = net.search.networks[0].good_ms;
	net.network = TRAVEL;
	lost(&net.b, 0);
	run(&net, 2000);
	ck_assert(taupe_session_is_up(&net.b.session));
	ck_assert_uint_eq(net.search.networks[0].id, TRAVEL);
	ck_assert_uint_eq(net.search.networks[0].good_ms, 0);
	ck_assert_uint_eq(net.search.networks[1].id, HOME);
	ck_assert_uint_eq(net.search.networks[1].good_ms, good);
}
END_TEST

/* Connected there, and welcomed. */
static void
come_to(struct taupe_heartbeat *h, uint32_t id)
{
	const struct heartbeat_terms terms = {.network = id, .base_ms = 30000};

	h->ops->begin(h, &terms, 0);
}

/* A loss is the network's on which it was. */
START_TEST(another_network_knows_nothing_of_a_loss)
{
	struct taupe_heartbeat h;

	/* one that may count yet */
	taupe_heartbeat_init(&h);
	come_to(&h, HOME);
	h.ops->lost(&h, 30000, 0);
	come_to(&h, TRAVEL);
	ck_assert(!h.doubt);
	/* one that may have been by chance */
	come_to(&h, HOME);
	h.ops->lost(&h, 30000, 0);
	come_to(&h, HOME);
	ck_assert(h.doubt);
	come_to(&h, TRAVEL);
	ck_assert(!h.doubt);
	/* one that shows that what was bad still is */
	come_to(&h, HOME);
	h.networks[0].good_ms = 60000;
	h.networks[0].bad_ms = 61000;
	h.ops->lost(&h, 61000, 0);
	come_to(&h, HOME);
	ck_assert_uint_eq(h.retry, 2048);
	come_to(&h, TRAVEL);
	ck_assert_uint_eq(h.retry, 1024);
}
END_TEST

/* It is told of another one while the handshake is under way: what was connected is what counts. */
START_TEST(network_is_that_of_the_connection)
{
	struct net net;

	net_init(&net, 0);
	taupe_heartbeat_network(&net.search, HOME);
	act(&net.b);
	accepted(&net.b, 0);
	taupe_heartbeat_network(&net.search, TRAVEL);
	hear_text(&net.b, 0, WELCOME(RELAY, TERMS));
	ck_assert_uint_eq(net.search.networks[0].id, HOME);
}
END_TEST

START_TEST(fifth_network_takes_the_place_of_the_one_seen_longest_ago)
{
	struct taupe_heartbeat h;

	taupe_heartbeat_init(&h);
	for (uint32_t id = 1; id <= 4; id++) {
		come_to(&h, id);
		h.networks[0].good_ms = 1000 * id;
	}
	come_to(&h, 1);
	come_to(&h, 5);
	h.networks[0].good_ms = 5000;
	come_to(&h, 1);
	ck_assert_uint_eq(h.networks[0].good_ms, 1000);
	come_to(&h, 2);
	ck_assert_uint_eq(h.networks[0].good_ms, 0);
	come_to(&h, 5);
	ck_assert_uint_eq(h.networks[0].good_ms, 5000);
}
END_TEST

START_TEST(remembers_over_a_restart)
{
	struct net net, next;
	char state[TAUPE_STATE_MAX];
	size_t len;

	net_init(&net, 300000);
	run(&net, 6 * HOUR);
	len = taupe_session_export(&net.b.session, state, sizeof(state));
	ck_assert_uint_gt(len, 0);
	net_init(&next, 300000);
	ck_assert(taupe_session_restore(&next.b.session, state, len));
	run(&next, 1000);
	ck_assert_uint_eq(kept(&next), kept(&net));
	ck_assert_uint_eq(next.tells, 1);
}
END_TEST

START_TEST(state_that_changes_is_reported_once)
{
	struct net net;

	net_init(&net, 0);
	run(&net, 29000);
	net.b.event.state_changed = false;
	net.search.changed = true;
	hear_text(&net.b, 0, "op=rotate");
	ck_assert(net.b.event.state_changed);
	hear_text(&net.b, 0, "op=rotate");
	ck_assert(!net.b.event.state_changed);
}
END_TEST

START_TEST(damaged_memory_of_networks_is_refused)
{
	static const char *const texts[] = {"network=1", "network=1:2",
	    "network=x:2:3", "network=1:2:3:4", "network=1:86400001:0",
	    "network=4294967296:1:1", "network="};

	for (size_t i = 0; i < COUNT(texts); i++) {
		struct net net;
		char text[80];

		net_init(&net, 0);
		strcpy(text, texts[i]);
		ck_assert(
		    !taupe_session_restore(&net.b.session, text, strlen(text)));
	}
}
END_TEST

START_TEST(state_of_more_networks_than_have_room)
{
	struct net net;
	char text[] = "network=1:2:3&network=2:2:3&network=3:2:3&network=4:2:3"
		      "&network=5:2:3";

	net_init(&net, 0);
	ck_assert(taupe_session_restore(&net.b.session, text, strlen(text)));
	ck_assert_uint_eq(net.search.networks[3].id, 4);
}
END_TEST

START_TEST(driver_without_a_search_hands_nothing_on)
{
	struct net net;
	char text[] = "network=1:2:3&label=k7x2m9q4tz", out[200];
	size_t len;

	net_init(&net, 0);
	net.b.config.heartbeat = NULL;
	ck_assert(taupe_session_restore(&net.b.session, text, strlen(text)));
	len = taupe_session_export(&net.b.session, out, sizeof(out));
	ck_assert_uint_eq(len, strlen("label=k7x2m9q4tz"));
}
END_TEST

START_TEST(budget_lengthens_beyond_what_the_network_bears)
{
	struct net net;

	net_init(&net, 60000);
	net.search.floor_ms = 600000;
	run(&net, 6 * HOUR);
	ck_assert_uint_eq(kept(&net), 600000);
	/* each heartbeat finds the link dead, and none comes sooner */
	ck_assert_uint_le(net.pings, 6 * 6 + 1);
	ck_assert_uint_ge(net.deaths, 6 * 6 - 5);
	/* the search has not been led astray: with more money it goes on */
	net.search.floor_ms = 0;
	run(&net, 3 * HOUR);
	ck_assert_uint_lt(kept(&net), 60000);
	ck_assert_uint_gt(kept(&net), 55000);
}
END_TEST

/* The operator no longer pays for each byte: what was silence by then is no fault of the link. */
START_TEST(shorter_interval_does_not_judge_the_silence_before_it)
{
	struct net net;

	net_init(&net, 0);
	net.search.floor_ms = 1200000;
	run(&net, 1000);
	ck_assert_uint_eq(kept(&net), 1200000);
	run(&net, 300000);
	net.search.floor_ms = net.search.max_ms = 0;
	run(&net, 40000);
	ck_assert_uint_eq(kept(&net), 30000);
	ck_assert_uint_eq(net.tells, 2);
	ck_assert_uint_eq(net.pings, 1);
	ck_assert_uint_eq(net.deaths, 0);
	/* the silence after it is */
	net.lose = 1;
	run(&net, 40001);
	ck_assert_uint_eq(net.deaths, 1);
}
END_TEST

START_TEST(relay_is_told_of_bytes_and_budget)
{
	struct net net;

	net_init(&net, 0);
	net.search.beat_bytes = 160;
	net.search.budget_bytes = 5000000;
	act(&net.b);
	net.b.trace[0] = '\0';
	come_up(&net);
	DID(&net.b,
	    "op=heartbeat&heartbeat_ms=30000&beat_bytes=160&budget_bytes="
	    "5000000");
	net.search.beat_bytes = 170;
	act(&net.b);
	DID(&net.b,
	    "op=heartbeat&heartbeat_ms=30000&beat_bytes=170&budget_bytes="
	    "5000000");
}
END_TEST

START_TEST(pong_that_nobody_acknowledges_is_a_dead_link)
{
	struct net net;
	unsigned deaths;

	net_init(&net, 300000);
	net.acks = net.search.can_see_acks = true;
	run(&net, 6 * HOUR);
	deaths = net.deaths;
	ck_assert_uint_gt(net.pongs, 10);
	net.dead = true;
	run(&net, 300000 + 10001);
	ck_assert_uint_eq(net.deaths, deaths + 1);
}
END_TEST

/* An acknowledgement may be a proxy's: it lengthens nothing. */
START_TEST(acknowledgement_alone_proves_no_longer_interval)
{
	struct net net;

	net_init(&net, 0);
	net.acks = net.search.can_see_acks = true;
	run(&net, 31000);
	ck_assert_uint_eq(net.pings, 1);
	ck_assert_uint_eq(net.pongs, 0);
	ck_assert_uint_gt(kept(&net), 30000);
	run(&net, 4 * HOUR);
	/* only what was answered by the relay was gone beyond */
	ck_assert_uint_ge(net.pings, 10);
}
END_TEST

/* A visitor's open in between: that interval shows nothing. */
START_TEST(interval_with_something_said_in_it_proves_nothing)
{
	struct net net;

	net_init(&net, 0);
	run(&net, 1000);
	net.b.now += 14000;
	hear_text(&net.b, 0, "op=unknown");
	run(&net, 15000);
	ck_assert_uint_eq(net.pings, 1);
	ck_assert_uint_eq(kept(&net), 30000);
	run(&net, 30000);
	ck_assert_uint_eq(kept(&net), 45000);
}
END_TEST

START_TEST(waits_as_long_as_the_driver_wants_before_it_comes_back)
{
	struct net net;

	net_init(&net, 0);
	net.b.config.reconnect_wait_ms = 600000;
	run(&net, 1000);
	net.away = true;
	lost(&net.b, 0);
	ck_assert_uint_ge(net.b.until, net.b.now + 600000);
	ck_assert_uint_le(net.b.until, net.b.now + 602000);
}
END_TEST

/* What is refused for good is no way around it. */
START_TEST(waits_as_long_after_a_lasting_refusal)
{
	static const char *const refusals[] = {"HTTP/1.1 400 No\r\n\r\n",
	    "HTTP/1.1 401 No\r\n\r\n", "HTTP/1.1 403 No\r\n\r\n",
	    "HTTP/1.1 409 No\r\n\r\n", NULL /* close code 1008 */};

	for (size_t i = 0; i < COUNT(refusals); i++) {
		struct net net;

		net_init(&net, 0);
		net.b.config.reconnect_wait_ms = 600000;
		if (refusals[i] != NULL) {
			act(&net.b);
			connected(&net.b, 0);
			hear_raw(&net.b, 0, refusals[i]);
		} else {
			run(&net, 1000);
			hear_close(&net.b, 0, WS_CLOSE_POLICY, "revoked");
		}
		ck_assert_uint_ge(net.b.event.retry_ms, 600000 + 30000);
		ck_assert_uint_le(net.b.event.retry_ms, 600000 + 60000);
		ck_assert_uint_eq(
		    net.b.until, net.b.now + net.b.event.retry_ms);
	}
}
END_TEST

/* Farther than the session's own clock sees. */
START_TEST(waits_for_the_rest_of_a_month)
{
	const uint32_t month = 2592000000u;
	struct net net;
	uint64_t lost_ms;

	net_init(&net, 0);
	net.b.config.reconnect_wait_ms = UINT32_MAX;
	run(&net, 1000);
	ck_assert(taupe_session_is_up(&net.b.session));
	net.away = true;
	lost_ms = net.b.now;
	lost(&net.b, 0);
	ck_assert_uint_ge(net.b.event.retry_ms, month);
	net.away = false;
	run(&net, month - 1);
	ck_assert(!taupe_session_is_up(&net.b.session));
	run(&net, 5000);
	ck_assert(taupe_session_is_up(&net.b.session));
	ck_assert_uint_ge(net.b.now - lost_ms, month);
}
END_TEST

/* It was put off, but what was refused may be right now. */
START_TEST(renewal_ends_the_wait)
{
	struct net net;

	net_init(&net, 0);
	net.b.config.reconnect_wait_ms = UINT32_MAX;
	run(&net, 1000);
	lost(&net.b, 0);
	run(&net, 1000);
	ck_assert(!taupe_session_is_up(&net.b.session));
	taupe_session_renew(&net.b.session, net.b.now);
	run(&net, 1);
	ck_assert(taupe_session_is_up(&net.b.session));
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
	    settles_below_what_the_network_bears,
	    month_on_five_minutes_is_within_the_budget,
	    grows_up_to_the_relays_bound,
	    grows_up_to_its_own_bound,
	    without_a_bound_the_relays_interval_is_the_longest,
	    relay_that_knows_no_other_interval_is_told_none,
	    never_below_its_own_bound_or_the_relays,
	    relays_bounds_that_make_no_sense_do_no_harm,
	    one_loss_by_chance_changes_nothing,
	    loss_by_chance_while_it_grows_is_made_up_for,
	    two_losses_in_a_row_are_believed,
	    network_that_was_away_altogether_is_not_blamed,
	    each_network_has_its_own_interval,
	    network_counts_from_the_welcome_on,
	    another_network_knows_nothing_of_a_loss,
	    network_is_that_of_the_connection,
	    fifth_network_takes_the_place_of_the_one_seen_longest_ago,
	    remembers_over_a_restart,
	    state_that_changes_is_reported_once,
	    damaged_memory_of_networks_is_refused,
	    state_of_more_networks_than_have_room,
	    driver_without_a_search_hands_nothing_on,
	    budget_lengthens_beyond_what_the_network_bears,
	    shorter_interval_does_not_judge_the_silence_before_it,
	    relay_is_told_of_bytes_and_budget,
	    pong_that_nobody_acknowledges_is_a_dead_link,
	    acknowledgement_alone_proves_no_longer_interval,
	    interval_with_something_said_in_it_proves_nothing,
	    waits_as_long_as_the_driver_wants_before_it_comes_back,
	    waits_as_long_after_a_lasting_refusal,
	    waits_for_the_rest_of_a_month,
	    renewal_ends_the_wait,
	};

	return run_suite("heartbeat", tests, COUNT(tests));
}
