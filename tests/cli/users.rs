//! `ftpd user` and `ftpd certificate`: what they write and show.

use crate::{ftpd, result, run};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

#[test]
fn users_are_added_listed_changed_and_removed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("accounts.toml");
    let name = path.to_str().unwrap();
    let root = directory.path().to_str().unwrap();
    let with_password = |arguments: &[&str]| {
        let mut child = ftpd(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(b"secret\n").unwrap();
        result(&child.wait_with_output().unwrap())
    };
    let added = with_password(&[
        "user",
        "add",
        "--accounts",
        name,
        "bob",
        "--root",
        root,
        "--rights",
        "read,list,create",
        "--rights-below",
        "/in=all",
        "--home",
        "/in",
        "--password-stdin",
    ]);
    assert_eq!(added, (Some(0), String::new(), String::new()));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let (code, out, _) = result(&run(&["user", "add", "--accounts", name, "eve"]));
    assert!(code == Some(0) && out.starts_with("user eve, password "), "{out}");
    let (code, _, error) = result(&run(&["user", "add", "--accounts", name, "eve"]));
    assert_eq!(code, Some(2));
    assert_eq!(error, "ftpd: there is a user \"eve\" already; change the password by `ftpd user passwd`\n");

    let list = format!("bob\tread,list,create\t{root}\t/in=all\thome=/in\neve\tread-only\tserver.root\n");
    assert_eq!(result(&run(&["user", "list", "--accounts", name])), (Some(0), list, String::new()));

    let before = fs::read_to_string(&path).unwrap();
    let changed = with_password(&["user", "passwd", "--accounts", name, "eve", "--password-stdin"]);
    assert_eq!(changed, (Some(0), String::new(), String::new()));
    assert_ne!(fs::read_to_string(&path).unwrap(), before);
    let (code, _, error) = result(&run(&["user", "remove", "--accounts", name, "mallory"]));
    assert_eq!(
        (code, error.as_str()),
        (Some(2), "ftpd: there is no user \"mallory\"; see `ftpd user list`\n")
    );
    assert_eq!(result(&run(&["user", "remove", "--accounts", name, "eve"])).0, Some(0));
    assert_eq!(result(&run(&["user", "list", "--accounts", name])).1.lines().count(), 1);
}

#[test]
fn users_with_certificates_are_added_and_listed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("accounts.toml");
    let name = path.to_str().unwrap();
    let fingerprint = ["AB"; 32].join(":");
    let add = |arguments: &[&str]| {
        result(&run(&[&["user", "add", "--accounts", name, "--root", "/"], arguments].concat()))
    };
    let given = ["bob", "--login", "certificate", "--certificate-fingerprint", &fingerprint.to_lowercase()];
    assert_eq!(add(&given), (Some(0), String::new(), String::new()), "no password is made");
    let given = ["eve", "--login", "password-and-certificate", "--certificate-fingerprint", &fingerprint];
    assert!(add(&given).1.starts_with("user eve, password "));
    for (given, want) in [
        (&["x", "--login", "certificate"][..], "--login: needs a certificate;"),
        (
            &["x", "--certificate-fingerprint", &fingerprint],
            "--certificate-fingerprint: asked for by no --login;",
        ),
        (&["x", "--certificate-fingerprint", "AB"], "is no SHA-256 fingerprint"),
        (&["x", "--login", "token"], "possible values: password, certificate,"),
    ] {
        let (code, out, error) = add(given);
        assert!(code == Some(2) && out.is_empty() && error.contains(want), "{error}");
    }
    let list = format!(
        "bob\tread-only\t/\tlogin=certificate\tfingerprint={fingerprint}\n\
         eve\tread-only\t/\tlogin=password-and-certificate\tfingerprint={fingerprint}\n"
    );
    assert_eq!(result(&run(&["user", "list", "--accounts", name])), (Some(0), list, String::new()));
}

#[test]
fn certificates_are_shown_and_judged() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let made = |days_ago: i64| {
        let then = i64::try_from(now).unwrap() - days_ago * 86_400;
        ftpd::certificate::self_signed::self_signed(
            &["ftp.example.org".to_owned()],
            ftp_proto::time::UnixTime::from_seconds(then),
        )
        .unwrap()
    };
    let (fresh, old, over) = (made(0), made(380), made(400));
    let show = |arguments: &[&str]| result(&run(&[&["tls", "show"], arguments].concat()));

    let (certificate, key) = (file("fresh.pem", &fresh.0), file("key.pem", &fresh.1));
    let (code, out, error) = show(&[&certificate, &key]);
    assert_eq!((code, error.as_str()), (Some(0), ""), "{out}");
    for want in [
        format!(
            "{certificate}\n  certificate 1\n    subject     CN=ftpd\n    issuer      CN=ftpd\n    names       "
        ),
        "ftp.example.org, ".to_owned(),
        ", 396 days left\n    key         ECDSA P-256\n".to_owned(),
        "  note: self-signed: ".to_owned(),
        format!("  note: the key in {key} fits\n{key}\n  note: the key of {certificate}\n"),
    ] {
        assert!(out.contains(&want), "{want:?} in {out}");
    }

    let (code, out, error) = show(&[&file("old.pem", &old.0)]);
    assert_eq!((code, error.as_str()), (Some(0), ""), "{out}");
    assert!(out.contains("  warning: certificate 1 expires on "), "{out}");
    let other = file("other.pem", &format!("{}{}", old.0, fresh.1));
    let (expired, both) = (file("over.pem", &over.0), file("both.pem", &(old.0.clone() + &fresh.0)));
    for (path, want) in [
        (&expired, "  broken: certificate 1 has expired on "),
        (&other, "  broken: "),
        (&both, "  broken: certificate 1 was not issued by certificate 2;"),
        (&key, "  broken: a key, and no file with its certificate is named\n"),
        (&file("junk.pem", "junk"), "junk.pem: no certificate and no key in it;"),
        (
            &file("cut.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            "certificate 1: not a",
        ),
        (&"missing.pem".to_owned(), "  broken: missing.pem: No such file or directory\n"),
    ] {
        let (code, out, error) = show(&[path]);
        assert_eq!((code, error), (Some(1), format!("ftpd: can't be used: {path}\n")));
        assert!(out.contains(want), "{want:?} in {out}");
    }
    assert!(show(&[&other]).1.contains("the private key belongs to another certificate"));
    let both_named = show(&[&certificate, &expired]);
    assert_eq!(both_named.2, format!("ftpd: can't be used: {expired}\n"));

    let config = |tls: &str| {
        file("ftpd.toml", &format!("[server]\nroot = \".\"\n[accounts]\nanonymous = true\n{tls}"))
    };
    let pair = "[tls]\ncertificates = [{ certificate = \"fresh.pem\", key = \"key.pem\" }]\n";
    let (code, out, error) =
        show(&["--config", &config(&format!("{pair}client_authorities = [\"old.pem\"]\n"))]);
    assert_eq!((code, error.as_str()), (Some(0), ""), "{out}");
    assert!(out.contains(&format!("  note: the key in {key} fits\n")) && out.contains("old.pem\n"), "{out}");
    let (code, out, _) =
        show(&["--config", &config(&pair.replace("key.pem", "other.pem").replace("fresh", "old"))]);
    assert!(code == Some(1) && out.contains("the private key belongs to another certificate"), "{out}");
    let (code, _, error) = show(&["--config", &config("")]);
    assert!(code == Some(2) && error.contains("ftpd.toml: tls.certificates: missing; write"), "{error}");
    assert_eq!(show(&[]).0, Some(2));
}
