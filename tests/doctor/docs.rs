//! docs/doctor.md is made of the catalogue; UPDATE=1 writes it anew.

use ftpd::doctor::catalogue::ALL;
use ftpd::doctor::finding::Group;
use std::fmt::Write as _;
use std::path::Path;

const INTRODUCTION: &str = "\
# ftpd doctor

Finds out what is wrong with a set-up before users do. (This page is made from the table of findings in the code.)

```sh
ftpd doctor --config ftpd.toml                    # look at everything the file names, and try the running server
FTPD_PASSWORD=... ftpd doctor --config ftpd.toml --user NAME       # the same with uploads and downloads
ftpd doctor --from ftp.example.org:21             # on a machine outside: what do users meet?
```

Each finding is one line: how bad it is, a sentence with the facts of your machine, and its name in brackets, which
stays the same for scripts; what to write or run stands beneath. `--json` prints the same for programs. The exit
code is 0 if users are well served (notes are allowed), 1 with warnings, 2 with errors. A wrong command line ends with 2
and a line on standard error as well, as with every `ftpd` command.

**With `--config`** nothing is changed. Run it as root, or as the user whom the server runs as: others are not shown
who holds a port. If the server runs, it is tried on all its listeners, by an address of its own and by the external
one: login, listings by PASV and EPSV, and for a user with the rights for it upload, download and removal of a file
`ftpd-doctor-….tmp`. Without TLS a password goes to addresses of this machine alone, and there only to the server itself:
never to another program on its port, nor where the system doesn't tell whose the port is. `--no-live` only looks. That
the external address can't be reached from inside is a warning alone: many routers don't turn connections around.

**With `--from`** any FTP server is tried as its users reach it: greeting, TLS, certificate, login, and several listings,
so that more than one port of the passive range is seen. Without `--user` that is done as a guest. `--upload` also
uploads a file and removes it. A password is sent under TLS only, and only to a server whose certificate this system
trusts; `--ca FILE` names a further authority, `--insecure` goes on without, and `--tls none` sends it in the clear.
If nothing comes through under TLS, guests are tried once more without, for comparison; `--also-clear` does that for
users.
";

fn made() -> String {
    let mut text = INTRODUCTION.to_owned();
    for group in Group::ALL {
        write!(
            text,
            "\n## {}\n\n| finding | severity | meaning | what helps |\n| --- | --- | --- | --- |\n",
            group.name()
        )
        .unwrap();
        for kind in ALL.iter().filter(|kind| kind.group == group) {
            let remedy = if kind.remedy.is_empty() { "-" } else { kind.remedy };
            writeln!(text, "| `{}` | {} | {} | {remedy} |", kind.id, kind.severity.name(), kind.meaning)
                .unwrap();
        }
    }
    text
}

#[test]
fn the_page_has_every_finding() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/doctor.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&file, made()).unwrap();
    }
    let found = std::fs::read_to_string(file).unwrap_or_default();
    assert!(found == made(), "docs/doctor.md: run this test with UPDATE=1");
}
