//! What the RFCs ask of a server: every requirement of docs/requirements.txt is cited where the code meets it and
//! where a test shows it, or has an exception with its reason.
#![allow(clippy::expect_used, reason = "a failed expectation is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

const LIST: &str = "docs/requirements.txt";

/// Every RFC that has to be in the list.
const RFCS: &[u32] = &[959, 1123, 1639, 2228, 2389, 2428, 2640, 3659, 4217, 5797, 7151];

/// Where citations may stand.
const FOLDERS: &[&str] = &[
    "ftp-proto/src",
    "ftp-proto/tests",
    "ftp-sync/src",
    "ftp-sync/tests",
    "ftp-smol/src",
    "ftp-smol/tests",
    "src",
    "tests",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Must,
    Should,
    May,
}

/// One entry of the list.
#[derive(Debug)]
struct Requirement {
    /// `959-4.1.1-quit`: the RFC, its section if it numbers them, a name.
    id: String,
    level: Level,
    text: String,
    exception: Option<String>,
    /// Where it stands in the list.
    line: usize,
}

impl Requirement {
    fn rfc(&self) -> u32 {
        self.id.split('-').next().and_then(|number| number.parse().ok()).unwrap_or(0)
    }

    /// By RFC, then by section as numbers, then by name.
    fn order(&self) -> (u32, Vec<u32>, &str) {
        let behind = self.id.split_once('-').map_or("", |(_, behind)| behind);
        let section = behind.split_once('-').and_then(|(section, _)| {
            section.split('.').map(|part| part.parse().ok()).collect::<Option<Vec<u32>>>()
        });
        (self.rfc(), section.unwrap_or_default(), behind)
    }

    fn has_form(&self) -> bool {
        let mut parts = self.id.split('-');
        let number = parts.next().unwrap_or_default();
        number.bytes().all(|byte| byte.is_ascii_digit())
            && self.id.len() > number.len() + 1
            && parts.all(|part| {
                !part.is_empty()
                    && part
                        .bytes()
                        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'.')
            })
    }
}

/// Reads the list: `id LEVEL`, then indented lines of what is required, then perhaps `exception: why`.
fn parse(list: &str) -> Result<Vec<Requirement>, String> {
    let mut requirements: Vec<Requirement> = Vec::new();
    for (index, line) in list.lines().enumerate() {
        let number = index + 1;
        let wrong = |why: &str| format!("{LIST}:{number}: {why}: {line}");
        if line.starts_with('#') || line.trim().is_empty() {
            continue;
        }
        if !line.starts_with(' ') {
            let (id, level) =
                line.split_once(' ').ok_or_else(|| wrong("write an id and MUST, SHOULD or MAY"))?;
            let level = match level {
                "MUST" => Level::Must,
                "SHOULD" => Level::Should,
                "MAY" => Level::May,
                _ => return Err(wrong("the level is MUST, SHOULD or MAY")),
            };
            let requirement =
                Requirement { id: id.to_owned(), level, text: String::new(), exception: None, line: number };
            if !requirement.has_form() {
                return Err(wrong("an id looks like 959-4.1.1-quit"));
            }
            requirements.push(requirement);
            continue;
        }
        let entry =
            requirements.last_mut().ok_or_else(|| wrong("an indented line belongs to an id above it"))?;
        match (line.trim().strip_prefix("exception:"), &mut entry.exception) {
            (Some(_), Some(_)) => return Err(wrong("one exception is enough")),
            (Some(reason), None) => entry.exception = Some(reason.trim().to_owned()),
            (None, Some(reason)) => reason.extend([" ", line.trim()]),
            (None, None) => entry.text.push_str(line.trim()),
        }
    }
    Ok(requirements)
}

/// What is wrong with the list itself.
fn problems_of_list(requirements: &[Requirement]) -> Vec<String> {
    let mut problems = Vec::new();
    for requirement in requirements {
        let Requirement { id, line, .. } = requirement;
        if requirement.text.is_empty() {
            problems.push(format!("{LIST}:{line}: {id} does not say what is required"));
        }
        if requirement.exception.as_ref().is_some_and(|reason| reason.len() < 20) {
            problems.push(format!("{LIST}:{line}: the exception of {id} gives no reason"));
        }
        if !RFCS.contains(&requirement.rfc()) {
            problems.push(format!("{LIST}:{line}: {id} is of none of the RFCs {RFCS:?}"));
        }
    }
    for pair in requirements.windows(2) {
        if let [first, second] = pair
            && first.order() >= second.order()
        {
            let Requirement { id, line, .. } = second;
            problems.push(format!("{LIST}:{line}: {id} must stand before {}, and once", first.id));
        }
    }
    for rfc in RFCS {
        if !requirements.iter().any(|requirement| requirement.rfc() == *rfc) {
            problems.push(format!("{LIST}: nothing of RFC {rfc} is listed"));
        }
    }
    problems
}

