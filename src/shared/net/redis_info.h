/* SPDX-License-Identifier: MIT */
/* Redis' answer to INFO: "key:value" lines, as slices of it. */
#ifndef TAUPE_NET_REDIS_INFO_H
#define TAUPE_NET_REDIS_INFO_H

#include "wire/str.h"

/* The value of that key; absent when there is none. */
struct str redis_info_value(struct str info, const char *key);
/* The same as a number; 0 when it is none. */
uint64_t redis_info_number(struct str info, const char *key);

#endif
