//! What a listing is of: the argument of LIST, NLST and STAT, read as clients mean it.

use super::pattern::{Pattern, TooLong};
use crate::path::{PathError, VirtualPath};
use alloc::vec::Vec;

/// How many parts of one path may be patterns: for each a directory is open.
const MAX_PATTERNS: usize = 16;

/// What is listed, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// The path; if parts of it are patterns, what stands before the first of them.
    pub(super) base: VirtualPath,
    /// `base` as it was typed, with a slash behind it unless nothing was.
    pub(super) typed: Vec<u8>,
    /// The rest of the path from its first pattern on.
    pub(super) parts: Vec<Part>,
    /// What the whole would be if it were no pattern, and how it was typed.
    pub(super) literal: Option<(VirtualPath, Vec<u8>)>,
    /// What was asked for by options.
    pub options: Options,
}

/// One part of a path behind a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Name(Vec<u8>),
    /// And the name that it may be all the same.
    Pattern(Pattern, Vec<u8>),
}

/// Options as `ls` has them. Clients send them by habit (`LIST -la`), though no RFC knows them; so what can't be honoured
/// is passed over. Hidden files are shown with and without `-a`: a client that can't see one can't empty its directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `-R`: and what is below.
    pub recursive: bool,
    /// `-d`: directories themselves, not what is in them.
    pub itself: bool,
    /// `-1`: names alone.
    pub names_only: bool,
    /// `-t`, `-S`, `-r`; without one of them entries come as the storage has them.
    pub sort: Option<Sort>,
}

/// In which order entries come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    /// By what.
    pub by: SortBy,
    /// `-r`: the other way round.
    pub reversed: bool,
}

/// What decides the order; names do between equals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SortBy {
    /// The name, in the order of its bytes.
    #[default]
    Name,
    /// `-t`: the newest first.
    Time,
    /// `-S`: the largest first.
    Size,
}

