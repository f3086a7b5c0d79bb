//! proftpd.conf as a tree: directives and `<Block>`s, with what it includes.

use crate::config_file::FileError;
use crate::import::draft::{Draft, Place};
use crate::import::files::{self, Files};
use crate::import::settings::Setting;
use ftp_proto::listing::pattern;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How deep files include each other, and blocks contain each other.
const DEEPEST: usize = 16;
/// How many files are read.
const MOST_FILES: usize = 1_000;

/// A directive, or a block of them.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Directive(Setting),
    Block(Block),
}

/// `<Name arguments> … </Name>`.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) name: String,
    pub(super) arguments: Vec<String>,
    pub(super) place: Place,
    column: usize,
    pub(super) nodes: Vec<Node>,
}

impl Block {
    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// The directives that stand in it, not in blocks of it.
    pub(super) fn directives(&self) -> impl Iterator<Item = &Setting> {
        directives(&self.nodes)
    }

    pub(super) fn blocks(&self) -> impl Iterator<Item = &Block> {
        blocks(&self.nodes)
    }

    /// `<Name arguments>`, for notes.
    pub(super) fn title(&self) -> String {
        format!("<{}>", [std::slice::from_ref(&self.name), &self.arguments].concat().join(" "))
    }
}

pub(super) fn directives(nodes: &[Node]) -> impl Iterator<Item = &Setting> {
    nodes.iter().filter_map(|node| match node {
        Node::Directive(setting) => Some(setting),
        Node::Block(_) => None,
    })
}

pub(super) fn blocks(nodes: &[Node]) -> impl Iterator<Item = &Block> {
    nodes.iter().filter_map(|node| match node {
        Node::Block(block) => Some(block),
        Node::Directive(_) => None,
    })
}

/// The whole configuration. Blocks that are there or not (`<IfModule>`, `<IfDefine>`) are dissolved.
pub(super) fn read(draft: &mut Draft, path: &Path, files: &dyn Files) -> Result<Vec<Node>, FileError> {
    let mut reader = Reader { files, left: MOST_FILES };
    let mut nodes = Vec::new();
    reader.file(draft, path, 0, &mut nodes)?;
    Ok(nodes)
}

struct Reader<'a> {
    files: &'a dyn Files,
    left: usize,
}

impl Reader<'_> {
    fn file(
        &mut self,
        draft: &mut Draft,
        path: &Path,
        depth: usize,
        into: &mut Vec<Node>,
    ) -> Result<(), FileError> {
        let source = files::text(self.files, path)?;
        let file: Arc<Path> = path.into();
        let mut open: Vec<Block> = Vec::new();
        for (line, column, text) in lines(source.text()) {
            let place = Place { file: file.clone(), line };
            let wrong = |problem: String| Err(FileError::at(path, line, column, problem));
            if let Some(name) = text.strip_prefix("</") {
                let name = name.trim_end_matches('>').trim();
                match open.pop() {
                    Some(block) if block.is(name) => {
                        close(draft, block, open.last_mut().map_or(&mut *into, |parent| &mut parent.nodes));
                    }
                    Some(block) => {
                        return wrong(format!(
                            "</{name}> ends <{}> of line {}; write </{}>",
                            block.name, block.place.line, block.name
                        ));
                    }
                    None => {
                        return wrong(format!("</{name}> ends nothing; remove it, or write <{name}> before"));
                    }
                }
                continue;
            }
            if let Some(inner) = text.strip_prefix('<') {
                if open.len() >= DEEPEST {
                    return wrong(format!("blocks are nested deeper than {DEEPEST}"));
                }
                let mut words = words(inner.trim_end().trim_end_matches('>'));
                if words.is_empty() {
                    return wrong("a block without a name; write it like <Global>".to_owned());
                }
                let name = words.remove(0);
                open.push(Block { name, arguments: words, place, column, nodes: Vec::new() });
                continue;
            }
            let mut arguments = words(&text);
            if arguments.is_empty() {
                continue;
            }
            let setting = Setting { name: arguments.remove(0), arguments, place };
            let into = open.last_mut().map_or(&mut *into, |parent| &mut parent.nodes);
            if setting.name.eq_ignore_ascii_case("Include") {
                self.include(draft, &setting, depth, into)?;
            } else {
                into.push(Node::Directive(setting));
            }
        }
        match open.pop() {
            None => Ok(()),
            Some(block) => {
                let problem = format!("<{}> has no end; write </{}>", block.name, block.name);
                Err(FileError::at(path, block.place.line, block.column, problem))
            }
        }
    }

    /// A file, all files of a directory, or those that a pattern in the last part names.
    fn include(
        &mut self,
        draft: &mut Draft,
        setting: &Setting,
        depth: usize,
        into: &mut Vec<Node>,
    ) -> Result<(), FileError> {
        let base = setting.place.file.parent().unwrap_or(Path::new(""));
        let path = base.join(setting.value());
        let found = self.included(&path);
        // A pattern that names nothing is no mistake; one for directories is not followed.
        let in_directory = setting.value().rsplit_once('/').is_some_and(|(before, _)| is_pattern(before));
        let missing = !is_pattern(setting.value()) && !self.is_directory(&path);
        if found.is_empty() && (missing || in_directory) {
            draft.attention(
                &setting.place,
                "Include",
                format!("{} can't be read; bring it along and import again", path.display()),
            );
        }
        for file in found {
            if depth >= DEEPEST || self.left == 0 {
                draft.attention(&setting.place, "Include", "too many files include each other; left out");
                break;
            }
            self.left -= 1;
            self.file(draft, &file, depth + 1, into)?;
        }
        Ok(())
    }

    fn is_directory(&self, path: &Path) -> bool {
        self.files.list(path).is_ok()
    }

    fn included(&self, path: &Path) -> Vec<PathBuf> {
        if let Ok(files) = self.files.list(path) {
            return files;
        }
        let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        if !is_pattern(&name) {
            return if self.files.read(path).is_ok() { vec![path.to_owned()] } else { Vec::new() };
        }
        let files = path.parent().and_then(|directory| self.files.list(directory).ok()).unwrap_or_default();
        let named = |file: &PathBuf| {
            let other = file.file_name().unwrap_or_default().to_string_lossy();
            pattern::matches(name.as_bytes(), other.as_bytes())
        };
        files.into_iter().filter(named).collect()
    }
}

fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

/// Puts a complete block where it belongs.
fn close(draft: &mut Draft, mut block: Block, into: &mut Vec<Node>) {
    let condition = block.arguments.first().map_or("", String::as_str);
    let negated = condition.starts_with('!');
    if block.is("IfModule") || block.is("IfVersion") {
        // All modules are taken to be there.
        if !negated {
            into.append(&mut block.nodes);
        }
    } else if block.is("IfDefine") {
        if negated {
            into.append(&mut block.nodes);
        } else {
            let advice = "holds if ProFTPD is started with this word (-D); taken as if it is not";
            draft.attention(&block.place, block.title(), advice);
        }
    } else {
        into.push(Node::Block(block));
    }
}

/// The lines that say something, those that end with a backslash joined with the next: number, column, text.
fn lines(text: &str) -> Vec<(usize, usize, String)> {
    let mut found: Vec<(usize, usize, String)> = Vec::new();
    let mut continued = false;
    for (index, line) in text.lines().enumerate() {
        let line = if index == 0 { line.trim_start_matches('\u{feff}') } else { line };
        let (body, goes_on) = match line.trim_end().strip_suffix('\\') {
            Some(body) => (body, true),
            None => (line.trim_end(), false),
        };
        let part = body.trim_start();
        if continued && let Some((_, _, text)) = found.last_mut() {
            text.push(' ');
            text.push_str(part);
        } else {
            if part.is_empty() || part.starts_with('#') {
                continue;
            }
            let column = body.chars().count() - part.chars().count() + 1;
            found.push((index + 1, column, part.to_owned()));
        }
        continued = goes_on;
    }
    found
}

/// Words, those in quotes whole. A word that begins with # begins a comment.
pub(in crate::import) fn words(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut letters = text.chars().peekable();
    loop {
        while letters.next_if(|letter| letter.is_whitespace()).is_some() {}
        match letters.peek() {
            None | Some('#') => return found,
            Some(_) => {}
        }
        let quoted = letters.next_if_eq(&'"').is_some();
        let mut word = String::new();
        while let Some(letter) = letters.next() {
            match letter {
                '"' if quoted => break,
                '\\' if quoted => word.extend(letters.next()),
                _ if !quoted && letter.is_whitespace() => break,
                _ => word.push(letter),
            }
        }
        found.push(word);
    }
}
