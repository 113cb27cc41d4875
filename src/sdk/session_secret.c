/* SPDX-License-Identifier: MIT */
/*
 * What a device proves itself with: its secret, the one before it, or a fleet's enrolment
 * key; which is tried when, and how a secret is replaced by the next (docs/PROTOCOL.md
 * section 4.8 and 4.9). Draws and stores nothing: that is the driver's.
 *
 * A device locks itself out if it ever holds only secrets that the registry does not. So it
 * never depends on knowing which one counts: what was welcomed last is tried first, and on
 * a 401 the others, each once.
 */
#include "sdk/session.h"

#define CREDENTIALS 3u

const char *
session_check_credentials(const struct taupe_config *config)
{
	struct str fleet;

	if (config->secret_sha256 != NULL &&
	    !control_sha256_valid(str_of(config->secret_sha256)))
		return SAYS("a secret's SHA-256 that is not 64 lower-case "
			    "hexadecimal digits");
	if (config->old_secret != NULL &&
	    !handshake_secret_valid(str_of(config->old_secret)))
		return SAYS(
		    "an old secret that is not 1 to 256 letters, digits and "
		    "-._~+/=");
	if (config->enrolment_key == NULL)
		return NULL;
	if (!handshake_enrolment_key_parse(
		str_of(config->enrolment_key), &fleet))
		return SAYS(
		    "an enrolment key that is not a fleet's name, a dot and "
		    "43 characters");
	if (config->secret == NULL || config->secret_sha256 == NULL)
		return SAYS(
		    "an enrolment key without a secret and its SHA-256");
	return NULL;
}

static bool
has_credential(
    const struct taupe_config *config, enum taupe_credential credential)
{
	switch (credential) {
	case TAUPE_OLD_SECRET:
		return HAS_ROTATION && config->old_secret != NULL;
	case TAUPE_ENROLMENT_KEY:
		return HAS_ENROLMENT && config->enrolment_key != NULL;
	default:
		return true; /* no secret is one, too: for a relay in open mode */
	}
}

enum taupe_credential
session_first_credential(const struct session *s)
{
	return HAS_ENROLMENT && s->config->enrolment_key != NULL &&
		!s->config->enrolled
	    ? TAUPE_ENROLMENT_KEY
	    : TAUPE_SECRET;
}

void
session_choose_credential(struct session *s, struct link *link)
{
	if (!HAS_CREDENTIALS)
		return;
	/* the configuration may have lost it meanwhile */
	if (!has_credential(s->config, (enum taupe_credential)s->credential))
		s->credential = (uint8_t)session_first_credential(s);
	link->credential = s->credential;
	link->refused = 0;
}

bool
session_next_credential(struct session *s, struct link *link)
{
	if (!HAS_CREDENTIALS)
		return false;
	link->refused |= (uint8_t)(1u << link->credential);
	for (unsigned next = 0; next < CREDENTIALS; next++)
		if (!(link->refused & 1u << next) &&
		    has_credential(s->config, (enum taupe_credential)next)) {
			link->credential = (uint8_t)next;
			return true;
		}
	s->credential = (uint8_t)session_first_credential(s);
	return false;
}

const char *
session_credential(const struct session *s, const struct link *link)
{
	if (HAS_ROTATION && link->credential == TAUPE_OLD_SECRET)
		return s->config->old_secret;
	if (HAS_ENROLMENT && link->credential == TAUPE_ENROLMENT_KEY)
		return s->config->enrolment_key;
	return s->config->secret;
}

bool
session_has_other_credential(const struct session *s)
{
	if (!HAS_CREDENTIALS)
		return false;
	return has_credential(s->config, TAUPE_OLD_SECRET) ||
	    has_credential(s->config, TAUPE_ENROLMENT_KEY);
}

void
session_take_secret(struct session *s, struct link *link,
    const struct control_msg *msg, struct taupe_event *event)
{
	if (msg->sha256.ptr == NULL) {
		event->type = TAUPE_EVENT_NOT_ROTATED;
		event->text = text_of(msg->error);
		return;
	}
	/* an answer to something older says nothing about the present secret */
	if (s->config->secret_sha256 == NULL ||
	    !str_equal(msg->sha256, str_of(s->config->secret_sha256)))
		return;
	link->credential = s->credential = TAUPE_SECRET;
	event->type = TAUPE_EVENT_ROTATED;
	event->state_changed = HAS_MEMORY && msg->lease.ptr != NULL &&
	    memory_set_lease(&s->memory, msg->lease);
}

/* ---- what the driver says ---- */

static size_t
send_secret(struct session *s, unsigned index, struct control_msg *msg,
    uint8_t out[TAUPE_MESSAGE_MAX])
{
	struct link *link = session_link(s, index);

	msg->op = CONTROL_SECRET;
	if (link->state != LINK_UP)
		return 0;
	link->sent_ms = s->now_ms;
	return channel_message(&link->channel, msg, out, TAUPE_MESSAGE_MAX);
}

size_t
taupe_session_offer_secret(struct taupe_session *session, unsigned index,
    uint64_t now_ms, uint8_t out[TAUPE_MESSAGE_MAX])
{
	struct session *s = session_at(session, now_ms);
	struct link *link = session_link(s, index),
		    *other = session_other_link(s, link);
	struct control_msg msg = {.sha256 = str_of(s->config->secret_sha256)};

	if (link->state != LINK_UP || !control_sha256_valid(msg.sha256))
		return 0;
	/* until the relay says otherwise, the session is one with what is now the old one;
	 * and if that is lost before it does, the new one is likelier to count */
	link->credential = TAUPE_OLD_SECRET;
	s->credential = TAUPE_SECRET;
	/* nobody could tell any more which of the two it was made with */
	if (link_is_under_way(other))
		session_restart_link(s, other);
	return send_secret(s, index, &msg, out);
}

size_t
taupe_session_keep_secret(struct taupe_session *session, unsigned index,
    const char *reason, uint64_t now_ms, uint8_t out[TAUPE_MESSAGE_MAX])
{
	char safe[SAFE_REASON_MAX + 1];
	struct control_msg msg = {
	    .error = str_of(channel_safe_reason(reason, safe))};

	return send_secret(session_at(session, now_ms), index, &msg, out);
}