/// Why an argument selects nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    /// It is no path.
    #[error(transparent)]
    Path(#[from] PathError),
    /// It asks for too much work.
    #[error(transparent)]
    Pattern(#[from] TooLong),
}

impl Options {
    /// Takes the options off; what is left is the path. `--` ends them, and a file named `-la` is `./-la`.
    fn parse(text: &[u8]) -> (Self, &[u8]) {
        let (mut options, mut reversed, mut by) = (Self::default(), false, None);
        let mut rest = text;
        while let Some(word) = rest.strip_prefix(b"-") {
            let end = word.iter().position(|&byte| byte == b' ').unwrap_or(word.len());
            let (word, behind) = word.split_at(end);
            rest = behind.trim_ascii_start();
            if word == b"-" {
                break;
            }
            // Words like `--color` are none of these letters.
            for letter in word.iter().take_while(|_| !word.starts_with(b"-")) {
                match letter {
                    b'R' => options.recursive = true,
                    b'd' => options.itself = true,
                    b'1' => options.names_only = true,
                    b'r' => reversed = true,
                    b't' => by = Some(SortBy::Time),
                    b'S' => by = Some(SortBy::Size),
                    _ => {}
                }
            }
        }
        if by.is_some() || reversed {
            options.sort = Some(Sort { by: by.unwrap_or_default(), reversed });
        }
        (options, rest)
    }
}

impl Selection {
    /// This path, without patterns or options.
    pub fn of(path: VirtualPath) -> Self {
        Self { base: path, typed: Vec::new(), parts: Vec::new(), literal: None, options: Options::default() }
    }

    /// What a client in `directory` means by this argument.
    ///
    /// # Errors
    /// [`SelectionError`].
    pub fn parse(text: &[u8], directory: &VirtualPath) -> Result<Self, SelectionError> {
        let (options, text) = Options::parse(text);
        let whole = directory.resolve(text);
        let Some(start) = first_pattern(text) else {
            return Ok(Self {
                base: whole?,
                typed: with_slash(text),
                parts: Vec::new(),
                literal: None,
                options,
            });
        };
        let (above, rest) = text.split_at(start);
        let mut selection = Self {
            base: directory.resolve(above)?,
            typed: above.to_vec(),
            parts: Vec::new(),
            literal: whole.ok().map(|path| (path, with_slash(text))),
            options,
        };
        for part in rest.split(|&byte| byte == b'/') {
            selection.push(part)?;
        }
        Ok(selection)
    }

    fn push(&mut self, part: &[u8]) -> Result<(), SelectionError> {
        match part {
            b"" | b"." => {}
            // As everywhere: what it leads back from is not looked at.
            b".." if self.parts.pop().is_none() => {
                self.base = self.base.parent();
                self.typed.extend_from_slice(b"../");
            }
            b".." => {}
            part if Pattern::is_one(part) => {
                self.parts.push(Part::Pattern(Pattern::parse(part)?, part.to_vec()));
            }
            part => self.parts.push(Part::Name(part.to_vec())),
        }
        // What is no name is refused here, so that what is joined later is a path.
        VirtualPath::root().resolve(part)?;
        let patterns = self.parts.iter().filter(|part| matches!(part, Part::Pattern(..))).count();
        if patterns > MAX_PATTERNS { Err(TooLong.into()) } else { Ok(()) }
    }

    /// Where it begins.
    pub fn base(&self) -> &VirtualPath {
        &self.base
    }

    /// The paths of which one must be allowed: where it begins, and what it would be if it were no pattern.
    pub fn ways_in(&self) -> impl Iterator<Item = &VirtualPath> {
        core::iter::once(&self.base).chain(self.literal.as_ref().map(|(path, _)| path))
    }
}

/// Where the first part begins that is a pattern.
fn first_pattern(text: &[u8]) -> Option<usize> {
    let mut start = 0;
    for part in text.split(|&byte| byte == b'/') {
        if Pattern::is_one(part) {
            return Some(start);
        }
        start += part.len() + 1;
    }
    None
}

fn with_slash(text: &[u8]) -> Vec<u8> {
    let slash: &[u8] = if text.is_empty() || text.ends_with(b"/") { b"" } else { b"/" };
    [text, slash].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;

    fn selection(text: &str) -> Selection {
        Selection::parse(text.as_bytes(), &VirtualPath::new(b"/d").unwrap()).unwrap()
    }

    #[test]
    fn paths_and_patterns_are_told_apart() {
        for (text, base, typed, parts) in [
            ("", "/d", "", 0),
            ("-la", "/d", "", 0),
            ("-l -a x", "/d/x", "x/", 0),
            ("./-la", "/d/-la", "./-la/", 0),
            ("-- -la", "/d/-la", "-la/", 0),
            ("*.txt", "/d", "", 1),
            ("-l *.txt", "/d", "", 1),
            ("a/*", "/d/a", "a/", 1),
            ("/x y/?", "/x y", "/x y/", 1),
            ("a/", "/d/a", "a/", 0),
            ("*/b/*.c", "/d", "", 3),
            ("../*/", "/", "../", 1),
            ("a/*/../b*", "/d/a", "a/", 1),
            ("a/*/../../b*", "/d", "a/../", 1),
            ("a[1", "/d/a[1", "a[1/", 0),
            ("a\\*", "/d", "", 1),
        ] {
            let selection = selection(text);
            assert_eq!(selection.base, VirtualPath::new(base.as_bytes()).unwrap(), "{text}");
            assert_eq!(selection.typed, typed.as_bytes(), "{text}");
            assert_eq!(selection.parts.len(), parts, "{text}");
        }
    }

    #[test]
    fn options_are_read_as_ls_reads_them() {
        let sort = |by, reversed| Some(Sort { by, reversed });
        let none = Options::default();
        for (text, expected) in [
            ("-aAlLFhn", none),
            ("--color=Rtd x", none),
            ("x -R", none),
            ("-R", Options { recursive: true, ..none }),
            ("-l -d1 x", Options { itself: true, names_only: true, ..none }),
            ("-lt", Options { sort: sort(SortBy::Time, false), ..none }),
            ("-Sr", Options { sort: sort(SortBy::Size, true), ..none }),
            ("-r", Options { sort: sort(SortBy::Name, true), ..none }),
        ] {
            assert_eq!(selection(text).options, expected, "{text}");
        }
    }

    #[test]
    fn too_many_patterns_are_refused() {
        let parse = |count: usize| Selection::parse(&b"*/".repeat(count), &VirtualPath::root());
        assert!(parse(MAX_PATTERNS).is_ok());
        assert_eq!(parse(MAX_PATTERNS + 1), Err(SelectionError::Pattern(TooLong)));
        let long = Selection::parse(&b"*a".repeat(600), &VirtualPath::root());
        assert_eq!(long, Err(SelectionError::Pattern(TooLong)));
    }

    quickcheck! {
        fn any_argument_is_a_selection_or_none(text: Vec<u8>) -> bool {
            Selection::parse(&text, &VirtualPath::root()).is_ok_and(|selection| {
                selection.parts.iter().all(|part| match part {
                    Part::Name(name) => VirtualPath::new(name).is_ok_and(|path| path.components().count() == 1),
                    Part::Pattern(..) => true,
                })
            }) || text.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n')) || text.len() > 255
        }
    }
}
