/* SPDX-License-Identifier: MIT */
/* queue(3): the lists that taupe uses, which Windows' C library has not. */
#ifndef TAUPE_WINDOWS_SYS_QUEUE_H
#define TAUPE_WINDOWS_SYS_QUEUE_H

#include <stddef.h>

/* ---- SLIST: to one side ---- */

#define SLIST_HEAD(name, type) \
	struct name { \
		struct type *slh_first; \
	}
#define SLIST_ENTRY(type) \
	struct { \
		struct type *sle_next; \
	}
#define SLIST_FIRST(head) ((head)->slh_first)
#define SLIST_INIT(head) ((void)(SLIST_FIRST(head) = NULL))
#define SLIST_INSERT_HEAD(head, elm, field) \
	do { \
		(elm)->field.sle_next = SLIST_FIRST(head); \
		SLIST_FIRST(head) = (elm); \
	} while (0)
#define SLIST_REMOVE_HEAD(head, field) \
	((void)(SLIST_FIRST(head) = SLIST_FIRST(head)->field.sle_next))

/* ---- STAILQ: to one side, with an end ---- */

#define STAILQ_HEAD(name, type) \
	struct name { \
		struct type *stqh_first; \
		struct type **stqh_last; \
	}
#define STAILQ_ENTRY(type) \
	struct { \
		struct type *stqe_next; \
	}
#define STAILQ_FIRST(head) ((head)->stqh_first)
#define STAILQ_EMPTY(head) (STAILQ_FIRST(head) == NULL)
#define STAILQ_NEXT(elm, field) ((elm)->field.stqe_next)
#define STAILQ_INIT(head) \
	do { \
		STAILQ_FIRST(head) = NULL; \
		(head)->stqh_last = &STAILQ_FIRST(head); \
	} while (0)
#define STAILQ_INSERT_HEAD(head, elm, field) \
	do { \
		if ((STAILQ_NEXT(elm, field) = STAILQ_FIRST(head)) == NULL) \
			(head)->stqh_last = &STAILQ_NEXT(elm, field); \
		STAILQ_FIRST(head) = (elm); \
	} while (0)
#define STAILQ_INSERT_TAIL(head, elm, field) \
	do { \
		STAILQ_NEXT(elm, field) = NULL; \
		*(head)->stqh_last = (elm); \
		(head)->stqh_last = &STAILQ_NEXT(elm, field); \
	} while (0)
#define STAILQ_REMOVE_HEAD(head, field) \
	do { \
		STAILQ_FIRST(head) = STAILQ_NEXT(STAILQ_FIRST(head), field); \
		if (STAILQ_FIRST(head) == NULL) \
			(head)->stqh_last = &STAILQ_FIRST(head); \
	} while (0)
#define STAILQ_CONCAT(head, other) \
	do { \
		if (!STAILQ_EMPTY(other)) { \
			*(head)->stqh_last = STAILQ_FIRST(other); \
			(head)->stqh_last = (other)->stqh_last; \
			STAILQ_INIT(other); \
		} \
	} while (0)
#define STAILQ_FOREACH(var, head, field) \
	for ((var) = STAILQ_FIRST(head); (var) != NULL; \
	     (var) = STAILQ_NEXT(var, field))

/* ---- LIST: from any place ---- */

#define LIST_HEAD(name, type) \
	struct name { \
		struct type *lh_first; \
	}
#define LIST_HEAD_INITIALIZER(head) {NULL}
#define LIST_ENTRY(type) \
	struct { \
		struct type *le_next; \
		struct type **le_prev; \
	}
#define LIST_FIRST(head) ((head)->lh_first)
#define LIST_EMPTY(head) (LIST_FIRST(head) == NULL)
#define LIST_NEXT(elm, field) ((elm)->field.le_next)
#define LIST_INIT(head) ((void)(LIST_FIRST(head) = NULL))
#define LIST_INSERT_HEAD(head, elm, field) \
	do { \
		if ((LIST_NEXT(elm, field) = LIST_FIRST(head)) != NULL) \
			LIST_FIRST(head)->field.le_prev = \
			    &LIST_NEXT(elm, field); \
		LIST_FIRST(head) = (elm); \
		(elm)->field.le_prev = &LIST_FIRST(head); \
	} while (0)
#define LIST_REMOVE(elm, field) \
	do { \
		if (LIST_NEXT(elm, field) != NULL) \
			LIST_NEXT(elm, field)->field.le_prev = \
			    (elm)->field.le_prev; \
		*(elm)->field.le_prev = LIST_NEXT(elm, field); \
	} while (0)
#define LIST_FOREACH(var, head, field) \
	for ((var) = LIST_FIRST(head); (var) != NULL; \
	     (var) = LIST_NEXT(var, field))

/* ---- TAILQ: from any place, with an end ---- */

#define TAILQ_HEAD(name, type) \
	struct name { \
		struct type *tqh_first; \
		struct type **tqh_last; \
	}
#define TAILQ_ENTRY(type) \
	struct { \
		struct type *tqe_next; \
		struct type **tqe_prev; \
	}
#define TAILQ_FIRST(head) ((head)->tqh_first)
#define TAILQ_EMPTY(head) (TAILQ_FIRST(head) == NULL)
#define TAILQ_NEXT(elm, field) ((elm)->field.tqe_next)
/* the end's address is that of a head's second half, which every entry begins with */
#define TAILQ_LAST(head, headname) \
	(*(((struct headname *)(void *)((head)->tqh_last))->tqh_last))
#define TAILQ_INIT(head) \
	do { \
		TAILQ_FIRST(head) = NULL; \
		(head)->tqh_last = &TAILQ_FIRST(head); \
	} while (0)
#define TAILQ_INSERT_HEAD(head, elm, field) \
	do { \
		if ((TAILQ_NEXT(elm, field) = TAILQ_FIRST(head)) != NULL) \
			TAILQ_FIRST(head)->field.tqe_prev = \
			    &TAILQ_NEXT(elm, field); \
		else \
			(head)->tqh_last = &TAILQ_NEXT(elm, field); \
		TAILQ_FIRST(head) = (elm); \
		(elm)->field.tqe_prev = &TAILQ_FIRST(head); \
	} while (0)
#define TAILQ_INSERT_TAIL(head, elm, field) \
	do { \
		TAILQ_NEXT(elm, field) = NULL; \
		(elm)->field.tqe_prev = (head)->tqh_last; \
		*(head)->tqh_last = (elm); \
		(head)->tqh_last = &TAILQ_NEXT(elm, field); \
	} while (0)
#define TAILQ_REMOVE(head, elm, field) \
	do { \
		if (TAILQ_NEXT(elm, field) != NULL) \
			TAILQ_NEXT(elm, field)->field.tqe_prev = \
			    (elm)->field.tqe_prev; \
		else \
			(head)->tqh_last = (elm)->field.tqe_prev; \
		*(elm)->field.tqe_prev = TAILQ_NEXT(elm, field); \
	} while (0)
#define TAILQ_FOREACH(var, head, field) \
	for ((var) = TAILQ_FIRST(head); (var) != NULL; \
	     (var) = TAILQ_NEXT(var, field))

#endif
