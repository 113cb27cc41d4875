/* SPDX-License-Identifier: MIT */
/* What an errno says to people. */
#ifndef TAUPE_BASE_ERROR_TEXT_H
#define TAUPE_BASE_ERROR_TEXT_H

/* The system's own text; valid until the thread asks for the next one. On Windows errno may be a
 * number of the system's as well (base/winapi.h), and then the text is the system's for that. */
const char *error_text(int error);

#endif
