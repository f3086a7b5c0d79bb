//! Names are bytes: spaces, quotes, globs, non-UTF-8 and 255 of them, through every client that can type them.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::client::Client;
use crate::samples;
use crate::server::{PASSWORD, Runtime, Server, Setup, USER};
use crate::session::Session;

on_both_runtimes! {
    curl, wget, lftp_mirrors_them_there_and_back, ftplib, ncftp, tnftp, in_replies, line_breaks_are_refused,
    characters_of_a_profile,
}

/// Names that one server or another got wrong.
fn names() -> Vec<Vec<u8>> {
    vec![
        b"two words".to_vec(),
        b" in front".to_vec(),
        b"behind ".to_vec(),
        b"a \"quoted\" name".to_vec(),
        b"it's".to_vec(),
        b"100%".to_vec(),
        b"#;?&=+".to_vec(),
        b"*[a]?".to_vec(),
        b"-la".to_vec(),
        b"back\\slash".to_vec(),
        "Gr\u{fc}\u{df}e \u{4f60}\u{597d}".as_bytes().to_vec(),
        // Latin-1, no UTF-8. The byte 255 is Telnet's escape on the control connection, which these
        // clients don't double.
        b"caf\xe9".to_vec(),
        b"mo\xffse".to_vec(),
        b"...".to_vec(),
        b"~home".to_vec(),
        [b'n'; 255].to_vec(),
    ]
}

fn escaped(name: &[u8]) -> String {
    name.iter().map(|byte| format!("%{byte:02X}")).collect()
}

/// A server with a file of each name that holds its own name.
fn with_names(runtime: Runtime) -> Server {
    let server = Server::start(runtime);
    for name in names() {
        server.put(&name, &name);
    }
    server
}

fn curl(runtime: Runtime) {
    let server = with_names(runtime);
    let mut client = Client::new(&server, "curl").args(["-sS", "-u", &format!("{USER}:{PASSWORD}")]);
    for (number, name) in names().iter().enumerate() {
        client = client.args(["-o", &format!("got-{number}"), &server.url(&escaped(name))]);
    }
    client.succeed();
    for (number, name) in names().iter().enumerate() {
        assert_eq!(&server.got(format!("got-{number}")), name);
        let new = [name.get(..250).unwrap_or(name), b"-new"].concat();
        let local = server.give("local", name);
        let client = Client::new(&server, "curl").args(["-sS", "-u", &format!("{USER}:{PASSWORD}"), "-T"]);
        client.arg(local).arg(server.url(&escaped(&new))).succeed();
        assert_eq!(&server.get(&new), name);
    }
}

fn wget(runtime: Runtime) {
    let server = with_names(runtime);
    for name in names() {
        // wget takes these as patterns, not as a name.
        if name.iter().any(|byte| b"*?[".contains(byte)) {
            continue;
        }
        let login = [format!("--ftp-user={USER}"), format!("--ftp-password={PASSWORD}")];
        let client =
            Client::new(&server, "wget").args(["--no-config", "-nv", "--no-glob", "--tries=1"]).args(login);
        client.args(["-O", "got", &server.url(&escaped(&name))]).succeed();
        assert_eq!(server.got("got"), name);
    }
}

/// A listing tells every name, and what it tells can be asked for.
fn lftp_mirrors_them_there_and_back(runtime: Runtime) {
    let server = Server::start(runtime);
    for folder in [server.path("tree"), server.path("tree/a folder")] {
        std::fs::create_dir(&folder).unwrap();
        for name in names() {
            std::fs::write(folder.join(OsStr::from_bytes(&name)), &name).unwrap();
        }
    }
    // As sent, byte by byte: else it converts what it takes for UTF-8 to the locale's characters and back.
    let raw = "set ftp:use-utf8 no; set ftp:charset ISO-8859-1; set file:charset ISO-8859-1";
    let script = |commands: &str| {
        format!(
            "set cmd:fail-exit yes; {raw}; open -u {USER},{PASSWORD} -p {} {}; {commands}",
            server.port(),
            server.host()
        )
    };
    let down = script("mirror tree copy");
    Client::new(&server, "lftp").args(["--norc", "-c", &down]).succeed();
    samples::assert_same_tree(&server.work("copy"), &server.path("tree"));
    let up = script("mirror -R copy back");
    Client::new(&server, "lftp").args(["--norc", "-c", &up]).succeed();
    samples::assert_same_tree(&server.path("back"), &server.path("tree"));
}

const SCRIPT: &str = r#"
import ftplib, io, sys
host, port, user, password = sys.argv[1:]
ftp = ftplib.FTP(encoding="latin-1", timeout=60)
ftp.connect(host, int(port))
ftp.login(user, password)
told = sorted(name for name, _ in ftp.mlsd())
assert told == sorted(ftp.nlst()), (told, ftp.nlst())
for number, name in enumerate(told):
    got = io.BytesIO()
    ftp.retrbinary("RETR ./" + name, got.write)
    assert got.getvalue().decode("latin-1") == name, name
    assert ftp.size("./" + name) == len(name)
    new = "./" + name[:250] + "-new"
    ftp.rename("./" + name, new)
    ftp.storbinary("STOR ./" + name, io.BytesIO(b"again"))
    ftp.delete(new)
    ftp.delete("./" + name)
    ftp.mkd("./" + name)
    ftp.cwd("./" + name)
    # On the control connection 255 is Telnet's escape and comes doubled (RFC 3659 section 2.2).
    assert ftp.pwd() == "/" + name.replace("\xff", "\xff\xff"), (ftp.pwd(), name)
    ftp.cwd("/")
    ftp.rmd("./" + name)
assert ftp.nlst() == [], ftp.nlst()
ftp.quit()
"#;

