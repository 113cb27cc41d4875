# shellcheck shell=sh
# A small C library, musl, with libevent and Mbed TLS built for it from Debian's sources: for
# devices of a few megabytes, and for machines that Debian has no packages for. Everything of one
# machine is in a folder $small: $small/musl with the compiler $small_cc, $small/root with the rest.
# Sourced by a target; needs lib.sh.

# small_agent TRIPLET: as Debian's cross compiler calls the machine. $out/taupe-agent, stripped, and
# $out/size.
small_agent() {
	small_toolchain "$1"
	small_libevent
	small_mbedtls
	small_check
	configure_target "$triplet" "$small/root" usr/lib --enable-static-programs --enable-small \
		--with-tls=mbedtls --without-inih CC="$small_cc" AR="$triplet-ar" \
		RANLIB="$triplet-ranlib" CFLAGS="$small_flags" \
		LDFLAGS="-no-pie -Wl,-z,norelro" \
		MBEDTLS_CFLAGS="-I$small/root/usr/include" \
		MBEDTLS_LIBS="-L$small/root/usr/lib -lmbedtls"
	build_agent "$triplet-strip"
}

# What everything is compiled with. The program lies at a fixed place: where that is another's,
# too (MIPS), it makes a fifth of the program.
flags_of() {
	echo -Os -ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables \
		-fno-unwind-tables -fno-pie -fno-pic
	case $1 in
	mips*) echo -mno-shared -mplt ;;
	esac
}

small_toolchain() {
	triplet=$1
	small_flags=$(flags_of "$triplet" | tr '\n' ' ')
	small=$cache/small/$triplet
	small_cc=$small/musl/bin/musl-gcc
	debian_source musl
	once "$small/musl" "$source $small_flags headers" build_musl
}

build_musl() {
	rm -rf "$small/build"
	mkdir "$small/build"
	(
		cd "$small/build"
		CFLAGS=$small_flags "$source/configure" --target="$triplet" --prefix="$small/musl" \
			--syslibdir="$small/musl/lib" --disable-shared --enable-wrapper=gcc \
			CC="$triplet-gcc" CROSS_COMPILE="$triplet-"
		make -s -j"$(jobs)"
		make -s install
	)
	rm -rf "$small/build"
	for headers in linux asm asm-generic; do # the kernel's
		ln -s "$(kernel_headers "$headers")" "$small/musl/include/$headers"
	done
	# which musl leaves to others, as its distributions do; it includes nothing
	cp "/usr/include/$host_triplet/sys/queue.h" "$small/musl/include/sys/"
}

# Where Debian has them for a foreign machine, or else this one's.
kernel_headers() {
	for place in "/usr/$triplet/include" "/usr/include/$triplet" /usr/include; do
		[ ! -d "$place/$1" ] || break
	done
	echo "$place/$1"
}

# small_library NAME COMMAND...: one library into $small/root.
small_library() {
	name=$1
	shift
	once "$small/$name" "$source $small_flags $*" build_library "$@"
}

build_library() {
	rm -rf "$small/build"
	mkdir -p "$small/build" "$small/root/usr/lib/pkgconfig" "$small/root/usr/include"
	(cd "$small/build" && "$@")
	rm -rf "$small/build" "$small"/root/usr/lib/*.la # libtool would look for these in /usr/lib
}

# The libraries that pkg-config finds there, and no others.
small_configure() {
	PKG_CONFIG_LIBDIR="$small/root/usr/lib/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$small/root" \
		"$source/configure" --host="$triplet" --build="$host_triplet" --prefix=/usr \
		--disable-shared --enable-static CC="$small_cc" AR="$triplet-ar" \
		RANLIB="$triplet-ranlib" CFLAGS="$small_flags" \
		CPPFLAGS="-I$small/root/usr/include" LDFLAGS="-static -L$small/root/usr/lib" "$@"
}

small_mbedtls() {
	debian_source mbedtls
	small_library mbedtls build_mbedtls "$(cksum < "$top/cross/mbedtls_config.h")"
}

build_mbedtls() {
	cp -r "$source/include/mbedtls" "$source/include/psa" "$small/root/usr/include/"
	cp "$top/cross/mbedtls_config.h" "$small/root/usr/include/mbedtls/config.h"
	printf '%s\n' "$source"/library/*.c | xargs -P "$(jobs)" -n 8 "$small_cc" $small_flags \
		-I"$small/root/usr/include" -c
	rm -f "$small/root/usr/lib/libmbedtls.a"
	"$triplet-ar" rcs "$small/root/usr/lib/libmbedtls.a" ./*.o
}

small_libevent() {
	debian_source libevent
	small_library libevent build_libevent
}

build_libevent() {
	# without locks, as each loop is one thread's, and without what epoll is better than
	ac_cv_func_poll=no ac_cv_func_select=no small_configure --disable-openssl \
		--disable-samples --disable-libevent-regress --disable-debug-mode \
		--disable-thread-support
	make -s include/event2/event-config.h
	make -s -j"$(jobs)" libevent_core.la libevent_extra.la
	cp .libs/libevent_core.a .libs/libevent_extra.a "$small/root/usr/lib/"
	cp -r "$source/include/event2" include/event2 "$small/root/usr/include/"
	cp libevent_core.pc libevent_extra.pc "$small/root/usr/lib/pkgconfig/"
}

# For the unit tests.
small_check() {
	debian_source check
	small_library check build_check
}

build_check() {
	small_configure --disable-subunit --disable-build-docs --disable-timeout-tests
	make -s -j"$(jobs)" -C lib
	make -s -j"$(jobs)" -C src libcheck.la
	make -s -C lib install DESTDIR="$small/root"
	make -s -C src install-libLTLIBRARIES install-includeHEADERS DESTDIR="$small/root"
	cp check_stdint.h "$small/root/usr/include/"
	sed s/-lcheck_pic/-lcheck/ check.pc > "$small/root/usr/lib/pkgconfig/check.pc"
}
