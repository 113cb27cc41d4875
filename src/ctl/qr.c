/* SPDX-License-Identifier: MIT */
/* With libqrencode. Two rows of modules are one line of half blocks, which are dark. */
#include "ctl/qr.h"

#include <qrencode.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sysexits.h>
#include <unistd.h>

#include "ctl/ctl.h"

#define MARGIN 4 /* modules around it that the standard asks for */

/* Outside of the code all is light. */
static bool
is_dark(const QRcode *code, int row, int column)
{
	if (row < 0 || row >= code->width || column < 0 ||
	    column >= code->width)
		return false;
	return (code->data[row * code->width + column] & 1) != 0;
}

/* On a terminal black on white, whatever its own colours are: some scanners read no other. */
static void
print_line(const QRcode *code, int row, bool coloured)
{
	if (coloured)
		fputs("\033[30;107m", stdout);
	for (int column = -MARGIN; column < code->width + MARGIN; column++) {
		bool upper = is_dark(code, row, column),
		     lower = is_dark(code, row + 1, column);

		fputs(upper && lower ? "\xe2\x96\x88" /* full block */
			: upper	     ? "\xe2\x96\x80" /* upper half */
			: lower	     ? "\xe2\x96\x84" /* lower half */
				     : " ",
		    stdout);
	}
	puts(coloured ? "\033[0m" : "");
}

/* A line that is broken makes a code that nothing reads. */
static bool
has_room(int columns)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 ||
	    columns <= size.ws_col)
		return true;
	fprintf(stderr,
	    "taupectl: there is no QR code, because it needs %d columns and "
	    "this terminal has %d; the line above is the same\n",
	    columns, size.ws_col);
	return false;
}

int
qr_print(const char *text)
{
	QRcode *code = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_M);
	bool coloured = isatty(STDOUT_FILENO) == 1;

	if (code == NULL)
		return ctl_fail_memory();
	if (!has_room(code->width + 2 * MARGIN)) {
		QRcode_free(code);
		return EX_OK;
	}
	for (int row = -MARGIN; row < code->width + MARGIN; row += 2)
		print_line(code, row, coloured);
	QRcode_free(code);
	return EX_OK;
}
