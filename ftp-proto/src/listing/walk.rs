//! A listing's entries, from one directory or from many, read one by one: patterns in several parts of a path, and all that
//! is below a directory.
//!
//! Memory grows with the depth alone, since only the directories on the way to the current one are open; for a recursive
//! listing each is read a second time to find those in it. Links may lead in circles, and a client may ask for anything: so
//! depth, directories and entries have limits, and a walk that reaches one says that it was cut ([`Found::Cut`]).

use super::order::Sorter;
use super::selection::{Part, Selection};
use crate::account::{Rights, RightsByPath};
use crate::host::{Directory, Entry, Storage, StorageError, Wanted};
use crate::path::VirtualPath;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// How many directories may be open in each other.
const MAX_DEPTH: usize = 32;
/// How many directories one listing may open.
const MAX_DIRECTORIES: u32 = 20_000;
/// How many entries one listing of several directories may look at.
const MAX_ENTRIES: u32 = 1_000_000;

/// What is come to next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A line of the listing, under the name to be shown.
    Entry(Entry),
    /// What follows is in this directory.
    Heading(Vec<u8>),
    /// Nothing to be shown: something was looked at and left out.
    Nothing,
    /// A limit was reached; nothing follows.
    Cut,
}

/// How many entries are read as soon as a walk is opened: most directories have no more.
const AHEAD: usize = 64;

/// What a listing is made of.
pub struct Walk {
    source: Source,
    sorter: Option<Box<Sorter>>,
    /// What was read before it was asked for; the end, if that was come to.
    ahead: VecDeque<Result<Option<Found>, StorageError>>,
}

enum Source {
    /// One directory, and what stands before each name.
    Flat(Box<dyn Directory>, Vec<u8>),
    One(Box<Entry>),
    Deep(Box<Deep>),
    Over,
}

impl<D: Directory + 'static> From<Box<D>> for Walk {
    fn from(directory: Box<D>) -> Self {
        Self::of(directory)
    }
}

impl Walk {
    /// Of one directory.
    pub fn of(directory: Box<dyn Directory>) -> Self {
        Self { source: Source::Flat(directory, Vec::new()), sorter: None, ahead: VecDeque::new() }
    }

    /// Reads what most listings consist of, so that the rest need not wait for the storage. May block.
    fn look_ahead(&mut self) {
        while self.ahead.len() < AHEAD && !self.is_read() {
            let found = self.read();
            self.ahead.push_back(found);
        }
    }

    /// Whether all of it has been read: [`advance`](Self::advance) does not wait for the storage.
    pub fn is_read(&self) -> bool {
        matches!(self.ahead.back(), Some(Ok(None) | Err(_)))
    }

    /// Goes on by one entry; `None` at the end. May block, but for one entry only.
    ///
    /// # Errors
    /// [`StorageError`]; then it is at its end.
    pub fn advance(&mut self) -> Result<Option<Found>, StorageError> {
        self.ahead.pop_front().unwrap_or_else(|| self.read())
    }

    fn read(&mut self) -> Result<Option<Found>, StorageError> {
        let Self { source, sorter, .. } = self;
        match sorter {
            Some(sorter) => sorter.advance(|| source.advance()),
            None => source.advance(),
        }
    }
}

/// What is to be listed, for the backend to open it.
#[derive(Clone, Debug)]
pub struct Search {
    /// What was asked for.
    pub selection: Selection,
    /// Which directories may be looked into. That a way in is allowed ([`Selection::ways_in`]) was seen to before.
    pub rights: RightsByPath,
    /// How much of each entry.
    pub wanted: Wanted,
    /// Names are shown as the client may use them (NLST), not as they are in their directory.
    pub full_names: bool,
}

