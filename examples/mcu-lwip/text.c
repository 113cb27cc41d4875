/* SPDX-License-Identifier: MIT */
#include "text.h"

static void
put_char(struct text *t, char c)
{
	if (t->at >= t->from && t->len < t->size)
		t->out[t->len++] = c;
	t->at++;
}

void
text_put(struct text *t, const char *piece)
{
	while (*piece != '\0')
		put_char(t, *piece++);
}

void
text_number(struct text *t, uint32_t number)
{
	char digits[11], *at = digits + sizeof(digits) - 1;

	*at = '\0';
	do {
		*--at = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	text_put(t, at);
}

void
text_tenths(struct text *t, int32_t thousandths)
{
	uint32_t size = (uint32_t)(thousandths < 0 ? -thousandths : thousandths);

	if (thousandths < 0)
		text_put(t, "-");
	text_number(t, size / 1000);
	text_put(t, ".");
	text_number(t, size / 100 % 10);
}

void
text_bytes(struct text *t, uint32_t length, char (*byte_cb)(uint32_t place))
{
	uint32_t begin = t->at, end = begin + length;
	uint32_t at = t->from > begin ? t->from : begin;

	for (; at < end && t->len < t->size; at++)
		t->out[t->len++] = byte_cb(at - begin);
	t->at = end;
}
