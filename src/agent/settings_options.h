/* SPDX-License-Identifier: MIT */
/* Checks that values have to pass wherever they come from, the table or a file that it names:
 * NULL, or what is allowed. */
#ifndef TAUPE_AGENT_SETTINGS_OPTIONS_H
#define TAUPE_AGENT_SETTINGS_OPTIONS_H

#include <stdbool.h>

struct health_check;

const char *settings_check_secret(const char *value);
const char *settings_check_enrolment_key(const char *value);
const char *settings_check_service(const char *value);

/* Parse "on-request" (name is then "", for all services) or "ssh:on-request"; name has room for
 * SERVICE_NAME_MAX + 1. */
bool settings_access_parse(const char *text, char *name);

/* Parse "ssh:tcp:30s" or "web:http:/healthz:30s". */
bool settings_health_parse(
    const char *text, char *name, struct health_check *check);

/* The table's check_all, of struct agent_options. */
bool settings_check_all(void *conf);

#endif
