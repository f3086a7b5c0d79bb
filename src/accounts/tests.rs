//! The accounts file from its first user to its last, and logins by it.

use super::edit::{self, EditError};
use super::realm::LOOK_AGAIN;
use super::*;
use ftp_proto::account::RightsByPath;
use ftp_proto::host::{Abilities, Create, Share, Storage};
use ftp_proto::path::VirtualPath;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Instant;

/// A hash that is quick to check.
pub(super) fn cheap(password: &[u8]) -> PasswordHash {
    use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, Version};
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8, 1, 1, None).unwrap());
    PasswordHash::parse(&argon2.hash_password(password).unwrap().to_string()).unwrap()
}

fn verifies(file: &AccountsFile, name: &str, password: &[u8]) -> bool {
    file.users[name].password.as_ref().unwrap().verify(password).unwrap()
}

pub(super) fn user(name: &str, root: Option<&Path>) -> User {
    User {
        name: name.to_owned(),
        password: Some(cheap(b"secret")),
        login: LoginBy::Password,
        certificates: Vec::new(),
        root: root.map(Path::to_owned),
        rights: Rights::READ_ONLY,
        rights_below: Vec::new(),
        home: VirtualPath::root(),
        limits: Limits::default(),
    }
}

pub(super) fn credentials(user: &str, password: &str) -> Credentials {
    Credentials {
        host: None,
        user: user.to_owned(),
        password: password.into(),
        peer: "127.0.0.1:5".parse().unwrap(),
        certificate: None,
    }
}

fn by_file(path: &Path) -> ServerAccounts {
    ServerAccounts::open(Sources { file: Some(path.to_owned()), ..Sources::default() }, Vec::new()).unwrap()
}

#[test]
fn each_mistake_is_one_line_with_place_key_and_fix() {
    let hash = cheap(b"secret");
    let hash = hash.as_str();
    let with = |line: &str| format!("[[user]]\nname = \"bob\"\npassword = \"{hash}\"\n{line}\n");
    for (text, want) in [
        ("[[users]]\n".to_owned(), "a.toml:1:3: unknown key `users`; did you mean `user`?"),
        ("user = 1\n".to_owned(), "a.toml:1:8: user: expected a list of users; write [[user]]"),
        ("[[user]]\n".to_owned(), "a.toml:1:1: user.name: missing; write name = \"bob\""),
        (
            "[[user]]\nquota = \"10 apples\"\n".to_owned(),
            "a.toml:2:9: user.quota: \"10 apples\" is no size; write bytes like 1048576, or \"10 GiB\" (kB, MB, GB, KiB, MiB, GiB ...)",
        ),
        (
            "[[user]]\nquota_files = -1\n".to_owned(),
            "a.toml:2:15: user.quota_files: -1 is out of range; write 0 to 9223372036854775807",
        ),
        (
            "\n[[user]]\nname = \"bob\"\n".to_owned(),
            "a.toml:2:1: user.password: missing; write it with `ftpd user passwd`",
        ),
        (
            "[[user]]\nname = \"bob\"\npassword = \"secret\"\n".to_owned(),
            "a.toml:3:12: user.password: not an argon2id hash; write one with `ftpd user passwd`",
        ),
        (
            "[[user]]\nname = \"ftp\"\n".to_owned(),
            "a.toml:2:8: user.name: \"ftp\" is the name of guests; allow them by accounts.anonymous = true",
        ),
        (
            "[[user]]\nname = \"\"\n".to_owned(),
            "a.toml:2:8: user.name: \"\" can't be a user name; write 1 to 255 letters without spaces around them",
        ),
        (with("rigths = \"all\""), "a.toml:4:1: unknown key `user.rigths`; did you mean `user.rights`?"),
        (
            with("rights = [\"read\", \"lits\"]"),
            "a.toml:4:19: user.rights: \"lits\" is no right; did you mean \"list\"?",
        ),
        (
            with("rights_below = { \"in\" = \"all\" }"),
            "a.toml:4:25: user.rights_below.in: \"in\" is no path in the account's tree; write one like \"/in\"",
        ),
        (with("home = 1"), "a.toml:4:8: user.home: expected a string, not a number; write \"/in\""),
        (with(&with("")), "a.toml:5:8: user.name: \"bob\" is there twice; remove one"),
    ] {
        assert_eq!(AccountsFile::parse(Path::new("a.toml"), &text).unwrap_err().to_string(), want, "{text}");
    }
}

