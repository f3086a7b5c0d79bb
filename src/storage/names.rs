//! Names: which are hidden from clients, which a system can't hold, and what owners are called.

use siphasher::sip::SipHasher24;
use std::collections::HashMap;
use std::hash::Hasher as _;
use std::sync::{Arc, OnceLock};

/// How the name of an unfinished upload begins.
const PART_PREFIX: &[u8] = b".ftpd-part-";

/// Whether a name is one of the hidden ones, which clients neither see nor use. In any case of letters,
/// since some file systems make no difference.
pub(super) fn is_hidden(name: &[u8]) -> bool {
    name.get(..PART_PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PART_PREFIX))
}

/// The hidden name under which this account's upload of `name` grows, in the same directory: of one length,
/// so that the longest name has one too, and the same after a restart, so that it can be resumed.
pub(super) fn part_name(account: &str, name: &[u8]) -> Vec<u8> {
    let mut hasher = SipHasher24::new_with_keys(0x6674_7064, 0x7061_7274);
    // The length keeps ("a", "bc") and ("ab", "c") apart.
    hasher.write(&u64::try_from(account.len()).unwrap_or(u64::MAX).to_le_bytes());
    hasher.write(account.as_bytes());
    hasher.write(name);
    let mut part = PART_PREFIX.to_vec();
    part.extend_from_slice(format!("{:016x}", hasher.finish()).as_bytes());
    part
}

/// Whether Windows takes this name as what it looks like. There, a colon names a stream, a trailing dot or
/// space falls away, and the names of devices are devices in every directory, whatever their extension.
/// A pure function, so that it can be tested everywhere.
#[cfg_attr(not(any(windows, test)), expect(dead_code, reason = "only Windows has such names"))]
pub(super) fn allowed_on_windows(name: &str) -> bool {
    let forbidden = |letter: char| letter < ' ' || "\\/:*?\"<>|".contains(letter);
    if name.is_empty() || name.contains(forbidden) || name.ends_with(['.', ' ']) {
        return false;
    }
    let stem = name.split('.').next().unwrap_or(name).trim_end_matches(' ').to_uppercase();
    let numbered = |device: &str| {
        stem.strip_prefix(device).is_some_and(|number| {
            // The superscript digits count as digits here.
            let mut letters = number.chars();
            matches!(letters.next(), Some('0'..='9' | '\u{b9}' | '\u{b2}' | '\u{b3}'))
                && letters.next().is_none()
        })
    };
    let device = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$"].contains(&stem.as_str());
    !device && !numbered("COM") && !numbered("LPT")
}

/// What owners and groups are called in listings.
#[derive(Clone, Debug)]
pub(super) struct Owners {
    named: bool,
    /// The last one of each: nearly all files of a directory belong to the same.
    user: Option<(u32, Arc<str>)>,
    group: Option<(u32, Arc<str>)>,
}

impl Owners {
    /// With their names, or with their numbers only.
    pub(super) fn new(named: bool) -> Self {
        Self { named, user: None, group: None }
    }

    /// Owner and group.
    pub(super) fn of(&mut self, user: u32, group: u32) -> (Arc<str>, Arc<str>) {
        let named = self.named;
        (
            remembered(&mut self.user, user, |user| named.then(|| tables().0.get(&user).cloned()).flatten()),
            remembered(&mut self.group, group, |group| {
                named.then(|| tables().1.get(&group).cloned()).flatten()
            }),
        )
    }
}

fn remembered(
    last: &mut Option<(u32, Arc<str>)>,
    id: u32,
    find: impl FnOnce(u32) -> Option<Arc<str>>,
) -> Arc<str> {
    match last {
        Some((known, name)) if *known == id => Arc::clone(name),
        _ => {
            let name = find(id).unwrap_or_else(|| Arc::from(id.to_string()));
            *last = Some((id, Arc::clone(&name)));
            name
        }
    }
}

type Table = HashMap<u32, Arc<str>>;

/// Users and groups of this system, read once.
fn tables() -> &'static (Table, Table) {
    static TABLES: OnceLock<(Table, Table)> = OnceLock::new();
    TABLES.get_or_init(|| (read_table("/etc/passwd"), read_table("/etc/group")))
}

/// Lines of `name:password:number:...`; the first name of a number counts.
fn read_table(path: &str) -> Table {
    let mut table = Table::new();
    for line in std::fs::read_to_string(path).unwrap_or_default().lines() {
        let mut fields = line.split(':');
        if let (Some(name), Some(Ok(id))) = (fields.next(), fields.nth(1).map(str::parse)) {
            table.entry(id).or_insert_with(|| Arc::from(name));
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_hidden_and_belong_to_one_account_and_name() {
        let part = part_name("anna", &[0xff; 255]);
        assert_eq!(part.len(), 27);
        assert!(is_hidden(&part) && is_hidden(b".FTPD-Part-x") && !is_hidden(b".ftpd-par"));
        assert_eq!(part, part_name("anna", &[0xff; 255]));
        assert_ne!(part_name("a", b"bc"), part_name("ab", b"c"));
    }

    #[test]
    fn names_windows_would_take_for_something_else() {
        for bad in [
            "",
            "a:b",
            "a\\b",
            "a*",
            "a?",
            "a\"",
            "<",
            ">",
            "|",
            "a\tb",
            "a.",
            "a ",
            "CON",
            "nul",
            "Nul.txt",
            "com1",
            "COM9.tar.gz",
            "lpt\u{b9}",
            "aux .txt",
            "conin$",
        ] {
            assert!(!allowed_on_windows(bad), "{bad:?}");
        }
        for good in ["a", "CONSOLE", "com", "com10", "lpt.txt", ".profile", "a b", "nul_", "\u{e4}.txt"] {
            assert!(allowed_on_windows(good), "{good:?}");
        }
    }

    #[test]
    fn owners_without_a_name_are_numbers() {
        let mut owners = Owners::new(true);
        assert_eq!(&*owners.of(4_000_000_000, 0).0, "4000000000");
        assert_eq!(&*Owners::new(false).of(0, 7).1, "7");
    }
}
