//! Links that lead in circles or outside, and directories that become such links while something is done in them.

use crate::client::Client;
use crate::dice::pattern;
use crate::server::{Runtime, Server};
use crate::watch::Watch;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::Ipv4Addr;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

on_both_runtimes!(
    links_in_circles_and_to_the_outside_lead_nowhere,
    a_directory_that_becomes_a_link_never_leads_outside,
    a_directory_replaced_under_an_upload_keeps_the_upload_inside,
);

/// What nobody must ever see.
const SECRET: &[u8] = b"SECRET-OF-THE-OUTSIDE";
const HIDDEN_NAME: &str = "name-of-the-outside";

/// A folder beside the served one, with something in it.
fn outside(server: &Server) -> PathBuf {
    let folder = server.folder().join("outside");
    fs::create_dir_all(folder.join("below")).unwrap();
    for name in ["file", HIDDEN_NAME, "below/file"] {
        fs::write(folder.join(name), SECRET).unwrap();
    }
    folder
}

/// All that can be told of a tree: names, contents, modes, times.
fn picture(folder: &Path) -> Vec<(PathBuf, Vec<u8>, u32, i64, i64)> {
    let mut all = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let facts = fs::symlink_metadata(&path).unwrap();
            let content = if facts.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
            if facts.is_dir() {
                folders.push(path.clone());
            }
            all.push((path, content, facts.mode(), facts.mtime(), facts.mtime_nsec()));
        }
    }
    all.sort();
    all
}

fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

fn links_in_circles_and_to_the_outside_lead_nowhere(runtime: Runtime) {
    let server = Server::start(runtime);
    let outside = outside(&server);
    let before = picture(&outside);
    fs::create_dir_all(server.path("a/b/c")).unwrap();
    symlink("../..", server.path("a/b/up")).unwrap();
    symlink("/", server.path("a/top")).unwrap();
    symlink("itself", server.path("itself")).unwrap();
    symlink("pong", server.path("ping")).unwrap();
    symlink("ping", server.path("pong")).unwrap();
    symlink(&outside, server.path("absolute")).unwrap();
    symlink("../outside", server.path("relative")).unwrap();
    symlink("../../../../../../../../../..", server.path("a/far-up")).unwrap();
    symlink("/proc/self/root", server.path("magic")).unwrap();
    symlink("/proc/self/cwd", server.path("magic-too")).unwrap();
    let watch = Watch::begin(&server);
    let mut client = server.login();
    let begin = Instant::now();
    for line in
        ["LIST -R", "LIST -LR", "NLST -R", "LIST */*/*/*/*/*", "MLSD", "NLST absolute/*", "LIST relative/*"]
    {
        let data = client.try_dial().unwrap();
        if client.command(line).0 == 150 {
            let (mut data, mut bytes) = (data, Vec::new());
            data.read_to_end(&mut bytes).unwrap();
            assert!(!holds(&bytes, HIDDEN_NAME.as_bytes()), "{line} shows the outside");
            client.reply().unwrap();
        }
    }
    assert!(begin.elapsed() < Duration::from_secs(15), "circles have an end: {:?}", begin.elapsed());
    // Nothing is removed or made beyond what is known to be outside, should a server let that happen.
    let (files, folders) = (["SIZE", "MDTM", "MLST"], ["CWD", "MLST"]);
    let changes = ["DELE", "RNFR", "MFMT 20200101000000", "SITE CHMOD 777"];
    for (lines, names) in [
        (&files[..], &["itself/x", "ping/x", "absolute/file", "relative/file"][..]),
        (&files, &["magic/etc/passwd", "magic-too/Cargo.toml", "a/far-up/etc/passwd"]),
        (&folders, &["itself/x", "ping/x", "absolute/below", "relative/below", "magic/etc", "a/far-up/etc"]),
        (&changes, &["itself/x", "ping/x", "absolute/file", "relative/file"]),
        (&["RMD", "RNFR", "SITE RMDIR"], &["absolute/below", "relative/below"]),
        (&["MKD", "SITE MKDIR"], &["itself/x", "ping/x", "absolute/made", "relative/made"]),
    ] {
        for name in names {
            for line in lines {
                let (code, text) = client.command(&format!("{line} {name}"));
                assert!(code >= 400, "{line} {name}: {text}");
            }
        }
    }
    // (An upload may take the place of a link that leads nowhere.)
    for (lines, names) in [
        (&["RETR"][..], &["itself", "ping", "magic/etc/passwd", "a/far-up/etc/passwd"][..]),
        (&["RETR", "STOR", "APPE"], &["absolute/file", "relative/file"]),
    ] {
        for (line, name) in lines.iter().flat_map(|line| names.iter().map(move |name| (line, name))) {
            let _data = client.try_dial().unwrap();
            let (code, text) = client.command(&format!("{line} {name}"));
            assert!(code >= 400, "{line} {name}: {text}");
        }
    }
    assert_eq!(picture(&outside), before);
    drop(client);
    watch.end(&server);
}

