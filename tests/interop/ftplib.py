"""Python's ftplib, one case for each function: ftplib.py CASE HOST PORT USER PASSWORD.

What a case asserts about the server it asserts here; what it leaves behind, the caller looks at.
"""
import ftplib
import hashlib
import io
import socket
import struct
import sys
import time
import zlib

LENGTH = 3 * 1024 * 1024 + 17


def content(length=LENGTH):
    """Bytes that repeat nowhere near: each line tells its place."""
    lines = b"".join(b"%010d\r\xff\n\n" % number for number in range(length // 14 + 1))
    return lines[:length]


def download(ftp, name, rest=None):
    got = io.BytesIO()
    ftp.retrbinary("RETR " + name, got.write, rest=rest)
    return got.getvalue()


def lists(ftp):
    ftp.storbinary("STOR hello.txt", io.BytesIO(b"hello"))
    ftp.mkd("folder")
    assert sorted(ftp.nlst()) == ["folder", "hello.txt"], ftp.nlst()
    lines = []
    ftp.dir(lines.append)
    assert any(line.startswith("drwx") and line.endswith(" folder") for line in lines), lines
    facts = dict(ftp.mlsd(facts=["type", "size"]))
    assert facts["hello.txt"] == {"type": "file", "size": "5"}, facts
    assert facts["folder"]["type"] == "dir", facts


def both_ways(ftp, verb):
    """Both ways, over data connections that this verb made."""
    ftp.storbinary("STOR file", io.BytesIO(content()))
    assert download(ftp, "file") == content()
    verbs = [line.split()[0] for line in ftp.said]
    made = [verb for verb in verbs if verb in ("PASV", "EPSV", "PORT", "EPRT", "LPRT")]
    assert made == [verb, verb], verbs


def passive(ftp):
    ftp.set_pasv(True)
    both_ways(ftp, "EPSV" if ftp.af == socket.AF_INET6 else "PASV")


def active(ftp):
    ftp.set_pasv(False)
    both_ways(ftp, "EPRT" if ftp.af == socket.AF_INET6 else "PORT")


def active_by_lprt(ftp):
    """RFC 1639, which ftplib does not speak by itself."""

    def lprt(host, port):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        address = socket.inet_pton(family, host)
        number = {4: 4, 16: 6}[len(address)]
        fields = [number, len(address), *address, 2, *port.to_bytes(2, "big")]
        return ftp.voidcmd("LPRT " + ",".join(map(str, fields)))

    ftp.sendport = ftp.sendeprt = lprt
    ftp.set_pasv(False)
    both_ways(ftp, "LPRT")


def resumes_a_download(ftp):
    ftp.storbinary("STOR file", io.BytesIO(content()))
    assert download(ftp, "file", rest=1_000_001) == content()[1_000_001:]


def resumes_an_upload(ftp):
    ftp.storbinary("STOR file", io.BytesIO(content()[:1_000_001]))
    assert ftp.size("file") == 1_000_001
    ftp.storbinary("STOR file", io.BytesIO(content()[1_000_001:]), rest=1_000_001)
    assert download(ftp, "file") == content()


def appends(ftp):
    ftp.storbinary("APPE log", io.BytesIO(b"first\n"))
    ftp.storbinary("APPE log", io.BytesIO(b"second\n"))
    assert download(ftp, "log") == b"first\nsecond\n"


def resumes_a_broken_upload(ftp):
    """The connection dies in the middle; another one continues from what SIZE tells."""
    data = ftp.transfercmd("STOR file")
    data.sendall(content()[:2_000_000])
    # Both ends vanish without a word: the control connection first, so that nothing says "done".
    linger = struct.pack("ii", 1, 0)
    ftp.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    host, port, user, password = ftp.told
    ftp.close()
    data.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    data.close()
    again = connect(host, port, user, password)
    again.voidcmd("TYPE I")
    for _ in range(100):
        try:
            have = again.size("file")
            break
        except (ftplib.error_perm, ftplib.error_temp):
            # The server may still be busy with what was on its way.
            time.sleep(0.05)
    else:
        raise AssertionError("nothing is left to resume")
    # The bytes on their way when the reset came may be lost, those before it not all.
    assert "file" not in again.nlst(), "half a file was published"
    again.storbinary("APPE file", io.BytesIO(content()[have:]))
    assert download(again, "file") == content()
    assert again.nlst() == ["file"], again.nlst()
    again.quit()


def renames_and_deletes(ftp):
    ftp.storbinary("STOR old", io.BytesIO(b"content"))
    ftp.mkd("folder")
    ftp.rename("old", "folder/new")
    assert download(ftp, "folder/new") == b"content"
    ftp.cwd("folder")
    assert ftp.pwd() == "/folder"
    ftp.delete("new")
    ftp.cwd("..")
    ftp.rmd("folder")
    assert ftp.nlst() == [], ftp.nlst()


def text(ftp):
    ftp.storlines("STOR text", io.BytesIO(b"one\r\ntwo\r\n"))
    # The server kept its own line ends; on the wire they are CR LF again.
    assert download(ftp, "text") == b"one\ntwo\n"
    ftp.voidcmd("TYPE A")
    with ftp.transfercmd("RETR text") as data:
        wire = data.makefile("rb").read()
    ftp.voidresp()
    assert wire == b"one\r\ntwo\r\n", wire
    assert ftp.nlst() == ["text"]


def aborts(ftp):
    # Too much for the buffers on the way: the server can't be done before ABOR arrives, urgent as it is.
    ftp.storbinary("STOR file", io.BytesIO(bytes(64 << 20)))
    data = ftp.transfercmd("RETR file")
    data.recv(1000)
    reply = ftp.abort()
    assert reply[:3] == "426", reply
    reply = ftp.getmultiline()
    assert reply[:3] == "226", reply
    data.close()
    ftp.voidcmd("NOOP")
    ftp.voidcmd("PWD")
    assert len(download(ftp, "file")) == 64 << 20


def errors_are_permanent(ftp):
    for attempt in (
        lambda: download(ftp, "missing"),
        lambda: ftp.delete("missing"),
        lambda: ftp.rmd("missing"),
        lambda: ftp.cwd("missing"),
        lambda: ftp.size("missing"),
        lambda: ftp.rename("missing", "new"),
        lambda: ftp.sendcmd("XYZZ"),
    ):
        try:
            attempt()
        except ftplib.error_perm:
            continue
        raise AssertionError("it should have failed")
    ftp.storbinary("STOR file", io.BytesIO(b"still alive"))


def refused(ftp, line):
    try:
        ftp.sendcmd(line)
    except ftplib.error_perm as error:
        return str(error)[:3]
    raise AssertionError(line + " should have been refused")


def profile(ftp):
    """A camera's profile by network, and that of an old program by what it calls itself."""
    assert refused(ftp, "EPSV") == "502"
    features = [line.strip().split(" ")[0] for line in ftp.sendcmd("FEAT").splitlines()]
    assert "EPSV" not in features and "EPRT" in features, features
    assert "EPSV" not in ftp.sendcmd("HELP")
    assert ftp.sendcmd("ALLO 1000")[:3] == "202"
    ftp.set_pasv(True)
    ftp.storbinary("STOR picture", io.BytesIO(content()))
    assert download(ftp, "picture") == content()
    lines = []
    ftp.dir(lines.append)
    assert lines[0].startswith("-rw"), lines
    # The address that a program behind a router has inside; the server connects to where the session comes from.
    listener = socket.create_server(("127.0.0.1", 0))
    high, low = divmod(listener.getsockname()[1], 256)
    port = "PORT 10,28,14,115,%d,%d" % (high, low)
    assert refused(ftp, port) == "500"
    assert ftp.sendcmd("CLNT old program 1.0")[:3] == "200"
    lines = []
    ftp.dir(lines.append)
    assert lines[0].endswith(" picture") and not lines[0].startswith("-rw"), lines
    ftp.voidcmd("TYPE I")
    assert ftp.sendcmd(port)[:3] == "200"
    ftp.putcmd("RETR picture")
    data, _ = listener.accept()
    assert ftp.getresp()[:3] == "150"
    got = b""
    while chunk := data.recv(65536):
        got += chunk
    assert got == content()
    assert ftp.getresp()[:3] == "226"


class Client(ftplib.FTP):
    """Remembers what it said."""

    def __init__(self):
        super().__init__(encoding="latin-1", timeout=60)
        self.said = []

    def putline(self, line):
        self.said.append(line)
        super().putline(line)


def connect(host, port, user, password):
    ftp = Client()
    ftp.connect(host, int(port))
    ftp.login(user, password)
    ftp.told = (host, port, user, password)
    return ftp


def digests(ftp):
    """What the server says of a file is what hashlib and zlib say of its bytes."""
    for data in (content(), b""):
        ftp.storbinary("STOR a b", io.BytesIO(data))
        for verb, algorithm in [("XMD5", "md5"), ("XSHA", "sha1"), ("XSHA1", "sha1"), ("XSHA256", "sha256"),
                                ("XSHA512", "sha512")]:
            expected = "250 " + hashlib.new(algorithm, data).hexdigest().upper()
            assert ftp.sendcmd(verb + " a b") == expected, verb
            assert ftp.sendcmd(verb + ' "a b"') == expected, verb
        assert ftp.sendcmd("XCRC a b") == "250 %08X" % zlib.crc32(data)
        digest = hashlib.md5(data).hexdigest().upper()
        assert ftp.sendcmd("MD5 /a b") == "251 /a b " + digest
        assert ftp.sendcmd("MMD5 a b, /a b") == "252 /a b {0}, /a b {0}".format(digest)
        for name, algorithm in [("SHA-1", "sha1"), ("MD5", "md5"), ("SHA-512", "sha512"), ("SHA-256", "sha256")]:
            ftp.voidcmd("OPTS HASH " + name)
            said = ftp.sendcmd("HASH a b")
            digest = hashlib.new(algorithm, data).hexdigest()
            assert said == "213 %s 0-%d %s /a b" % (name, max(len(data) - 1, 0), digest), said
    ftp.storbinary("STOR a", io.BytesIO(content()))
    ftp.sendcmd("RANG 1000000 1999999")
    digest = hashlib.sha256(content()[1000000:2000000]).hexdigest()
    assert ftp.sendcmd("HASH a") == "213 SHA-256 1000000-1999999 %s /a" % digest
    assert ftp.sendcmd("XCRC a 1000000 2000000") == "250 %08X" % zlib.crc32(content()[1000000:2000000])


def parts_by_range(ftp):
    ftp.storbinary("STOR file", io.BytesIO(content()))
    ftp.voidcmd("TYPE I")
    got = b""
    for start in range(0, LENGTH, 1000000):
        ftp.sendcmd("RANG %d %d" % (start, start + 999999))
        got += download(ftp, "file")
    assert got == content()
    assert download(ftp, "file") == content()


def shortens_the_idle_time(ftp):
    """SITE IDLE, and that it holds."""
    assert ftp.sendcmd("SITE IDLE 10").startswith("200 ")
    assert "10 s without a command" in ftp.sendcmd("SITE IDLE")
    try:
        ftp.sendcmd("SITE IDLE 100000")
        raise AssertionError("it became longer than the server's")
    except ftplib.error_perm as error:
        assert str(error).startswith("504 "), error
    began = time.monotonic()
    try:
        ftp.getresp()
        raise AssertionError("something else was said")
    except ftplib.error_temp as error:
        assert str(error).startswith("421 "), error
    assert 9 < time.monotonic() - began < 30, time.monotonic() - began


def sets_a_umask(ftp):
    """More than the server gives by itself, and less."""
    for number, (umask, file, folder) in enumerate([("002", "0664", "0775"), ("077", "0600", "0700")]):
        assert ftp.sendcmd("SITE UMASK " + umask).startswith("200 ")
        assert umask in ftp.sendcmd("SITE UMASK")
        names = [kind + str(number) for kind in ("stored", "appended", "copied", "made")]
        ftp.storbinary("STOR " + names[0], io.BytesIO(b"hello"))
        ftp.storbinary("APPE " + names[1], io.BytesIO(b"hello"))
        ftp.voidcmd("SITE COPY %s %s" % (names[0], names[2]))
        ftp.mkd(names[3])
        modes = {name: facts["unix.mode"] for name, facts in ftp.mlsd(facts=["UNIX.mode"]) if name in names}
        assert modes == {**dict.fromkeys(names[:3], file), names[3]: folder}, modes


def sees_its_own_sessions(ftp):
    other = connect(*ftp.told)
    lines = ftp.sendcmd("SITE WHO").splitlines()
    assert len(lines) == 4 and lines[0].startswith("211-") and lines[-1].startswith("211 "), lines
    assert sum(line.endswith("(this one)") for line in lines) == 1, lines
    port = other.sock.getsockname()[1]
    assert any((":%d" % port) in line for line in lines), (port, lines)
    other.quit()
    for _ in range(100):
        lines = ftp.sendcmd("SITE WHO").splitlines()
        if len(lines) == 3:
            break
        time.sleep(0.05)
    assert len(lines) == 3 and lines[1].endswith("(this one)"), lines


def copies_and_trees(ftp):
    ftp.storbinary("STOR a b", io.BytesIO(content()))
    ftp.voidcmd('SITE COPY "a b" "c d"')
    assert download(ftp, "c d") == content()
    ftp.sendcmd("SITE CPFR c d")
    ftp.voidcmd("SITE CPTO e")
    assert download(ftp, "e") == content()
    ftp.voidcmd("COMB whole e \"c d\"")
    assert download(ftp, "whole") == content() * 2
    assert sorted(ftp.nlst()) == ["a b", "whole"], ftp.nlst()
    ftp.voidcmd("SITE MKDIR tree")
    ftp.voidcmd("SITE COPY whole tree/copy")
    assert ftp.sendcmd("DSIZ tree") == "213 %d" % (2 * LENGTH)
    assert int(ftp.sendcmd("AVBL tree").split()[1]) > 0
    ftp.voidcmd("SITE UTIME 20020717210715 tree/copy")
    assert ftp.sendcmd("MDTM tree/copy") == "213 20020717210715"
    assert ftp.sendcmd("MFF Modify=20030717210715;UNIX.mode=0600; tree/copy").startswith("213 ")
    assert ftp.sendcmd("MDTM tree/copy") == "213 20030717210715"
    ftp.voidcmd("RMDA tree")
    assert sorted(ftp.nlst()) == ["a b", "whole"], ftp.nlst()


if __name__ == "__main__":
    case, *told = sys.argv[1:]
    session = connect(*told)
    globals()[case](session)
    if case not in ("resumes_a_broken_upload", "shortens_the_idle_time"):
        session.quit()