#[test]
fn users_come_and_go_and_comments_stay() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("accounts.toml");
    let mut bob = user("bob", Some(Path::new("/srv/bob")));
    bob.rights = Rights::READ | Rights::CREATE;
    bob.rights_below = vec![(VirtualPath::new(b"/in box").unwrap(), Rights::ALL)];
    bob.home = VirtualPath::new(b"/in box").unwrap();
    edit::add(&path, &bob).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let commented = format!("# our people\n{}", fs::read_to_string(&path).unwrap());
    fs::write(&path, commented).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();

    edit::add(&path, &user("al \"the\" \\", None)).unwrap();
    assert!(matches!(edit::add(&path, &bob), Err(EditError::Exists(name)) if name == "bob"));
    let file = AccountsFile::load(&path).unwrap();
    assert_eq!(file.users.len(), 2);
    let read = &file.users["bob"];
    assert_eq!((read.rights, &read.rights_below, &read.home), (bob.rights, &bob.rights_below, &bob.home));
    assert_eq!(read.root, bob.root);
    assert_eq!(read.rights_by_path().on(&VirtualPath::new(b"/in box/x").unwrap()), Rights::ALL);

    edit::set_password(&path, "bob", &cheap(b"other")).unwrap();
    let file = AccountsFile::load(&path).unwrap();
    assert!(verifies(&file, "bob", b"other") && !verifies(&file, "bob", b"secret"));
    assert!(verifies(&file, "al \"the\" \\", b"secret"));
    assert!(matches!(edit::set_password(&path, "eve", &cheap(b"")), Err(EditError::Unknown(_))));

    edit::remove(&path, "al \"the\" \\").unwrap();
    assert!(matches!(edit::remove(&path, "eve"), Err(EditError::Unknown(_))));
    assert_eq!(AccountsFile::load(&path).unwrap().users.into_keys().collect::<Vec<_>>(), ["bob"]);
    assert!(fs::read_to_string(&path).unwrap().starts_with("# our people\n"));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left beside the file");
}

/// Also those on the line that changes.
#[test]
fn comments_survive() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("accounts.toml");
    let (old, new) = (cheap(b"secret"), cheap(b"other"));
    let text = |hash: &PasswordHash, quota: &str, files: &str| {
        format!(
            "# all\n[[user]] # bob\nname = \"bob\"\n# hashed\npassword = \"{}\" # his dog's\n{quota}{files}\n# end\n",
            hash.as_str()
        )
    };
    fs::write(&path, text(&old, "quota =  10 # as agreed\n", "quota_files = 7 # few\n")).unwrap();
    edit::set_password(&path, "bob", &new).unwrap();
    edit::set_limits(&path, "bob", Some(Some(1 << 20)), None).unwrap();
    let changed = text(&new, "quota =  \"1 MiB\" # as agreed\n", "quota_files = 7 # few\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), changed);
    edit::set_limits(&path, "bob", Some(None), Some(Some(8))).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), text(&new, "", "quota_files = 8 # few\n"));
}

#[test]
fn a_list_in_one_line_is_edited_too() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("accounts.toml");
    let one = format!("{{ name = \"bob\", password = \"{}\" }}", cheap(b"secret").as_str());
    fs::write(&path, format!("user = [ {one} ]\n")).unwrap();
    edit::add(&path, &user("eve", None)).unwrap();
    edit::set_password(&path, "bob", &cheap(b"other")).unwrap();
    edit::remove(&path, "eve").unwrap();
    let file = AccountsFile::load(&path).unwrap();
    assert!(file.users.len() == 1 && verifies(&file, "bob", b"other"));
}

#[test]
fn a_broken_file_is_not_touched() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("accounts.toml");
    fs::write(&path, "[[user]]\nname = 1\n").unwrap();
    assert!(matches!(edit::add(&path, &user("bob", None)), Err(EditError::File(_))));
    assert_eq!(fs::read_to_string(&path).unwrap(), "[[user]]\nname = 1\n");
    let missing = directory.path().join("missing.toml");
    assert!(matches!(edit::remove(&missing, "bob"), Err(EditError::File(_))));
}