/// Makes a name a directory and a link to the outside in turn, as fast as it goes, as long as something else is done.
/// Each change is one step of the kernel's, so that the name is always there.
fn flip_while(server: &Server, target: &Path, work: impl FnOnce()) -> u64 {
    fs::create_dir(server.path("spot")).unwrap();
    symlink(target, server.path("link")).unwrap();
    let (over, count) = (AtomicBool::new(false), AtomicU64::new(0));
    let (spot, link) = (server.path("spot"), server.path("link"));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut rest = 0_u32;
            while !over.load(Ordering::SeqCst) {
                renameat_with(CWD, &spot, CWD, &link, RenameFlags::EXCHANGE).unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                // Not always in step with the server.
                rest = rest.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                std::thread::sleep(Duration::from_micros(u64::from(rest >> 25)));
            }
        });
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        over.store(true, Ordering::SeqCst);
        result.unwrap();
    });
    count.load(Ordering::SeqCst)
}

/// What works in the directory and must not through the link.
const LINES: &[&str] = &[
    "SIZE spot/file",
    "MDTM spot/file",
    "CWD spot",
    "CWD /",
    "MKD spot/made",
    "RMD spot/made",
    "DELE spot/stored",
    "SITE CHMOD 640 spot/file",
    "MFMT 20200101000000 spot/file",
    "RNFR spot/stored",
    "RNTO spot/renamed",
    "RNFR spot/renamed",
    "RNTO stored-here",
    "RNFR stored-here",
    "RNTO spot/stored",
    "DELE spot/renamed",
    "SITE COPY",
    "MLST spot/file",
    "STAT spot",
    "XCRC spot/file",
    "SITE RMDIR spot/made",
    "DELE spot/file",
];