impl Search {
    /// Opens it; may block. The flag says whether it is of a directory, or of whatever a pattern matches, and not of a file.
    ///
    /// # Errors
    /// [`StorageError`], if the base can't be opened.
    pub fn open(self, storage: &Arc<dyn Storage>) -> Result<(Walk, bool), StorageError> {
        let Self { selection, rights, wanted, full_names } = self;
        let sort = selection.options.sort;
        let wanted = if sort.is_some() { Wanted::Facts } else { wanted };
        let ground = Ground { storage: Arc::clone(storage), rights, wanted, full_names };
        let (source, is_dir) = ground.open(selection)?;
        let sorter = sort.map(Sorter::new).map(Box::new);
        let mut walk = Walk { source, sorter, ahead: VecDeque::new() };
        walk.look_ahead();
        Ok((walk, is_dir))
    }
}

impl Source {
    fn advance(&mut self) -> Result<Option<Found>, StorageError> {
        let found = match self {
            Self::Flat(directory, prefix) => directory.next_entry().map(|entry| {
                entry.map(|mut entry| {
                    if !prefix.is_empty() {
                        entry.name = [prefix.as_slice(), &entry.name].concat();
                    }
                    Found::Entry(entry)
                })
            }),
            Self::One(_) => return Ok(self.take_one()),
            Self::Deep(deep) => deep.advance(),
            Self::Over => Ok(None),
        };
        if !matches!(found, Ok(Some(Found::Entry(_) | Found::Heading(_) | Found::Nothing))) {
            *self = Self::Over;
        }
        found
    }

    fn take_one(&mut self) -> Option<Found> {
        match core::mem::replace(self, Self::Over) {
            Self::One(entry) => Some(Found::Entry(*entry)),
            _ => None,
        }
    }
}

/// Where a walk goes.
struct Ground {
    storage: Arc<dyn Storage>,
    rights: RightsByPath,
    wanted: Wanted,
    full_names: bool,
}

impl Ground {
    fn open(self, selection: Selection) -> Result<(Source, bool), StorageError> {
        let Selection { base, typed, parts, literal, options } = selection;
        if parts.is_empty() {
            return self.open_path(base, typed, options.itself, options.recursive);
        }
        // A name may hold what is special in a pattern: who has seen it in a listing wants that file.
        if let Some((path, typed)) = literal
            && self.may_list(&path)
            && self.storage.metadata(&path).is_ok()
        {
            return self.open_path(path, typed, options.itself, options.recursive);
        }
        let (base, typed, parts) = self.enter_by_name(base, typed, parts);
        if !self.may_list(&base) {
            return Err(StorageError::Denied);
        }
        let directory = self.storage.read_dir(&base, self.wanted)?;
        let shown = if self.full_names { typed } else { Vec::new() };
        let level = Level { path: base, shown, directory, unique: None, errand: Errand::Match(0) };
        Ok((Deep::source(self, parts, level, Vec::new()), true))
    }

    /// The same for directories on the way: those that are called as it was typed are meant.
    fn enter_by_name(
        &self,
        mut base: VirtualPath,
        mut typed: Vec<u8>,
        mut parts: Vec<Part>,
    ) -> (VirtualPath, Vec<u8>, Vec<Part>) {
        while let [Part::Pattern(_, name) | Part::Name(name), _, ..] = parts.as_slice() {
            let Ok(path) = base.resolve(name) else { break };
            if !self.storage.metadata(&path).is_ok_and(|metadata| metadata.is_dir()) {
                break;
            }
            typed.extend_from_slice(name);
            typed.push(b'/');
            base = path;
            parts.remove(0);
        }
        (base, typed, parts)
    }

