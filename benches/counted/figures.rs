//! The figures: a text file with a line for each path, and what is said when they differ.

use std::collections::BTreeMap;
use std::fmt;

/// By how many hundredths a path may differ from its figure.
const TOLERANCE: u64 = 5;

/// What was recorded.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) kind: Kind,
    /// Instructions by path.
    pub(crate) paths: Vec<(String, u64)>,
}

/// For which machines and by which compiler.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) target: String,
    pub(crate) compiler: String,
}

impl Figures {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let kind = text.lines().find_map(|line| line.strip_prefix("# ")?.split_once(", "));
        let (target, compiler) = kind.ok_or("the line `# TARGET, COMPILER` is missing")?;
        let lines =
            (1..).zip(text.lines()).filter(|(_, line)| !line.starts_with('#') && !line.trim().is_empty());
        let paths = lines.map(|(number, line)| {
            let (figure, name) = line.trim().split_once("  ").unwrap_or((line, ""));
            match figure.parse() {
                Ok(figure) if !name.is_empty() => Ok((name.trim().to_owned(), figure)),
                _ => Err(format!("line {number}: `INSTRUCTIONS  PATH` was expected")),
            }
        });
        let kind = Kind { target: target.to_owned(), compiler: compiler.to_owned() };
        Ok(Self { kind, paths: paths.collect::<Result<_, _>>()? })
    }

    /// What has become of the recorded paths.
    pub(crate) fn compare(&self, counted: &[(String, u64)]) -> Comparison {
        let mut recorded: BTreeMap<&str, u64> =
            self.paths.iter().map(|(name, figure)| (name.as_str(), *figure)).collect();
        let known = counted.iter().map(|(name, now)| {
            let verdict =
                recorded.remove(name.as_str()).map_or(Verdict::New(*now), |before| Verdict::of(before, *now));
            (name.clone(), verdict)
        });
        let mut rows: Vec<_> = known.collect();
        rows.extend(recorded.into_iter().map(|(name, before)| (name.to_owned(), Verdict::Gone(before))));
        Comparison(rows)
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "# {}, {}", self.kind.target, self.kind.compiler)?;
        writeln!(
            out,
            "# Instructions that the core's paths cost. Written by `cargo run -p counted --profile counted -- record`."
        )?;
        self.paths.iter().try_for_each(|(name, figure)| writeln!(out, "{figure:>8}  {name}"))
    }
}

/// Each path, and what has become of it.
pub(crate) struct Comparison(Vec<(String, Verdict)>);

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Same {
        before: u64,
        now: u64,
    },
    Grown {
        before: u64,
        now: u64,
    },
    Shrunk {
        before: u64,
        now: u64,
    },
    /// It has no figure.
    New(u64),
    /// It has a figure and is nowhere in the program.
    Gone(u64),
}

impl Verdict {
    fn of(before: u64, now: u64) -> Self {
        if now * 100 > before * (100 + TOLERANCE) {
            Self::Grown { before, now }
        } else if now * 100 < before * (100 - TOLERANCE) {
            Self::Shrunk { before, now }
        } else {
            Self::Same { before, now }
        }
    }
}

impl Comparison {
    /// Nothing has grown, and both have the same paths.
    pub(crate) fn is_fine(&self) -> bool {
        self.0.iter().all(|(_, verdict)| matches!(verdict, Verdict::Same { .. } | Verdict::Shrunk { .. }))
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, verdict) in &self.0 {
            let (before, now, words) = match *verdict {
                Verdict::Same { before, now } => (before, now, ""),
                Verdict::Grown { before, now } => (before, now, "  TOO MUCH"),
                Verdict::Shrunk { before, now } => (before, now, "  less: please record"),
                Verdict::New(now) => (0, now, "  NOT RECORDED"),
                Verdict::Gone(before) => (before, 0, "  NOT COUNTED ANY MORE"),
            };
            writeln!(out, "{before:>8} {now:>8}  {name}{words}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(paths: &[(&str, u64)]) -> Figures {
        let kind = Kind { target: "x86_64-linux".to_owned(), compiler: "rustc 1.95.0".to_owned() };
        Figures { kind, paths: named(paths) }
    }

    fn named(paths: &[(&str, u64)]) -> Vec<(String, u64)> {
        paths.iter().map(|&(name, figure)| (name.to_owned(), figure)).collect()
    }

    #[test]
    fn what_is_written_is_read() {
        let figures = figures(&[("NOOP", 1_700), ("LIST, an entry of 1,000", 12_345_678_901)]);
        assert_eq!(Figures::parse(&figures.to_string()), Ok(figures));
    }

    #[test]
    fn what_is_no_figure_is_named() {
        assert!(Figures::parse("100  NOOP\n").is_err());
        let problem = Figures::parse("# a, b\n\n 100  NOOP\nNOOP\n").unwrap_err();
        assert!(problem.contains("line 4"), "{problem}");
        assert!(Figures::parse("# a, b\n100\n").is_err());
    }

    #[test]
    fn growth_and_what_is_missing_fail_and_less_is_told() {
        let recorded = figures(&[("a", 1_000), ("b", 1_000)]);
        let words = |counted: &[(&str, u64)]| {
            let comparison = recorded.compare(&named(counted));
            (comparison.is_fine(), comparison.to_string())
        };
        assert!(words(&[("a", 1_050), ("b", 950)]).0);
        let (fine, text) = words(&[("a", 1_051), ("b", 1_000)]);
        assert!(!fine && text.contains("a  TOO MUCH"), "{text}");
        let (fine, text) = words(&[("a", 949), ("b", 1_000)]);
        assert!(fine && text.contains("a  less"), "{text}");
        let (fine, text) = words(&[("a", 1_000)]);
        assert!(!fine && text.contains("b  NOT COUNTED ANY MORE"), "{text}");
        let (fine, text) = words(&[("a", 1_000), ("b", 1_000), ("c", 1)]);
        assert!(!fine && text.contains("c  NOT RECORDED"), "{text}");
    }
}