fn a_directory_that_becomes_a_link_never_leads_outside(runtime: Runtime) {
    let server = Server::start(runtime);
    let outside = outside(&server);
    let watch = Watch::begin(&server);
    let before = picture(&outside);
    for target in [outside.clone(), PathBuf::from("../outside")] {
        let (read, refused, listed) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        let flips = flip_while(&server, &target, || {
            let begin = Instant::now();
            // On a busy machine it takes longer until enough has happened.
            let goes_on = || {
                let is_enough =
                    [&read, &refused, &listed].into_iter().all(|count| count.load(Ordering::SeqCst) > 10);
                begin.elapsed() < Duration::from_secs_f64(if is_enough { 2.5 } else { 60.0 })
            };
            let workers: [&(dyn Fn(&mut Client) + Sync); 4] = [
                &|client| {
                    let data = client.try_dial().unwrap();
                    if client.command("RETR spot/file").0 == 150 {
                        let (mut data, mut bytes) = (data, Vec::new());
                        data.read_to_end(&mut bytes).unwrap();
                        assert!(!holds(&bytes, SECRET), "the outside was read");
                        client.reply().unwrap();
                        read.fetch_add(1, Ordering::SeqCst);
                    } else {
                        refused.fetch_add(1, Ordering::SeqCst);
                    }
                },
                &|client| {
                    for line in ["LIST spot", "MLSD spot", "LIST -R", "NLST spot/*"] {
                        let data = client.try_dial().unwrap();
                        if client.command(line).0 == 150 {
                            let (mut data, mut bytes) = (data, Vec::new());
                            data.read_to_end(&mut bytes).unwrap();
                            assert!(!holds(&bytes, HIDDEN_NAME.as_bytes()), "the outside was listed");
                            client.reply().unwrap();
                            listed.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                },
                &|client| {
                    for name in ["spot/file", "spot/stored", "stored-here"] {
                        let data = client.try_dial().unwrap();
                        if client.command(&format!("STOR {name}")).0 == 150 {
                            (&data).write_all(b"from inside").unwrap();
                            drop(data);
                            client.reply().unwrap();
                        }
                    }
                },
                &|client| {
                    for line in LINES {
                        let (code, text) = client.command(line);
                        assert!(!text.contains(HIDDEN_NAME), "{line}: {text}");
                        // A digest says that the work has begun.
                        if code == 150 {
                            client.reply().unwrap();
                        }
                    }
                    client.expect("CWD /", 250);
                },
            ];
            std::thread::scope(|scope| {
                for work in workers {
                    let (address, goes_on) = (server.address, &goes_on);
                    scope.spawn(move || {
                        let mut client = Client::login_from(Ipv4Addr::LOCALHOST, address);
                        while goes_on() {
                            work(&mut client);
                        }
                    });
                }
            });
        });
        assert!(flips > 1_000, "it was to be flipped thousands of times, not {flips}");
        let (read, refused) = (read.into_inner(), refused.into_inner());
        assert!(read > 10 && refused > 10 && listed.into_inner() > 10, "{read} read, {refused} refused");
        let _ = (fs::remove_dir_all(server.path("spot")), fs::remove_dir_all(server.path("link")));
        let _ = (fs::remove_file(server.path("spot")), fs::remove_file(server.path("link")));
        assert!(picture(&outside) == before, "the outside was changed");
    }
    watch.end(&server);
}

/// The bytes stay with the directory that the upload began in, whatever its name stands for meanwhile.
fn a_directory_replaced_under_an_upload_keeps_the_upload_inside(runtime: Runtime) {
    let server = Server::start(runtime);
    let outside = outside(&server);
    let watch = Watch::begin(&server);
    let before = picture(&outside);
    let content = pattern(7, 200_000);
    let stored = AtomicU64::new(0);
    let flips = flip_while(&server, &outside, || {
        let until = Instant::now() + Duration::from_secs(3);
        std::thread::scope(|scope| {
            for secure in [false, false, true] {
                let (server, content, stored) = (&server, &content, &stored);
                scope.spawn(move || {
                    let mut client = Client::login_somehow(server.address, secure);
                    let mut number = 0;
                    while Instant::now() < until {
                        number += 1;
                        let name = format!("spot/upload-{secure}-{:?}-{number}", std::thread::current().id());
                        let data = client.try_dial().unwrap();
                        if client.command(&format!("STOR {name}")).0 != 150 {
                            continue;
                        }
                        let mut data = client.secure(data).unwrap();
                        for piece in content.chunks(50_000) {
                            data.write_all(piece).unwrap();
                            std::thread::sleep(Duration::from_millis(1));
                        }
                        data.finish().unwrap();
                        client.expect_reply("STOR", 226);
                        stored.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
    });
    assert!(flips > 1_000, "it was to be flipped thousands of times, not {flips}");
    assert!(picture(&outside) == before, "the outside was changed");
    let kept = ["spot", "link"].map(|name| server.path(name));
    let real = kept.iter().find(|path| !fs::symlink_metadata(path).unwrap().is_symlink()).unwrap();
    let uploads: Vec<_> = fs::read_dir(real).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(uploads.len() as u64 == stored.into_inner() && uploads.len() > 10, "{} uploads", uploads.len());
    assert!(uploads.iter().all(|path| fs::read(path).unwrap() == content));
    watch.end(&server);
}
