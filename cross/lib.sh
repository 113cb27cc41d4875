# shellcheck shell=sh
# What the targets share: packages of foreign architectures, Debian's sources, configuring for a
# target, and running what was built there. Sourced by cross/one, which has set
#   top     the top of the tree
#   cache   build-cross, which keeps between runs what is slow to get
#   target  the target's name
#   out     its folder, build-cross/NAME
# and runs with -e: what fails ends the target.

suite=bookworm
host_triplet=$(gcc -dumpmachine)

# apt-get with a state of its own in a folder, for one architecture: the machine's own dpkg and
# apt stay as they are (a foreign architecture of the system would want the same versions of all
# packages, which Debian's security suite does not have for every one). Whatever the machine allows
# its apt, nothing is taken here but what Debian's archive key has signed, or a hash that it signed.
private_apt() {
	state=$1 arch=$2
	shift 2
	mkdir -p "$state/lists/partial" "$state/cache/archives/partial" "$state/sources.list.d"
	: > "$state/status"
	apt-get -q -o APT::Architecture="$arch" -o APT::Architectures::="$arch" \
		-o Dir::State="$state" -o Dir::State::status="$state/status" \
		-o Dir::State::lists="$state/lists" -o Dir::Cache="$state/cache" \
		-o Dir::Etc::sourcelist="$state/sources.list" \
		-o Dir::Etc::sourceparts="$state/sources.list.d" \
		-o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts="$state/sources.list.d" \
		-o Acquire::AllowInsecureRepositories=false \
		-o Acquire::AllowWeakRepositories=false \
		-o Acquire::AllowDowngradeToInsecureRepositories=false \
		-o APT::Get::AllowUnauthenticated=false \
		-o Acquire::Languages=none -o APT::Sandbox::User="$(id -un)" \
		-o APT::Install-Recommends=false "$@"
}

# Where this machine gets Debian from: the archive itself, not one that has packages for it.
mirror() {
	found=$(apt-get indextargets --format '$(REPO_URI)' \
		"Codename: $suite" "Origin: Debian" "Label: Debian" 2>/dev/null |
		grep -v '^cdrom:' | sort -u | head -n 1)
	echo "${found:-http://deb.debian.org/debian/}"
}

source_line() {
	echo "$1 [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(mirror) $2 main"
}

# once FOLDER KEY COMMAND...: fill the folder by the command, unless that was done with the same
# key. Another run waits meanwhile.
once() {
	locked "$1.lock" "fills ${1#"$top/"}" fill_once "$@"
}

fill_once() {
	made=$1 key=$2
	shift 2
	[ "$(cat "$made.made" 2>/dev/null)" != "$key" ] || return 0
	rm -rf "$made" "$made.made"
	mkdir "$made"
	"$@"
	echo "$key" > "$made.made"
}

# sysroot ARCH PACKAGE...: Debian's packages of the architecture with all that they depend on,
# unpacked into a folder of their own. Sets $sysroot.
sysroot() {
	sysroot=$cache/sysroot/$1
	once "$sysroot" "$suite $*" unpack_sysroot "$@"
}

unpack_sysroot() {
	arch=$1 state=$sysroot.apt
	shift
	rm -rf "$state"
	mkdir "$state"
	source_line deb "$suite" > "$state/sources.list"
	private_apt "$state" "$arch" update
	private_apt "$state" "$arch" install -y --download-only "$@"
	for package in "$state"/cache/archives/*.deb; do
		dpkg-deb -x "$package" "$sysroot"
	done
	rm -rf "$state"
	# links that begin at / would lead out of it
	find "$sysroot" -type l -lname '/*' | while read -r link; do
		ln -snf "$(realpath -m -s --relative-to="${link%/*}" "$sysroot$(readlink "$link")")" "$link"
	done
}

# debian_source PACKAGE [SUITE]: its source, patched as Debian has it. Sets $source.
debian_source() {
	once "$cache/source/$1" "${2-$suite} $1" unpack_source "$1" "${2-$suite}"
	source=$(find "$cache/source/$1" -mindepth 1 -maxdepth 1 -type d -name '[!.]*')
}

unpack_source() {
	state=$cache/source/$1.apt
	rm -rf "$state"
	mkdir "$state"
	source_line deb-src "$2" > "$state/sources.list"
	private_apt "$state" "$(dpkg --print-architecture)" update
	(cd "$cache/source/$1" &&
		private_apt "$state" "$(dpkg --print-architecture)" source "$1")
	rm -rf "$state"
	case $1 in
	libevent | check) (cd "$cache/source/$1/$1"-*/ && autoreconf -fi) ;; # as their packages do
	esac
}

# configure_target HOST SYSROOT LIBDIR OPTION...: the agent alone, for that machine, in
# $out/build. Only the sysroot's libraries are seen, in LIBDIR of it.
configure_target() {
	configure_folder build "$@"
}

# The same into another folder. What was built with other options is built anew.
configure_folder() {
	folder=$out/$1 host=$2 root=$3 libdir=$4
	shift 4
	[ "$folder/config.status" -nt "$top/configure" ] || rm -rf "$folder"
	configure_in "$folder" --host="$host" --build="$host_triplet" --enable-werror \
		--disable-daemons --disable-shared --with-systemdsystemunitdir=no \
		PKG_CONFIG_LIBDIR="$root/$libdir/pkgconfig:$root/usr/share/pkgconfig" \
		PKG_CONFIG_SYSROOT_DIR="$root" "$@"
}

# build_agent STRIP: leaves the stripped agent where others look for it, and its size.
build_agent() {
	make -C "$out/build" -s -j"$(jobs)" taupe-agent
	"$1" -o "$out/taupe-agent" "$out/build/taupe-agent"
	size_of "$out/taupe-agent"
}

# size_of FILE: the line's first figure.
size_of() {
	stat -c %s "$1" | sed ':a; s/\B[0-9]\{3\}\b/,&/; ta; s/$/ bytes/' > "$out/size"
}

# unit_tests RULE EMULATOR...: make check-portable, or make check-programs for all, run by the
# emulator.
unit_tests() {
	tests_in build "$@"
}

# tests_in FOLDER RULE EMULATOR...: libcheck must have been found: without it there would be
# nothing to fail.
tests_in() {
	folder=$out/$1 rule=$2
	shift 2
	find "$folder" -name '*.trs' -exec rm -f {} +
	CK_TIMEOUT_MULTIPLIER=10 make -C "$folder" -s -j"$((2 * $(jobs)))" "$rule" \
		LOG_COMPILER="$top/cross/emulate $* --"
	grep -q '^:test-result: PASS' "$folder/tests/unit/wire/test_ws_frame.trs"
}

# configure_aligned as configure_target: the same code in $out/aligned, in which every access through
# a pointer that its type does not allow ends the program. Emulators and many kernels would
# forgive it, and a processor would not.
configure_aligned() {
	configure_folder aligned "$@" --disable-hardening --enable-static-programs \
		CFLAGS="-O1 -fsanitize=alignment -fsanitize-undefined-trap-on-error"
}

# agent_test EMULATOR...: the end-to-end test of tests/cross with what build_agent has left.
agent_test() {
	rm -f "$out/memory"
	TAUPE_AGENT="$* $out/taupe-agent" TAUPE_AGENT_MEMORY="$out/memory" \
		timeout 300 /usr/bin/python3 -m pytest -q -p no:cacheprovider "$top/tests/cross/test_agent.py"
}