#[derive(Debug, Default)]
struct Citations {
    /// By id, the first place.
    code: BTreeMap<String, String>,
    tests: BTreeMap<String, String>,
    /// What looks like a citation and is none.
    malformed: Vec<String>,
}

impl Citations {
    /// `// req: id` or `// req: id, id` on a line of its own in Rust, `# req: id` in a transcript. From
    /// `#[cfg(test)]` on a file of code is a test.
    fn read(&mut self, name: &str, text: &str) {
        let mark = if name.ends_with(".ftp") { "#" } else { "//" };
        let mut is_test = name.split('/').any(|part| matches!(part, "tests" | "testing" | "tests.rs"));
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            is_test |= line == "#[cfg(test)]";
            let Some(comment) = line.strip_prefix(mark) else { continue };
            let place = format!("{name}:{}", index + 1);
            let Some(ids) = comment.strip_prefix(" req: ") else {
                if comment.trim_start_matches(['/', '!', ' ']).starts_with("req:") {
                    self.malformed
                        .push(format!("{place}: write \"{mark} req: id\" or \"{mark} req: id, id\""));
                }
                continue;
            };
            for id in ids.split(", ") {
                let found = if is_test { &mut self.tests } else { &mut self.code };
                found.entry(id.to_owned()).or_insert_with(|| place.clone());
            }
        }
    }
}

/// What is wrong between the list and the citations.
fn problems_of_citations(requirements: &[Requirement], citations: &Citations) -> Vec<String> {
    let mut problems = citations.malformed.clone();
    let known: BTreeSet<&str> = requirements.iter().map(|requirement| requirement.id.as_str()).collect();
    for (id, place) in citations.code.iter().chain(&citations.tests) {
        if !known.contains(id.as_str()) {
            problems.push(format!("{place}: there is no requirement \"{id}\" in {LIST}"));
        }
    }
    for requirement in requirements {
        let Requirement { id, level, line, .. } = requirement;
        let (code, test) = (citations.code.get(id), citations.tests.get(id));
        let place = format!("{LIST}:{line}: {id}");
        let write = |what: &str, mark: &str, where_: &str| {
            format!(
                "{place} is cited by no {what}: write \"{mark} req: {id}\" above {where_}, or \"exception: why\" below it"
            )
        };
        match (requirement.exception.is_some(), code, test) {
            (true, Some(code), _) => {
                problems.push(format!("{place} is an exception, and {code} says that it is met"));
            }
            (true, None, _) | (false, Some(_), Some(_)) => {}
            (false, None, None) => problems.push(write("code and no test", "//", "the code that meets it")),
            (false, None, Some(_)) if *level == Level::Must => {
                problems.push(write("code", "//", "the code that meets it"));
            }
            (false, Some(_), None) if *level == Level::Must => {
                problems.push(write(
                    "test",
                    "#",
                    "the transcript that shows it (or \"//\" above a test in Rust)",
                ));
            }
            (false, None, Some(_)) | (false, Some(_), None) => {}
        }
    }
    problems
}

fn read_folder(root: &Path, folder: &str, citations: &mut Citations) {
    let Ok(entries) = fs::read_dir(root.join(folder)) else { return };
    let mut names: Vec<String> =
        entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    for name in names {
        let name = format!("{folder}/{name}");
        let path = root.join(&name);
        // This file holds citations that are none.
        if name == "ftp-proto/tests/requirements.rs" {
            continue;
        }
        if path.is_dir() {
            read_folder(root, &name, citations);
        } else if name.ends_with(".rs") || name.ends_with(".ftp") {
            citations.read(&name, &fs::read_to_string(&path).expect("a source file is UTF-8"));
        }
    }
}

