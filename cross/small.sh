# shellcheck shell=sh
# A small C library, musl, with the libraries of the agent built for it from Debian's sources: for
# devices of a few megabytes, and for machines that Debian has no packages for. Everything of one
# machine is in a folder $small: $small/musl with the compiler $small_cc, $small/root with the rest.
# Sourced by a target; needs lib.sh.

SMALL_CFLAGS='-Os -ffunction-sections -fdata-sections'

# small_toolchain TRIPLET: as Debian's cross compiler calls the machine.
small_toolchain() {
	triplet=$1
	small=$cache/small/$triplet
	small_cc=$small/musl/bin/musl-gcc
	debian_source musl
	once "$small/musl" "$source $SMALL_CFLAGS headers" build_musl
}

build_musl() {
	rm -rf "$small/build"
	mkdir "$small/build"
	(
		cd "$small/build"
		CFLAGS=$SMALL_CFLAGS "$source/configure" --target="$triplet" --prefix="$small/musl" \
			--syslibdir="$small/musl/lib" --disable-shared --enable-wrapper=gcc \
			CC="$triplet-gcc" CROSS_COMPILE="$triplet-"
		make -s -j"$(jobs)"
		make -s install
	)
	rm -rf "$small/build"
	for headers in linux asm asm-generic; do # the kernel's
		ln -s "/usr/$triplet/include/$headers" "$small/musl/include/$headers"
	done
	# which musl leaves to others, as its distributions do; it includes nothing
	cp "/usr/include/$host_triplet/sys/queue.h" "$small/musl/include/sys/"
}

# small_library NAME COMMAND...: one library into $small/root.
small_library() {
	name=$1
	shift
	once "$small/$name" "$source $SMALL_CFLAGS $*" build_library "$@"
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
		RANLIB="$triplet-ranlib" CFLAGS="$SMALL_CFLAGS" \
		CPPFLAGS="-I$small/root/usr/include" LDFLAGS="-static -L$small/root/usr/lib" "$@"
}

# small_openssl OPENSSL-TARGET
small_openssl() {
	debian_source openssl
	small_library openssl build_openssl "$1"
}

build_openssl() {
	"$source/Configure" "$1" --prefix=/usr --libdir=lib --openssldir=/etc/ssl \
		no-shared no-dso no-engine no-legacy no-tests no-ui-console no-ssl3 no-dtls no-comp \
		no-srp no-psk no-ct no-ocsp no-cms no-ts no-cmp no-srtp no-idea no-camellia no-seed no-bf \
		no-cast no-des no-rc2 no-rc4 no-md4 no-mdc2 no-rmd160 no-whirlpool no-sm2 no-sm3 no-sm4 \
		no-aria no-siphash no-blake2 no-dsa no-gost no-afalgeng no-async no-multiblock no-scrypt \
		no-nextprotoneg no-ec2m no-rfc3779 $SMALL_CFLAGS \
		CC="$small_cc" AR="$triplet-ar" RANLIB="$triplet-ranlib"
	make -s -j"$(jobs)" build_libs
	make -s install_dev DESTDIR="$small/root"
}

small_libevent() {
	debian_source libevent
	small_library libevent build_libevent
}

build_libevent() {
	[ -f "$source/configure.made" ] || { # Debian's source has none that is up to date
		(cd "$source" && autoreconf -fi)
		touch "$source/configure.made"
	}
	small_configure --disable-openssl --disable-samples --disable-libevent-regress \
		--disable-debug-mode --disable-doxygen-html
	make -s -j"$(jobs)"
	make -s install DESTDIR="$small/root"
}

small_inih() {
	debian_source libinih trixie # whose files every mirror has
	small_library inih build_inih
}

build_inih() {
	"$small_cc" $SMALL_CFLAGS -DINI_USE_STACK=1 -c "$source/ini.c"
	"$triplet-ar" rcs "$small/root/usr/lib/libinih.a" ini.o
	cp "$source/ini.h" "$small/root/usr/include/"
	printf '%s\n' 'Name: inih' 'Description: reader of .ini files' 'Version: 55' \
		'Libs: -L/usr/lib -linih' 'Cflags: -I/usr/include' > "$small/root/usr/lib/pkgconfig/inih.pc"
}

# For the unit tests.
small_check() {
	debian_source check
	small_library check build_check
}

build_check() {
	[ -f "$source/configure" ] || (cd "$source" && autoreconf -fi)
	small_configure --disable-subunit --disable-build-docs --disable-timeout-tests
	make -s -j"$(jobs)" -C lib
	make -s -j"$(jobs)" -C src libcheck.la
	make -s -C lib install DESTDIR="$small/root"
	make -s -C src install-libLTLIBRARIES install-includeHEADERS DESTDIR="$small/root"
	cp check_stdint.h "$small/root/usr/include/"
	sed s/-lcheck_pic/-lcheck/ check.pc > "$small/root/usr/lib/pkgconfig/check.pc"
}

# small_configure_agent OPTION...: the agent, static.
small_configure_agent() {
	configure_target "$triplet" "$small/root" usr/lib --enable-static-programs \
		CC="$small_cc" AR="$triplet-ar" RANLIB="$triplet-ranlib" CFLAGS=-Os "$@"
}
