/* SPDX-License-Identifier: MIT */
/* The log lines of the control channel. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "agent/report.h"
#include "base/log.h"

const char *
relay_text(const struct taupe_relay *relay, char out[RELAY_TEXT_MAX])
{
	bool brackets = strchr(relay->host, ':') != NULL;

	snprintf(out, RELAY_TEXT_MAX, "%s://%s%s%s:%u",
	    relay->secure ? "wss" : "ws", brackets ? "[" : "", relay->host,
	    brackets ? "]" : "", relay->port);
	return out;
}

static struct str
str_from(struct taupe_text text)
{
	return (struct str){text.ptr, text.len};
}

static const char *
credential_name(enum taupe_credential credential)
{
	switch (credential) {
	case TAUPE_OLD_SECRET:
		return "old secret";
	case TAUPE_ENROLMENT_KEY:
		return "enrolment key";
	default:
		return "secret";
	}
}

static void
report_welcome(const char *device, const struct taupe_event *event)
{
	char at[RELAY_TEXT_MAX];

	if (event->credential == TAUPE_ENROLMENT_KEY)
		log_info("enrolled", LOG_S("device", device));
	log_info("session opened", LOG_S("device", device),
	    LOG_U("epoch", event->epoch),
	    LOG_S("relay", relay_text(&event->relay, at)),
	    LOG_STR("label", str_from(event->label)));
	for (size_t i = 0; i < event->n_urls; i++)
		log_info("service is reachable", LOG_S("device", device),
		    LOG_STR("service", str_from(event->urls[i].service)),
		    LOG_STR("url", str_from(event->urls[i].url)));
}

/* What a person can do about a refusal. */
static const char *
refusal_message(const struct taupe_event *event)
{
	switch (event->status) {
	case 400:
		return "relay refuses our request";
	case 401:
		return "relay says: unknown device or wrong secret; check name "
		       "and secret_file";
	case 403:
		return "relay says: this device may not enter the fleet";
	case 404:
		return "relay does not know the path: is this the URL of a "
		       "taupe relay?";
	case 409:
		if (str_equal(str_from(event->error), STR("name_taken")))
			return "relay says: a device of this name exists, with "
			       "another secret than ours";
		return "relay says: another live instance holds this name; is "
		       "it a clone?";
	case 426:
		return "relay speaks another version of the protocol; update "
		       "this agent";
	case 429:
	case 503:
		return "relay cannot take us now";
	default:
		return "relay gave an answer that is none of the protocol";
	}
}

static void
report_refusal(
    const char *device, const char *relay, const struct taupe_event *event)
{
	bool busy = event->status == 429 || event->status == 503;

	log_at_(busy ? LOG_LEVEL_WARN : LOG_LEVEL_ERROR, refusal_message(event),
	    LOG_S("device", device), LOG_S("relay", relay),
	    LOG_U("status", event->status),
	    LOG_STR("reason", str_from(event->text)),
	    LOG_STR("since", str_from(event->since)),
	    LOG_STR("from", str_from(event->from)),
	    LOG_U("retry_ms", event->retry_ms));
}

static void
report_closed(
    const char *device, const char *relay, const struct taupe_event *event)
{
	enum log_level level = LOG_LEVEL_WARN;

	if (event->standing) /* a session that we are just replacing */
		level = LOG_LEVEL_DEBUG;
	else if (event->code == 1008)
		level = LOG_LEVEL_ERROR;
	log_at_(level, "relay closed the session", LOG_S("device", device),
	    LOG_S("relay", relay), LOG_U("code", event->code),
	    LOG_STR("reason", str_from(event->text)),
	    LOG_U("retry_ms", event->retry_ms));
}

void
report_failure(const char *device, const struct taupe_relay *relay,
    const char *reason, uint64_t retry_ms)
{
	char at[RELAY_TEXT_MAX];

	log_warn("session failed", LOG_S("device", device),
	    LOG_S("relay", relay_text(relay, at)), LOG_S("reason", reason),
	    LOG_U("retry_ms", retry_ms));
}

/* What becomes of the device's secret. */
static void
report_secret(
    const char *device, const char *relay, const struct taupe_event *event)
{
	if (event->type == TAUPE_EVENT_OTHER_SECRET)
		log_warn("relay refuses what we came with: the next is tried",
		    LOG_S("device", device), LOG_S("relay", relay),
		    LOG_STR("reason", str_from(event->text)),
		    LOG_S("next", credential_name(event->credential)));
	else if (event->type == TAUPE_EVENT_ROTATE)
		log_info("relay asks for a new secret", LOG_S("device", device),
		    LOG_S("relay", relay));
	else if (event->type == TAUPE_EVENT_ROTATED)
		log_info("relay has the new secret: the old one is no longer "
			 "good",
		    LOG_S("device", device), LOG_S("relay", relay));
	else
		log_warn("relay could not take the new secret, and will ask "
			 "again",
		    LOG_S("device", device), LOG_S("relay", relay),
		    LOG_STR("reason", str_from(event->text)));
}

void
report_event(const char *device, const struct taupe_relay *relay,
    const struct taupe_event *event)
{
	char at[RELAY_TEXT_MAX], to[RELAY_TEXT_MAX];

	switch (event->type) {
	case TAUPE_EVENT_NONE:
	case TAUPE_EVENT_OPEN:
	case TAUPE_EVENT_VISIT:
		break;
	case TAUPE_EVENT_NO_CHANNEL:
		log_warn("relay wants a transfer channel, and one connection "
			 "is all there is: it is too old to serve visitors "
			 "that way",
		    LOG_S("device", device),
		    LOG_S("relay", relay_text(relay, at)));
		break;
	case TAUPE_EVENT_REDIRECT:
		log_info("redirected", LOG_S("device", device),
		    LOG_S("from", relay_text(relay, at)),
		    LOG_S("to", relay_text(&event->relay, to)));
		break;
	case TAUPE_EVENT_REDIRECT_REFUSED:
		log_error("redirect refused", LOG_S("device", device),
		    LOG_S("from", relay_text(relay, at)),
		    LOG_STR("to", str_from(event->text)),
		    LOG_S("reason", event->reason),
		    LOG_U("retry_ms", event->retry_ms));
		break;
	case TAUPE_EVENT_WELCOME:
		report_welcome(device, event);
		break;
	case TAUPE_EVENT_MOVE:
		log_info("relay asks us to move", LOG_S("device", device),
		    LOG_S("relay", relay_text(relay, at)),
		    LOG_STR("reason", str_from(event->text)),
		    LOG_S("not_possible", event->reason));
		break;
	case TAUPE_EVENT_OTHER_SECRET:
	case TAUPE_EVENT_ROTATE:
	case TAUPE_EVENT_ROTATED:
	case TAUPE_EVENT_NOT_ROTATED:
		report_secret(device, relay_text(relay, at), event);
		break;
	case TAUPE_EVENT_REFUSED:
		report_refusal(device, relay_text(relay, at), event);
		break;
	case TAUPE_EVENT_CLOSED:
		report_closed(device, relay_text(relay, at), event);
		break;
	case TAUPE_EVENT_FAILED:
		report_failure(device, relay, event->reason, event->retry_ms);
		break;
	}
}
