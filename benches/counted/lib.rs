//! The paths through the core whose cost is watched: each is set up and warmed up once, then repeated as often as one
//! likes. The program beside this counts their instructions, the benchmark `core` takes their time.
#![allow(clippy::expect_used, clippy::panic, reason = "a path that does not do what it says may panic")]

mod pool;
mod pure;
mod still;
mod talk;
mod tls;
mod transfers;

/// One path.
pub struct Path {
    /// What is done, and for what the figure stands.
    pub name: &'static str,
    /// How many of those one repetition does.
    pub units: u64,
    /// Sets it up.
    pub make: fn() -> Work,
}

/// One repetition.
pub type Work = Box<dyn FnMut()>;

/// All of them.
pub fn paths() -> Vec<Path> {
    [talk::PATHS, transfers::PATHS, tls::PATHS, pool::PATHS, pure::PATHS]
        .into_iter()
        .flatten()
        .map(|&(name, units, make)| Path { name, units, make })
        .collect()
}

/// Rows of the tables.
type Row = (&'static str, u64, fn() -> Work);

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Each looks for itself whether it still does what its name says.
    #[test]
    fn every_path_can_be_gone_again_and_again() {
        let paths = paths();
        let names: BTreeSet<&str> = paths.iter().map(|path| path.name).collect();
        assert_eq!(names.len(), paths.len(), "two of one name");
        for path in paths {
            let mut work = (path.make)();
            (0..3).for_each(|_| work());
        }
    }
}
