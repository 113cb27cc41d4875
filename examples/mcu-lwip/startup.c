/* SPDX-License-Identifier: MIT */
/*
 * What happens before main() on a Cortex-M, the tick of a millisecond, and the serial port's
 * lines. Knows no board.
 */
#include "board.h"

#define SYSTICK_CONTROL BOARD_REGISTER(0xe000e010u)
#define SYSTICK_RELOAD BOARD_REGISTER(0xe000e014u)
#define SYSTICK_VALUE BOARD_REGISTER(0xe000e018u)
#define RESET_CONTROL BOARD_REGISTER(0xe000ed0cu)

#define STACK_PAINT 0xa5a5a5a5u

/* from the linker's script */
extern uint32_t data_in_flash[], data_start[], data_end[], bss_start[], bss_end[], stack_top[];

int main(void);
void start(void);

static volatile uint32_t ticks, ticks_high;

static void
tick(void)
{
	if (++ticks == 0)
		ticks_high++;
}

uint32_t
board_now_ms(void)
{
	return ticks;
}

uint64_t
board_uptime_ms(void)
{
	uint32_t high, low;

	do {
		high = ticks_high;
		low = ticks;
	} while (high != ticks_high); /* it went round in between */
	return (uint64_t)high << 32 | low;
}

uint32_t
board_cycles(void)
{
	return SYSTICK_VALUE;
}

size_t
board_stack_used(void)
{
	const uint32_t *at = bss_end;

	while (at < stack_top && *at == STACK_PAINT)
		at++;
	return (size_t)(stack_top - at) * sizeof(*at);
}

void
board_print(const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '\n')
			board_putc('\r');
		board_putc(*text);
	}
}

void
board_print_number(uint32_t number)
{
	char digits[11], *at = digits + sizeof(digits) - 1;

	*at = '\0';
	do {
		*--at = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	board_print(at);
}

void
board_fatal(const char *what)
{
	board_print("fatal: ");
	board_print(what);
	board_print("\n");
	RESET_CONTROL = 0x05fa0004u; /* SYSRESETREQ */
	for (;;)
		continue;
}

static void
fault(void)
{
	board_fatal("a fault of the processor");
}

void
start(void)
{
	const uint32_t *from = data_in_flash;
	uint32_t *here = (uint32_t *)__builtin_frame_address(0) - 16;

	for (uint32_t *to = data_start; to < data_end; to++)
		*to = *from++;
	for (uint32_t *to = bss_start; to < bss_end; to++)
		*to = 0;
	for (uint32_t *to = bss_end; to < here; to++)
		*to = STACK_PAINT;
	SYSTICK_RELOAD = board_clock_hz / 1000 - 1;
	SYSTICK_VALUE = 0;
	SYSTICK_CONTROL = 7; /* the processor's clock, with an interrupt */
	main();
	board_fatal("main() has returned");
}

/* The controller's interrupt is another one on each board, and no other is enabled: they all
 * lead to the same place. */
#define EIGHT(handler)                                                         \
	handler, handler, handler, handler, handler, handler, handler, handler

__attribute__((section(".vectors"), used)) static void (
    *const vectors[16 + 48])(void) = {(void (*)(void))(uintptr_t)stack_top,
    start, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault,
    fault, fault, fault, tick, EIGHT(board_frame_interrupt),
    EIGHT(board_frame_interrupt), EIGHT(board_frame_interrupt),
    EIGHT(board_frame_interrupt), EIGHT(board_frame_interrupt),
    EIGHT(board_frame_interrupt)};
