//! `ftpd import` as a user sees it.

use crate::{result, run};
use std::fs;
use std::path::Path;

fn old(directory: &Path, text: &str) -> String {
    let file = directory.join("vsftpd.conf");
    fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

const MIRROR: &str = "listen_ipv6=YES\nlisten_port=2100\nanonymous_enable=YES\nanon_root=/srv\nport_enable=NO\npasv_min_port=41000\npasv_max_port=41099\npasv_address=203.0.113.7\n";

/// What was imported is what the server then takes.
#[test]
fn an_import_that_says_everything() {
    let directory = tempfile::tempdir().unwrap();
    let file = old(directory.path(), MIRROR);
    let (code, toml, errors) = result(&run(&["import", "vsftpd", &file]));
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    let new = directory.path().join("ftpd.toml");
    fs::write(&new, &toml).unwrap();
    let (code, summary, _) = result(&run(&["check-config", new.to_str().unwrap()]));
    assert_eq!(code, Some(0), "{summary}");
    for row in ["41000-41099", "203.0.113.7", "[::]:2100"] {
        assert!(summary.contains(row), "{row}: {summary}");
    }
}

#[test]
fn what_needs_attention_is_told_and_counts() {
    let directory = tempfile::tempdir().unwrap();
    let file = old(directory.path(), &format!("{MIRROR}tcp_wrappers=YES\n"));
    let (code, toml, errors) = result(&run(&["import", "vsftpd", &file]));
    assert_eq!(code, Some(1));
    let note = format!(
        "{file}:9: tcp_wrappers: hosts.allow and hosts.deny are not read; write those rules for the firewall"
    );
    assert_eq!(errors, format!("{note}\nftpd: 1 setting needs attention, see above\n"));
    assert!(toml.contains(&format!("# {note}\n")), "{toml}");
}

#[test]
fn what_cannot_be_read_is_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let file = old(directory.path(), "listen=YES\nlisten_port = 21\n");
    let (code, toml, errors) = result(&run(&["import", "vsftpd", &file]));
    assert_eq!((code, toml.as_str()), (Some(2), ""));
    assert!(errors.starts_with(&format!("{file}:2:12: no blank")), "{errors}");
    assert_eq!(errors.lines().count(), 1);
    let (code, _, errors) = result(&run(&["import", "iis", "/no/such/file"]));
    assert_eq!((code, errors.lines().count()), (Some(2), 1), "{errors}");
    let (code, _, errors) = result(&run(&["import", "wuftpd", &file]));
    assert_eq!(code, Some(2));
    assert!(errors.contains("pure-ftpd"), "{errors}");
}

#[test]
fn nothing_is_replaced_unasked() {
    let directory = tempfile::tempdir().unwrap();
    let file = old(directory.path(), MIRROR);
    let out = directory.path().join("ftpd.toml");
    let to = out.to_str().unwrap();
    assert_eq!(
        result(&run(&["import", "vsftpd", &file, "--out", to])),
        (Some(0), String::new(), String::new())
    );
    let written = fs::read_to_string(&out).unwrap();
    assert!(written.contains("41000-41099"));
    fs::write(&out, "mine").unwrap();
    let (code, _, errors) = result(&run(&["import", "vsftpd", &file, "--out", to]));
    assert_eq!(
        (code, errors),
        (Some(2), format!("ftpd: --out: {to} is there already; write --force to replace it\n"))
    );
    assert_eq!(fs::read_to_string(&out).unwrap(), "mine");
    assert_eq!(run(&["import", "vsftpd", &file, "--out", to, "--force"]).status.code(), Some(0));
    assert_eq!(fs::read_to_string(&out).unwrap(), written);
}

#[test]
fn users_with_argon2_are_added() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let hash = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    fs::write(path("users.passwd"), format!("anna:{hash}:1:1::/srv/anna/./::\n")).unwrap();
    fs::write(path("pure-ftpd.conf"), format!("PureDB {}\nNoAnonymous yes\n", path("users.pdb"))).unwrap();
    let arguments = [
        "import",
        "pure-ftpd",
        &path("pure-ftpd.conf"),
        "--out",
        &path("ftpd.toml"),
        "--force",
        "--accounts",
    ]
    .map(str::to_owned);
    let run_it = || result(&run(&arguments.each_ref().map(String::as_str)));
    let (code, _, errors) = run_it();
    assert_eq!(code, Some(1), "{errors}");
    assert_eq!(run(&["check-config", &path("ftpd.toml")]).status.code(), Some(0));
    let (code, list, _) = result(&run(&["user", "list", "--accounts", &path("accounts.toml")]));
    assert_eq!(code, Some(0));
    assert!(list.starts_with("anna\t") && list.contains("/srv/anna"), "{list}");
    let (_, _, errors) = run_it();
    assert!(errors.contains("user anna is there already"), "{errors}");
}
