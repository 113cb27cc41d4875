/* SPDX-License-Identifier: MIT */
/*
 * What the rest of the firmware asks of a board. One file implements it for each board; a port to
 * another one begins and ends there (and in startup.c, for what is not a Cortex-M).
 */
#ifndef BOARD_H
#define BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BOARD_FRAME_MAX 1522 /* bytes of an Ethernet frame, its checksum included */

/* Cycles of the processor's clock in a second. */
extern const uint32_t board_clock_hz;

/* The clock tree, the serial port, the Ethernet controller with this address. */
void board_init(const uint8_t mac[6]);

/* A character for whoever watches the serial port. */
void board_putc(char c);

/* Send a frame; false: there is no room just now. frame is aligned to 4. */
bool board_send(const uint8_t *frame, size_t len);
/* The next frame that came in, without its checksum, into frame[0..BOARD_FRAME_MAX), which is
 * aligned to 4; 0: there is none. */
size_t board_receive(uint8_t *frame);
/* Is the cable plugged in? */
bool board_link_is_up(void);

/* From now on an interrupt ends board_sleep() when a frame comes. */
void board_wake_on_frame(void);
/* Wait for the next interrupt: a frame, or the tick of a millisecond. */
void board_sleep(void);

/* In thousandths of a degree Celsius, and where it comes from, for people. */
int32_t board_temperature(void);
extern const char board_sensor[];

/* Something that nobody outside can know. NOT on the emulated boards, which have no source of
 * it: see random.c. */
uint32_t board_entropy(void);

/* ---- the same on every Cortex-M: startup.c ---- */

/* Milliseconds since the start; goes round after 2^32. */
uint32_t board_now_ms(void);
/* The same, but wide enough never to go round. */
uint64_t board_uptime_ms(void);
/* Cycles since the last tick: the finest clock there is. */
uint32_t board_cycles(void);
/* Bytes of stack that were ever in use. */
size_t board_stack_used(void);
/* Say what is wrong on the serial port, and start again. */
void board_fatal(const char *what) __attribute__((noreturn));
/* A line for the serial port. */
void board_print(const char *text);
void board_print_number(uint32_t number);

/* The interrupt of the Ethernet controller, which the board's file handles. */
void board_frame_interrupt(void);

#define BOARD_REGISTER(address) (*(volatile uint32_t *)(address))

#endif
