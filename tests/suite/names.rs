//! Names in the characters of old clients, by a client of somebody else: Python's ftplib, which is told an encoding.

use crate::runtime::{Runtime, Setup};
use ftp_proto::charset::Charset;
use ftp_proto::config::{Profile, QuirkChange};
use ftp_proto::testing::MemoryStorage;
use std::io::Write as _;
use std::process::{Command, Stdio};

on_both_runtimes! { simplified_chinese, japanese, western, cyrillic, traditional_chinese, korean }

/// Up, listed in every way, renamed, entered, down again; and a name that the encoding doesn't have.
const SCRIPT: &str = r#"
import ftplib, io, sys
host, port, encoding, name, other, escaped, content = [bytes.fromhex(word).decode() for word in sys.argv[1:]]
ftp = ftplib.FTP(encoding=encoding, timeout=60)
ftp.connect(host, int(port))
ftp.login()
ftp.storbinary("STOR " + name, io.BytesIO(content.encode()))
assert sorted(ftp.nlst()) == sorted([name, escaped]), ftp.nlst()
assert sorted(told for told, _ in ftp.mlsd()) == sorted([name, escaped])
lines = []
ftp.dir(lines.append)
assert any(line.endswith(" " + name) for line in lines), lines
assert ftp.nlst("?" + name[1:-1] + "*") == [name], ftp.nlst("?*")
ftp.voidcmd("TYPE I")
assert ftp.size(name) == len(content.encode())
for path in name, escaped:
    got = io.BytesIO()
    ftp.retrbinary("RETR " + path, got.write)
    assert got.getvalue() == content.encode(), path
def plain(text):
    """ftplib leaves Telnet's doubled 255 (RFC 3659 section 2.2) as it is."""
    return text.encode(encoding).replace(b"\xff\xff", b"\xff").decode(encoding)
assert plain(ftp.mkd(other)) == "/" + other
ftp.cwd(other)
assert plain(ftp.pwd()) == "/" + other, ftp.pwd()
ftp.cwd(ftp.pwd())
ftp.rename("/" + name, "moved " + name)
ftp.delete("/" + escaped)
assert "moved " + name in "\n".join(ftp.nlst())
ftp.quit()
"#;

struct Case {
    label: &'static str,
    /// As Python calls it.
    encoding: &'static str,
    name: &'static str,
    other: &'static str,
    /// What the set does not have, and what is shown instead.
    foreign: (&'static str, &'static str),
}

fn there_and_back<R: Runtime>(case: &Case) {
    let content = "the content";
    let storage = MemoryStorage::new().file(format!("/{}", case.foreign.0), content);
    let charset = Charset::from_label(case.label);
    assert!(charset.is_some(), "{}", case.label);
    let set = QuirkChange { charset, ..QuirkChange::default() };
    let profile = Profile { name: "old clients".into(), set, ..Profile::default() };
    let server: R = Setup::new(&storage).settings(|settings| settings.profiles.push(profile)).start();
    let (host, port) = (server.address().ip().to_string(), server.address().port().to_string());
    let words = [&host, &port, case.encoding, case.name, case.other, case.foreign.1, content];
    let hexadecimal = |word: &&str| word.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut python = Command::new("python3")
        .arg("-")
        .args(words.iter().map(hexadecimal))
        .stdin(Stdio::piped())
        .spawn()
        .expect("python3: .ci/test installs it");
    python.stdin.take().unwrap().write_all(SCRIPT.as_bytes()).unwrap();
    assert!(python.wait().unwrap().success(), "{}", case.label);
    // In the storage all is UTF-8.
    let moved = format!("/{}/moved {}", case.other, case.name);
    assert_eq!(storage.contents(moved).unwrap(), content.as_bytes());
}

fn simplified_chinese<R: Runtime>() {
    let foreign = ("한글.txt", "%uD55C%uAE00.txt");
    let case = Case { label: "gbk", encoding: "gbk", name: "文件.txt", other: "目录", foreign };
    there_and_back::<R>(&case);
}

fn japanese<R: Runtime>() {
    // The second byte of these is a backslash or a bar.
    let foreign = ("한글", "%uD55C%uAE00");
    let case =
        Case { label: "shift_jis", encoding: "shift_jis", name: "表ポ.txt", other: "ソ連", foreign };
    there_and_back::<R>(&case);
}

fn western<R: Runtime>() {
    let foreign = ("100%u4E2D", "100%u0025u4E2D");
    let case = Case { label: "cp1252", encoding: "cp1252", name: "Grüße €.txt", other: "ÿ", foreign };
    there_and_back::<R>(&case);
}

fn cyrillic<R: Runtime>() {
    let foreign = ("日", "%u65E5");
    let case =
        Case {
            label: "windows-1251", encoding: "cp1251", name: "моя ярмарка.txt", other: "яр", foreign
        };
    there_and_back::<R>(&case);
}

fn traditional_chinese<R: Runtime>() {
    let foreign = ("😀", "%U0001F600");
    let case = Case { label: "big5", encoding: "big5", name: "成功.txt", other: "許蓋", foreign };
    there_and_back::<R>(&case);
}

fn korean<R: Runtime>() {
    let foreign = ("é", "%u00E9");
    let case = Case { label: "euc-kr", encoding: "euc-kr", name: "한글.txt", other: "폴더", foreign };
    there_and_back::<R>(&case);
}
