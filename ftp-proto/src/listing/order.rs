//! Entries in the order that was asked for. Sorting needs them all in memory: so up to a limit, beyond which they come as the
//! storage has them. Whoever reads such a listing sees its times and sizes, and no RFC promises any order.

use super::selection::{Sort, SortBy};
use super::walk::Found;
use crate::host::{Entry, StorageError};
use alloc::vec::Vec;
use core::cmp::Ordering;

/// How many entries of one directory are sorted.
const MAX_SORTED: usize = 10_000;
/// How many bytes their names may have: in a recursive listing of names each is a whole path.
const MAX_SORTED_BYTES: usize = 4 * 1024 * 1024;

pub(super) struct Sorter {
    sort: Sort,
    /// Reversed while they are handed out, so that the next is the last.
    entries: Vec<Entry>,
    /// Of their names.
    bytes: usize,
    phase: Phase,
}

enum Phase {
    Collecting,
    /// The entries go out; then this follows.
    Emitting(After),
    /// Too many: the rest of this directory goes out as it comes.
    Passing,
}

enum After {
    /// A heading, or the walk was cut.
    Found(Found),
    Rest,
    End,
}

impl Sorter {
    pub(super) const fn new(sort: Sort) -> Self {
        Self { sort, entries: Vec::new(), bytes: 0, phase: Phase::Collecting }
    }

    /// As [`Walk::advance`](super::Walk::advance), of what `source` brings.
    pub(super) fn advance(
        &mut self,
        mut source: impl FnMut() -> Result<Option<Found>, StorageError>,
    ) -> Result<Option<Found>, StorageError> {
        match &mut self.phase {
            Phase::Collecting => {
                match source()? {
                    Some(Found::Entry(entry)) => self.collect(entry),
                    Some(Found::Nothing) => {}
                    Some(found) => self.emit(After::Found(found)),
                    None => self.emit(After::End),
                }
                Ok(Some(Found::Nothing))
            }
            Phase::Emitting(after) => {
                if let Some(entry) = self.entries.pop() {
                    return Ok(Some(Found::Entry(entry)));
                }
                let after = core::mem::replace(after, After::End);
                Ok(match after {
                    After::Found(found) => {
                        self.phase = Phase::Collecting;
                        Some(found)
                    }
                    After::Rest => {
                        self.phase = Phase::Passing;
                        Some(Found::Nothing)
                    }
                    After::End => None,
                })
            }
            Phase::Passing => {
                let found = source()?;
                if matches!(found, Some(Found::Heading(_))) {
                    self.phase = Phase::Collecting;
                }
                Ok(found)
            }
        }
    }

    fn collect(&mut self, entry: Entry) {
        self.bytes += entry.name.len();
        self.entries.push(entry);
        if self.entries.len() > MAX_SORTED || self.bytes > MAX_SORTED_BYTES {
            self.bytes = 0;
            self.entries.reverse();
            self.phase = Phase::Emitting(After::Rest);
        }
    }

    fn emit(&mut self, after: After) {
        let sort = self.sort;
        self.bytes = 0;
        self.entries.sort_by(|a, b| sort.compare(b, a));
        self.phase = Phase::Emitting(after);
    }
}

impl Sort {
    fn compare(self, a: &Entry, b: &Entry) -> Ordering {
        let order = match self.by {
            SortBy::Name => Ordering::Equal,
            SortBy::Time => b.metadata.modified.cmp(&a.metadata.modified),
            SortBy::Size => b.metadata.size.cmp(&a.metadata.size),
        };
        let order = order.then_with(|| a.name.cmp(&b.name));
        if self.reversed { order.reverse() } else { order }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Metadata;

    fn sorted(sort: Sort, found: Vec<Found>) -> Vec<Found> {
        let (mut sorter, mut found, mut out) = (Sorter::new(sort), found.into_iter(), Vec::new());
        while let Some(next) = sorter.advance(|| Ok(found.next())).unwrap() {
            if next != Found::Nothing {
                out.push(next);
            }
        }
        out
    }

    fn entry(name: &str, size: u64) -> Found {
        Found::Entry(Entry { name: name.into(), metadata: Metadata { size, ..Metadata::default() } })
    }

    #[test]
    fn each_directory_is_sorted_by_itself() {
        let by_size = Sort { by: SortBy::Size, reversed: false };
        let heading = Found::Heading(b"x".to_vec());
        let found =
            [entry("b", 1), entry("c", 2), entry("a", 1), heading.clone(), entry("d", 1), entry("e", 5)];
        let expected = [entry("c", 2), entry("a", 1), entry("b", 1), heading, entry("e", 5), entry("d", 1)];
        assert_eq!(sorted(by_size, found.to_vec()), expected);
        let reversed = Sort { by: SortBy::Name, reversed: true };
        let cut = [entry("a", 0), Found::Nothing, entry("b", 0), Found::Cut];
        assert_eq!(sorted(reversed, cut.to_vec()), [entry("b", 0), entry("a", 0), Found::Cut]);
    }

    #[test]
    fn too_many_come_as_they_are_and_none_is_lost() {
        let many: Vec<Found> = (0..=MAX_SORTED as u64 + 5).map(|size| entry("x", size)).collect();
        assert_eq!(sorted(Sort { by: SortBy::Size, reversed: false }, many.clone()), many);
        let just: Vec<Found> = many.into_iter().take(MAX_SORTED).collect();
        let largest_first: Vec<Found> = just.iter().rev().cloned().collect();
        assert_eq!(sorted(Sort { by: SortBy::Size, reversed: false }, just), largest_first);
    }

    #[test]
    fn long_names_are_fewer() {
        let name = "x".repeat(4_096);
        let long: Vec<Found> = (0..=1_024).map(|size| entry(&name, size)).collect();
        let by_size = Sort { by: SortBy::Size, reversed: false };
        assert_eq!(sorted(by_size, long.clone()), long);
        let heading = Found::Heading(b"x".to_vec());
        let few = || long.iter().take(1_024).cloned();
        let both: Vec<Found> = few().chain([heading.clone()]).chain(few()).collect();
        let expected: Vec<Found> = few().rev().chain([heading]).chain(few().rev()).collect();
        assert_eq!(sorted(by_size, both), expected, "each directory is counted by itself");
    }
}
