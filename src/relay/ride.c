/* SPDX-License-Identifier: MIT */
/*
 * The shared channel and the session use one connection: the session's, which the mux reads;
 * what is about no visit is handed to the session. When a session is replaced while visits run
 * on it, the connection goes over to the channel, which then is one like any other that takes
 * no visits any more.
 */
#include "config.h"

#include "relay/ride.h"
#include "relay/shared.h"

static struct shared *
find(const struct session *session)
{
	struct shared *shared;

	LIST_FOREACH (shared, &session->device->shareds, link)
		if (shared->session == session)
			return shared;
	return NULL;
}

int
ride_begin(struct session *session)
{
	struct shared *shared = shared_alloc(session->device);

	if (shared == NULL)
		return -1;
	shared->session = session;
	shared_start(shared, &session->conn);
	mux_keep_short(&shared->mux);
	return 0;
}

bool
ride_feed(struct session *session, const uint8_t *data, size_t len)
{
	struct shared *shared = find(session);

	if (shared == NULL)
		return false;
	(void)mux_feed(&shared->mux, data, len);
	return true;
}

static bool
outlives(struct shared *shared)
{
	shared->session = NULL;
	shared->retired = shared->was_control = true;
	shared->conn = &shared->own;
	if (mux_move_channel(&shared->mux, shared->conn) != 0)
		return false;
	conn_keep_alive(shared->conn);
	shared->device->relay->n_transfers++;
	return true;
}

bool
ride_end(struct session *session, bool outlive)
{
	struct shared *shared = find(session);
	bool lost = false;

	if (shared == NULL)
		return false;
	if (outlive && shared->streams.count > 0) {
		if (outlives(shared))
			return true;
		lost = true;
	}
	shared_unwind(shared);
	shared_free(&shared);
	return lost;
}