    fn open_path(
        self,
        path: VirtualPath,
        typed: Vec<u8>,
        itself: bool,
        recursive: bool,
    ) -> Result<(Source, bool), StorageError> {
        let typed_name = typed.strip_suffix(b"/").filter(|name| !name.is_empty());
        let one = |metadata| {
            let name = match typed_name {
                Some(name) if self.full_names || itself => name,
                _ if itself && typed.is_empty() => b".",
                _ if path.is_root() => b"/",
                _ => path.name(),
            };
            Source::One(Box::new(Entry { name: name.to_vec(), metadata }))
        };
        if itself {
            return Ok((one(self.storage.metadata(&path)?), false));
        }
        let directory = match self.storage.read_dir(&path, self.wanted) {
            Err(StorageError::NotADirectory) => return Ok((one(self.storage.metadata(&path)?), false)),
            other => other?,
        };
        if !recursive {
            return Ok((Source::Flat(directory, if self.full_names { typed } else { Vec::new() }), true));
        }
        let unique = self.storage.metadata(&path)?.unique;
        let (shown, heading) = match (self.full_names, typed.is_empty()) {
            (true, _) => (typed, Vec::new()),
            (false, true) => (Vec::new(), b"./".to_vec()),
            (false, false) => (Vec::new(), typed),
        };
        let level = Level { path, shown, directory, unique, errand: Errand::Show };
        Ok((Deep::source(self, Vec::new(), level, heading), true))
    }

    fn may_list(&self, path: &VirtualPath) -> bool {
        self.rights.on(path).contains(Rights::LIST)
    }

    /// A directory that can't be looked into is left out, as a shell does; troubles of the storage are told.
    fn enter(&self, path: &VirtualPath, wanted: Wanted) -> Result<Option<Box<dyn Directory>>, StorageError> {
        if !self.may_list(path) {
            return Ok(None);
        }
        passable(self.storage.read_dir(path, wanted))
    }
}

/// What vanished, is closed or is something else now is no trouble.
fn passable<T>(result: Result<T, StorageError>) -> Result<Option<T>, StorageError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(
            StorageError::NotFound
            | StorageError::Denied
            | StorageError::NotADirectory
            | StorageError::BadName,
        ) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A walk through several directories.
struct Deep {
    ground: Ground,
    /// Of the pattern; empty if all that is below is listed.
    parts: Vec<Part>,
    /// Stands before the paths in headings.
    heading: Vec<u8>,
    /// The open directories, each in the one before.
    levels: Vec<Level>,
    opened: u32,
    looked_at: u32,
}

struct Level {
    path: VirtualPath,
    /// Stands before the names of its entries; ends with a slash, if anything.
    shown: Vec<u8>,
    directory: Box<dyn Directory>,
    unique: Option<(u64, u64)>,
    errand: Errand,
}

/// What a directory is read for.
#[derive(Clone, Copy)]
enum Errand {
    /// Entries that match this part of the pattern.
    Match(usize),
    /// All entries are shown ...
    Show,
    /// ... and when that is done, the directories among them are walked through.
    Descend,
}

impl Deep {
    fn source(ground: Ground, parts: Vec<Part>, first: Level, heading: Vec<u8>) -> Source {
        let levels = Vec::from([first]);
        Source::Deep(Box::new(Self { ground, parts, heading, levels, opened: 1, looked_at: 0 }))
    }

    fn advance(&mut self) -> Result<Option<Found>, StorageError> {
        let Some(level) = self.levels.last_mut() else { return Ok(None) };
        let errand = level.errand;
        let Some(entry) = level.directory.next_entry()? else {
            self.leave(errand)?;
            return Ok(Some(Found::Nothing));
        };
        self.looked_at += 1;
        if self.looked_at > MAX_ENTRIES {
            return Ok(Some(Found::Cut));
        }
        Ok(Some(match errand {
            Errand::Match(part) => self.match_entry(part, entry)?,
            Errand::Show => Found::Entry(self.shown(entry)),
            Errand::Descend => self.descend(&entry)?,
        }))
    }

    /// The current directory was read to its end.
    fn leave(&mut self, errand: Errand) -> Result<(), StorageError> {
        let Some(level) = self.levels.last_mut() else { return Ok(()) };
        if matches!(errand, Errand::Show)
            && let Some(directory) = self.ground.enter(&level.path, Wanted::Names)?
        {
            (level.directory, level.errand) = (directory, Errand::Descend);
        } else {
            self.levels.pop();
        }
        Ok(())
    }

