/* SPDX-License-Identifier: MIT */
/*
 * The primitives on Mbed TLS. Random numbers are the kernel's own: that needs no generator of
 * ours, which would have to be seeded, and shared by threads. A failure leaves nothing safe to go
 * on with, so it ends the process.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <mbedtls/constant_time.h>
#include <mbedtls/md.h>
#include <mbedtls/sha256.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "net/crypto.h"
#include "net/crypto_memory.h"

static void
give_up(const char *what)
{
	log_error("cryptography failed, cannot go on", LOG_S("what", what));
	_Exit(EX_OSERR);
}

/* For kernels before 3.17. */
static ssize_t
read_device(void *out, size_t len)
{
	int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
	ssize_t got = -1;

	if (fd >= 0) {
		got = read(fd, out, len);
		close(fd);
	}
	return got;
}

void
crypto_random(void *out, size_t len)
{
	uint8_t *at = out;

	while (len > 0) {
		ssize_t got = getrandom(at, len, 0);

		if (got < 0 && errno == ENOSYS)
			got = read_device(at, len);
		if (got == 0 || (got < 0 && errno != EINTR))
			give_up("random numbers");
		if (got > 0) {
			at += got;
			len -= (size_t)got;
		}
	}
}

void
crypto_sha256(const void *data, size_t len, uint8_t digest[SHA256_LEN])
{
	if (mbedtls_sha256_ret(len ? data : "", len, digest, 0) != 0)
		give_up("SHA-256");
}

void
crypto_hmac_sha256(const void *key, size_t key_len, const void *data,
    size_t len, uint8_t mac[SHA256_LEN])
{
	const mbedtls_md_info_t *sha256 =
	    mbedtls_md_info_from_type(MBEDTLS_MD_SHA256);

	if (mbedtls_md_hmac(sha256, key_len ? key : "", key_len,
		len ? data : "", len, mac) != 0)
		give_up("HMAC-SHA-256");
}

bool
crypto_equal(const void *a, const void *b, size_t len)
{
	return len == 0 || mbedtls_ct_memcmp(a, b, len) == 0;
}

/* Mbed TLS wipes what it frees of a key by itself. */
void
crypto_memory_init(void)
{
}

void
crypto_memory_wipe(bool wanted)
{
	(void)wanted;
}
