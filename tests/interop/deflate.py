"""MODE Z by Python's ftplib and zlib: deflate.py CASE HOST PORT USER PASSWORD AUTHORITY (- is: without TLS).

What a case asserts about the server it asserts here; what it leaves behind, the caller looks at.
"""
import ftplib
import random
import ssl
import sys
import zlib

NOISE = random.Random(1)
TEXT = b"".join(b"line %d of a text, session=%d\n" % (line, line * 7919 % 10007) for line in range(100_000))
CONTENTS = {
    "text": TEXT,
    "empty": b"",
    "noise": NOISE.randbytes(1_000_003),
    "zeros": bytes(40 << 20),
}


def retrieve(ftp, command, rest=None):
    """The stream as it came."""
    with ftp.transfercmd(command, rest) as data:
        stream = data.makefile("rb").read()
        unwrap(data)
    ftp.voidresp()
    return stream


def inflate(stream):
    """What the stream holds: it has to be whole, and nothing may follow it."""
    decoder = zlib.decompressobj()
    content = decoder.decompress(stream)
    assert decoder.eof and not decoder.unused_data and not decoder.unconsumed_tail, len(stream)
    return content


def store(ftp, command, stream, rest=None):
    with ftp.transfercmd(command, rest) as data:
        try:
            data.sendall(stream)
            unwrap(data)
        except OSError:
            pass  # The server may have seen enough; its reply tells.
    return ftp.voidresp()


def unwrap(data):
    if isinstance(data, ssl.SSLSocket):
        data.unwrap()


def refused(code, attempt):
    try:
        reply = attempt()
    except ftplib.Error as error:
        reply = str(error)
    assert reply.startswith(code), reply


def both_ways(ftp):
    for name, content in CONTENTS.items():
        store(ftp, "STOR " + name, zlib.compress(content, 6))
        assert ftp.size(name) == len(content)
        stream = retrieve(ftp, "RETR " + name)
        assert inflate(stream) == content, name
        assert name in ("noise", "empty") or len(stream) < len(content) / 4, (name, len(stream))
    ftp.voidcmd("MODE S")
    with ftp.transfercmd("RETR text") as data:
        assert data.makefile("rb").read() == TEXT
        unwrap(data)
    ftp.voidresp()


def text_and_listings(ftp):
    ftp.voidcmd("TYPE A")
    store(ftp, "STOR text", zlib.compress(b"one\r\ntwo\r\n"))
    assert inflate(retrieve(ftp, "RETR text")) == b"one\r\ntwo\r\n"
    assert inflate(retrieve(ftp, "NLST")) == b"text\r\n"
    assert inflate(retrieve(ftp, "LIST")).endswith(b" text\r\n")
    assert inflate(retrieve(ftp, "MLSD")).endswith(b"; text\r\n")


def restarts(ftp):
    half = len(TEXT) // 2
    store(ftp, "STOR text", zlib.compress(TEXT[:half]))
    store(ftp, "STOR text", zlib.compress(TEXT[half:]), rest=half)
    assert inflate(retrieve(ftp, "RETR text", rest=half)) == TEXT[half:]
    store(ftp, "APPE text", zlib.compress(b"more"))
    assert inflate(retrieve(ftp, "RETR text")) == TEXT + b"more"


def broken_streams(ftp):
    stream = zlib.compress(TEXT)
    flipped = bytearray(stream)
    flipped[len(stream) // 2] ^= 0x10
    for name, broken in [
        ("nothing", b""),
        ("half", stream[: len(stream) // 2]),
        ("no-checksum", stream[:-4]),
        ("plain", TEXT),
        ("raw", stream[2:-4]),
        ("flipped", bytes(flipped)),
        ("more", stream + b"\n"),
        ("twice", stream + stream),
    ]:
        refused("426", lambda: store(ftp, "STOR " + name, broken))
    # Flushed in the middle and cut as the network likes is whole.
    encoder = zlib.compressobj(9)
    pieces = [encoder.compress(TEXT[:1000]), encoder.flush(zlib.Z_FULL_FLUSH), encoder.compress(TEXT[1000:])]
    store(ftp, "STOR whole", b"".join(pieces) + encoder.flush())
    assert inflate(retrieve(ftp, "RETR whole")) == TEXT
    assert inflate(retrieve(ftp, "NLST")) == b"whole\r\n"
    # Of what was damaged nothing is there to go on with.
    for name in ("nothing", "plain", "raw", "flipped", "more", "twice"):
        refused("550", lambda: ftp.size(name))
    # What came of the half is there to go on with.
    have = ftp.size("half")
    assert 0 < have < len(TEXT), have
    assert TEXT.startswith(zlib.decompressobj().decompress(stream[: len(stream) // 2])[:have])


def aborts(ftp):
    store(ftp, "STOR file", zlib.compress(NOISE.randbytes(32 << 20), 1))
    data = ftp.transfercmd("RETR file")
    data.recv(1000)
    assert ftp.abort().startswith("426")
    assert ftp.getmultiline().startswith("226")
    data.close()
    ftp.voidcmd("NOOP")
    data = ftp.transfercmd("STOR other")
    data.sendall(zlib.compress(TEXT)[:20_000])
    assert ftp.abort().startswith("426")
    assert ftp.getmultiline().startswith("226")
    data.close()
    assert inflate(retrieve(ftp, "NLST")) == b"file\r\n"


def levels(ftp):
    assert "MODE Z" in [line.strip() for line in ftp.sendcmd("FEAT").splitlines()]
    store(ftp, "STOR text", zlib.compress(TEXT))
    sizes = []
    for level in (0, 1, 9):
        assert ftp.sendcmd("OPTS MODE Z LEVEL %d" % level) == "200 MODE Z LEVEL set to %d" % level
        stream = retrieve(ftp, "RETR text")
        assert inflate(stream) == TEXT
        sizes.append(len(stream))
    assert sizes[0] > len(TEXT) > 3 * sizes[1] > 3 * sizes[2], sizes
    assert "deflate, level 9" in ftp.sendcmd("STAT")
    refused("501", lambda: ftp.sendcmd("OPTS MODE Z LEVEL 10"))


def bombs(ftp):
    # A limit of 100 times, from 16 MiB on.
    refused("552", lambda: store(ftp, "STOR bomb", zlib.compress(bytes(64 << 20))))
    refused("550", lambda: ftp.size("bomb"))
    store(ftp, "STOR small", zlib.compress(bytes(8 << 20)))
    store(ftp, "STOR text", zlib.compress(TEXT * 10))
    assert ftp.size("small") == 8 << 20 and ftp.size("text") == 10 * len(TEXT)


def connect(host, port, user, password, authority):
    if authority == "-":
        ftp = ftplib.FTP(timeout=60)
    else:
        ftp = ftplib.FTP_TLS(timeout=60, context=ssl.create_default_context(cafile=authority))
    ftp.connect(host, int(port))
    ftp.login(user, password)
    if authority != "-":
        ftp.prot_p()
    return ftp


if __name__ == "__main__":
    case, *told = sys.argv[1:]
    session = connect(*told)
    session.voidcmd("TYPE I")
    session.voidcmd("MODE Z")
    globals()[case](session)
    session.quit()