#[test]
fn many_commands_at_once_lose_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("accounts.toml");
    std::thread::scope(|scope| {
        for number in 0..8 {
            let path = &path;
            scope.spawn(move || edit::add(path, &user(&format!("user{number}"), None)).unwrap());
        }
    });
    assert_eq!(AccountsFile::load(&path).unwrap().users.len(), 8);
}

#[test]
fn only_the_right_password_opens_the_own_tree() {
    let directory = tempfile::tempdir().unwrap();
    let (path, root) = (directory.path().join("accounts.toml"), directory.path().join("bob"));
    fs::create_dir(&root).unwrap();
    edit::add(&path, &user("bob", Some(&root))).unwrap();
    edit::add(&path, &user("eve", Some(&directory.path().join("gone")))).unwrap();
    let accounts = by_file(&path);

    let bob = accounts.authenticate(&credentials("bob", "secret")).unwrap();
    assert_eq!((bob.name.as_str(), bob.home.is_root()), ("bob", true));
    assert_eq!(bob.rights, RightsByPath::everywhere(Rights::READ_ONLY));
    for (name, password) in
        [("bob", "wrong"), ("bob", ""), ("nobody", "secret"), ("anonymous", "me@"), ("Bob", "secret")]
    {
        let refused = accounts.authenticate(&credentials(name, password));
        assert_eq!(refused.unwrap_err(), LoginError::Refused, "{name}");
    }
    let gone = accounts.authenticate(&credentials("eve", "secret")).unwrap_err();
    assert!(matches!(gone, LoginError::Unavailable(why) if why.ends_with("gone: No such file or directory")));
    let again = accounts.authenticate(&credentials("bob", "secret")).unwrap();
    assert!(Arc::ptr_eq(&bob.storage, &again.storage), "sessions of one account share the tree");
    assert!(accounts.warnings().iter().any(|warning| warning.contains("\"eve\"")));
}

#[test]
fn guests_and_the_single_user() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().to_owned();
    let guests = |writable| {
        let sources = Sources { anonymous: Some((root.clone(), writable)), ..Sources::default() };
        ServerAccounts::open(sources, Vec::new()).unwrap()
    };
    for name in ["anonymous", "ftp", "Anonymous", "FTP"] {
        let account = guests(false).authenticate(&credentials(name, "")).unwrap();
        assert_eq!(account.rights, RightsByPath::everywhere(Rights::READ_ONLY));
    }
    let rights = guests(true).authenticate(&credentials("ftp", "me@")).unwrap().rights;
    assert!(rights.anywhere(Rights::CREATE | Rights::MAKE_DIRECTORY));
    assert!(!rights.anywhere(Rights::OVERWRITE) && !rights.anywhere(Rights::DELETE));
    assert_eq!(guests(true).authenticate(&credentials("bob", "")).unwrap_err(), LoginError::Refused);

    let single = SingleUser { name: "bob".into(), password: "secret".into(), root: root.clone() };
    let accounts =
        ServerAccounts::open(Sources { single: Some(single), ..Sources::default() }, Vec::new()).unwrap();
    let account = accounts.authenticate(&credentials("bob", "secret")).unwrap();
    assert_eq!(account.rights, RightsByPath::everywhere(Rights::ALL));
    for (name, password) in [("bob", "Secret"), ("eve", "secret"), ("ftp", "")] {
        assert_eq!(accounts.authenticate(&credentials(name, password)).unwrap_err(), LoginError::Refused);
    }
}

#[test]
fn a_changed_file_counts_and_a_broken_one_does_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("accounts.toml");
    edit::add(&path, &user("bob", Some(directory.path()))).unwrap();
    let accounts = by_file(&path);
    let look_now = || {
        let long_ago = Instant::now().checked_sub(LOOK_AGAIN).unwrap();
        accounts.realms().find(None).unwrap().last_looked(long_ago);
    };
    edit::set_password(&path, "bob", &cheap(b"other")).unwrap();
    look_now();
    assert!(accounts.authenticate(&credentials("bob", "secret")).is_err());
    assert!(accounts.authenticate(&credentials("bob", "other")).is_ok());

    fs::write(&path, "[[user]]\n").unwrap();
    look_now();
    assert!(accounts.authenticate(&credentials("bob", "other")).is_ok());
    fs::remove_file(&path).unwrap();
    look_now();
    assert!(accounts.authenticate(&credentials("bob", "other")).is_ok());
    let sources = Sources { file: Some(path.clone()), ..Sources::default() };
    assert!(accounts.replace(sources, Vec::new()).is_err());
    assert!(accounts.authenticate(&credentials("bob", "other")).is_ok());
}

