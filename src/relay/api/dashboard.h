/* SPDX-License-Identifier: MIT */
/* The dashboard's files, which are in the program: they hold no data, so anybody may have them. */
#ifndef TAUPE_RELAY_API_DASHBOARD_H
#define TAUPE_RELAY_API_DASHBOARD_H

#include "net/http_admin.h"

/* Answer a GET of one of them, "/" or "/style.css". False: it is none of these. */
bool dashboard_answer(struct http_request **request);

#endif
