/* SPDX-License-Identifier: MIT */
/*
 * Texas Instruments' LM3S6965 evaluation board, as QEMU has it (lm3s6965evb): a Cortex-M3 with
 * 64 KiB of RAM, a PL011 serial port, an Ethernet controller on the chip, and a sensor of its
 * temperature. QEMU's controller does not tell whether the cable is plugged in: that is noticed
 * by the tunnel's heartbeat alone.
 */
#include "board.h"

#define UART_DATA BOARD_REGISTER(0x4000c000u)
#define UART_FLAGS BOARD_REGISTER(0x4000c018u)
#define UART_LINE BOARD_REGISTER(0x4000c02cu)
#define UART_CONTROL BOARD_REGISTER(0x4000c030u)

#define CLOCK_RUN BOARD_REGISTER(0x400fe060u)
#define CLOCK_GATE0 BOARD_REGISTER(0x400fe100u)
#define CLOCK_GATE1 BOARD_REGISTER(0x400fe104u)
#define CLOCK_GATE2 BOARD_REGISTER(0x400fe108u)

#define ADC 0x40038000u
#define ADC_ACTIVE BOARD_REGISTER(ADC + 0x00)
#define ADC_TRIGGER BOARD_REGISTER(ADC + 0x14)
#define ADC_CONTROL3 BOARD_REGISTER(ADC + 0xa4)
#define ADC_FIFO3 BOARD_REGISTER(ADC + 0xa8)
#define ADC_STATE3 BOARD_REGISTER(ADC + 0xac)
#define ADC_EMPTY (1u << 8)

#define TIMER 0x40030000u
#define TIMER_CONFIG BOARD_REGISTER(TIMER + 0x00)
#define TIMER_MODE BOARD_REGISTER(TIMER + 0x04)
#define TIMER_CONTROL BOARD_REGISTER(TIMER + 0x0c)
#define TIMER_INTERVAL BOARD_REGISTER(TIMER + 0x28)

#define MAC 0x40048000u
#define INT_MASK BOARD_REGISTER(MAC + 0x04)
#define RX_CONTROL BOARD_REGISTER(MAC + 0x08)
#define TX_CONTROL BOARD_REGISTER(MAC + 0x0c)
#define DATA BOARD_REGISTER(MAC + 0x10)
#define ADDRESS_LOW BOARD_REGISTER(MAC + 0x14)
#define ADDRESS_HIGH BOARD_REGISTER(MAC + 0x18)
#define FRAMES BOARD_REGISTER(MAC + 0x34)
#define TX_REQUEST BOARD_REGISTER(MAC + 0x38)

#define NVIC_ENABLE1 BOARD_REGISTER(0xe000e104u)
#define MAC_INTERRUPT 42

const uint32_t board_clock_hz = 12500000;
const char board_sensor[] = "the chip's own sensor";

void
board_init(const uint8_t mac[6])
{
	CLOCK_GATE0 |= 1u << 16;	     /* the converter */
	CLOCK_GATE1 |= 1u << 0 | 1u << 16;   /* the serial port, a timer */
	CLOCK_GATE2 |= 1u << 28 | 1u << 30; /* the controller and its PHY */
	CLOCK_RUN |= 0xfu << 23 | 1u << 22; /* a sixteenth of 200 MHz */
	UART_LINE = 0x60;
	UART_CONTROL = 0x301;
	ADC_CONTROL3 = 1u << 3 | 1u << 2 | 1u << 1; /* one sample, of the sensor */
	ADC_TRIGGER = 5u << 12;			    /* by the timer */
	ADC_ACTIVE = 1u << 3;
	TIMER_CONFIG = 0;
	TIMER_MODE = 2; /* again and again */
	TIMER_INTERVAL = board_clock_hz / 10;
	TIMER_CONTROL = 1u << 5 | 1u << 0; /* starts the converter each time */
	ADDRESS_LOW = mac[0] | (uint32_t)mac[1] << 8 | (uint32_t)mac[2] << 16 |
	    (uint32_t)mac[3] << 24;
	ADDRESS_HIGH = mac[4] | (uint32_t)mac[5] << 8;
	TX_CONTROL = 0x17; /* both ways at once, with padding and checksum */
	RX_CONTROL = 0x01;
	RX_CONTROL |= 0x10;
	NVIC_ENABLE1 = 1u << (MAC_INTERRUPT - 32);
	board_wake_on_frame();
}

void
board_putc(char c)
{
	while (UART_FLAGS & 1u << 5)
		continue;
	UART_DATA = (uint8_t)c;
}

/* The controller takes the frame behind two bytes with the length of what follows its header. */
bool
board_send(const uint8_t *frame, size_t len)
{
	uint32_t word = (uint32_t)len - 14;
	unsigned shift = 16;

	if (TX_REQUEST & 1)
		return false;
	for (size_t i = 0; i < len; i++) {
		word |= (uint32_t)frame[i] << shift;
		shift += 8;
		if (shift == 32) {
			DATA = word;
			word = shift = 0;
		}
	}
	if (shift > 0)
		DATA = word;
	TX_REQUEST = 1;
	return true;
}

size_t
board_receive(uint8_t *frame)
{
	uint32_t word;
	size_t total, len;

	if (FRAMES == 0)
		return 0;
	word = DATA;
	total = word & 0xffff; /* these two bytes, the frame, its checksum */
	len = total - 2;
	if (len > BOARD_FRAME_MAX) {
		for (size_t i = 4; i < total; i += 4)
			(void)DATA;
		return 0;
	}
	for (size_t i = 0; i < len; i++) {
		if ((i + 2) % 4 == 0)
			word = DATA;
		frame[i] = (uint8_t)(word >> 8 * ((i + 2) % 4));
	}
	return len - 4;
}

bool
board_link_is_up(void)
{
	return true; /* a real PHY would be asked, by MII management */
}

void
board_wake_on_frame(void)
{
	INT_MASK = 1;
}

void
board_frame_interrupt(void)
{
	INT_MASK = 0; /* until the frames have been taken */
}

void
board_sleep(void)
{
	__asm__ volatile("wfi");
}

/* The newest sample: T = 147.5 - 75 x 3 V x reading / 1023 (the data sheet's section on the sensor) */
int32_t
board_temperature(void)
{
	static int32_t last;

	while (!(ADC_STATE3 & ADC_EMPTY))
		last = 147500 - (int32_t)((ADC_FIFO3 & 0x3ff) * 225000 / 1023);
	return last;
}

uint32_t
board_entropy(void)
{
	return board_cycles();
}
