/* SPDX-License-Identifier: MIT */
/*
 * A window onto a text that is longer than the memory for it: whoever writes the text writes all
 * of it, and what lies within the window is kept.
 */
#ifndef TEXT_H
#define TEXT_H

#include <stdint.h>

struct text {
	uint32_t at;   /* how much was written so far: at the end, the text's length */
	uint32_t from; /* where the window begins */
	uint32_t size; /* of the window; 0: the length is all that is wanted */
	uint32_t len;  /* of what is in it */
	char *out;
};

void text_put(struct text *t, const char *piece);
void text_number(struct text *t, uint32_t number);
/* With three decimals left out but one: 21500 is "21.5". */
void text_tenths(struct text *t, int32_t thousandths);
/* Of length bytes that byte_cb makes from their place among them. */
void text_bytes(
    struct text *t, uint32_t length, char (*byte_cb)(uint32_t place));

#endif
