/* SPDX-License-Identifier: MIT */
/* What somebody else has said may hold anything; terminals, JSON and records take visible ASCII. */
#ifndef TAUPE_BASE_PRINTABLE_H
#define TAUPE_BASE_PRINTABLE_H

/* In place: whatever is neither a space nor a visible ASCII character becomes a question mark. */
void make_printable(char *text);

#endif
