/* SPDX-License-Identifier: MIT */
/*
 * What taupectl device add --qr prints, and an installer types, pastes or scans:
 * taupe://HOST[:PORT]/?name=NAME&secret=SECRET, where the relay takes TLS, and with &tls=no where
 * it does not. Unknown parameters are skipped.
 */
#ifndef TAUPE_AGENT_ENROLMENT_URI_H
#define TAUPE_AGENT_ENROLMENT_URI_H

#include "sdk/taupe.h"

#define ENROLMENT_URI_MAX 2048
#define ENROLMENT_RELAY_MAX 300

struct enrolment_uri {
	char relay[ENROLMENT_RELAY_MAX]; /* wss:// or ws://, as the agent's option wants it */
	char name[TAUPE_NAME_MAX + 1];
	char secret[TAUPE_SECRET_MAX + 1];
};

/* Parse, and decode text in place. NULL, or what is wrong, which does not repeat the secret. The
 * caller wipes both. */
const char *enrolment_uri_parse(char *text, struct enrolment_uri *uri);

#endif