#[test]
fn each_requirement_is_cited_by_code_and_tests_or_is_an_exception() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let list = fs::read_to_string(root.join(LIST)).expect("the list can be read");
    let requirements = parse(&list).unwrap_or_else(|why| panic!("{why}"));
    let mut citations = Citations::default();
    for folder in FOLDERS {
        read_folder(&root, folder, &mut citations);
    }
    let count = |level| requirements.iter().filter(|requirement| requirement.level == level).count();
    let excepted = requirements.iter().filter(|requirement| requirement.exception.is_some()).count();
    println!(
        "{} requirements of {} RFCs: {} MUST, {} SHOULD, {} MAY; {} cited by code, {} by tests, {excepted} exceptions",
        requirements.len(),
        RFCS.len(),
        count(Level::Must),
        count(Level::Should),
        count(Level::May),
        citations.code.len(),
        citations.tests.len(),
    );
    let mut problems = problems_of_list(&requirements);
    problems.extend(problems_of_citations(&requirements, &citations));
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

/// What this list and these files have for problems.
fn problems(list: &str, files: &[(&str, &str)]) -> Vec<String> {
    let requirements = match parse(list) {
        Ok(requirements) => requirements,
        Err(why) => return vec![why],
    };
    let mut citations = Citations::default();
    for (name, text) in files {
        citations.read(name, text);
    }
    let own =
        problems_of_list(&requirements).into_iter().filter(|problem| !problem.contains("nothing of RFC"));
    own.chain(problems_of_citations(&requirements, &citations)).collect()
}

#[test]
fn what_is_not_cited_is_reported() {
    let must = "959-4.1.1-quit MUST\n  It ends.\n";
    let may = "959-4.1.1-smnt MAY\n  It mounts.\n";
    let code = ("src/a.rs", "    // req: 959-4.1.1-quit\n");
    let in_test = ("src/a.rs", "#[cfg(test)]\nmod tests {\n    // req: 959-4.1.1-quit\n}\n");
    let script = ("ftp-proto/tests/transcripts/a.ftp", "# Why.\n# req: 959-4.1.1-smnt, 959-4.1.1-quit\n");
    let excepted = format!("{must}  exception: nobody ever asked for it, in forty years\n");
    for (list, files, expected) in [
        (must, &[code, script][..0], &["by no code and no test"][..]),
        (must, &[code], &["by no test"]),
        (must, &[in_test], &["by no code:"]),
        (must, &[code, in_test], &[]),
        (must, &[code, script], &["no requirement \"959-4.1.1-smnt\""]),
        (&format!("{must}{may}"), &[code, script], &[]),
        (may, &[], &["by no code and no test"]),
        (&excepted, &[], &[]),
        (&excepted, &[in_test], &[]),
        (&excepted, &[code], &["is an exception, and src/a.rs:1 says"]),
    ] {
        let found = problems(list, files);
        assert_eq!(found.len(), expected.len(), "{list}{files:?}: {found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.contains(expected), "{found}");
        }
    }
}

#[test]
fn a_list_that_is_not_in_order_is_reported() {
    let cited = [("src/a.rs", "// req: 959-4-a, 959-10-a\n"), ("tests/a.rs", "// req: 959-4-a, 959-10-a\n")];
    for (list, expected) in [
        ("959-4-a MUST\n  x\n959-10-a MUST\n  y\n", None),
        ("959-10-a MUST\n  x\n959-4-a MUST\n  y\n", Some("must stand before")),
        ("959-4-a MUST\n  x\n959-4-a MUST\n  y\n959-10-a MUST\n  z\n", Some("must stand before")),
        ("959-4-a MUST\n959-10-a MUST\n  y\n", Some("does not say what")),
        ("959-4-a MIGHT\n  x\n", Some("the level is")),
        ("959 MUST\n  x\n", Some("an id looks like")),
        ("959-4-A MUST\n  x\n", Some("an id looks like")),
        ("  x\n", Some("belongs to an id")),
        ("959-4-a MUST\n  x\n  exception: no\n959-10-a MUST\n  y\n", Some("gives no reason")),
    ] {
        let found = problems(list, &cited);
        match expected {
            None => assert!(found.is_empty(), "{list}: {found:?}"),
            Some(expected) => {
                assert!(found.iter().any(|problem| problem.contains(expected)), "{list}: {found:?}")
            }
        }
    }
    let unlisted = problems_of_list(&[]);
    assert_eq!(unlisted.len(), RFCS.len(), "{unlisted:?}");
}

#[test]
fn what_only_looks_like_a_citation_is_reported() {
    for (name, line) in [
        ("src/a.rs", "/// req: 959-4-a"),
        ("src/a.rs", "//req: 959-4-a"),
        ("src/a.rs", "// req:959-4-a"),
        ("ftp-proto/tests/a.ftp", "#req: 959-4-a"),
    ] {
        let found = problems("", &[(name, line)]);
        assert!(found.iter().any(|problem| problem.contains("write \"")), "{line}: {found:?}");
    }
}
