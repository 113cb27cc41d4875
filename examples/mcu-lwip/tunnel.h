/* SPDX-License-Identifier: MIT */
/*
 * The driver around libtaupe: one TCP connection to the relay, on which all visits ride, and
 * what is said on it. The protocol is libtaupe's, the sockets are lwIP's, the web server is
 * http.c's; what is decided here is who may send how much and when.
 */
#ifndef TUNNEL_H
#define TUNNEL_H

#include <stdbool.h>

#include "settings.h"

#define TUNNEL_VISITS 6 /* visitors at once: each takes 1.3 KB */

/* NULL: all is right; else what is wrong with the settings. They are kept, not copied. */
const char *tunnel_init(const struct settings *settings);
/* Do all that can be done now. */
void tunnel_poll(void);
/* Is the device reachable? */
bool tunnel_is_up(void);

#endif
