/* SPDX-License-Identifier: MIT */
/* A QR code on the terminal, if taupectl was built with libqrencode. */
#ifndef TAUPE_CTL_QR_H
#define TAUPE_CTL_QR_H

/* Print it on standard output, in half blocks. An exit code; what is wrong was said: that there is
 * no such library is no failure. */
int qr_print(const char *text);

#endif
