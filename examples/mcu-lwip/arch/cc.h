/* SPDX-License-Identifier: MIT */
/* What lwIP asks of the compiler and the firmware. */
#ifndef ARCH_CC_H
#define ARCH_CC_H

#include <stdint.h>

#include "board.h"
#include "random.h"

#define LWIP_RAND() random_u32()
#define LWIP_PLATFORM_DIAG(x)                                                  \
	do {                                                                   \
	} while (0)
#define LWIP_PLATFORM_ASSERT(what) board_fatal(what)

#endif
