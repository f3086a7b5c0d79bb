//! What SECURITY.md names as shown by a test is there.

use std::path::{Path, PathBuf};

/// `a/file` or `a/file.rs: function`, as it stands between backticks in the last column.
fn references(text: &str) -> Vec<(&str, Option<&str>)> {
    let rows = text
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| kind") && !line.starts_with("| ---"));
    let shown = rows.filter_map(|row| row.trim_end_matches(" |").rsplit(" | ").next());
    let quoted = shown.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    quoted
        .map(|reference| match reference.split_once(": ") {
            Some((file, function)) => (file, Some(function)),
            None => (reference, None),
        })
        .collect()
}

/// The file, and what belongs to it: a test may have moved into a module below.
fn text_of(root: &Path, file: &str) -> String {
    let path = root.join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("SECURITY.md names {file}: {error}"))
}

#[test]
fn every_test_that_it_names_exists() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("SECURITY.md")).unwrap();
    let references = references(&text);
    assert!(references.len() > 30, "only {} references were found", references.len());
    for (file, function) in references {
        let source = text_of(&root, file);
        if let Some(function) = function {
            let declared =
                source.contains(&format!("fn {function}(")) || source.contains(&format!("fn {function}<"));
            assert!(declared, "SECURITY.md names {function}, which is not in {file}");
        }
    }
}
