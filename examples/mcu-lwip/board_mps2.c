/* SPDX-License-Identifier: MIT */
/*
 * Arm's MPS2 with the AN385 image, as QEMU has it (mps2-an385): a Cortex-M3 at 25 MHz, a CMSDK
 * serial port, and an SMSC LAN9118 whose PHY knows whether the cable is plugged in. It has no
 * sensor of temperature and no source of randomness.
 */
#include "board.h"

#define UART 0x40004000u
#define UART_DATA BOARD_REGISTER(UART + 0x00)
#define UART_STATE BOARD_REGISTER(UART + 0x04)
#define UART_CONTROL BOARD_REGISTER(UART + 0x08)
#define UART_DIVISOR BOARD_REGISTER(UART + 0x10)

#define LAN 0x40200000u
#define RX_DATA BOARD_REGISTER(LAN + 0x00)
#define TX_DATA BOARD_REGISTER(LAN + 0x20)
#define RX_STATUS BOARD_REGISTER(LAN + 0x40)
#define TX_STATUS BOARD_REGISTER(LAN + 0x48)
#define IRQ_CONFIG BOARD_REGISTER(LAN + 0x54)
#define INT_STATUS BOARD_REGISTER(LAN + 0x58)
#define INT_ENABLE BOARD_REGISTER(LAN + 0x5c)
#define FIFO_INT BOARD_REGISTER(LAN + 0x68)
#define TX_CONFIG BOARD_REGISTER(LAN + 0x70)
#define HW_CONFIG BOARD_REGISTER(LAN + 0x74)
#define RX_FIFO BOARD_REGISTER(LAN + 0x7c)
#define TX_FIFO BOARD_REGISTER(LAN + 0x80)
#define MAC_COMMAND BOARD_REGISTER(LAN + 0xa4)
#define MAC_DATA BOARD_REGISTER(LAN + 0xa8)

#define INT_RX_LEVEL (1u << 3)
#define MAC_BUSY (1u << 31)
#define MAC_READ (1u << 30)
enum mac { MAC_CONTROL = 1, MAC_HIGH, MAC_LOW, MAC_MII_ACCESS = 6, MAC_MII_DATA };

#define NVIC_ENABLE BOARD_REGISTER(0xe000e100u)
#define LAN_INTERRUPT 13

const uint32_t board_clock_hz = 25000000;
const char board_sensor[] = "simulated: this board has no sensor";

static void
mac_write(enum mac index, uint32_t value)
{
	MAC_DATA = value;
	MAC_COMMAND = MAC_BUSY | (uint32_t)index;
	while (MAC_COMMAND & MAC_BUSY)
		continue;
}

static uint32_t
mac_read(enum mac index)
{
	MAC_COMMAND = MAC_BUSY | MAC_READ | (uint32_t)index;
	while (MAC_COMMAND & MAC_BUSY)
		continue;
	return MAC_DATA;
}

void
board_init(const uint8_t mac[6])
{
	UART_DIVISOR = 16;
	UART_CONTROL = 1;
	HW_CONFIG = 1; /* reset */
	while (HW_CONFIG & 1)
		continue;
	HW_CONFIG = 5u << 16 | 1u << 20;
	mac_write(MAC_LOW,
	    mac[0] | (uint32_t)mac[1] << 8 | (uint32_t)mac[2] << 16 |
		(uint32_t)mac[3] << 24);
	mac_write(MAC_HIGH, mac[4] | (uint32_t)mac[5] << 8);
	mac_write(MAC_CONTROL, 1u << 2 | 1u << 3 | 1u << 20); /* both ways, at once */
	TX_CONFIG = 2;
	FIFO_INT = 0x48000000u; /* every frame that comes in */
	IRQ_CONFIG = 0x111;
	NVIC_ENABLE = 1u << LAN_INTERRUPT;
	board_wake_on_frame();
}

void
board_putc(char c)
{
	while (UART_STATE & 1)
		continue;
	UART_DATA = (uint8_t)c;
}

bool
board_send(const uint8_t *frame, size_t len)
{
	const uint32_t *words = (const uint32_t *)(const void *)frame;

	while (TX_FIFO >> 16 & 0xff) /* what became of the former ones */
		(void)TX_STATUS;
	if ((TX_FIFO & 0xffff) < len + 16)
		return false;
	TX_DATA = 3u << 12 | (uint32_t)len; /* first and last segment */
	TX_DATA = (uint32_t)len;
	for (size_t i = 0; i < (len + 3) / 4; i++)
		TX_DATA = words[i];
	return true;
}

size_t
board_receive(uint8_t *frame)
{
	uint32_t *words = (uint32_t *)(void *)frame, status, word;
	size_t len;

	if (!(RX_FIFO >> 16 & 0xff))
		return 0;
	status = RX_STATUS;
	len = status >> 16 & 0x3fff;
	for (size_t i = 0; i < (len + 3) / 4; i++) {
		word = RX_DATA;
		if (4 * i + 4 <= BOARD_FRAME_MAX + 2)
			words[i] = word;
	}
	if ((status & 1u << 15) || len < 18 || len > BOARD_FRAME_MAX)
		return 0; /* damaged */
	return len - 4;
}

bool
board_link_is_up(void)
{
	/* register 1 of the PHY, which has address 1 */
	mac_write(MAC_MII_ACCESS, 1u << 11 | 1u << 6 | 1);
	while (mac_read(MAC_MII_ACCESS) & 1)
		continue;
	return mac_read(MAC_MII_DATA) & 1u << 2;
}

void
board_wake_on_frame(void)
{
	INT_STATUS = INT_RX_LEVEL;
	INT_ENABLE = INT_RX_LEVEL;
}

void
board_frame_interrupt(void)
{
	INT_ENABLE = 0; /* until the frames have been taken */
}

void
board_sleep(void)
{
	__asm__ volatile("wfi");
}

/* Up and down between 19 and 23 degrees, once in two minutes. */
int32_t
board_temperature(void)
{
	uint32_t phase = board_now_ms() % 120000;

	return 19000 + (int32_t)(phase < 60000 ? phase : 120000 - phase) / 15;
}

uint32_t
board_entropy(void)
{
	return board_cycles();
}
