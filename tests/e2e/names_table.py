# SPDX-License-Identifier: MIT
"""Names as strangers write them: in Host, in the request's target, in SNI. Each row says whom a
visitor reaches, or that it is refused: never another device, never an error of ours."""
import struct

REFUSED = "refused"  # a 4xx answer or 505, or the connection's end, and no device is asked
HOST = "alice.example.test"


def get(host, target="/name", version="1.1", name="Host"):
    """A request with this Host, in bytes."""
    return (f"GET {target} HTTP/{version}\r\n{name}: ".encode() + host
            + b"\r\nConnection: close\r\n\r\n")


def hosts():
    """(what, Host, whom)"""
    yield "plain", b"alice.example.test", "alice"
    yield "other_device", b"bob.example.test", "bob"
    yield "port", b"alice.example.test:80", "alice"
    yield "odd_port", b"alice.example.test:65535", "alice"
    yield "upper_case", b"ALICE.EXAMPLE.TEST", "alice"
    yield "mixed_case_port", b"aLiCe.Example.Test:8080", "alice"
    yield "dot_at_the_end", b"alice.example.test.", "alice"
    yield "dot_and_port", b"alice.example.test.:80", "alice"
    yield "blanks_around", b"  alice.example.test\t ", "alice"
    yield "second_service", b"alice--admin.example.test", "alice-admin"
    yield "second_service_upper", b"ALICE--ADMIN.example.test:1", "alice-admin"
    yield "two_dots_at_the_end", b"alice.example.test..", REFUSED
    yield "dot_in_front", b".alice.example.test", REFUSED
    yield "two_dots", b"alice..example.test", REFUSED
    yield "blank_inside", b"ali ce.example.test", REFUSED
    yield "two_words", b"alice.example.test bob.example.test", REFUSED
    yield "comma", b"alice.example.test,bob.example.test", REFUSED
    yield "comma_and_blank", b"alice.example.test, bob.example.test", REFUSED
    yield "comma_in_front", b",alice.example.test", REFUSED
    yield "comma_at_the_end", b"alice.example.test,", REFUSED
    yield "user", b"user@alice.example.test", REFUSED
    yield "as_user", b"alice.example.test@evil.test", REFUSED
    yield "user_password", b"u:p@alice.example.test:80", REFUSED
    yield "port_empty", b"alice.example.test:", None  # RFC 3986 allows it
    yield "port_zero", b"alice.example.test:0", None
    yield "port_large", b"alice.example.test:65536", None
    yield "port_letters", b"alice.example.test:80x", None
    yield "port_sign", b"alice.example.test:-1", None
    yield "two_ports", b"alice.example.test:80:80", None
    yield "port_of_another", b"alice.example.test:80bob.example.test", None
    yield "slash", b"alice.example.test/", REFUSED
    yield "backslash", b"alice.example.test\\", REFUSED
    yield "path", b"evil.test/alice.example.test", REFUSED
    yield "query", b"alice.example.test?x", REFUSED
    yield "fragment", b"alice.example.test#x", REFUSED
    yield "scheme", b"http://alice.example.test", REFUSED
    yield "escaped_dot", b"alice%2eexample.test", REFUSED
    yield "escaped_letter", b"%61lice.example.test", REFUSED
    yield "quoted", b'"alice.example.test"', REFUSED
    yield "brackets", b"[alice.example.test]", REFUSED
    yield "ipv4", b"127.0.0.1", REFUSED
    yield "ipv6", b"[::1]:80", REFUSED
    yield "ipv6_open", b"[::1", REFUSED
    yield "number", b"2130706433", REFUSED
    yield "nul", b"alice.example.test\0", REFUSED
    yield "nul_inside", b"alice\0.example.test", REFUSED
    yield "cut_by_nul", b"alice.example.test\0.evil.test", REFUSED
    yield "carriage_return", b"alice.example.test\rX: y", REFUSED
    yield "tab_inside", b"alice\t.example.test", REFUSED
    yield "delete", b"alice\x7f.example.test", REFUSED
    yield "high_byte", b"alice\xff.example.test", REFUSED
    yield "utf8", "älice.example.test".encode(), REFUSED
    yield "wide_letters", "ａlice.example.test".encode(), REFUSED
    yield "wide_dot", "alice。example.test".encode(), REFUSED
    yield "kelvin_sign", "alice.example.test".replace("l", "\u217c").encode(), REFUSED
    yield "soft_hyphen", "ali\u00adce.example.test".encode(), REFUSED
    yield "overlong_utf8", b"alic\xc1\xa5.example.test", REFUSED
    yield "punycode", b"xn--lice-koa.example.test", REFUSED
    yield "punycode_bad", b"xn--.example.test", REFUSED
    yield "empty", b"", REFUSED
    yield "blank", b" ", REFUSED
    yield "dot", b".", REFUSED
    yield "star", b"*.example.test", REFUSED
    yield "domain", b"example.test", REFUSED
    yield "label_alone", b"alice", REFUSED
    yield "unknown", b"nobody.example.test", REFUSED
    yield "other_domain", b"alice.evil.test", REFUSED
    yield "domain_behind", b"alice.example.test.evil.test", REFUSED
    yield "domain_longer", b"alice.example.testx", REFUSED
    yield "domain_shorter", b"alice.example.tes", REFUSED
    yield "label_longer", b"xalice.example.test", REFUSED
    yield "below_a_label", b"www.alice.example.test", REFUSED
    yield "service_unknown", b"alice--nothing.example.test", REFUSED
    yield "service_empty", b"alice--.example.test", REFUSED
    yield "service_first_again", b"alice--web.example.test", REFUSED
    yield "service_of_tls", b"alice--own.example.test", REFUSED
    yield "service_of_tcp", b"alice--raw.example.test", REFUSED
    yield "service_alone", b"--admin.example.test", REFUSED
    yield "three_hyphens", b"alice---admin.example.test", REFUSED
    yield "underscore", b"alice_.example.test", REFUSED
    yield "tombstone", b"gone", REFUSED
    yield "any", b"any", REFUSED
    yield "label_of_64", b"a" * 64 + b".example.test", REFUSED
    yield "long", b"alice." + b"a." * 124 + b"example.test", REFUSED
    yield "too_long", b"a" * 7000 + b".example.test", REFUSED


