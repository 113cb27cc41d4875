/* SPDX-License-Identifier: MIT */
/*
 * What makes one device different from the next: it lies in the flash's last page, and is written
 * there when the device is made. The image is the same for all.
 */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#define SETTINGS_RELAYS_MAX 4

struct settings {
	char name[64];
	char secret[257];
	char relays[SETTINGS_RELAYS_MAX][72]; /* ws://host:port */
	uint8_t n_relays;
	uint8_t mac[6];
};

/*
 * Read the page: lines of key = value without blanks, up to the first byte that is 0 or 0xff.
 *
 *	name=greenhouse-17
 *	secret=q3vJ0mB7yZkR1sT5uXnEwA
 *	relay=ws://relay.example.com:80	(up to four)
 *	mac=020000000001
 *
 * NULL: all is there; else what is wrong.
 */
const char *settings_read(struct settings *settings);

#endif
