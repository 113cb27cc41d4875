/* SPDX-License-Identifier: MIT */
#ifndef TAUPE_PROFILE_H
#define TAUPE_PROFILE_H
#endif
