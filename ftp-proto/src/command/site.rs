//! SITE: the table of its own commands, and what they do that no other command does.

use super::args::{Arg, resolved};
use super::{files, information, own, split, trees};
use crate::account::Rights;
use crate::config::Config;
use crate::event::FileJob;
use crate::host::Abilities;
use crate::listing::ListStyle;
use crate::path::VirtualPath;
use crate::reply::Reply;
use crate::session::{Reaction, Session, Turn};
use crate::time::CivilTime;
use alloc::format;
use alloc::vec::Vec;

const DENIED: Reply = Reply::new(550, "Permission denied.");

/// One row of the table.
pub struct SiteCommand {
    /// The word behind SITE, in capitals.
    pub name: &'static str,
    /// What may follow it.
    pub help: &'static str,
    /// The rights without which it can't work anywhere.
    pub needs: Rights,
    /// Whether it needs them on every path, since it has none of its own.
    pub everywhere: bool,
    /// What the storage must be able to do.
    pub able: Abilities,
    /// Whether the settings allow it.
    pub(crate) allowed: fn(&Config) -> bool,
    /// Legal lines.
    pub samples: &'static [&'static str],
    run: fn(&mut Turn<'_>, &[u8]) -> Reaction,
}

const PLAIN: SiteCommand = SiteCommand {
    name: "",
    help: "",
    needs: Rights::NONE,
    everywhere: false,
    able: Abilities::NONE,
    allowed: |_| true,
    samples: &[],
    run: help,
};

/// All of them, in alphabetical order. CHMOD, IDLE, UMASK, UTIME, WHO and HELP are common practice, COPY, CPFR, CPTO,
/// MKDIR, QUOTA, RMDIR and SYMLINK those of ProFTPD, DIRSTYLE that of IIS, STAT of the RFC's own word for it.
pub static SITE: &[SiteCommand] = &[
    SiteCommand {
        name: "CHMOD",
        help: "<mode> <path>",
        needs: Rights::ATTRIBUTES,
        able: Abilities::SET_PERMISSIONS,
        samples: &["SITE CHMOD 644 a.txt"],
        run: files::chmod,
        ..PLAIN
    },
    SiteCommand {
        name: "COPY",
        help: "<path> <new path>",
        needs: COPY,
        samples: &["SITE COPY a.txt b.txt", "SITE COPY \"a b\" \"c d\""],
        run: trees::copy,
        ..PLAIN
    },
    SiteCommand {
        name: "CPFR",
        help: "<path>",
        needs: COPY,
        samples: &["SITE CPFR a.txt"],
        run: trees::copy_from,
        ..PLAIN
    },
    SiteCommand {
        name: "CPTO",
        help: "<new path>",
        needs: COPY,
        samples: &["SITE CPTO b.txt"],
        run: trees::copy_to,
        ..PLAIN
    },
    SiteCommand { name: "DIRSTYLE", samples: &["SITE DIRSTYLE"], run: directory_style, ..PLAIN },
    SiteCommand { name: "HELP", samples: &["SITE HELP"], ..PLAIN },
    SiteCommand {
        name: "IDLE",
        help: "[<seconds>]",
        samples: &["SITE IDLE", "SITE IDLE 120"],
        run: own::idle,
        ..PLAIN
    },
    SiteCommand {
        name: "MKDIR",
        help: "<path>",
        needs: Rights::MAKE_DIRECTORY,
        samples: &["SITE MKDIR new"],
        run: |turn, argument| with_path(turn, "MKDIR", argument, Rights::MAKE_DIRECTORY, files::mkd),
        ..PLAIN
    },
    SiteCommand {
        name: "QUOTA",
        needs: Rights::CREATE,
        able: Abilities::QUOTA,
        samples: &["SITE QUOTA"],
        run: own::quota,
        ..PLAIN
    },
    SiteCommand {
        name: "RMDIR",
        help: "<path>",
        needs: Rights::REMOVE_DIRECTORY,
        samples: &["SITE RMDIR old"],
        run: |turn, argument| with_path(turn, "RMDIR", argument, Rights::REMOVE_DIRECTORY, files::rmd),
        ..PLAIN
    },
    SiteCommand { name: "STAT", samples: &["SITE STAT"], run: stat, ..PLAIN },
    SiteCommand {
        name: "SYMLINK",
        help: "<path> <link>",
        needs: COPY,
        everywhere: true,
        able: Abilities::SYMLINK,
        allowed: |config| config.symlinks,
        samples: &["SITE SYMLINK a.txt b.txt", "SITE SYMLINK \"a b\" \"c d\""],
        run: trees::symlink,
    },
    SiteCommand {
        name: "UMASK",
        help: "[<octal bits that new files don't get>]",
        needs: Rights::ATTRIBUTES,
        everywhere: true,
        able: Abilities::UMASK,
        samples: &["SITE UMASK", "SITE UMASK 027"],
        run: own::umask,
        ..PLAIN
    },
    SiteCommand {
        name: "UTIME",
        help: "<YYYYMMDDhhmm[ss]> <path>, or <path> and thrice <YYYYMMDDhhmmss>, then UTC",
        needs: Rights::ATTRIBUTES,
        samples: &["SITE UTIME 202611251000 a.txt", UTIME_OF_PROFTPD],
        run: utime,
        ..PLAIN
    },
    SiteCommand { name: "WHO", samples: &["SITE WHO"], run: own::who, ..PLAIN },
];

