/* SPDX-License-Identifier: MIT */
/* What an operator may say to "taupe-relay init": the table is in init_options.c. */
#ifndef TAUPE_RELAY_INIT_INIT_OPTIONS_H
#define TAUPE_RELAY_INIT_INIT_OPTIONS_H

#include "base/options.h"

#define INIT_RELAYS_MAX 64

struct init_options {
	bool stand_alone, force;
	char *root;
	int64_t relays; /* 0: not said */
	char *address, *http_listen, *https_listen;
	char *public_ports, *service_ports;
	int64_t agent_port, admin_port, redis_port;
	char *certificate, *key;
	struct option_list words; /* the domain */
};

extern const struct option_table init_option_table;

/* What a domain has to look like: NULL, or what is allowed. */
const char *init_check_domain(const char *domain);

#endif