#[test]
fn what_is_missing_shows_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("accounts.toml");
    edit::add(&path, &user("bob", None)).unwrap();
    let refused = |sources| ServerAccounts::open(sources, Vec::new()).err().unwrap().to_string();
    let sources = Sources { file: Some(path.clone()), ..Sources::default() };
    assert_eq!(
        refused(sources),
        format!("{}: user \"bob\" has no root; write root = \"DIR\" there or below [server]", path.display())
    );
    let missing = directory.path().join("missing");
    let sources = Sources { anonymous: Some((missing.clone(), false)), ..Sources::default() };
    assert_eq!(refused(sources), format!("{}: No such file or directory", missing.display()));
}

#[test]
fn an_unknown_name_costs_as_much_as_a_wrong_password() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("accounts.toml");
    let hash = PasswordHash::of(b"secret").unwrap();
    let costly = User { password: Some(hash.clone()), ..user("bob", Some(directory.path())) };
    edit::add(&path, &costly).unwrap();
    let accounts = by_file(&path);
    // The least of some tries: what else runs on the machine only adds.
    let least = |name: &str| {
        let tries = (0..5).map(|_| {
            let begin = Instant::now();
            assert!(accounts.authenticate(&credentials(name, "wrong")).is_err());
            begin.elapsed()
        });
        tries.min().unwrap().as_secs_f64()
    };
    // A check of a hash takes thousands of times what a look into a map takes.
    assert!(least("nobody") > least("bob") / 10.0);
    let settings = |hash: &PasswordHash| hash.as_str().split('$').nth(3).map(str::to_owned);
    let realms = accounts.realms();
    assert_eq!(realms.find(None).unwrap().state().decoy().and_then(settings), settings(&hash));
}

#[test]
fn the_same_user_is_somebody_else_on_each_host() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let file = |name: &str, password: &[u8]| {
        let bob = User { password: Some(cheap(password)), ..user("bob", None) };
        edit::add(&path(name), &bob).unwrap();
        Sources { file: Some(path(name)), root: Some(directory.path().to_owned()), ..Sources::default() }
    };
    let (server, one, other) = (file("server", b"server"), file("one", b"one"), file("other", b"other"));
    let hosts = vec![("one.example".to_owned(), one), ("other.example".to_owned(), other)];
    let accounts = ServerAccounts::open(server.clone(), hosts.clone()).unwrap();
    let ask = |host: Option<&str>, password| {
        let host = host.map(str::to_owned);
        accounts.authenticate(&Credentials { host, ..credentials("bob", password) })
    };
    let all = [None, Some("one.example"), Some("other.example")];
    for (host, own) in all.into_iter().zip(["server", "one", "other"]) {
        for password in ["server", "one", "other"] {
            assert_eq!(ask(host, password).is_ok(), password == own, "{host:?} {password}");
        }
    }
    // What one of them began to upload is not the other's to go on with.
    let (one, other) = (ask(all[1], "one").unwrap(), ask(all[2], "other").unwrap());
    assert!(!Arc::ptr_eq(&one.storage, &other.storage));
    assert!(Arc::ptr_eq(&one.storage, &ask(all[1], "one").unwrap().storage));

    assert_eq!(ask(Some("gone.example"), "server").unwrap_err(), LoginError::Refused);
    assert_eq!((accounts.users(None), accounts.users(Some("gone.example"))), (Some(1), None));
    accounts.replace(server, hosts[..1].to_vec()).unwrap();
    assert!(ask(all[1], "one").is_ok());
    assert_eq!(ask(all[2], "other").unwrap_err(), LoginError::Refused);
    assert_eq!(ask(all[2], "server").unwrap_err(), LoginError::Refused);
}

