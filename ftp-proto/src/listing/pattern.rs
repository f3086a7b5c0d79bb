//! Patterns of names, as in `NLST *.txt`.

/// Whether the whole name matches.
///
/// `*` stands for any bytes, a leading dot included; `?` for one byte; `[a-z_]` for one of a set and `[!a-z]`
/// or `[^a-z]` for one outside it, where a `]` right at the beginning belongs to the set. A `[` without its
/// `]` stands for itself. Bytes are compared as they are.
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
        // The last `*` takes one byte more.
        let Some((behind_star, [_, name_rest @ ..])) = retry else { return false };
        retry = Some((behind_star, name_rest));
        (pattern, name) = (behind_star, name_rest);
    }
}

/// Matches one byte of the name against the first element of the pattern, which is not a `*`. Returns what
/// is left of both.
fn match_one<'p, 'n>(pattern: &'p [u8], name: &'n [u8]) -> Option<(&'p [u8], &'n [u8])> {
    let ((&element, pattern_rest), (&byte, name_rest)) = (pattern.split_first()?, name.split_first()?);
    let (matched, pattern_rest) = match element {
        b'?' => (true, pattern_rest),
        b'[' => match_set(pattern_rest, byte).unwrap_or((byte == b'[', pattern_rest)),
        literal => (literal == byte, pattern_rest),
    };
    matched.then_some((pattern_rest, name_rest))
}

/// Whether the byte is in the set whose `[` has been read, and the pattern behind its `]`; `None` if there
/// is none.
fn match_set(set: &[u8], byte: u8) -> Option<(bool, &[u8])> {
    let (inverted, set) = match set {
        [b'!' | b'^', rest @ ..] => (true, rest),
        _ => (false, set),
    };
    // The first member may be a `]`.
    let end = set.iter().skip(1).position(|&member| member == b']')? + 1;
    let (mut members, rest) = (set.get(..end)?, set.get(end + 1..)?);
    let mut found = false;
    loop {
        members = match members {
            [first, b'-', last, others @ ..] => {
                found |= (*first..=*last).contains(&byte);
                others
            }
            [one, others @ ..] => {
                found |= *one == byte;
                others
            }
            [] => return Some((found != inverted, rest)),
        };
    }
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
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
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
            [b'*', rest @ ..] => (0..=name.len()).any(|taken| naive(rest, &name[taken..])),
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
            let (pattern, name) = (choose(b"**?ab[]-!", pattern), choose(b"ab[]-", name));
            matches(&pattern, &name) == naive(&pattern, &name)
        }
        QuickCheck::new().tests(20_000).quickcheck(property as fn(Vec<u8>, Vec<u8>) -> bool);
    }
}
