//! Patterns of names, as in `NLST *.txt`.

use alloc::vec::Vec;

/// How many alternatives the braces of a pattern may make, and how long these may be in all: matching takes as long.
const MAX_ALTERNATIVES: usize = 64;
const MAX_LENGTH: usize = 1_024;

/// A pattern for one name, with its braces resolved: `{a,b}*` is `a*` or `b*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<Vec<u8>>);

/// The pattern is too long, or has too many alternatives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the pattern is too long or has too many alternatives")]
pub struct TooLong;

impl Pattern {
    /// Reads a pattern: what [`matches()`] knows, and braces around alternatives. Braces without a comma, and those that
    /// are not closed, stand for themselves.
    ///
    /// # Errors
    /// [`TooLong`]: matching it would take too much work.
    pub fn parse(text: &[u8]) -> Result<Self, TooLong> {
        let (mut pending, mut done) = (Vec::from([text.to_vec()]), Vec::new());
        while let Some(next) = pending.pop() {
            match braces(&next) {
                None => done.push(next),
                Some(Braces { before, alternatives, behind }) => {
                    pending.extend(alternatives.into_iter().map(|one| [before, one, behind].concat()));
                }
            }
            let length: usize = done.iter().chain(&pending).map(Vec::len).sum();
            if length > MAX_LENGTH || done.len() + pending.len() > MAX_ALTERNATIVES {
                return Err(TooLong);
            }
        }
        Ok(Self(done.iter().map(|text| spell_out(text)).collect()))
    }

    /// Whether the text is a pattern at all: something in it stands for something else than itself.
    pub fn is_one(text: &[u8]) -> bool {
        let (mut rest, mut unclosed) = (text, false);
        while let Some((&byte, behind)) = rest.split_first() {
            rest = behind;
            match byte {
                b'*' | b'?' => return true,
                b'[' if !unclosed => match match_set(behind, 0) {
                    Some(_) => return true,
                    None => unclosed = true,
                },
                b'\\' if behind.first().is_some_and(|next| b"*?[]{},\\".contains(next)) => return true,
                _ => {}
            }
        }
        braces(text).is_some()
    }

    /// Whether the whole name is one that the pattern means.
    pub fn matches(&self, name: &[u8]) -> bool {
        self.0.iter().any(|pattern| matches(pattern, name))
    }
}

/// Writes a `[` without its `]` as `\[`, so that matching does not look for the end again and again. Where one has none,
/// those behind it have none either.
fn spell_out(text: &[u8]) -> Vec<u8> {
    let (mut rest, mut unclosed) = (text, false);
    let mut spelt = Vec::with_capacity(text.len());
    while let Some((&byte, behind)) = rest.split_first() {
        let mut end = behind;
        match byte {
            b'\\' => end = behind.get(1..).unwrap_or_default(),
            b'[' => match (!unclosed).then(|| match_set(behind, 0)).flatten() {
                Some((_, behind_set)) => end = behind_set,
                None => {
                    unclosed = true;
                    spelt.push(b'\\');
                }
            },
            _ => {}
        }
        spelt.extend_from_slice(rest.get(..rest.len() - end.len()).unwrap_or_default());
        rest = end;
    }
    spelt
}

/// A pair of braces with alternatives in it, and what stands around.
struct Braces<'a> {
    before: &'a [u8],
    alternatives: Vec<&'a [u8]>,
    behind: &'a [u8],
}

/// A brace that was opened, and the commas of its own behind it.
struct Opened {
    at: usize,
    commas: Vec<usize>,
}

/// The first such pair. Takes one look at each byte: whoever opens thousands of braces and closes none pays for it, not
/// the server.
fn braces(text: &[u8]) -> Option<Braces<'_>> {
    let (mut opened, mut first): (Vec<Opened>, Option<(Opened, usize)>) = (Vec::new(), None);
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'\\' => at += 1,
            b'{' => opened.push(Opened { at, commas: Vec::new() }),
            b',' => opened.last_mut().into_iter().for_each(|brace| brace.commas.push(at)),
            b'}' => {
                let closed = opened.pop().filter(|brace| !brace.commas.is_empty());
                if let Some(closed) = closed
                    && first.as_ref().is_none_or(|(first, _)| closed.at < first.at)
                {
                    first = Some((closed, at));
                }
                // Only one that was opened before it could still come first.
                if opened.is_empty() && first.is_some() {
                    break;
                }
            }
            _ => {}
        }
        at += 1;
    }
    let (Opened { at, commas }, end) = first?;
    let starts = core::iter::once(at).chain(commas.iter().copied());
    let ends = commas.iter().copied().chain([end]);
    let alternatives =
        starts.zip(ends).map(|(start, end)| text.get(start + 1..end)).collect::<Option<_>>()?;
    Some(Braces { before: text.get(..at)?, alternatives, behind: text.get(end + 1..)? })
}

