/* SPDX-License-Identifier: MIT */
/* Linux' ids; whoever has neither file nor folder needs a name from its configuration. */
#include "config.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "agent/device_name.h"
#include "agent/state_file.h"
#include "wire/cursor.h"

#define MACHINE_ID_FILE "/etc/machine-id"
#define NET_FOLDER "/sys/class/net"
#define PATH_LEN_MAX 4096
#define ID_MAX DEVICE_ID_MAX
#define MACHINE_ID_LEN 32
#define MAC_LEN 17 /* 52:54:00:12:34:56 */
#define CARD_MAX 32

/* The first line of folder/card/file; false: none, or too long. */
static bool
read_attribute(
    const char *folder, const char *card, const char *file, char out[ID_MAX])
{
	char path[PATH_LEN_MAX];

	if ((size_t)snprintf(path, sizeof(path), "%s/%s/%s", folder, card,
		file) >= sizeof(path))
		return false;
	if (state_file_read(path, out, ID_MAX) <= 0)
		return false;
	out[strcspn(out, "\n")] = '\0';
	return true;
}

/* A card whose address is its own, not drawn at each start or taken from another. */
static bool
read_card(const char *folder, const char *card, char address[ID_MAX])
{
	char text[ID_MAX];

	return read_attribute(folder, card, "type", text) &&
	    strcmp(text, "1") == 0 /* Ethernet, or what looks like it */ &&
	    read_attribute(folder, card, "addr_assign_type", text) &&
	    strcmp(text, "0") == 0 /* permanent */ &&
	    read_attribute(folder, card, "address", address) &&
	    strlen(address) == MAC_LEN &&
	    strcmp(address, "00:00:00:00:00:00") != 0;
}

/* The address of the card whose name comes first. */
static bool
read_first_card(const char *folder, char address[ID_MAX])
{
	char first[CARD_MAX] = "", text[ID_MAX];
	struct dirent *entry;
	DIR *dir = opendir(folder);

	if (dir == NULL)
		return false;
	while ((entry = readdir(dir)) != NULL) {
		if (strlen(entry->d_name) >= sizeof(first) ||
		    (first[0] != '\0' && strcmp(entry->d_name, first) > 0) ||
		    !read_card(folder, entry->d_name, text))
			continue;
		(void)str_copy(str_of(entry->d_name), first, sizeof(first));
		memcpy(address, text, sizeof(text));
	}
	closedir(dir);
	return first[0] != '\0';
}

/* A machine without one yet says "uninitialized". */
static bool
read_machine_id(const char *path, char id[ID_MAX])
{
	if (state_file_read(path, id, ID_MAX) != MACHINE_ID_LEN)
		return false;
	id[MACHINE_ID_LEN] = '\0';
	return strspn(id, "0123456789abcdef") == MACHINE_ID_LEN;
}

bool
device_name_derive(const char *machine_id_file, const char *net_folder,
    char name[DERIVED_NAME_LEN + 1])
{
	char id[ID_MAX];

	if (!read_machine_id(machine_id_file, id) &&
	    !read_first_card(net_folder, id))
		return false;
	device_name_of(id, name);
	return true;
}

bool
device_name_of_machine(char name[DERIVED_NAME_LEN + 1])
{
	return device_name_derive(MACHINE_ID_FILE, NET_FOLDER, name);
}

const char *
device_name_missing(void)
{
	return "name is not set, and cannot be derived: there is "
	       "neither " MACHINE_ID_FILE
	       " nor a network card with an address of its own";
}
