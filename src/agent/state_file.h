/* SPDX-License-Identifier: MIT */
/*
 * The agent's stable storage: the one line that taupe_session_export() gives, in a file
 * that is replaced as a whole, so that a power cut leaves the old one or the new one.
 */
#ifndef TAUPE_AGENT_STATE_FILE_H
#define TAUPE_AGENT_STATE_FILE_H

#include <stdbool.h>
#include <stddef.h>

/* Read the file's first line into text, without its end. Its length; 0 when there is none;
 * -1 with errno when it cannot be read or is too long. */
long state_file_read(const char *path, char *text, size_t cap);
/* The same with all that the file has, whatever that is; if it is too long (EFBIG), text has
 * its first cap bytes. */
long state_file_read_whole(const char *path, char *text, size_t cap);
/* Replace the file by this line, or these lines without the last one's end: nobody else's to read
 * (mode 0600; on Windows the system and administrators may as well), synced, renamed. -1 with errno: the old text is there still, or the new one, but may not outlive a
 * power cut. */
int state_file_write(const char *path, const char *text, size_t len);

/* Is it there, and may others than its owner read or write it? -1 with errno. */
int state_file_look(const char *path, bool *open_to_others);
/* Have it be as state_file_write() makes one. -1 with errno. */
int state_file_make_private(const char *path);
/* Is nothing of this name there, no dangling link either? 1 or 0, -1 with errno. */
int state_file_is_free(const char *path);
/* What has that name is replaced. -1 with errno. */
int state_file_rename(const char *path, const char *to);
/* -1 with errno: it stays, or was not there. */
int state_file_remove(const char *path);

#endif