/// Whether the whole name matches.
///
/// `*` stands for anything, a leading dot included; `?` for one character; `[a-z_]` for one of a set and `[!a-z]`
/// or `[^a-z]` for one outside it, where a `]` right at the beginning belongs to the set. A `[` without its
/// `]` stands for itself, and so does what follows a `\`. A character is one of UTF-8, or a byte that belongs to none.
///
/// Takes at most the product of both lengths: after a mismatch only the last `*` is tried again, which is
/// enough, since whatever an earlier one could take, the last one can take as well.
pub fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut pattern, mut name) = (pattern, name);
    // Behind the last `*`: the pattern, and the name from where it was tried last.
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        if let [b'*', rest @ ..] = pattern {
            pattern = rest;
            retry = Some((rest, name));
            continue;
        }
        if pattern.is_empty() && name.is_empty() {
            return true;
        }
        if let Some((pattern_rest, name_rest)) = match_one(pattern, name) {
            (pattern, name) = (pattern_rest, name_rest);
            continue;
        }
        // The last `*` takes one character more.
        let Some((behind_star, tried)) = retry else { return false };
        let Some((_, name_rest)) = first(tried) else { return false };
        retry = Some((behind_star, name_rest));
        (pattern, name) = (behind_star, name_rest);
    }
}

/// Where bytes that are no UTF-8 stand among the characters: behind all of them.
const STRAY: u32 = 0x11_0000;

/// The first character or stray byte as a number, and what follows.
fn first(text: &[u8]) -> Option<(u32, &[u8])> {
    let (&byte, rest) = text.split_first()?;
    let width = match byte {
        0..0x80 => return Some((u32::from(byte), rest)),
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => 1,
    };
    let character = text.get(..width).and_then(|bytes| core::str::from_utf8(bytes).ok()?.chars().next());
    Some(match character {
        Some(character) => (u32::from(character), text.get(width..).unwrap_or_default()),
        None => (STRAY + u32::from(byte), rest),
    })
}

/// Matches one character of the name against the first element of the pattern, which is not a `*`. Returns what
/// is left of both.
fn match_one<'p, 'n>(pattern: &'p [u8], name: &'n [u8]) -> Option<(&'p [u8], &'n [u8])> {
    let ((element, pattern_rest), (character, name_rest)) = (first(pattern)?, first(name)?);
    let literal = |element: u32, rest: &'p [u8]| (element == character, rest);
    let (matched, pattern_rest) = match pattern {
        [b'?', ..] => (true, pattern_rest),
        [b'[', ..] => {
            match_set(pattern_rest, character).unwrap_or_else(|| literal(u32::from(b'['), pattern_rest))
        }
        [b'\\', _, ..] => first(pattern_rest).map(|(escaped, rest)| literal(escaped, rest))?,
        _ => literal(element, pattern_rest),
    };
    matched.then_some((pattern_rest, name_rest))
}

