/* SPDX-License-Identifier: MIT */
/* Without libqrencode. */
#include "ctl/qr.h"

#include <stdio.h>
#include <sysexits.h>

int
qr_print(const char *text)
{
	(void)text;
	fputs("taupectl: there is no QR code, because it was built without "
	      "libqrencode; the line above is the same\n",
	    stderr);
	return EX_OK;
}
