/* SPDX-License-Identifier: MIT */
/*
 * What "taupe-relay init" would write: each file's place, content and rights, for relays behind
 * HAProxy or for one that stands alone. Secrets that are there already are kept. Writes nothing.
 */
#ifndef TAUPE_RELAY_INIT_INIT_PLAN_H
#define TAUPE_RELAY_INIT_INIT_PLAN_H

#include <sys/types.h>

#include "relay/init/init_options.h"

#define INIT_FILES_MAX (INIT_RELAYS_MAX + 32)

struct init_file {
	char *path, *text; /* from malloc */
	mode_t mode;
	const char *group; /* who reads it besides root, if it is not for all; NULL: nobody */
	bool secret;	   /* what is in it is shown to nobody */
	bool kept;	   /* the text is what is there already */
	bool read_by_folder; /* whatever lies beside it is read, too: keep nothing there */
};

struct init_plan {
	const struct init_options *options;
	const char *domain;
	const char *root; /* "": the system's own places */
	unsigned relays;
	struct init_file files[INIT_FILES_MAX];
	size_t n_files;
	char *folders[8]; /* that the programs need, from malloc */
	size_t n_folders;
	/* what the operator should know */
	bool self_signed, wrong_names, expired;
};

/* Fill in the files. An exit code of sysexits: what is wrong was said. The options live as long
 * as the plan. */
int init_plan_make(struct init_plan *plan);
void init_plan_free(struct init_plan *plan);

/* Of the program's own folders: "%s/relay.ini" below root. From malloc, or NULL. */
char *init_plan_config(const struct init_plan *plan, const char *name);

/* A whole file, from malloc; NULL with errno. */
char *init_read(const char *path);

/* Say what is wrong; returns the code. */
int init_fail(int code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The same, and then what the system says about it. */
int init_fail_errno(const char *path);

#endif
