/* SPDX-License-Identifier: MIT */
#include "wire/mux_frame.h"

enum mux_result
mux_reader_take(struct mux_reader *r, bool first, bool last, uint8_t *data,
    size_t len, uint8_t **payload, size_t *payload_len)
{
	if (first) {
		r->visit = 0;
		r->gathered = 0;
		r->filled = false;
	}
	for (; len > 0 && r->gathered < MUX_PREFIX_LEN; data++, len--) {
		r->visit = r->visit << 8 | *data;
		r->gathered++;
	}
	if (len > 0) {
		r->filled = true;
		*payload = data;
		*payload_len = len;
		return MUX_DATA;
	}
	if (!last)
		return MUX_MORE;
	if (r->gathered < MUX_PREFIX_LEN)
		return MUX_BAD;
	return r->filled ? MUX_MORE : MUX_END;
}

void
mux_prefix_encode(uint32_t visit, uint8_t out[MUX_PREFIX_LEN])
{
	for (int i = MUX_PREFIX_LEN; i-- > 0; visit >>= 8)
		out[i] = (uint8_t)visit;
}