def requests():
    """(what, request, whom at the front, whom behind HAProxy)"""
    for what, host, whom in hosts():
        request = get(host)
        if whom is None:
            # HAProxy's host_only does not look at the port; a device's name it is all the same
            yield f"host_{what}", request, (REFUSED, "alice"), ("alice", REFUSED)
        else:
            yield f"host_{what}", request, (whom,), (whom,)
    host = HOST.encode()
    own, bob = (b"http://%s/name" % name for name in (host, b"bob.example.test"))

    def lines(*fields, start=b"GET /name HTTP/1.1"):
        return b"\r\n".join([start, *fields, b"Connection: close", b"", b""])
    both = (REFUSED,), (REFUSED,)
    yield "no_host", lines(), *both
    yield "no_host_1_0", lines(start=b"GET /name HTTP/1.0"), *both
    yield "host_1_0", lines(b"Host: " + host, start=b"GET /name HTTP/1.0"), (REFUSED, "alice"), \
        ("alice",)
    yield "two_hosts", lines(b"Host: " + host, b"Host: bob.example.test"), *both
    # HAProxy makes one of two that are the same
    yield "same_host_twice", lines(b"Host: " + host, b"Host: " + host), (REFUSED,), \
        ("alice", REFUSED)
    yield "empty_and_host", lines(b"Host:", b"Host: " + host), *both
    yield "lower_case_field", lines(b"host:" + host), ("alice",), ("alice",)
    yield "blank_before_colon", lines(b"Host : " + host), *both
    yield "folded", lines(b"Host:", b" " + host), (REFUSED,), (REFUSED, "alice")
    yield "blank_before_field", lines(b" Host: " + host), *both
    yield "line_feeds", lines(b"Host: " + host).replace(b"\r\n", b"\n"), (REFUSED,), \
        (REFUSED, "alice")
    yield "forwarded_host", lines(b"X-Forwarded-Host: " + host, b"Host: nobody.example.test"), *both
    # a browser sends no absolute form to a server: the front takes none
    yield "absolute", lines(b"Host: " + host, start=b"GET %s HTTP/1.1" % own), (REFUSED,), \
        ("alice",)
    yield "absolute_upper", lines(b"Host: " + host, start=b"GET HTTP://ALICE.example.TEST/name "
                                  b"HTTP/1.1"), (REFUSED,), ("alice", REFUSED)
    yield "absolute_of_another", lines(b"Host: " + host, start=b"GET %s HTTP/1.1" % bob), *both
    yield "absolute_no_host", lines(start=b"GET %s HTTP/1.1" % own), (REFUSED,), (REFUSED, "alice")
    yield ("absolute_user", lines(b"Host: " + host, start=b"GET http://bob.example.test@%s/name "
                                  b"HTTP/1.1" % host), (REFUSED,), (REFUSED, "alice"))
    yield ("absolute_as_user", lines(b"Host: " + host, start=b"GET http://%s@bob.example.test/name "
                                     b"HTTP/1.1" % host), *both)
    yield ("absolute_other_scheme", lines(b"Host: " + host, start=b"GET ftp://bob.example.test/ "
                                          b"HTTP/1.1"), *both)
    yield "authority", lines(b"Host: bob.example.test:443",
                             start=b"CONNECT alice.example.test:443 HTTP/1.1"), *both
    yield "target_without_slash", lines(b"Host: " + host, start=b"GET name HTTP/1.1"), *both
    yield ("target_double_slash", lines(b"Host: " + host, start=b"GET //bob.example.test/ "
                                        b"HTTP/1.1"), ("alice",), ("alice",))


