//! Findings, as people and as programs read them.

use super::finding::{Finding, Group, Severity};
use crate::control::printable;
use serde_json::json;
use std::fmt::Write as _;

/// The worst of all.
pub fn worst(findings: &[Finding]) -> Severity {
    findings.iter().map(|finding| finding.kind.severity).max().unwrap_or(Severity::Ok)
}

/// The exit code: 0 if users are well served, 1 with warnings, 2 with errors.
pub fn exit_code(findings: &[Finding]) -> u8 {
    match worst(findings) {
        Severity::Ok | Severity::Note => 0,
        Severity::Warning => 1,
        Severity::Error => 2,
    }
}

/// Lines for people, by group.
pub fn human(findings: &[Finding]) -> String {
    let mut text = String::new();
    for group in Group::ALL {
        let mut of_group: Vec<_> = findings.iter().filter(|finding| finding.kind.group == group).collect();
        if of_group.is_empty() {
            continue;
        }
        of_group.sort_by_key(|finding| std::cmp::Reverse(finding.kind.severity));
        // Writing to a string can't fail.
        let _ = writeln!(text, "{}", group.name());
        for finding in of_group {
            for line in finding.to_string().lines() {
                // What a running server said is among it.
                let _ = writeln!(text, "  {}", printable(line));
            }
        }
    }
    let count = |severity| findings.iter().filter(|finding| finding.kind.severity == severity).count();
    let _ = writeln!(
        text,
        "{} {}, {} {}",
        count(Severity::Error),
        plural("error", count(Severity::Error)),
        count(Severity::Warning),
        plural("warning", count(Severity::Warning)),
    );
    text
}

fn plural(word: &str, count: usize) -> String {
    if count == 1 { word.to_owned() } else { format!("{word}s") }
}

/// One JSON object: `worst`, and `findings` with `id`, `severity`, `group`, `text` and `fix`.
pub fn json(findings: &[Finding]) -> String {
    let list: Vec<_> = findings
        .iter()
        .map(|finding| {
            json!({
                "id": finding.kind.id,
                "severity": finding.kind.severity.name(),
                "group": finding.kind.group.name(),
                "text": finding.text,
                "fix": finding.fix,
            })
        })
        .collect();
    format!("{:#}\n", json!({ "worst": worst(findings).name(), "findings": list }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::catalogue::FILE_NOT_TAKEN_OVER;

    #[test]
    fn what_a_server_says_is_not_obeyed_by_a_terminal() {
        let findings = [FILE_NOT_TAKEN_OVER.found("the running server says: \u{1b}[2Jall is well")];
        let shown = human(&findings);
        assert!(shown.contains("\u{fffd}[2Jall is well") && !shown.contains('\u{1b}'), "{shown:?}");
    }
}
