//! The tables of docs/migration.md are made from those of the code. `UPDATE=1` writes them anew.

use super::*;
use std::fmt::Write as _;

fn table(server: Server) -> String {
    let mut text = format!("\n| {} | here |\n| --- | --- |\n", server.title());
    for (name, fate) in server.directives() {
        let cell = match fate {
            Fate::Becomes(keys) => keys.to_string(),
            Fate::Needless(why) => format!("*nothing to do:* {why}"),
            Fate::Lacking(advice) => format!("**not here:** {advice}"),
        };
        // Writing to a string can't fail.
        let _ = writeln!(text, "| `{name}` | {} |", cell.replace('|', "\\|").replace('<', "&lt;"));
    }
    text.push('\n');
    text
}

#[test]
fn tables_of_directives_are_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/migration.md");
    let old = std::fs::read_to_string(&path).unwrap();
    let mut new = old.clone();
    for (name, server) in Server::NAMES {
        let (begin, end) = (format!("<!-- begin {name} -->\n"), format!("<!-- end {name} -->"));
        let start = new.find(&begin).unwrap_or_else(|| panic!("{begin} is not there")) + begin.len();
        let stop = new.find(&end).unwrap_or_else(|| panic!("{end} is not there"));
        new.replace_range(start..stop, &table(*server));
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &new).unwrap();
    } else {
        assert!(old == new, "docs/migration.md is out of date; run the tests with UPDATE=1");
    }
}