# ---- SNI ----

def extension(number, data):
    return struct.pack(">HH", number, len(data)) + data


def server_names(*names):
    entries = b"".join(bytes([kind]) + struct.pack(">H", len(name)) + name for kind, name in names)
    return extension(0, struct.pack(">H", len(entries)) + entries)


def hello(*extensions, cut=None):
    """A ClientHello with these extensions; cut: in two records."""
    body = (b"\x03\x03" + b"r" * 32 + b"\0" + b"\0\x02\x13\x01" + b"\x01\0"
            + struct.pack(">H", sum(map(len, extensions))) + b"".join(extensions))
    message = b"\x01" + struct.pack(">I", len(body))[1:] + body
    parts = [message] if cut is None else [message[:cut], message[cut:]]
    return b"".join(b"\x16\x03\x01" + struct.pack(">H", len(part)) + part for part in parts)


def sni(name):
    return hello(server_names((0, name)))


def hellos():
    """(what, ClientHello, whom)"""
    own, bob = b"alice--own.example.test", b"bob--own.example.test"
    yield "plain", sni(own), "alice-own"
    yield "other_device", sni(bob), "bob-own"
    yield "upper_case", sni(own.upper()), "alice-own"
    yield "other_extensions", hello(extension(16, b"\0\3\2h2"), server_names((0, own)),
                                    extension(43, b"\2\3\4")), "alice-own"
    yield "dot_at_the_end", sni(own + b"."), ("alice-own", REFUSED)  # RFC 6066: without
    yield "two_records", hello(server_names((0, own)), cut=20), ("alice-own", REFUSED)
    yield "port", sni(own + b":443"), ("alice-own", REFUSED)
    yield "two_names", hello(server_names((0, own), (0, bob))), ("alice-own", REFUSED)
    yield "two_extensions", hello(server_names((0, own)), server_names((0, bob))), \
        ("alice-own", REFUSED)
    yield "other_type_first", hello(server_names((1, bob), (0, own))), ("alice-own", REFUSED)
    yield "other_type", hello(server_names((1, own))), REFUSED
    for what, host, _ in hosts():
        if what in ("plain", "other_device", "upper_case", "dot_at_the_end") or len(host) > 255:
            continue
        swapped = host.replace(b"alice", b"alice--own").replace(b"ALICE", b"ALICE--OWN")
        if b"--" not in swapped or b"--own--" in swapped or "port" in what or "service" in what:
            continue
        yield what, sni(swapped), REFUSED
    yield "http_service", sni(b"alice.example.test"), None  # HAProxy ends TLS for it
    yield "nul_only", sni(b"\0"), REFUSED
    yield "empty", sni(b""), REFUSED
    yield "no_list", hello(extension(0, b"")), REFUSED
    yield "length_too_long", hello(extension(0, b"\0\x30\0\0\x2d" + own)), REFUSED
    yield "length_too_short", hello(extension(0, b"\0\x05\0\0\x02" + own)), REFUSED
    yield "without", hello(extension(43, b"\2\3\4")), REFUSED
    yield "no_extensions", hello(), REFUSED
