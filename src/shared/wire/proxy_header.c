/* SPDX-License-Identifier: MIT */
#include "wire/proxy_header.h"

#define HEAD_LEN 16 /* signature, version and command, family, length */
#define VERSION_LOCAL 0x20
#define VERSION_PROXY 0x21
#define TCP_OVER_IPV4 0x11
#define TCP_OVER_IPV6 0x21
#define TYPE_SSL 0x20
#define CLIENT_SSL 0x01

static const uint8_t signature[12] = {
    0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 'Q', 'U', 'I', 'T', 0x0a};

static enum wire_result
bad(struct proxy_header *header, const char *error)
{
	header->error = error;
	return WIRE_BAD;
}

static void
take_end_ip(struct reader *r, struct proxy_end *end, size_t ip_len)
{
	const uint8_t *ip = reader_bytes(r, ip_len);

	if (ip != NULL)
		memcpy(end->ip, ip, ip_len);
}

static void
take_addresses(
    struct reader *r, struct proxy_header *header, enum proxy_family family)
{
	size_t ip_len = family == PROXY_IPV4 ? 4 : 16;

	header->family = family;
	take_end_ip(r, &header->from, ip_len);
	take_end_ip(r, &header->to, ip_len);
	header->from.port = reader_u16(r);
	header->to.port = reader_u16(r);
}

/* What follows the addresses: of it all we want to know one bit. */
static void
take_extensions(struct reader *r, struct proxy_header *header)
{
	while (reader_left(r) > 0) {
		uint8_t type = reader_u8(r);
		struct reader value = reader_sub(r, reader_u16(r));

		if (type == TYPE_SSL && reader_u8(&value) & CLIENT_SSL)
			header->tls = true;
	}
}

static enum wire_result
take_body(
    struct reader *r, struct proxy_header *header, uint8_t command, uint8_t family)
{
	/* of a LOCAL connection, which is the proxy's own, nothing is read; nor of addresses that
	 * are none of TCP: what follows them begins where we cannot know */
	if (command == VERSION_LOCAL)
		return WIRE_DONE;
	if (family == TCP_OVER_IPV4)
		take_addresses(r, header, PROXY_IPV4);
	else if (family == TCP_OVER_IPV6)
		take_addresses(r, header, PROXY_IPV6);
	else
		return WIRE_DONE;
	take_extensions(r, header);
	return r->bad ? bad(header, SAYS("PROXY header shorter than what is in it"))
		      : WIRE_DONE;
}

enum wire_result
proxy_header_parse(const uint8_t *in, size_t len, struct proxy_header *header,
    size_t *consumed)
{
	size_t known = len < sizeof(signature) ? len : sizeof(signature);
	struct reader r, body;
	uint8_t command, family;
	size_t body_len;

	memset(header, 0, sizeof(*header));
	if (known > 0 && memcmp(in, signature, known) != 0)
		return bad(header, SAYS("no PROXY protocol header, version 2"));
	if (len < HEAD_LEN)
		return WIRE_MORE;
	reader_init(&r, in, len);
	(void)reader_bytes(&r, sizeof(signature));
	command = reader_u8(&r);
	family = reader_u8(&r);
	body_len = reader_u16(&r);
	if (command != VERSION_LOCAL && command != VERSION_PROXY)
		return bad(header, SAYS("PROXY header of an unknown version or command"));
	if (body_len > PROXY_HEADER_MAX - HEAD_LEN)
		return bad(header, SAYS("PROXY header longer than 2048 bytes"));
	if (len < HEAD_LEN + body_len)
		return WIRE_MORE;
	body = reader_sub(&r, body_len);
	*consumed = HEAD_LEN + body_len;
	return take_body(&body, header, command, family);
}

static void
put(uint8_t **at, const void *data, size_t len)
{
	memcpy(*at, data, len);
	*at += len;
}

static void
put_u16(uint8_t **at, unsigned number)
{
	*(*at)++ = (uint8_t)(number >> 8);
	*(*at)++ = (uint8_t)number;
}

size_t
proxy_header_write(
    const struct proxy_header *header, uint8_t out[PROXY_HEADER_WRITTEN_MAX])
{
	size_t ip_len = header->family == PROXY_IPV4 ? 4 : 16;
	uint8_t *at = out;

	put(&at, signature, sizeof(signature));
	if (header->family == PROXY_NONE) {
		*at++ = VERSION_LOCAL;
		*at++ = 0;
		put_u16(&at, 0);
		return (size_t)(at - out);
	}
	*at++ = VERSION_PROXY;
	*at++ = header->family == PROXY_IPV4 ? TCP_OVER_IPV4 : TCP_OVER_IPV6;
	put_u16(&at, (unsigned)(2 * ip_len + 4));
	put(&at, header->from.ip, ip_len);
	put(&at, header->to.ip, ip_len);
	put_u16(&at, header->from.port);
	put_u16(&at, header->to.port);
	return (size_t)(at - out);
}
