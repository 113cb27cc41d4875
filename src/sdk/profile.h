/* SPDX-License-Identifier: MIT */
/*
 * What taupe_profile.h has left out, as constants: what an `if` excludes is compiled all the
 * same, so that it cannot rot, and then dropped.
 */
#ifndef TAUPE_SDK_PROFILE_H
#define TAUPE_SDK_PROFILE_H

#include "sdk/taupe.h"

enum profile {
	HAS_TWO_LINKS = TAUPE_LINKS > 1,
#ifdef TAUPE_WITHOUT_TEXTS
	HAS_TEXTS = false,
#else
	HAS_TEXTS = true,
#endif
#ifdef TAUPE_WITHOUT_MEMORY
	HAS_MEMORY = false,
#else
	HAS_MEMORY = true,
#endif
#ifdef TAUPE_WITHOUT_REDIRECTS
	HAS_REDIRECTS = false,
#else
	HAS_REDIRECTS = true,
#endif
#ifdef TAUPE_WITHOUT_ROTATION
	HAS_ROTATION = false,
#else
	HAS_ROTATION = true,
#endif
#ifdef TAUPE_WITHOUT_ENROLMENT
	HAS_ENROLMENT = false,
#else
	HAS_ENROLMENT = true,
#endif
	/* more than one sort to try */
	HAS_CREDENTIALS = HAS_ROTATION || HAS_ENROLMENT,
#ifdef TAUPE_WITHOUT_CHANNELS
	HAS_CHANNELS = false,
#else
	HAS_CHANNELS = true,
#endif
#ifdef TAUPE_WITHOUT_HEARTBEAT_SEARCH
	HAS_HEARTBEAT_SEARCH = false,
#else
	HAS_HEARTBEAT_SEARCH = true,
#endif
#ifdef TAUPE_WITHOUT_CHECKS
	HAS_CHECKS = false
#else
	HAS_CHECKS = true
#endif
};

#endif
