/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

#include "base/log.h"
#include "net/crypto_memory.h"
#include "net/process.h"

static struct rlimit core_limit; /* that we were started with */

static void
set_dumpable(bool dumpable)
{
#ifdef __linux__
	(void)prctl(PR_SET_DUMPABLE, dumpable ? 1 : 0, 0, 0, 0);
#else
	(void)dumpable;
#endif
}

void
process_begin(void)
{
	mode_t mask = umask(S_IRWXG | S_IRWXO);
	struct rlimit none;

	(void)umask(mask | S_IWGRP | S_IWOTH);
	crypto_memory_init();
	if (getrlimit(RLIMIT_CORE, &core_limit) == 0) {
		none = core_limit;
		none.rlim_cur = 0;
		(void)setrlimit(RLIMIT_CORE, &none);
	}
	set_dumpable(false);
}

void
process_show_memory(void)
{
	core_limit.rlim_cur = core_limit.rlim_max;
	(void)setrlimit(RLIMIT_CORE, &core_limit);
	set_dumpable(true);
}

/* Whatever rights the change of user leaves: exactly this one, or none. */
static int
keep_rights(bool keep_ports)
{
#ifdef __linux__
	struct __user_cap_header_struct header = {
	    .version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct rights[_LINUX_CAPABILITY_U32S_3] = {
	    {0, 0, 0}};

	/* a container may have none to keep */
	if (keep_ports && syscall(SYS_capget, &header, rights) != 0)
		return -1;
	rights[0].permitted &= 1u << CAP_NET_BIND_SERVICE;
	rights[0].effective = rights[0].permitted;
	rights[0].inheritable = 0;
	rights[1] = (struct __user_cap_data_struct){0, 0, 0};
	return syscall(SYS_capset, &header, rights) == 0 ? 0 : -1;
#else
	(void)keep_ports;
	return 0;
#endif
}

/* Across setuid(2) the permitted rights stay, if they are asked to. */
static int
ask_to_keep(bool keep_ports)
{
#ifdef __linux__
	return prctl(PR_SET_KEEPCAPS, keep_ports ? 1 : 0, 0, 0, 0);
#else
	(void)keep_ports;
	return 0;
#endif
}

/* No program that is set-user-ID gives any back. */
static void
forbid_new_rights(void)
{
#ifdef __linux__
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
#endif
}

/* The order matters: groups need root, and what setuid(2) has taken cannot be had back. */
static int
change_to(const struct passwd *user, bool keep_ports)
{
	if (initgroups(user->pw_name, user->pw_gid) != 0 ||
	    setgid(user->pw_gid) != 0 || ask_to_keep(keep_ports) != 0 ||
	    setuid(user->pw_uid) != 0 || keep_rights(keep_ports) != 0)
		return -1;
	forbid_new_rights();
	if (user->pw_uid != 0 && setuid(0) == 0) {
		errno = EPERM; /* still root somehow */
		return -1;
	}
	return 0;
}

static int
fail(const char *user, const char *error, int code)
{
	log_error(
	    "cannot become user", LOG_S("user", user), LOG_S("error", error));
	return code;
}

int
process_become(const char *user, bool keep_ports)
{
	bool is_root = geteuid() == 0;
	struct passwd *found;

	if (user == NULL) {
		if (is_root)
			log_warn("running as root, which is not needed: set "
				 "user to one that has no rights");
		return EX_OK;
	}
	errno = 0;
	if ((found = getpwnam(user)) == NULL)
		return fail(user,
		    errno == 0 || errno == ENOENT || errno == ESRCH
			? "there is no such user"
			: log_errno(),
		    EX_NOUSER);
	if (!is_root && found->pw_uid != geteuid())
		return fail(user,
		    "only root can: start the program as this user, or as "
		    "root",
		    EX_NOPERM);
	if (!is_root || found->pw_uid == 0)
		return EX_OK;
	if (change_to(found, keep_ports) != 0)
		return fail(user, log_errno(), EX_OSERR);
	/* the change makes the process one that may be dumped again where the system
	 * says so (fs.suid_dumpable) */
	set_dumpable(false);
	return EX_OK;
}