const COPY: Rights = Rights::READ.with(Rights::CREATE);
const UTIME_OF_PROFTPD: &str = "SITE UTIME a.txt 20261125100000 20261125100000 20261125100000 UTC";

/// The row of a word behind SITE, in any case.
pub fn find(name: &[u8]) -> Option<&'static SiteCommand> {
    SITE.iter().find(|row| row.name.as_bytes().eq_ignore_ascii_case(name))
}

/// Whether it can work in this session.
fn is_offered(session: &Session, row: &SiteCommand) -> bool {
    (row.allowed)(&session.config)
        && session.login.account().is_some_and(|account| {
            let rights = &account.rights;
            let has = if row.everywhere {
                rights.throughout(&VirtualPath::root(), row.needs)
            } else {
                rights.anywhere(row.needs)
            };
            has && account.storage.abilities().contains(row.able)
        })
}

// req: 959-4.1.3-site
pub(super) fn site(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let Arg::Text(text) = arg else { return Reaction::Silent };
    let (name, argument) = split(text);
    let Some(row) = find(name) else {
        return Reply::new(504, "There is no such SITE command here.").into();
    };
    if !is_offered(turn.session, row) {
        return DENIED.into();
    }
    (row.run)(turn, argument.unwrap_or_default())
}

/// 501 with the syntax.
pub(super) fn usage(name: &str) -> Reaction {
    let help = find(name.as_bytes()).map_or("", |row| row.help);
    Reply::with(501, format!("The argument is wrong; the syntax is SITE {name} {help}")).into()
}

fn help(turn: &mut Turn<'_>, _: &[u8]) -> Reaction {
    let offered = SITE.iter().filter(|row| is_offered(turn.session, row));
    let lines = offered.map(|row| format!("SITE {} {}", row.name, row.help).trim_end().as_bytes().to_vec());
    Reply::block(214, &b"SITE commands:"[..], lines.collect(), "End.").into()
}

/// As on IIS: from the one form of LIST to the other, for this session.
fn directory_style(turn: &mut Turn<'_>, argument: &[u8]) -> Reaction {
    if !argument.trim_ascii().is_empty() {
        return usage("DIRSTYLE");
    }
    let (style, words) = match turn.session.list_style() {
        ListStyle::Unix => (ListStyle::Dos, "LIST looks like DIR now, as on Windows."),
        ListStyle::Dos => (ListStyle::Unix, "LIST looks like ls -l now, as on Unix."),
    };
    turn.session.modes.list_style = Some(style);
    Reply::new(200, words).into()
}

