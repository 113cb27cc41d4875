/* SPDX-License-Identifier: MIT */
/*
 * What libtaupe may leave out, for machines that count their kilobytes. Each is a macro for
 * the compiler's command line, the same for the library and for whoever includes taupe.h;
 * TAUPE_SMALL sets them all. Without any, libtaupe is whole: that is how it is installed.
 *
 * None touches what the protocol demands, nor what keeps a device safe: the relay's accept key
 * is checked, masks and keys are as unpredictable as random_cb, the secret goes to no place
 * that the configuration does not allow, and what a relay sends is checked before it is used.
 *
 *   TAUPE_DEVICE_ONLY         the relay's half of the wire formats
 *   TAUPE_WITHOUT_TEXTS       sentences: reasons of our own are "?", and what a relay says for
 *                             people (its reasons, a service's URL, who holds the name) is not
 *                             handed on
 *   TAUPE_WITHOUT_FAST_PATHS  code that is there for speed alone
 *   TAUPE_WITHOUT_MOVE        the second control connection: a move leaves before it connects,
 *                             as with single_link (which is taken as set)
 *   TAUPE_WITHOUT_REDIRECTS   going where a relay says: a redirect is answered as when nobody is
 *                             there, by coming back to the relay, which then takes the device; a
 *                             move leads to the next of the configured relays
 *   TAUPE_WITHOUT_ROTATION    another secret: a relay that asks for one is told that there is
 *                             none, and old_secret is not looked at
 *   TAUPE_WITHOUT_ENROLMENT   enrolment_key and enrolled are not looked at
 *   TAUPE_WITHOUT_MEMORY      what is remembered of the last welcome: memory is not looked at,
 *                             and the configured relays are the way back
 *   TAUPE_WITHOUT_CHANNELS    transfer channels: visits ride on the control channel, and
 *                             config.visits must be there
 *   TAUPE_WITHOUT_HEARTBEAT_SEARCH
 *                             the search for the longest interval between heartbeats: heartbeat
 *                             and reconnect_wait_ms are not looked at
 *   TAUPE_WITHOUT_CHECKS      what taupe_session_init() says about names, URLs and numbers of
 *                             the configuration; one that cannot work is found out by its not working
 *   TAUPE_WITHOUT_RESERVE     room in the structs for what a later version of the ABI may need
 *
 * With all of them, of a welcome's relays, lease and URLs nothing is read, and the configuration's
 * relays are taken apart without a look at each character: what is not ws:// is never in the clear.
 */
#ifndef TAUPE_PROFILE_H
#define TAUPE_PROFILE_H

#ifdef TAUPE_SMALL
#define TAUPE_DEVICE_ONLY
#define TAUPE_WITHOUT_TEXTS
#define TAUPE_WITHOUT_FAST_PATHS
#define TAUPE_WITHOUT_MOVE
#define TAUPE_WITHOUT_REDIRECTS
#define TAUPE_WITHOUT_ROTATION
#define TAUPE_WITHOUT_ENROLMENT
#define TAUPE_WITHOUT_MEMORY
#define TAUPE_WITHOUT_CHANNELS
#define TAUPE_WITHOUT_HEARTBEAT_SEARCH
#define TAUPE_WITHOUT_CHECKS
#define TAUPE_WITHOUT_RESERVE
#endif

#endif
