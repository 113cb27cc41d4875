/* SPDX-License-Identifier: MIT */
/* A text as JSON has it (RFC 8259 section 7), for what the agent's commands print. */
#ifndef TAUPE_AGENT_JSON_TEXT_H
#define TAUPE_AGENT_JSON_TEXT_H

#include "wire/str.h"

/* Print it to standard output, with its quotes. Bytes that are no ASCII become '?'. */
void json_text_print(struct str text);

#endif
