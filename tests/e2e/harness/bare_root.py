# SPDX-License-Identifier: MIT
"""A root folder in which a device's own files are, and of this machine only its programs: no
/etc/resolv.conf and no certificates, unless the device has them."""
import pathlib

from .process import BUILD

LINKS = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}
# $0: the root, up to "--": what is seen in it
ENTER = ('unset SSL_CERT_FILE SSL_CERT_DIR; root=$0; mount --make-rprivate / || exit; while [ "$1" != -- ]; do '
         'mount --rbind "$1" "$root$1" || exit; shift; done; shift; exec chroot "$root" "$@"')


def bare_root(folder, files):
    """What a program is started by, to be in there. files: path → text; `folder` itself, where
    programs write, is seen in there as well."""
    root = pathlib.Path(folder) / "root"
    seen = [pathlib.Path(path) for path in ("/usr", "/proc", "/dev")] + [BUILD, folder]
    for place in (root / "etc", root / "tmp", *(root / str(path).lstrip("/") for path in seen)):
        place.mkdir(parents=True, exist_ok=True)
    for name, target in LINKS.items():
        if not (root / name).is_symlink():
            (root / name).symlink_to(target)
    for name, text in files.items():
        path = root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return ["unshare", "-m", "sh", "-c", ENTER, str(root), *map(str, seen), "--"]
