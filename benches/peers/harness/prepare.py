"""Gets the peers into the cache folder, builds this repository's programs, and lays out what is served."""

import os
import random
import re
import shutil
import subprocess
import sys

from . import places
from .rows import ENTRIES, GIB, KIB, MIB, entry

DEBIAN_PACKAGES = ["vsftpd", "proftpd-core", "proftpd-mod-crypto", "pure-ftpd", "pure-ftpd-common"]
PYTHON_PACKAGES = ["pyftpdlib", "PyOpenSSL"]

# The cheapest argon2id hash that the algorithm allows (m=8, t=1, p=1), of "bench": so that logins don't measure it.
CHEAP_HASH = "$argon2id$v=19$m=8,t=1,p=1$2eFiVe2QrP+gDN/ZvJj+Kw$68NQY/wQVxlCNGVULgJv3sn/64+Ik7ESIOMZJgVZKRs"


def run(*command, **options):
    """Runs a program; what it says is shown only if it fails."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, **options)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}:\n{done.stdout[-2000:]}")
    return done.stdout


def step(text):
    print(f"--- {text}", file=sys.stderr, flush=True)


# ---- the peers

def debian():
    """The Debian packages conflict with each other, so they are unpacked, not installed."""
    folder = places.CACHE / "debian"
    if not (folder / "usr/sbin/pure-ftpd").exists():
        step("peers from Debian: " + " ".join(DEBIAN_PACKAGES))
        fresh = places.CACHE / "debian.new"
        shutil.rmtree(fresh, ignore_errors=True)
        (fresh / "archives").mkdir(parents=True)
        if subprocess.run(["apt-get", "download", *DEBIAN_PACKAGES], cwd=fresh / "archives",
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
            run("apt-get", "update", "-qq")
            run("apt-get", "download", *DEBIAN_PACKAGES, cwd=fresh / "archives")
        for archive in sorted((fresh / "archives").glob("*.deb")):
            run("dpkg", "-x", archive, fresh)
        libraries(fresh)
        fresh.rename(folder)
    return folder


def libraries(folder):
    """The libraries of unpacked programs have to be installed."""
    programs = [folder / "usr/sbin" / name for name in ("vsftpd", "proftpd", "pure-ftpd")]
    if not any("not found" in run("ldd", program) for program in programs):
        return
    wanted = set()
    for archive in (folder / "archives").glob("*.deb"):
        for choice in run("dpkg", "-f", archive, "Depends", "Pre-Depends").replace("\n", ",").split(","):
            name = re.sub(r"^(Pre-)?Depends:", "", choice.strip()).strip().split(" ")[0].split(":")[0]
            if name.startswith("lib"):
                wanted.add(name)
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    run("apt-get", "install", "-qq", "-y", "--no-install-recommends", *sorted(wanted), env=environment)


def python():
    """pyftpdlib in a virtual environment; returns its interpreter."""
    folder = places.CACHE / "python"
    if not (folder / "bin/python").exists():
        step("peers from PyPI: " + " ".join(PYTHON_PACKAGES))
        fresh = places.CACHE / "python.new"
        shutil.rmtree(fresh, ignore_errors=True)
        run(sys.executable, "-m", "venv", fresh)
        run(fresh / "bin/python", "-m", "pip", "install", "--quiet", *PYTHON_PACKAGES)
        fresh.rename(folder)
    return folder / "bin/python"


def unftp():
    """unftp from crates.io."""
    program = places.CACHE / "unftp/bin/unftp"
    if not program.exists():
        step("peers from crates.io: unftp (takes some minutes)")
        run("cargo", "install", "unftp", "--locked", "--quiet", "--root", places.CACHE / "unftp",
            env=dict(os.environ, CARGO_TARGET_DIR=str(places.CACHE / "unftp-target")))
        shutil.rmtree(places.CACHE / "unftp-target", ignore_errors=True)
    return program


def build():
    """The load generator with the floors, and the server, each with its own features."""
    for package in ("ftpload", "ftpd"):
        step(f"cargo build --release -p {package}")
        run("cargo", "build", "--release", "--locked", "--quiet", "-p", package, cwd=places.REPOSITORY)
    return places.target()


def programs(kinds):
    """Everything that has to be there before the network is left; the environment of the launchers."""
    places.CACHE.mkdir(parents=True, exist_ok=True)
    environment = {"BUILT": build()}
    if "peer" in kinds:
        environment |= {"DEBIAN": debian(), "PYTHON": python(), "UNFTP": unftp()}
    return {name: str(value) for name, value in environment.items()}


def versions(environment):
    """What the peers call themselves."""
    found = {}
    for archive in sorted((places.CACHE / "debian/archives").glob("*.deb")):
        name, version = archive.name.split("_")[:2]
        if name in ("vsftpd", "proftpd-core", "pure-ftpd"):
            found[name.removesuffix("-core")] = version.replace("%3a", ":").split(":")[-1]
    if "PYTHON" in environment:
        listed = subprocess.run([environment["PYTHON"], "-m", "pip", "list", "--format=freeze"],
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
        for name, version in re.findall(r"^(pyftpdlib|pyOpenSSL)==(.*)$", listed, re.M | re.I):
            found[name] = version
    if "UNFTP" in environment:
        said = subprocess.run([environment["UNFTP"], "--version"], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True).stdout
        number = re.search(r"\d+\.\d+\.\d+", said)
        found["unftp"] = number.group() if number else "?"
    return found


# ---- what is served

def ground(environment):
    """Files, folders, certificate and accounts."""
    root = places.ROOT
    root.mkdir(parents=True, exist_ok=True)
    block = b"".join(number.to_bytes(8, "little") for number in range(MIB // 8))
    for name, size in (("big", GIB), ("mid", 256 * MIB), ("f1m", MIB)):
        fill(root / name, size, lambda _: block)
    fill(root / "f1k", KIB, lambda _: bytes(range(256)) * 4)
    words = Words()
    fill(root / "words", 64 * MIB, words.block)
    (root / "tiny").mkdir(exist_ok=True)
    for number in range(5):
        (root / f"tiny/file{number}").touch()
    folder = root / "dir100k"
    folder.mkdir(exist_ok=True)
    if len(os.listdir(folder)) != ENTRIES:
        for number in range(ENTRIES):
            (folder / entry(number)).write_bytes(b"x" * (number % 8))
    if os.getuid() == 0:
        shutil.chown(root, places.OWNER)
    root.chmod(0o755)
    disk(block)
    certificate()
    accounts(environment)


def fill(path, size, block):
    """A file of that size out of blocks, unless it is there."""
    if path.exists() and path.stat().st_size == size:
        return
    with open(path, "wb") as file:
        written = 0
        while written < size:
            part = block(written // MIB)[: size - written]
            file.write(part)
            written += len(part)


class Words:
    """Text that compresses as text does: the same words each time."""

    def __init__(self):
        self.dice = random.Random(959)
        letters = "abcdefghijklmnopqrstuvwxyz"
        words = ["".join(self.dice.choices(letters, k=self.dice.randint(2, 9))) for _ in range(4096)]
        self.parts = [" ".join(self.dice.choices(words, k=12_000)).encode()[: 64 * KIB] for _ in range(32)]

    def block(self, _):
        return b"\n".join(self.dice.choices(self.parts, k=16))


def disk(block):
    """A folder of a file system on a disk inside of the root; only in a mount namespace of our own."""
    inside = places.ROOT / "disk"
    inside.mkdir(exist_ok=True)
    if not os.environ.get("FTPD_PEERS_INSIDE") or kind_of_file_system(places.CACHE) == "tmpfs":
        return
    places.DISK.mkdir(parents=True, exist_ok=True)
    fill(places.DISK / "file", 256 * MIB, lambda _: block)
    for path in (places.DISK, places.DISK / "file"):
        path.chmod(0o755)
    if not os.path.ismount(inside):
        run("mount", "--bind", places.DISK, inside)


def has_disk():
    return os.path.ismount(places.ROOT / "disk")


def kind_of_file_system(path):
    """By the longest mount point above the path."""
    best = ("", "")
    with open("/proc/self/mounts") as mounts:
        for line in mounts:
            _, point, kind = line.split(" ")[:3]
            if str(path).startswith(point) and len(point) > len(best[0]):
                best = (point, kind)
    return best[1]


def certificate():
    folder = places.CERTIFICATE
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "key.der").exists():
        return
    pem, key = folder / "cert.pem", folder / "key.pem"
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
        "3650", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", pem)
    run("openssl", "x509", "-in", pem, "-outform", "DER", "-out", folder / "cert.der")
    run("openssl", "pkcs8", "-topk8", "-nocrypt", "-in", key, "-outform", "DER", "-out", folder / "key.der")


def accounts(environment):
    """For our own server: a user with the cheapest hash and full rights, and one with the usual hash."""
    places.ACCOUNTS.unlink(missing_ok=True)
    places.ACCOUNTS.write_text(f'[[user]]\nname = "bench"\nrights = "all"\npassword = "{CHEAP_HASH}"\n')
    run(f"{environment['BUILT']}/ftpd", "user", "add", "--accounts", places.ACCOUNTS, "slow", "--password-stdin",
        input="bench\n")


def clean():
    """Uploads of the last run go."""
    for name in os.listdir(places.ROOT):
        if name.startswith("up_"):
            (places.ROOT / name).unlink()