/// Whether the character is in the set whose `[` has been read, and the pattern behind its `]`; `None` if there
/// is none.
fn match_set(set: &[u8], character: u32) -> Option<(bool, &[u8])> {
    let (inverted, set) = match set {
        [b'!' | b'^', rest @ ..] => (true, rest),
        _ => (false, set),
    };
    // The first member may be a `]`.
    let end = set.iter().skip(1).position(|&member| member == b']')? + 1;
    let (mut members, rest) = (set.get(..end)?, set.get(end + 1..)?);
    let mut found = false;
    while let Some((low, behind)) = first(members) {
        let range = behind.strip_prefix(b"-").and_then(first);
        let (high, behind) = range.unwrap_or((low, behind));
        found |= (low..=high).contains(&character);
        members = behind;
    }
    Some((found != inverted, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use quickcheck::QuickCheck;

    #[test]
    fn patterns_match_what_a_shell_would() {
        for (pattern, name, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", ".hidden", true),
            ("*.txt", "a.txt", true),
            ("*.txt", "a.txt.gz", false),
            ("a*b*c", "a--b-b-c", true),
            ("a*b*c", "acb", false),
            ("?", "", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("[abc]x", "bx", true),
            ("[a-c]x", "dx", false),
            ("[!a-c]x", "dx", true),
            ("[^a-c]x", "bx", false),
            ("[]]", "]", true),
            ("[!]]", "a", true),
            ("[a-]", "-", true),
            ("[a", "[a", true),
            ("[a", "a", false),
            ("[]", "[]", true),
            ("*[0-9]?", "ab12", true),
            ("Name", "name", false),
            ("**", "anything", true),
            ("?", "\u{e9}", true),
            ("??", "\u{4e2d}\u{6587}", true),
            ("[\u{e0}-\u{e9}]", "\u{e8}", true),
            ("[!\u{e9}]", "\u{e9}", false),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("a\\", "a\\", true),
            ("\\[a]", "[a]", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_stray_byte_is_one_character() {
        assert!(matches(b"?", b"\xff") && matches(b"\xff*", b"\xff\xe4") && !matches(b"?", b"\xff\xff"));
        assert!(matches(b"[\xf0-\xff]", b"\xfe") && !matches(b"[\xf0-\xff]", "\u{fe}".as_bytes()));
    }

    #[test]
    fn braces_hold_alternatives() {
        for (pattern, name, expected) in [
            ("*.{jpg,png}", "a.png", true),
            ("*.{jpg,png}", "a.gif", false),
            ("{a,b{c,d}}e", "bde", true),
            ("{a,b{c,d}}e", "be", false),
            ("{,x}a", "a", true),
            ("{a}", "{a}", true),
            ("{a,b", "{a,b", true),
            ("\\{a,b}", "{a,b}", true),
            ("{x{a,b}}", "{xb}", true),
        ] {
            let parsed = Pattern::parse(pattern.as_bytes()).unwrap();
            assert_eq!(parsed.matches(name.as_bytes()), expected, "{pattern} {name}");
        }
        assert_eq!(Pattern::parse(&b"{a,b}".repeat(7)), Err(TooLong));
        assert_eq!(Pattern::parse(&b"{a,b}".repeat(200)), Err(TooLong));
        assert!(Pattern::parse(&b"{a,b}".repeat(6)).is_ok());
        assert!(Pattern::parse(&b"{".repeat(1_000)).is_ok());
    }

    #[test]
    fn sets_that_never_close_stand_for_themselves() {
        for (pattern, name, expected) in [
            ("*[[[", "a[[[", true),
            ("*[[[", "a[[", false),
            ("[a][b", "a[b", true),
            ("\\[[x", "[[x", true),
            ("[]", "[]", true),
            ("[!]*[", "[!]a[", true),
        ] {
            assert_eq!(
                Pattern::parse(pattern.as_bytes()).unwrap().matches(name.as_bytes()),
                expected,
                "{pattern} {name}"
            );
        }
    }

    /// With a look at the whole rest for each of them it would take minutes.
    #[test]
    fn what_never_closes_takes_time_by_its_length() {
        for text in [b"{".repeat(400_000), b"[".repeat(400_000), b"{,".repeat(200_000)] {
            assert!(!Pattern::is_one(&text));
        }
        let name = b"[".repeat(255);
        let pattern = Pattern::parse(&[b"*".as_slice(), &b"[".repeat(1_000)].concat()).unwrap();
        for _ in 0..1_000 {
            assert!(!pattern.matches(&name));
        }
    }

    #[test]
    fn patterns_are_told_from_names() {
        for text in ["*", "a?", "[a]", "{a,b}", "\\*", "a\\\\b"] {
            assert!(Pattern::is_one(text.as_bytes()), "{text}");
        }
        for text in ["", "a.txt", "a[", "[]", "{a}", "{a,b", "a\\b", "a\\"] {
            assert!(!Pattern::is_one(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn a_pattern_of_many_stars_ends_soon() {
        let pattern = b"*a".repeat(1_000);
        let name = b"a".repeat(10_000);
        assert!(matches(&pattern, &name));
        assert!(!matches(&[&pattern[..], b"b"].concat(), &name));
    }

    /// The definition, in exponential time.
    fn naive(pattern: &[u8], name: &[u8]) -> bool {
        match pattern {
            [b'*', rest @ ..] => {
                naive(rest, name) || first(name).is_some_and(|(_, name)| naive(pattern, name))
            }
            _ if pattern.is_empty() => name.is_empty(),
            _ => match_one(pattern, name).is_some_and(|(pattern, name)| naive(pattern, name)),
        }
    }

    #[test]
    fn the_last_star_is_enough() {
        fn property(pattern: Vec<u8>, name: Vec<u8>) -> bool {
            let choose = |from: &[u8], bytes: Vec<u8>| -> Vec<u8> {
                bytes.iter().take(9).map(|&byte| from[usize::from(byte) % from.len()]).collect()
            };
            let (pattern, name) = (choose(b"**?ab[]-!\\\xc3\xa9", pattern), choose(b"ab[]-\\\xc3\xa9", name));
            matches(&pattern, &name) == naive(&pattern, &name)
        }
        QuickCheck::new().tests(20_000).quickcheck(property as fn(Vec<u8>, Vec<u8>) -> bool);
    }
}
