/* SPDX-License-Identifier: MIT */
/* One network interface, polled. */
#include "net.h"

#include <string.h>

#include "lwip/dhcp.h"
#include "lwip/etharp.h"
#include "lwip/init.h"
#include "lwip/netif.h"
#include "lwip/sys.h"
#include "lwip/timeouts.h"
#include "netif/ethernet.h"

#include "board.h"
#include "random.h"

#define LINK_POLL_MS 100

static struct netif interface;
static uint32_t link_polled_ms;
static bool told;
/* sending and receiving never overlap: both happen in net_poll() or below tunnel_poll() */
static uint8_t frame[BOARD_FRAME_MAX + 2] __attribute__((aligned(4)));

uint32_t
sys_now(void)
{
	return board_now_ms();
}

static err_t
send_frame(struct netif *netif, struct pbuf *p)
{
	u16_t len = pbuf_copy_partial(p, frame, sizeof(frame), 0);

	(void)netif;
	for (; len < 60; len++)
		frame[len] = 0; /* the shortest that Ethernet has */
	return board_send(frame, len) ? ERR_OK : ERR_BUF;
}

static err_t
set_up(struct netif *netif)
{
	netif->name[0] = 'e';
	netif->name[1] = 'n';
	netif->output = etharp_output;
	netif->linkoutput = send_frame;
	netif->mtu = 1500;
	netif->hwaddr_len = ETH_HWADDR_LEN;
	netif->flags =
	    NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET;
	return ERR_OK;
}

void
net_init(const uint8_t mac[6], const char *host_name)
{
	lwip_init();
	memcpy(interface.hwaddr, mac, ETH_HWADDR_LEN);
	netif_add(&interface, NULL, NULL, NULL, NULL, set_up, ethernet_input);
	memcpy(interface.hwaddr, mac, ETH_HWADDR_LEN);
	netif_set_hostname(&interface, host_name);
	netif_set_default(&interface);
	netif_set_up(&interface);
	dhcp_start(&interface);
}

static void
watch_cable(void)
{
	bool up = board_link_is_up();

	link_polled_ms = board_now_ms();
	if (up == (bool)netif_is_link_up(&interface))
		return;
	board_print(up ? "net: the cable is in\n" : "net: the cable is out\n");
	if (up)
		netif_set_link_up(&interface); /* DHCP asks for its address again */
	else
		netif_set_link_down(&interface);
}

static void
tell_address(void)
{
	char text[IP4ADDR_STRLEN_MAX];

	if (told == net_is_up())
		return;
	told = !told;
	if (!told)
		return;
	ip4addr_ntoa_r(netif_ip4_addr(&interface), text, sizeof(text));
	board_print("net: address ");
	board_print(text);
	board_print("\n");
}

bool
net_poll(void)
{
	bool any = false;
	size_t len;

	while ((len = board_receive(frame)) > 0) {
		struct pbuf *p = pbuf_alloc(PBUF_RAW, (u16_t)len, PBUF_POOL);
		uint32_t cycles = board_cycles();

		any = true;
		random_stir(&cycles, sizeof(cycles)); /* when it came, nobody knows so well */
		if (p == NULL)
			break; /* as if it were lost: the peer sends it again */
		pbuf_take(p, frame, (u16_t)len);
		if (interface.input(p, &interface) != ERR_OK)
			pbuf_free(p);
	}
	if (board_now_ms() - link_polled_ms >= LINK_POLL_MS)
		watch_cable();
	sys_check_timeouts();
	tell_address();
	return any;
}

bool
net_is_up(void)
{
	return netif_is_link_up(&interface) &&
	    !ip4_addr_isany_val(*netif_ip4_addr(&interface));
}