fn stat(turn: &mut Turn<'_>, _: &[u8]) -> Reaction {
    information::status(turn.session).into()
}

/// The same as another command.
fn with_path(
    turn: &mut Turn<'_>,
    name: &str,
    argument: &[u8],
    needs: Rights,
    run: fn(&mut Turn<'_>, Arg<'_>) -> Reaction,
) -> Reaction {
    if argument.is_empty() {
        return usage(name);
    }
    match resolved(&turn.session.modes.directory, argument) {
        Ok(path) if turn.may(&path, needs) => run(turn, Arg::Path(path)),
        Ok(_) => DENIED.into(),
        Err(reply) => reply.into(),
    }
}

/// The time of last modification, in either of the forms that clients know.
fn utime(turn: &mut Turn<'_>, argument: &[u8]) -> Reaction {
    let Some((time, name)) = time_first(argument).or_else(|| time_behind(argument)) else {
        return usage("UTIME");
    };
    let path: VirtualPath = match resolved(&turn.session.modes.directory, name) {
        Ok(path) => path,
        Err(reply) => return reply.into(),
    };
    if !turn.may(&path, Rights::ATTRIBUTES) {
        return DENIED.into();
    }
    turn.change("SITE UTIME", path, Reply::new(200, "The time is changed."), |path| {
        FileJob::SetModified(path, time.to_unix())
    })
}

/// `YYYYMMDDhhmm[ss] path`
fn time_first(argument: &[u8]) -> Option<(CivilTime, &[u8])> {
    let (time, name) = split(argument);
    let name = name.filter(|name| !name.is_empty())?;
    let time = if time.len() == 12 { [time, b"00"].concat() } else { time.to_vec() };
    Some((CivilTime::parse(&time)?, name))
}

/// `path YYYYMMDDhhmmss YYYYMMDDhhmmss YYYYMMDDhhmmss UTC`: of access, of modification, of creation.
fn time_behind(argument: &[u8]) -> Option<(CivilTime, &[u8])> {
    let words: Vec<&[u8]> = argument.rsplitn(5, |&byte| byte == b' ').collect();
    let [zone, created, modified, read, name] = words.as_slice() else { return None };
    let is_whole = zone.eq_ignore_ascii_case(b"UTC")
        && [created, read].into_iter().all(|time| CivilTime::parse(time).is_some())
        && !name.is_empty();
    is_whole.then(|| CivilTime::parse(modified)).flatten().map(|time| (time, *name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_in_order_and_found_by_their_samples() {
        assert!(SITE.is_sorted_by(|a, b| a.name < b.name));
        for row in SITE {
            assert!(!row.samples.is_empty(), "{}", row.name);
            for sample in row.samples {
                let name = split(sample.strip_prefix("SITE ").unwrap().as_bytes()).0;
                assert!(core::ptr::eq(find(name).unwrap(), row), "{sample}");
            }
        }
    }

    #[test]
    fn both_forms_of_utime() {
        let both = |text: &str| {
            let found = time_first(text.as_bytes()).or_else(|| time_behind(text.as_bytes()))?;
            Some(format!("{} {}", found.0, core::str::from_utf8(found.1).unwrap()))
        };
        for (text, expected) in [
            ("20261125100000 a b", Some("20261125100000 a b")),
            ("202611251000 a", Some("20261125100000 a")),
            ("a b 20010101000000 20261125100000 20010101000000 utc", Some("20261125100000 a b")),
            ("a 20010101000000 20261125100000 20010101000000", None),
            ("20261325100000 a", None),
            ("20261125100000 ", None),
            ("a", None),
        ] {
            assert_eq!(both(text).as_deref(), expected, "{text}");
        }
    }
}
