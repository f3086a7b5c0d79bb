"""Python's ftplib under TLS, one case for each function:
ftplib.py CASE VERSION HOST PORT IMPLICIT_PORT USER PASSWORD AUTHORITY ROOT.
"""
import ftplib
import io
import os
import socket
import ssl
import sys
import time

CASE, VERSION, HOST, PORT, IMPLICIT_PORT, USER, PASSWORD, AUTHORITY, ROOT = sys.argv[1:10]


class Resuming(ftplib.FTP_TLS):
    """What is written everywhere for servers that require resumption."""

    session = None

    def ntransfercmd(self, cmd, rest=None):
        data, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        if self._prot_p:
            session = self.session or self.sock.session
            data = self.context.wrap_socket(data, server_hostname=self.host, session=session)
        return data, size


def context():
    made = ssl.create_default_context(cafile=AUTHORITY)
    version = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[VERSION]
    made.minimum_version = made.maximum_version = version
    return made


def explicit(client=Resuming):
    ftp = client(context=context(), timeout=60)
    ftp.connect(HOST, int(PORT))
    ftp.login(USER, PASSWORD)
    ftp.prot_p()
    return ftp


def implicit():
    """ftplib has no word for it: the socket is wrapped before the greeting."""
    ftp = Resuming(context=context(), timeout=60)
    ftp.host, ftp.timeout = HOST, 60
    plain = socket.create_connection((HOST, int(IMPLICIT_PORT)), 60)
    ftp.af = plain.family
    ftp.sock = ftp.context.wrap_socket(plain, server_hostname=HOST)
    ftp.file = ftp.sock.makefile("r", encoding=ftp.encoding)
    ftp.welcome = ftp.getresp()
    ftp.sendcmd("USER " + USER)
    ftp.sendcmd("PASS " + PASSWORD)
    ftp.prot_p()
    return ftp


