/* SPDX-License-Identifier: MIT */
/*
 * One command to HAProxy on a connection of its own, for what takes so long that the
 * conversation (hapsock.h) must not wait for it: HAProxy carries a connection's commands
 * out one after the other.
 */
#ifndef TAUPE_ROUTER_HAP_ERRAND_H
#define TAUPE_ROUTER_HAP_ERRAND_H

#include "net/conn.h"
#include "wire/str.h"

#define HAP_ERRAND_REPLY_MAX 256 /* what comes behind it is not kept */

/* answered false: it was not carried out, or nobody knows. The reply's text, without the
 * line ends around it, is valid during the call. */
typedef void (*hap_errand_cb)(void *ctx, bool answered, struct str reply);

struct hap_errand {
	struct loop *loop;
	hap_errand_cb cb;
	void *ctx;
	struct conn conn;
	struct timer deadline;
	bool running;
	size_t len;
	char reply[HAP_ERRAND_REPLY_MAX];
};

void hap_errand_init(struct hap_errand *errand, struct loop *loop,
    hap_errand_cb cb, void *ctx);

/* Send the command, with its line end. cb comes from the loop, once, within timeout_ms.
 * Precondition: none is running. */
void hap_errand_run(struct hap_errand *errand, const char *path,
    const char *text, size_t len, uint64_t timeout_ms);
bool hap_errand_is_running(const struct hap_errand *errand);

/* cb does not come any more; HAProxy may carry the command out all the same. */
void hap_errand_cancel(struct hap_errand *errand);

#endif
