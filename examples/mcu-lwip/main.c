/* SPDX-License-Identifier: MIT */
/* What the device does: look at its settings, and then always the same. */
#include <string.h>

#include "taupe.h"

#include "board.h"
#include "net.h"
#include "random.h"
#include "settings.h"
#include "site.h"
#include "tunnel.h"

/* The settings' page is wrong: say so now and then, until somebody writes a better one. */
static void
give_up(const char *what)
{
	for (;;) {
		uint32_t start = board_now_ms();

		board_print("settings: what is wrong is: ");
		board_print(what);
		board_print(" (see settings.h)\n");
		while (board_now_ms() - start < 10000)
			board_sleep();
	}
}

int
main(void)
{
	static const uint8_t no_mac[6] = {2};
	static struct settings settings;
	const char *wrong = settings_read(&settings);

	board_init(wrong == NULL ? settings.mac : no_mac);
	board_print("\nmcu-lwip, libtaupe " TAUPE_VERSION "\n");
	if (wrong != NULL)
		give_up(wrong);
	random_stir(settings.secret, strlen(settings.secret));
	random_stir(settings.mac, sizeof(settings.mac));
	site_set_name(settings.name);
	wrong = tunnel_init(&settings);
	if (wrong != NULL)
		give_up(wrong);
	net_init(settings.mac, settings.name);
	for (;;) {
		bool any = net_poll();

		tunnel_poll();
		if (!any) {
			board_wake_on_frame();
			board_sleep();
		}
	}
}
