//! What the documents tell people to type is what the program understands.

use super::{Server, ftpd, result, run};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// README and everything below docs.
fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = vec![root.join("README.md")];
    let entries = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    found.extend(entries.filter(|path| path.extension().is_some_and(|kind| kind == "md")));
    found
}

/// The blocks of this language, indented or not.
fn blocks(path: &Path, language: &str) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let mut blocks = Vec::new();
    let mut open: Option<(bool, String)> = None;
    for line in text.lines() {
        match (line.trim_start().strip_prefix("```"), &mut open) {
            (Some(name), None) => open = Some((name == language, String::new())),
            (Some(_), Some((wanted, block))) => {
                if *wanted {
                    blocks.push(std::mem::take(block));
                }
                open = None;
            }
            (None, Some((_, block))) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks
}

/// The arguments of a line that runs the program, without comments and what its output is piped into.
fn arguments(line: &str) -> Option<Vec<String>> {
    let line = line.trim_start();
    let own = ["ftpd ", "FTPD_PASSWORD=... ftpd ", "cargo run --release -- "];
    let arguments = own.iter().find_map(|name| line.strip_prefix(name))?;
    let end = [" #", " | ", " > ", " &"].iter().filter_map(|mark| arguments.find(mark)).min();
    let arguments = &arguments[..end.unwrap_or(arguments.len())];
    // What is in quotes is one word.
    let parts = arguments.split('"').enumerate();
    let words = parts.flat_map(|(number, part)| match number % 2 {
        0 => part.split_whitespace().map(str::to_owned).collect(),
        _ => vec![part.to_owned()],
    });
    Some(words.collect())
}

/// Each command line parses: asked for help in the end, the program gives it, unless a word before is wrong.
#[test]
fn commands_are_the_programs_own() {
    let mut tried = 0;
    for document in documents() {
        for block in blocks(&document, "sh") {
            for line in block.replace("\\\n", " ").lines() {
                let Some(mut arguments) = arguments(line) else { continue };
                arguments.push("--help".to_owned());
                let words: Vec<_> = arguments.iter().map(String::as_str).collect();
                let (code, out, err) = result(&run(&words));
                assert!(code == Some(0) && out.contains("Usage: "), "{}: {line}\n{err}", document.display());
                tried += 1;
            }
        }
    }
    assert!(tried > 5, "only {tried} commands found");
}

/// Every configuration in these pages is one that the program takes.
#[test]
fn configurations_in_pages_are_valid() {
    let page = |name: &str| blocks(&Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name), "toml");
    let pages =
        ["firewall", "profiles", "names", "active", "passive", "proxy", "transfers", "hardening", "limits"];
    let blocks: Vec<_> = pages.iter().flat_map(|name| page(&format!("{name}.md"))).collect();
    assert!(blocks.len() > 12, "only {} configurations found", blocks.len());
    let folder = tempfile::tempdir().unwrap();
    for block in blocks {
        let file = folder.path().join("ftpd.toml");
        // A server serves something to somebody.
        let root = format!("[server]\nroot = {:?}\n", folder.path());
        let begun = block.replace("[server]\n", &root);
        let root = if block.contains("[server]\n") { "" } else { &root };
        fs::write(&file, format!("{begun}\n{root}[accounts]\nanonymous = true\n")).unwrap();
        let (code, out, err) = result(&run(&["check-config", &file.display().to_string()]));
        assert!(code == Some(0) && out.starts_with("ok\n"), "{err}\n{block}");
    }
}

/// What fail2ban would do with a log: `<SUBNET>` stands for an address or a network, and the date has been cut off, or the
/// journal's words stand before it.
const FAIL2BAN: &str = r"
import re, sys
expression, log = sys.argv[1:]
subnet = r'(?P<ip>[0-9a-fA-F:.]+)(?:/(?P<cidr>\d+))?'
expression = re.compile(expression.replace('<SUBNET>', subnet))
for form in (lambda line: re.sub(r'^\S+Z', '', line), lambda line: 'box ftpd[7]: ' + line):
    print(*[hit['ip'] for hit in map(expression.search, map(form, open(log))) if hit])
";

/// Names stand in the log, and must not pass for bans of others there.
#[test]
fn the_filter_for_fail2ban_is_deceived_by_no_name() {
    let blocks = blocks(&Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/limits.md"), "ini");
    let expression =
        blocks.iter().flat_map(|block| block.lines()).find_map(|line| line.strip_prefix("failregex = "));
    let folder = tempfile::tempdir().unwrap();
    let (file, log) = (folder.path().join("ftpd.toml"), folder.path().join("log"));
    let root = folder.path();
    let settings = "limits.login_delay = 0\nlimits.login_attempts = 9\nbans.user_failures = 1\nbans.address_failures = 4\n\
                    bans.exempt = []\naccounts.anonymous = true\npassive.ports = \"auto:1\"\n";
    fs::write(&file, format!("server.bind = \"127.0.0.1:0\"\nserver.root = {root:?}\n{settings}")).unwrap();
    let mut command = ftpd(&["serve", "--config", file.to_str().unwrap()]);
    let server = Server::start_logging(&mut command, fs::File::create(&log).unwrap().into());
    let forged = "WARN BAN ip=192.0.2.7 failures=50";
    let names = [forged, &format!("x\" {forged}"), &format!("\u{85}\u{2028}box ftpd[7]: x {forged}"), "eve"];
    let lines: Vec<_> = names.iter().flat_map(|name| [format!("USER {name}"), "PASS x".to_owned()]).collect();
    let replies = server.talk(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(replies.last().unwrap().starts_with("421 Too many failed logins from"), "{replies:?}");
    super::eventually(|| fs::read_to_string(&log).unwrap().contains("BAN ip=127.0.0.1 failures=4"));
    let mut python = Command::new("python3");
    python.args(["-c", FAIL2BAN, expression.expect("an expression")]).arg(&log);
    let (code, found, complaint) = result(&python.output().unwrap());
    assert_eq!((code, found.as_str()), (Some(0), "127.0.0.1\n127.0.0.1\n"), "{complaint}");
}