#[test]
fn guests_of_one_host_are_none_on_another() {
    let directory = tempfile::tempdir().unwrap();
    let guests = Sources { anonymous: Some((directory.path().to_owned(), false)), ..Sources::default() };
    let hosts = vec![("open.example".to_owned(), guests), ("closed.example".to_owned(), Sources::default())];
    let accounts = ServerAccounts::open(Sources::default(), hosts).unwrap();
    for (host, enters) in [(None, false), (Some("open.example"), true), (Some("closed.example"), false)] {
        let host = host.map(str::to_owned);
        let answer = accounts.authenticate(&Credentials { host, ..credentials("ftp", "me@") });
        assert_eq!(answer.is_ok(), enters);
    }
}

#[test]
fn whoever_has_the_same_directory_has_the_same_ledger() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    std::fs::create_dir(&root).unwrap();
    std::fs::create_dir(directory.path().join("other")).unwrap();
    std::fs::write(root.join("old"), "12345").unwrap();
    let path = directory.path().join("accounts.toml");
    let limits = |bytes| Limits { bytes: Some(bytes), files: None };
    edit::add(&path, &User { limits: limits(10), ..user("anna", Some(&root)) }).unwrap();
    edit::add(&path, &User { limits: limits(2 << 20), ..user("bob", Some(&root)) }).unwrap();
    edit::add(&path, &user("eve", Some(&root))).unwrap();
    edit::add(&path, &user("else", Some(&directory.path().join("other")))).unwrap();
    let accounts = by_file(&path);
    let storage = |name| accounts.authenticate(&credentials(name, "secret")).unwrap().storage;
    let (anna, bob, eve) = (storage("anna"), storage("bob"), storage("eve"));
    let deadline = Instant::now() + Duration::from_secs(60);
    while anna.usage().unwrap().bytes.used.is_none() {
        assert!(Instant::now() < deadline, "never counted");
        std::thread::sleep(Duration::from_millis(1));
    }
    // Whoever has no limits counts, too, and is asked for none; nobody counts elsewhere.
    let new = VirtualPath::new(b"/new").unwrap();
    let mut file = eve.create(&new, Create::New).unwrap();
    file.write_at(0, &[b'x'; 100]).unwrap();
    file.finish(true).unwrap();
    let bytes = |storage: &dyn Storage| storage.usage().unwrap().bytes;
    assert_eq!(bytes(&*anna), Share { used: Some(105), limit: Some(10) });
    assert_eq!(bytes(&*bob), Share { used: Some(105), limit: Some(2 << 20) });
    let abilities = |storage: &dyn Storage| storage.abilities().contains(Abilities::QUOTA);
    assert_eq!((abilities(&*anna), abilities(&*eve), abilities(&*storage("else"))), (true, false, false));
    assert!(storage("else").usage().is_err());
    // It is kept while nobody is logged in, and a changed limit holds from the next login on.
    drop((anna, bob, eve));
    edit::set_limits(&path, "anna", Some(None), Some(Some(7))).unwrap();
    accounts.realms().find(None).unwrap().last_looked(Instant::now() - 2 * LOOK_AGAIN);
    let usage = storage("anna").usage().unwrap();
    assert_eq!(usage.bytes, Share { used: Some(105), limit: None });
    assert_eq!(usage.files, Share { used: Some(2), limit: Some(7) });
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("quota = \"2 MiB\"") && text.contains("quota_files = 7"), "{text}");
}

