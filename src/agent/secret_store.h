/* SPDX-License-Identifier: MIT */
/*
 * The device's secrets, and the file in which it keeps those that it has drawn itself, beside
 * the state file: a line for each secret of the operator's that they descend from, the latest
 * first. It is replaced as a whole, so that a power cut leaves the secrets of before or those
 * of after, and either will do; what is not the device's own now is left in it. Draws secrets;
 * knows nothing of sessions, nor which of its two the registry has: that may be either, and
 * libtaupe finds it out. Where the registry has neither, another line's may be what counts.
 */
#ifndef TAUPE_AGENT_SECRET_STORE_H
#define TAUPE_AGENT_SECRET_STORE_H

#include "sdk/taupe.h"

struct secret_store {
	char secret[TAUPE_SECRET_MAX + 1]; /* "": none */
	char old[TAUPE_SECRET_MAX + 1];	   /* the one before it; "": none */
	char sha256[TAUPE_SHA256_LEN + 1]; /* of secret; "": none */
	/* of the operator's secret that ours descends from; "": from none */
	char given_sha256[TAUPE_SHA256_LEN + 1];
	/* a new one that could not be kept for sure, for the next attempt; "": none */
	char drawn[TAUPE_SECRET_MAX + 1];
	char name[TAUPE_NAME_MAX + 1]; /* of the device that they belong to */
	bool enrolled;		       /* a relay has taken the device in */
	/* of the secret that the operator gives now; "": none */
	char configured_sha256[TAUPE_SHA256_LEN + 1];
	/* that one, where it is neither secret nor old; "": it is, or there is none */
	char configured[TAUPE_SECRET_MAX + 1];
	/* of the file's lines before ours, whosever; 0: ours is the first, or is not there */
	unsigned place;
	char *path; /* from malloc; NULL: nothing can be kept */
};

/* Characters of a reason why there is no new secret, with the NUL. */
#define SECRET_STORE_WHY_MAX 256

/*
 * Take what is kept beside state_file (may be NULL) for the device of this name. given is
 * the operator's secret, or "": where nothing in the file descends from it, because all is of
 * another one, or another device's, or damaged, given is taken, with a log line. Where several
 * lines do, or nothing is given, it is the one that was drawn, or came into use, last. The file
 * stays as it is: who gives back what was given before has its secrets back. Returns EX_OK, or
 * the exit code when the file is there and cannot be read (logged): going on with a secret
 * that may be long out of date would look like a wrong one. store's contents are ignored;
 * fini it in either case.
 */
int secret_store_init(struct secret_store *store, const char *state_file,
    const char *name, const char *given);
/* Wipe and free. */
void secret_store_fini(struct secret_store *store);

/* See that there is a secret, for an enrolment: draws and keeps one where there is none. A file
 * without room for it, in which nothing is the device's, is moved aside (logged). EX_OK, or the
 * exit code when it cannot be kept (logged). */
int secret_store_need(struct secret_store *store);

/*
 * The relay asks for another secret, on a session that was made with `with`. If that is the
 * old one, there is a new one already, which the registry has not got, or has lost: that
 * stays. Else one is drawn, and kept together with the present one. -1: it cannot be, and why
 * says so for the operator: secret and old are as before; the file is, too, or has the new one
 * already, beside secret, and then it is the same that the next attempt keeps.
 */
int secret_store_rotate(struct secret_store *store, enum taupe_credential with,
    char why[SECRET_STORE_WHY_MAX]);

/* A relay has taken the device in: its enrolment is done, and what it was taken in with is what
 * the next start begins with. */
void secret_store_welcomed(struct secret_store *store);

/*
 * The registry has neither secret nor old: go on to the next line that secret_store_init()
 * might have taken, after the last one to the given secret itself, and then to the first line
 * again. False: there is nothing else, and all is as before.
 */
bool secret_store_next(struct secret_store *store);

/* Fill in what libtaupe wants to know; its pointers lead into store. */
void secret_store_apply(
    const struct secret_store *store, struct taupe_config *config);

#endif
