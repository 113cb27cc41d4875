/* SPDX-License-Identifier: MIT */
#include "wire/mux_frame.h"

#include "taupe_profile.h"

enum mux_result
mux_reader_take(struct mux_reader *r, bool first, bool last, uint8_t *data,
    size_t len, uint8_t **payload, size_t *payload_len)
{
	if (first) {
		r->visit = 0;
		r->gathered = 0;
		r->filled = false;
	}
#ifndef TAUPE_WITHOUT_FAST_PATHS
	if (first && len >= MUX_PREFIX_LEN) { /* as nearly always */
		r->visit = (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 |
		    (uint32_t)data[2] << 8 | data[3];
		r->gathered = MUX_PREFIX_LEN;
		data += MUX_PREFIX_LEN;
		len -= MUX_PREFIX_LEN;
	}
#endif
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
	out[0] = (uint8_t)(visit >> 24);
	out[1] = (uint8_t)(visit >> 16);
	out[2] = (uint8_t)(visit >> 8);
	out[3] = (uint8_t)visit;
}