/// Another path to the directory, another host's users, and a time without any limits: what is stored counts.
#[test]
fn a_directory_that_was_counted_once_is_counted_whoever_comes() {
    let directory = tempfile::tempdir().unwrap();
    let (root, link) = (directory.path().join("root"), directory.path().join("link"));
    std::fs::create_dir(&root).unwrap();
    std::os::unix::fs::symlink(&root, &link).unwrap();
    let (path, of_host) = (directory.path().join("accounts.toml"), directory.path().join("host.toml"));
    let limits = Limits { bytes: Some(1_000), files: None };
    edit::add(&path, &User { limits, ..user("anna", Some(&root)) }).unwrap();
    edit::add(&path, &user("bob", Some(&link))).unwrap();
    edit::add(&of_host, &user("eve", Some(&root))).unwrap();
    let of_host = Sources { file: Some(of_host), ..Sources::default() };
    let sources = Sources { file: Some(path.clone()), ..Sources::default() };
    let accounts = ServerAccounts::open(sources, vec![("host.example".to_owned(), of_host)]).unwrap();
    let login = |host: Option<&str>, name| {
        accounts.realms().find(None).unwrap().last_looked(Instant::now() - 2 * LOOK_AGAIN);
        let credentials = Credentials { host: host.map(str::to_owned), ..credentials(name, "secret") };
        accounts.authenticate(&credentials).unwrap().storage
    };
    let used = || login(None, "anna").usage().unwrap().bytes.used;
    let deadline = Instant::now() + Duration::from_secs(60);
    while used().is_none() {
        assert!(Instant::now() < deadline, "never counted");
        std::thread::sleep(Duration::from_millis(1));
    }
    let store = |storage: Arc<dyn Storage>, name: &[u8]| {
        let mut file = storage.create(&VirtualPath::new(name).unwrap(), Create::New).unwrap();
        file.write_at(0, &[b'x'; 100]).unwrap();
        file.finish(true).unwrap();
    };
    store(login(None, "bob"), b"/by-bob");
    assert_eq!(used(), Some(100));
    store(login(Some("host.example"), "eve"), b"/by-eve");
    assert_eq!(used(), Some(200));
    let share = |used, limit| Share { used: Some(used), limit };
    let usage = Usage { bytes: share(200, limits.bytes), files: share(2, None) };
    assert_eq!(accounts.quotas(), [QuotaUse { user: "anna".to_owned(), host: None, usage }]);
    edit::set_limits(&path, "anna", Some(None), None).unwrap();
    store(login(None, "anna"), b"/by-anna");
    assert_eq!(accounts.quotas(), []);
    edit::set_limits(&path, "anna", Some(limits.bytes), None).unwrap();
    assert_eq!(used(), Some(300));
}

/// Their tree is open from the start, when nobody else in their directory has limits.
#[test]
fn what_guests_store_counts_when_somebody_is_given_a_quota() {
    let directory = tempfile::tempdir().unwrap();
    let (root, file) = (directory.path().join("root"), directory.path().join("accounts.toml"));
    std::fs::create_dir(&root).unwrap();
    edit::add(&file, &user("anna", Some(&root))).unwrap();
    let sources = Sources { file: Some(file.clone()), anonymous: Some((root, true)), ..Sources::default() };
    let accounts = ServerAccounts::open(sources, Vec::new()).unwrap();
    let login = |name| {
        accounts.realms().find(None).unwrap().last_looked(Instant::now() - 2 * LOOK_AGAIN);
        accounts.authenticate(&credentials(name, "secret")).unwrap().storage
    };
    assert!(login("ftp").usage().is_err());
    edit::set_limits(&file, "anna", Some(Some(1_000)), None).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while login("anna").usage().unwrap().bytes.used.is_none() {
        assert!(Instant::now() < deadline, "never counted");
        std::thread::sleep(Duration::from_millis(1));
    }
    let mut file = login("ftp").create(&VirtualPath::new(b"/a").unwrap(), Create::New).unwrap();
    file.write_at(0, &[b'x'; 100]).unwrap();
    file.finish(true).unwrap();
    assert_eq!(login("anna").usage().unwrap().bytes.used, Some(100));
}

#[test]
fn guests_have_a_quota_together() {
    let directory = tempfile::tempdir().unwrap();
    let sources = Sources {
        anonymous: Some((directory.path().to_owned(), true)),
        anonymous_limits: Limits { bytes: Some(10), files: None },
        ..Sources::default()
    };
    let accounts = ServerAccounts::open(sources, Vec::new()).unwrap();
    let guest = |name| accounts.authenticate(&credentials(name, "me@")).unwrap().storage;
    let path = |name: &[u8]| VirtualPath::new(name).unwrap();
    let mut file = guest("ftp").create(&path(b"/a"), Create::New).unwrap();
    file.write_at(0, b"123456").unwrap();
    let mut other = guest("anonymous").create(&path(b"/b"), Create::New).unwrap();
    assert!(other.write_at(0, b"12345").is_err());
    assert!(other.write_at(0, b"1234").is_ok());
}
