/* SPDX-License-Identifier: MIT */
/*
 * Who a request comes from: whoever has sent it, or where that is a proxy that we trust, whom this
 * one names.
 */
#ifndef TAUPE_RELAY_NAMED_H
#define TAUPE_RELAY_NAMED_H

#include "net/address.h"
#include "wire/http_head.h"

/* The visitor, where a proxy that we trust has sent the head: false, and an address that is none and on no
 * list, where it does not say who that is, or not so that it can be read. The port is optional. */
bool named_address(const struct http_head *head, struct address *named);
/* Has the visitor come to that proxy by https? */
bool named_https(const struct http_head *head);

#endif
