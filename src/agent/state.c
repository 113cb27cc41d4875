/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "agent/state.h"
#include "agent/state_file.h"
#include "base/log.h"

#define STORE_EVERY_MS                                                         \
	3600000 /* what was spent, or had no room, between changes of the lease */

void
state_restore(
    struct state *state, struct agent *agent, struct taupe_session *session)
{
	const char *path = agent->settings->options.state_file;
	char text[TAUPE_STATE_MAX + BUDGET_TEXT_MAX];
	long len;

	*state = (struct state){.agent = agent, .session = session};
	if (path == NULL)
		return;
	if ((len = state_file_read(path, text, sizeof(text))) < 0) {
		log_warn("state file cannot be read: the lease is not known",
		    LOG_S("file", path), LOG_S("error", log_errno()));
		return;
	}
	/* what we have added to the session's line; the session takes it apart */
	budget_take(&agent->budget, (struct str){text, (size_t)len});
	if (!taupe_session_restore(session, text, (size_t)len))
		log_warn(
		    "state file is damaged and ignored", LOG_S("file", path));
}

void
state_store(struct state *state)
{
	struct agent *agent = state->agent;
	const char *path = agent->settings->options.state_file;
	char text[TAUPE_STATE_MAX + BUDGET_TEXT_MAX];
	size_t len =
	    taupe_session_export(state->session, text, TAUPE_STATE_MAX);
	struct writer w;

	if (path == NULL || len == 0)
		return;
	writer_init(&w, text + len, sizeof(text) - len);
	budget_put(&agent->budget, &w);
	len += writer_len(&w);
	state->stored_ms = loop_now_ms(agent->loop);
	if (state_file_write(path, text, len) == 0) {
		state->unwritable = false;
	} else if (!state->unwritable) {
		state->unwritable = true;
		log_warn("state file cannot be written: the lease is lost at "
			 "the next start",
		    LOG_S("file", path), LOG_S("error", log_errno()));
	}
}

void
state_store_spent(struct state *state, bool now)
{
	const struct agent *agent = state->agent;

	if ((agent->budget.limit_bytes != 0 || state->unwritable) &&
	    (now ||
		loop_now_ms(agent->loop) - state->stored_ms >= STORE_EVERY_MS))
		state_store(state);
}
