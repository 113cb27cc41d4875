/* SPDX-License-Identifier: MIT */
/* share, share ls and share revoke: links to services that not anybody may visit. */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "admin/access_admin.h"
#include "ctl/ctl.h"
#include "ctl/report.h"
#include "net/loop.h"

static int
take_note(const struct ctl *ctl, struct access_share *share)
{
	const char *note = ctl->options.note != NULL ? ctl->options.note : "";

	if (!admin_share_note_valid(str_of(note)) ||
	    !str_copy(str_of(note), share->note, sizeof(share->note)))
		return ctl_fail(EX_DATAERR,
		    "a note has %d visible ASCII characters at most",
		    SHARE_NOTE_MAX);
	/* whose name is longer is known by its beginning */
	snprintf(
	    share->by, sizeof(share->by), "%.*s", SHARE_NOTE_MAX, ctl->who);
	return EX_OK;
}

static int
take_time(const struct ctl *ctl, struct access_share *share)
{
	uint64_t for_ms = (uint64_t)ctl->options.for_ms;

	if (for_ms < 1000 || for_ms > SHARE_FOR_MAX_MS)
		return ctl_fail(EX_DATAERR,
		    "share needs --for, how long the link is good: 1s to 366d");
	share->expires_ms = loop_wall_ms() + for_ms;
	return EX_OK;
}

/* "alice/web" */
static int
take_place(const char *text, char device[DEVICE_NAME_MAX + 1],
    struct access_share *share)
{
	struct str name, service;

	if (str_split(str_of(text), '/', &name, &service) &&
	    device_name_valid(name) && service_name_valid(service) &&
	    str_copy(name, device, DEVICE_NAME_MAX + 1) &&
	    str_copy(service, share->service, sizeof(share->service)))
		return EX_OK;
	return ctl_fail(EX_DATAERR,
	    "%s is no DEVICE/SERVICE, such as alice/web; the other commands "
	    "are share ls and share revoke ID",
	    text);
}

/* The link for taupectl connect: wss is https there, ws http. */
static const char *
of_relay(const char *relay, char base[SHARE_URL_MAX])
{
	snprintf(base, SHARE_URL_MAX, "http%s", relay + strlen("ws"));
	return base;
}

static int
show_link(const struct ctl *ctl, const char *device,
    const struct access_share *share, const char *relay, const char *url)
{
	if (ctl->options.json)
		return report_json(
		    json_pack("{s:s, s:s, s:s, s:s, s:I}", "id", share->id,
			"url", url, "device", device, "service", share->service,
			"expires_ms", (json_int_t)share->expires_ms));
	if (isatty(STDERR_FILENO))
		fprintf(stderr,
		    "Whoever has this link may visit %s of %s until then; "
		    "taupectl share revoke %s ends it sooner:\n",
		    share->service, device, share->id);
	/* a browser would be told nothing by it */
	if (relay != NULL && strncmp(url, relay, strlen(relay)) == 0)
		fprintf(stderr,
		    "There is no http service %s of %s now: the link goes "
		    "behind taupectl connect. For browsers make it when the "
		    "device is connected, or with --url https://HOST\n",
		    share->service, device);
	puts(url);
	return EX_OK;
}

int
command_share(struct ctl *ctl, const char *place)
{
	struct access_share share = {0};
	char device[DEVICE_NAME_MAX + 1], url[SHARE_URL_MAX];
	char base[SHARE_URL_MAX];
	const char *relay = NULL;
	int code;

	if ((code = take_place(place, device, &share)) != EX_OK ||
	    (code = take_time(ctl, &share)) != EX_OK ||
	    (code = take_note(ctl, &share)) != EX_OK)
		return code;
	if (ctl->options.url != NULL &&
	    !admin_share_base_valid(ctl->options.url))
		return ctl_fail(EX_DATAERR,
		    "url: %s is not like https://cam.example.com",
		    ctl->options.url);
	if (ctl->options.relay != NULL)
		relay = of_relay(ctl->options.relay, base);
	code = ctl_changed(ctl, "share", place,
	    admin_share_make(
		&ctl->admin, device, &share, ctl->options.url, relay, url));
	return code == EX_OK ? show_link(ctl, device, &share, relay, url)
			     : code;
}

/* Those of a device, or with NULL of all, each with its device's name. What the store says. */
static int
list_shares(struct ctl *ctl, const char *name, json_t *list)
{
	json_t *devices = json_array(), *device, *share;
	size_t i, k;
	int code;

	if (name == NULL) {
		code = ctl->admin.store->devices(&ctl->admin, devices);
	} else {
		device = NULL;
		code = ctl->admin.store->device(&ctl->admin, name, &device);
		if (code == ADMIN_OK)
			json_array_append_new(devices, device);
	}
	json_array_foreach (devices, i, device)
		json_array_foreach (
		    json_object_get(device, "shares"), k, share) {
			json_object_set(
			    share, "device", json_object_get(device, "name"));
			json_array_append(list, share);
		}
	json_decref(devices);
	return code;
}

static void
add_row(struct table *table, const json_t *share)
{
	uint64_t now_ms = loop_wall_ms(),
		 ends_ms = report_u64(share, "expires_ms");
	char text[REPORT_TEXT_MAX],
	    place[DEVICE_NAME_MAX + SERVICE_NAME_MAX + 2];

	snprintf(place, sizeof(place), "%s/%s", report_str(share, "device"),
	    report_str(share, "service"));
	table_add(table, report_str(share, "id"));
	table_add(table, place);
	if (json_is_true(json_object_get(share, "revoked")))
		table_add(table, "revoked");
	else if (ends_ms <= now_ms)
		table_add(table, "over");
	else
		table_add(table, report_duration(ends_ms - now_ms, text));
	table_add(table, report_str(share, "by"));
	table_add(table, report_str(share, "note"));
}

static const char *const headings[] = {
    "ID", "SERVICE", "LEFT", "BY", "NOTE", NULL};
static const struct list_view view = {"shares", headings, add_row};

int
command_share_list(struct ctl *ctl, const char *name)
{
	json_t *list = json_array();

	return ctl_show_list(ctl, list_shares(ctl, name, list), list, &view);
}

static int
revoke_all(struct ctl *ctl, const char *text)
{
	struct access_share share = {0};
	char name[DEVICE_NAME_MAX + 1];
	int code = take_place(text, name, &share);

	if (code == EX_OK)
		code = ctl_changed(ctl, "share revoke", text,
		    admin_share_revoke_all(&ctl->admin, name, share.service));
	if (code == EX_OK && ctl->options.json)
		return report_json(
		    json_pack("{s:s, s:s}", "revoked", text, "device", name));
	return code;
}

int
command_share_revoke(struct ctl *ctl, const char *id)
{
	char name[DEVICE_NAME_MAX + 1];
	int code;

	if (strchr(id, '/') != NULL)
		return revoke_all(ctl, id);
	code = ctl_changed(
	    ctl, "share revoke", id, admin_share_revoke(&ctl->admin, id, name));
	if (code == EX_OK && ctl->options.json)
		return report_json(
		    json_pack("{s:s, s:s}", "revoked", id, "device", name));
	return code;
}
