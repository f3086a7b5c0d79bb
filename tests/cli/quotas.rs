//! How much users may store, from the command line.

use super::{result, run};
use std::fs;

#[test]
fn quotas_are_set_changed_shown_and_taken_away() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("accounts.toml");
    let accounts = path.to_str().unwrap();
    let root = directory.path().to_str().unwrap();
    let user = |words: &[&str]| {
        let all = [&["user", words[0], "--accounts", accounts][..], &words[1..]].concat();
        result(&run(&all))
    };
    let list = || user(&["list"]).1;
    let added = user(&["add", "bob", "--root", root, "--quota", "10GiB", "--quota-files", "1000"]);
    assert_eq!((added.0, added.2.as_str()), (Some(0), ""));
    assert_eq!(list(), format!("bob\tread-only\t{root}\tquota=10 GiB\tquota_files=1000\n"));
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("quota = \"10 GiB\"\nquota_files = 1000\n"), "{text}");
    let done = (Some(0), String::new(), String::new());
    assert_eq!(user(&["quota", "bob", "--quota", "500 MB"]), done);
    assert_eq!(list(), format!("bob\tread-only\t{root}\tquota=500000000\tquota_files=1000\n"));
    assert_eq!(user(&["quota", "bob", "--quota", "none", "--quota-files", "7"]), done);
    assert_eq!(list(), format!("bob\tread-only\t{root}\tquota_files=7\n"));
    assert_eq!(user(&["quota", "bob", "--quota-files", "none"]), done);
    assert_eq!(list(), format!("bob\tread-only\t{root}\n"));
    let (code, _, error) = user(&["quota", "eve", "--quota", "none"]);
    assert_eq!((code, error.as_str()), (Some(2), "ftpd: there is no user \"eve\"; see `ftpd user list`\n"));
    for (words, want) in [
        (
            &["quota", "bob", "--quota", "ten"][..],
            "\"ten\" is no size; write bytes like 1048576, or \"10 GiB\"",
        ),
        (
            &["quota", "bob", "--quota-files", "-"],
            "\"-\" is no number of files; write one like 100000, or none",
        ),
        (&["quota", "bob"], "--quota-files"),
    ] {
        let (code, _, error) = user(words);
        assert!(code == Some(2) && error.contains(want), "{words:?}: {code:?} {error}");
    }
}

#[test]
fn a_configuration_shows_what_guests_may_store() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ftpd.toml");
    let config = |quota: &str| {
        let root = directory.path().display();
        let text = format!("accounts.anonymous = {{ root = \"{root}\", writable = true, {quota} }}\n");
        fs::write(&path, text).unwrap();
        result(&run(&["check-config", path.to_str().unwrap()]))
    };
    let (code, out, error) = config("quota = \"2 GiB\", quota_files = 10");
    assert!(code == Some(0) && out.contains("may upload, quota 2 GiB, quota_files 10"), "{out}{error}");
    let (code, _, error) = config("quota = true");
    assert!(code == Some(2) && error.contains("accounts.anonymous.quota: "), "{error}");
}
