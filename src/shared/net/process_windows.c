/* SPDX-License-Identifier: MIT */
/* What a service may do is said where it is installed: by its account. */
#include "config.h"

#include <winsock2.h>
#include <windows.h>

#include <openssl/ssl.h>
#include <sysexits.h>

#include "base/log.h"
#include "net/crypto_memory.h"
#include "net/process.h"

/* No box that waits for somebody to press a button, and no error report with our memory in it. */
#define QUIET (SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX)

static UINT error_mode; /* that we were started with */

void
process_begin(void)
{
	error_mode = SetErrorMode(QUIET);
	(void)SetErrorMode(error_mode | QUIET);
	crypto_memory_init();
	/* whose configuration would be \etc\ssl\openssl.cnf of the current drive, where everybody
	 * may make one */
	(void)OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
}

void
process_show_memory(void)
{
	(void)SetErrorMode(error_mode);
}

int
process_become(const char *user, bool keep_ports)
{
	(void)keep_ports;
	if (user == NULL)
		return EX_OK;
	log_error("a program cannot become another user on Windows: leave user "
		  "out, and choose the account where the service is installed "
		  "(sc.exe config taupe-agent obj= ...)",
	    LOG_S("user", user));
	return EX_CONFIG;
}