    /// An entry under the name that is shown.
    fn shown(&self, mut entry: Entry) -> Entry {
        let Some(level) = self.levels.last() else { return entry };
        // In a recursive listing headings tell the directory, unless names have to tell all.
        if !level.shown.is_empty() && (self.ground.full_names || !self.parts.is_empty()) {
            entry.name.splice(..0, level.shown.iter().copied());
        }
        entry
    }

    fn match_entry(&mut self, part: usize, entry: Entry) -> Result<Found, StorageError> {
        let is_match = match self.parts.get(part) {
            Some(Part::Pattern(pattern, _)) => pattern.matches(&entry.name),
            Some(Part::Name(name)) => *name == entry.name,
            None => false,
        };
        if !is_match {
            return Ok(Found::Nothing);
        }
        if part + 1 == self.parts.len() {
            return Ok(Found::Entry(self.shown(entry)));
        }
        if !entry.metadata.is_dir() {
            return Ok(Found::Nothing);
        }
        let Some((mut path, mut shown)) = self.below(&entry.name) else { return Ok(Found::Nothing) };
        // Names behind a pattern are gone straight to.
        let mut next = part + 1;
        while let Some(Part::Name(name)) = self.parts.get(next) {
            let Ok(further) = path.resolve(name) else { return Ok(Found::Nothing) };
            if next + 1 == self.parts.len() {
                return self.named(&further, &[&shown[..], name].concat());
            }
            path = further;
            shown.extend_from_slice(name);
            shown.push(b'/');
            next += 1;
        }
        self.open(path, shown, Errand::Match(next))
    }

    // req: 1123-4.1.2.7-nlst-names
    fn named(&self, path: &VirtualPath, shown: &[u8]) -> Result<Found, StorageError> {
        if !self.ground.may_list(path) {
            return Ok(Found::Nothing);
        }
        let metadata = passable(self.ground.storage.metadata(path))?;
        Ok(metadata.map_or(Found::Nothing, |metadata| Found::Entry(Entry { name: shown.to_vec(), metadata })))
    }

    /// A directory among those that were shown.
    fn descend(&mut self, entry: &Entry) -> Result<Found, StorageError> {
        match self.below(&entry.name) {
            Some((path, shown)) if entry.metadata.is_dir() => self.open(path, shown, Errand::Show),
            _ => Ok(Found::Nothing),
        }
    }

    /// The path of an entry of the current directory, and what is shown before the names in it. `None` for a name that is
    /// shown to nobody.
    fn below(&self, name: &[u8]) -> Option<(VirtualPath, Vec<u8>)> {
        let level = self.levels.last()?;
        let path = level.path.resolve(name).ok()?;
        (path.name() == name).then(|| (path, [&level.shown[..], name, b"/"].concat()))
    }

    fn open(&mut self, path: VirtualPath, shown: Vec<u8>, errand: Errand) -> Result<Found, StorageError> {
        if self.levels.len() >= MAX_DEPTH || self.opened >= MAX_DIRECTORIES {
            return Ok(Found::Cut);
        }
        let is_recursive = matches!(errand, Errand::Show);
        let mut unique = None;
        if is_recursive {
            unique = passable(self.ground.storage.metadata(&path))?.and_then(|metadata| metadata.unique);
            // A link back to where the walk has come from.
            if unique.is_some() && self.levels.iter().any(|level| level.unique == unique) {
                return Ok(Found::Nothing);
            }
        }
        let Some(directory) = self.ground.enter(&path, self.ground.wanted)? else {
            return Ok(Found::Nothing);
        };
        self.opened += 1;
        let found = if is_recursive && !self.ground.full_names {
            Found::Heading([&self.heading[..], shown.strip_suffix(b"/").unwrap_or(&shown)].concat())
        } else {
            Found::Nothing
        };
        self.levels.push(Level { path, shown, directory, unique, errand });
        Ok(found)
    }
}

#[cfg(test)]
mod tests;
