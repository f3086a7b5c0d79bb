//! The known word nearest to a mistyped one.

/// The word of `known` that `typed` was probably meant to be: the nearest by edit distance, if at most a
/// third of its letters differ. With dotted keys, a right name in the wrong section counts as near.
pub(crate) fn nearest<'k>(typed: &str, known: impl Iterator<Item = &'k str> + Clone) -> Option<&'k str> {
    let allowed = |word: &str| (word.chars().count() / 3).max(1);
    let by_whole = known
        .clone()
        .map(|word| (distance(typed, word), word))
        .filter(|(far, word)| *far <= allowed(last_part(word)))
        .min_by_key(|(far, _)| *far);
    if let Some((_, word)) = by_whole {
        return Some(word);
    }
    let name = last_part(typed);
    known
        .map(|word| (distance(name, last_part(word)), word))
        .filter(|(far, word)| *far <= allowed(last_part(word)))
        .min_by_key(|(far, _)| *far)
        .map(|(_, word)| word)
}

fn last_part(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

/// How many letters must be inserted, removed, replaced or swapped with their neighbour to turn one word
/// into the other (optimal string alignment); upper and lower case are the same.
fn distance(left: &str, right: &str) -> usize {
    // Longer than any word that is known: not worth the time.
    const LONGEST: usize = 64;
    let letters = |word: &str| word.chars().take(LONGEST).flat_map(char::to_lowercase).collect::<Vec<_>>();
    let (left, right) = (letters(left), letters(right));
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for (row, from) in left.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, to) in right.iter().enumerate() {
            let at = |line: &[usize], index: usize| line.get(index).copied().unwrap_or(usize::MAX / 2);
            let mut best = (at(&last, column) + usize::from(from != to))
                .min(at(&last, column + 1) + 1)
                .min(at(&current, column) + 1);
            let swapped =
                row > 0 && column > 0 && left.get(row - 1) == Some(to) && right.get(column - 1) == Some(from);
            if swapped {
                best = best.min(at(&before_last, column - 1) + 1);
            }
            current.push(best);
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (left, right, want) in [
            ("", "", 0),
            ("", "abc", 3),
            ("pasive", "passive", 1),
            ("ports", "prots", 1),
            ("idle", "IDLE", 0),
            ("stall", "linger", 6),
        ] {
            assert_eq!(distance(left, right), want, "{left} {right}");
            assert_eq!(distance(right, left), want, "{right} {left}");
        }
    }

    #[test]
    fn near_words_and_right_names_in_wrong_sections() {
        let known = ["server.bind", "server.root", "passive.ports", "timeouts.idle"];
        for (typed, want) in [
            ("server.bnid", Some("server.bind")),
            ("server.ports", Some("passive.ports")),
            ("bind", Some("server.bind")),
            ("timeouts.idel", Some("timeouts.idle")),
            ("server.colour", None),
        ] {
            assert_eq!(nearest(typed, known.iter().copied()), want, "{typed}");
        }
        assert_eq!(nearest("pasive", ["server", "passive"].into_iter()), Some("passive"));
    }
}