fn ftplib(runtime: Runtime) {
    let server = with_names(runtime);
    let client = Client::new(&server, "python3").args(["-", &server.host(), &server.port(), USER, PASSWORD]);
    client.input(SCRIPT).succeed();
}

/// As arguments; without globs, which it expands itself, and blanks at the ends, which it cuts.
fn ncftp(runtime: Runtime) {
    let server = Server::start(runtime);
    for name in [&b"two words"[..], b"a \"quoted\" name", b"it's", b"100%", b"caf\xe9"] {
        server.put(name, name);
        let client =
            Client::new(&server, "ncftpget").args(["-u", USER, "-p", PASSWORD, "-P", &server.port()]);
        let remote = [b"/", name].concat();
        client.args([&server.host(), "."]).arg(OsStr::from_bytes(&remote)).succeed();
        assert_eq!(server.got(name), name);
        std::fs::remove_file(server.path(name)).unwrap();
        let client =
            Client::new(&server, "ncftpput").args(["-u", USER, "-p", PASSWORD, "-P", &server.port()]);
        client.args([&server.host(), "/"]).arg(OsStr::from_bytes(name)).succeed();
        assert_eq!(server.get(name), name);
    }
}

/// Typed, in quotes.
fn tnftp(runtime: Runtime) {
    let server = Server::start(runtime);
    let mut commands = format!("user {USER} {PASSWORD}\nbinary\n").into_bytes();
    let names = [&b"two words"[..], b"it's", b"100%", b"caf\xe9"];
    for name in names {
        server.give(name, name);
        commands.extend([b"put \"", name, b"\" \"", name, b" there\"\n"].concat());
        commands.extend([b"get \"", name, b" there\" \"", name, b" back\"\n"].concat());
    }
    commands.extend(b"quit\n");
    Client::new(&server, "tnftp")
        .args(["-n", "-v", "-i", "-p"])
        .args([server.host(), server.port()])
        .input(commands)
        .run();
    for name in names {
        assert_eq!(server.get([name, b" there"].concat()), name);
        assert_eq!(server.got([name, b" back"].concat()), name);
    }
}

/// RFC 959, appendix II: a quote in a name is doubled, so that the reply can be read.
fn in_replies(runtime: Runtime) {
    let server = Server::start(runtime);
    let mut session = Session::login(server.address(), USER, PASSWORD);
    let made = session.expect("MKD a \"b\" c", 257);
    assert!(made.starts_with("257 \"/a \"\"b\"\" c\""), "{made}");
    session.expect("CWD a \"b\" c", 250);
    let here = session.expect("PWD", 257);
    assert!(here.starts_with("257 \"/a \"\"b\"\" c\""), "{here}");
}

/// A name with a line break would be a second command to the next tool that reads it.
fn line_breaks_are_refused(runtime: Runtime) {
    let server = Server::start(runtime);
    let mut session = Session::login(server.address(), USER, PASSWORD);
    for name in ["a\rb", "a\0b"] {
        let (code, text) = session.command(&format!("MKD {name}"));
        assert!((500..=559).contains(&code), "{text}");
    }
    session.expect("NOOP", 200);
    assert_eq!(std::fs::read_dir(server.path("")).unwrap().count(), 0);
}

const OLD_CLIENT: &str = r#"
import ftplib, io, sys
host, port, user, password = sys.argv[1:]
ftp = ftplib.FTP(encoding="cp1252", timeout=60)
ftp.connect(host, int(port))
ftp.login(user, password)
name, folder = "Grüße für 5 €", "Français"
ftp.mkd(folder)
ftp.cwd(folder)
assert ftp.pwd() == "/" + folder, ftp.pwd()
ftp.storbinary("STOR " + name, io.BytesIO(b"hello"))
assert ftp.nlst() == [name], ftp.nlst()
assert [entry for entry, _ in ftp.mlsd()] == [name]
lines, got = [], io.BytesIO()
ftp.dir(lines.append)
assert len(lines) == 1 and lines[0].endswith(" " + name), lines
ftp.retrbinary("RETR " + name, got.write)
assert got.getvalue() == b"hello"
ftp.cwd("/")
# What somebody else put there and this set has no letters for can be read, and asked for.
names = ftp.nlst()
assert sorted(names) == ["%u4F60%u597D", folder], names
got = io.BytesIO()
ftp.retrbinary("RETR %u4F60%u597D", got.write)
assert got.getvalue() == b"elsewhere"
ftp.quit()
"#;

/// A client that knows no UTF-8 has its letters, by the profile in docs/names.md; on the disk they are UTF-8, and so they
/// are for everybody else.
fn characters_of_a_profile(runtime: Runtime) {
    let plain = "control = \"allow\"\ndata = \"allow\"\n";
    let profile = "[[profile]]\nnetworks = [\"127.0.0.1\"]\ncharset = \"windows-1252\"\n";
    let server = Setup::new(runtime).secured(plain).sections(profile).start();
    server.put("\u{4f60}\u{597d}", b"elsewhere");
    let client = Client::new(&server, "python3").args(["-", &server.host(), &server.port(), USER, PASSWORD]);
    client.input(OLD_CLIENT).succeed();
    assert_eq!(server.get("Fran\u{e7}ais/Gr\u{fc}\u{df}e f\u{fc}r 5 \u{20ac}"), b"hello");
    let lists = Client::new(&server, "curl").args(["-sS", "-l", "-Q", "OPTS UTF8 ON"]);
    let lists = lists.args(["-u", &format!("{USER}:{PASSWORD}"), &server.url("")]).succeed();
    assert!(lists.lines().contains(&String::from("Fran\u{e7}ais")), "{lists:?}");
}