def content(length):
    """Bytes that repeat nowhere near: each line tells its place."""
    lines = b"".join(b"%010d\r\xff\n\n" % number for number in range(length // 14 + 1))
    return lines[:length]


def stored(name):
    with open(os.path.join(ROOT, name), "rb") as file:
        return file.read()


def download(ftp, name):
    got = io.BytesIO()
    ftp.retrbinary("RETR " + name, got.write)
    return got.getvalue()


def transfer(ftp, count):
    """Up and down in turn."""
    for number in range(count // 2):
        name, sent = "file-%d" % number, content(number * 1_000)
        ftp.storbinary("STOR " + name, io.BytesIO(sent))
        assert stored(name) == sent, name
        assert download(ftp, name) == sent, name
    assert len(ftp.nlst()) == count // 2


def fifty_transfers():
    ftp = explicit()
    transfer(ftp, 50)
    ftp.quit()


def fifty_transfers_implicit():
    ftp = implicit()
    transfer(ftp, 50)
    ftp.quit()


def fifty_transfers_by_one_session():
    ftp = explicit()
    ftp.session = ftp.sock.session
    transfer(ftp, 50)
    ftp.quit()


def wait_until(true):
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end, os.listdir(ROOT)
        time.sleep(0.01)


def is_refused(refused):
    assert str(refused).startswith("522 "), refused
    assert "must resume the TLS session of the control connection" in str(refused), refused


def without_resumption_is_refused():
    ftp = explicit(ftplib.FTP_TLS)
    with open(os.path.join(ROOT, "there"), "wb") as file:
        file.write(b"content")
    for attempt in (ftp.nlst, lambda: download(ftp, "there")):
        try:
            attempt()
        except ftplib.error_perm as refused:
            is_refused(refused)
        else:
            raise AssertionError("it should have been refused")
    # Here the socket may break first, since the server reads nothing. Why is in the reply behind it.
    try:
        try:
            ftp.storbinary("STOR file", io.BytesIO(content(100_000)))
        except OSError:
            ftp.getresp()
        raise AssertionError("it should have been refused")
    except ftplib.error_perm as refused:
        is_refused(refused)
    # What was opened for it goes away behind the reply.
    wait_until(lambda: os.listdir(ROOT) == ["there"])
    ftp.quit()


def without_resumption_is_allowed():
    ftp = explicit(ftplib.FTP_TLS)
    ftp.storbinary("STOR file", io.BytesIO(content(100_000)))
    assert download(ftp, "file") == content(100_000)
    assert ftp.nlst() == ["file"]
    ftp.quit()


def files_of_every_size():
    ftp = explicit()
    for length in (0, 1, 65_535, 65_536, 65_537, 20 << 20):
        sent = content(length)
        ftp.storbinary("STOR file", io.BytesIO(sent))
        assert stored("file") == sent, length
        assert download(ftp, "file") == sent, length
    ftp.quit()


def close_at_once(ftp, name, sent):
    """No close_notify, and nothing read: as many programs end an upload."""
    data = ftp.transfercmd("STOR " + name)
    data.sendall(sent)
    data.close()


def two_hundred_uploads_closed_at_once():
    ftp = explicit()
    for number in range(200):
        name, sent = "file-%d" % number, content(number * 331 + 1)
        close_at_once(ftp, name, sent)
        ftp.voidresp()
        assert stored(name) == sent, name
    ftp.quit()


def is_incomplete(ftp, name):
    close_at_once(ftp, name, content(100_000))
    try:
        ftp.voidresp()
    except ftplib.error_temp as refused:
        assert str(refused).startswith("426 "), refused
    else:
        raise AssertionError("it should have been incomplete")
    assert name not in ftp.nlst(), "half a file was published"


def an_upload_closed_at_once_is_incomplete():
    ftp = explicit()
    is_incomplete(ftp, "file")
    # With its last word it is complete.
    ftp.storbinary("STOR file", io.BytesIO(content(100_000)))
    assert stored("file") == content(100_000)
    ftp.quit()


def an_upload_closed_otherwise_than_before_is_incomplete():
    ftp = explicit()
    ftp.storbinary("STOR first", io.BytesIO(content(100_000)))
    is_incomplete(ftp, "second")
    ftp.quit()


def leaves_tls_on_the_control_connection():
    ftp = explicit()
    ftp.session = ftp.sock.session
    ftp.ccc()
    assert ftp.sock.version() is None, "still under TLS"
    transfer(ftp, 10)
    ftp.quit()


def read_to_end(data):
    got = b""
    while part := data.recv(65_536):
        got += part
    return got


def a_stranger_with_a_session_of_its_own_gets_nothing():
    owner, stranger = explicit(), explicit()
    sent = content(100_000)
    owner.storbinary("STOR file", io.BytesIO(sent))
    for first in ("stranger", "owner"):
        # What the owner is told the stranger knows, or guesses.
        owner.voidcmd("TYPE I")
        place = owner.makepasv()
        if first == "stranger":
            hers = socket.create_connection(place, 60)
            his = socket.create_connection(place, 60)
        else:
            his = socket.create_connection(place, 60)
            hers = socket.create_connection(place, 60)
        assert owner.sendcmd("RETR file").startswith("150")
        try:
            hers = stranger.context.wrap_socket(hers, session=stranger.sock.session, server_hostname=HOST)
            stolen = read_to_end(hers)
        except OSError:
            stolen = b""
        assert stolen == b"", "%d bytes went astray" % len(stolen)
        his = owner.context.wrap_socket(his, session=owner.sock.session, server_hostname=HOST)
        assert read_to_end(his) == sent, first
        his.close()
        hers.close()
        owner.voidresp()
    owner.quit()
    stranger.quit()


def host_chooses():
    """HOST (RFC 7151) before AUTH; an address is not sent as SNI."""
    other = "other.example.org"
    ftp = ftplib.FTP_TLS(context=context(), timeout=60)
    ftp.context.check_hostname = False
    ftp.connect(HOST, int(PORT))
    ftp.sendcmd("HOST " + other)
    ftp.auth()
    names = ftp.sock.getpeercert()["subjectAltName"]
    assert names == (("DNS", other),), names
    ftp.login(USER, PASSWORD)
    ftp.quit()


if __name__ == "__main__":
    globals()[CASE]()
