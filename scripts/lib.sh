# shellcheck shell=sh
# What scripts/test and scripts/demo share; sourced, plain sh. The caller has set `top` to
# the top of the tree.

begin=$(date +%s)

# Progress, with the seconds since the script began.
say() {
	printf '== %3ds %s\n' $(($(date +%s) - begin)) "$*" >&2
}

die() {
	printf '%s\n' "${0##*/}: $*" >&2
	exit 1
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif command -v sudo >/dev/null 2>&1; then
		sudo "$@"
	else
		die "needs root (or sudo) for: $*"
	fi
}

# locked FILE WHAT COMMAND...: the command, while no other run has the file: one that has it is
# waited for, and what it does is said. What is started, and goes on behind it, does not hold it.
# Returns what the command does; with -e, one that fails ends the script as anywhere else, and the
# file is free with its end.
locked() {
	lock_file=$1 lock_holder=$2
	shift 2
	mkdir -p "${lock_file%/*}" && : >> "$lock_file" || die "cannot make $lock_file"
	exec 9< "$lock_file"
	if ! flock -n 9; then
		say "waiting for another run, which $lock_holder"
		flock 9
	fi
	"$@" 9<&-
	set -- $?
	exec 9<&-
	return "$1"
}

# Names of the packages for these purposes.
packages_for() {
	for purpose; do
		sed -n "s/^$purpose  *//p" "$top/scripts/packages"
	done | sort -u
}

# Install what is missing of the packages for these purposes. No service of theirs is
# started: a machine that runs tests has not asked for an sshd.
install_packages() {
	missing=
	for package in $(packages_for "$@"); do
		dpkg-query -W -f '${Status}\n' "$package" 2>/dev/null |
			grep -q '^install ok installed' || missing="$missing $package"
	done
	[ -n "$missing" ] || return 0
	say "installing$missing"
	as_root sh -c '
		policy=/usr/sbin/policy-rc.d
		if [ ! -e "$policy" ]; then
			trap "rm -f $policy" EXIT
			trap "exit 1" HUP INT TERM
			printf "#!/bin/sh\nexit 101\n" > "$policy" && chmod 755 "$policy"
		fi
		export DEBIAN_FRONTEND=noninteractive
		apt-get -qq update
		apt-get -qq -y --no-install-recommends install "$@" >/dev/null 2>&1 ||
			apt-get -q -y --no-install-recommends install "$@"
	' sh $missing || die "apt-get could not install$missing"
}

# Make ./configure if it is missing or older than what it is made from.
prepare_configure() {
	if [ -x "$top/configure" ] && [ -f "$top/build-aux/ltmain.sh" ] &&
		[ -z "$(find "$top/configure.ac" "$top/Makefile.am" -newer "$top/configure")" ]; then
		return 0
	fi
	say "autoreconf"
	if ! made=$(cd "$top" && autoreconf -fi 2>&1); then
		printf '%s\n' "$made" >&2
		die "autoreconf failed"
	fi
}

# Configure the folder with these options, unless that was done with the same ones.
configure_in() {
	folder=$1
	shift
	mkdir -p "$folder" || die "cannot make $folder"
	if [ -f "$folder/config.status" ] && [ "$(cat "$folder/.options" 2>/dev/null)" = "$*" ] &&
		[ ! "$top/configure" -nt "$folder/config.status" ]; then
		return 0
	fi
	say "configuring ${folder#"$top/"}: $*"
	(cd "$folder" && "$top/configure" --quiet "$@") ||
		die "configure failed; see $folder/config.log"
	echo "$*" > "$folder/.options"
}

jobs() {
	nproc 2>/dev/null || echo 2
}
