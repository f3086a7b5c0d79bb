//! TOML with places: every value knows its key and where it stands, so that every complaint can be one
//! line of the form `FILE:LINE:COLUMN: key: what was expected; write …`.

use std::fmt::{self, Display};
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml_edit::{Item, TableLike, Value};

/// What is wrong with a file, in one line that editors can jump to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileError {
    file: PathBuf,
    position: Option<(usize, usize)>,
    message: String,
}

impl FileError {
    /// A complaint about the file as a whole.
    pub(crate) fn whole(file: &Path, message: impl Display) -> Self {
        Self { file: file.to_owned(), position: None, message: message.to_string() }
    }

    /// What is wrong and what to write, without the place. One line: the parser's own messages and values quoted from
    /// the file may hold line ends.
    pub(crate) fn message(&self) -> String {
        let parts = self.message.split(['\n', '\r']).map(str::trim).filter(|part| !part.is_empty());
        let parts: Vec<_> = parts.collect();
        if parts.is_empty() { "unreadable".to_owned() } else { parts.join(", ") }
    }

    /// A complaint about a line and column, both counted in characters from 1.
    pub(crate) fn at(file: &Path, line: usize, column: usize, message: impl Display) -> Self {
        Self { file: file.to_owned(), position: Some((line, column)), message: message.to_string() }
    }

    /// Where in the file, as line and column, both counted in characters from 1.
    pub fn position(&self) -> Option<(usize, usize)> {
        self.position
    }
}

impl Display for FileError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:", self.file.display())?;
        if let Some((line, column)) = self.position {
            write!(out, "{line}:{column}:")?;
        }
        write!(out, " {}", self.message())
    }
}

impl std::error::Error for FileError {}

/// A file's name and text.
pub(crate) struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<Self, FileError> {
        Self::from_bytes(path, std::fs::read(path))
    }

    /// A file that was read already, or could not be.
    pub(crate) fn from_bytes(path: &Path, bytes: std::io::Result<Vec<u8>>) -> Result<Self, FileError> {
        match bytes {
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => Ok(Self { path: path.to_owned(), text }),
                Err(error) => {
                    let valid = error.utf8_error().valid_up_to();
                    let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
                    let source = Self { path: path.to_owned(), text };
                    Err(source.error_at(valid, "not UTF-8 text; save the file as UTF-8"))
                }
            },
            Err(error) => {
                let refused = error.kind() == std::io::ErrorKind::PermissionDenied;
                let advice = if refused { crate::sandbox::unreadable(path) } else { None };
                let advice = advice.map_or_else(String::new, |advice| format!("; {advice}"));
                Err(FileError::whole(path, format_args!("can't be read: {}{advice}", plain(&error))))
            }
        }
    }

    /// All of it.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Text that is already in memory, with the name complaints give it.
    pub(crate) fn new(path: &Path, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// The file as a tree.
    pub(crate) fn parse(&self) -> Result<toml_edit::Document<&str>, FileError> {
        toml_edit::Document::parse(self.text.as_str()).map_err(|error| {
            let span = error.span().unwrap_or_default();
            let offset = span.start;
            if error.message() == "duplicate key" {
                let key = self.text.get(span).unwrap_or_default();
                return self.error_at(offset, format_args!("{}: is there twice; remove one", key.trim()));
            }
            match self.value_without_quotes(offset) {
                Some((key, value)) => self.error_at(
                    offset,
                    format_args!("{key}: {}; write it in quotes: {key} = {value:?}", error.message()),
                ),
                None => self.error_at(offset, error.message()),
            }
        })
    }

    /// Key and value of the line around `offset`, if the value is of no kind that TOML has: the usual mistake
    /// with port ranges and addresses.
    fn value_without_quotes(&self, offset: usize) -> Option<(&str, &str)> {
        let start = self.text.get(..offset)?.rfind('\n').map_or(0, |end| end + 1);
        let line = self.text.get(start..)?.lines().next()?;
        let (key, rest) = line.split_once('=')?;
        let (key, value) = (key.trim(), rest.split('#').next()?.trim());
        let named =
            !key.is_empty() && key.chars().all(|letter| letter.is_alphanumeric() || "_-.".contains(letter));
        (named && value.starts_with(|first: char| first.is_alphanumeric() || "/.:~".contains(first)))
            .then_some((key, value))
    }

    /// What `path` in this file means: relative to the file, not to the working directory.
    pub(crate) fn resolve(&self, path: &str) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(path)
    }

    /// A complaint about the place `offset` bytes into the file.
    pub(crate) fn error_at(&self, offset: usize, message: impl Display) -> FileError {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        let line = before.matches('\n').count() + 1;
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        FileError { file: self.path.clone(), position: Some((line, column)), message: message.to_string() }
    }
}

/// A system's error without the number that Rust appends.
pub(crate) fn plain(error: &std::io::Error) -> String {
    without_number(&error.to_string())
}

/// A message without the system's error number, which tells people nothing.
pub(crate) fn without_number(message: &str) -> String {
    let cut = message
        .split_once(" (os error ")
        .and_then(|(before, number)| Some((before, number.split_once(')')?.1)));
    cut.map_or_else(|| message.to_owned(), |(before, after)| format!("{before}{after}"))
}

/// One value of the file, or the whole file.
#[derive(Clone)]
pub(crate) struct Node<'a> {
    source: &'a Source,
    /// The dotted key; empty for the whole file.
    key: String,
    key_offset: usize,
    content: Content<'a>,
}

#[derive(Clone, Copy)]
enum Content<'a> {
    Item(&'a Item),
    Value(&'a Value),
    Table(&'a dyn TableLike),
}

impl<'a> Node<'a> {
    /// The whole file.
    pub(crate) fn root(source: &'a Source, document: &'a toml_edit::Document<&str>) -> Self {
        Self { source, key: String::new(), key_offset: 0, content: Content::Table(document.as_table()) }
    }

    /// The dotted key, like `passive.ports`.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// The file it stands in.
    pub(crate) fn source(&self) -> &'a Source {
        self.source
    }

    /// Where the value begins, in bytes.
    pub(crate) fn offset(&self) -> usize {
        let span = match self.content {
            Content::Item(item) => item.span(),
            Content::Value(value) => value.span(),
            Content::Table(_) => None,
        };
        span.map_or(self.key_offset, |span| span.start)
    }

    /// A complaint about this value. `message` says what was expected and what to write.
    pub(crate) fn wrong(&self, message: impl Display) -> FileError {
        self.source.error_at(self.offset(), format_args!("{}: {message}", self.key))
    }

    /// A complaint that nobody knows this key, with the nearest of those that are known, or else its
    /// possible neighbours.
    pub(crate) fn unknown<'k>(&self, known: impl Iterator<Item = &'k str> + Clone) -> FileError {
        let advice = match super::nearest::nearest(&self.key, known.clone()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => {
                let parent = self.key.rfind('.').map_or("", |dot| self.key.get(..=dot).unwrap_or_default());
                let mut neighbours: Vec<_> = known
                    .filter_map(|key| Some((key, key.strip_prefix(parent)?)))
                    .filter_map(|(key, rest)| key.get(..parent.len() + rest.split('.').next()?.len()))
                    .collect();
                neighbours.dedup();
                format!("write one of {}", neighbours.join(", "))
            }
        };
        self.source.error_at(self.key_offset, format_args!("unknown key `{}`; {advice}", self.key))
    }

    /// The entries of a table, in the order of the file.
    pub(crate) fn entries(&self) -> Result<Vec<Self>, FileError> {
        let table = self.table().ok_or_else(|| {
            self.wrong(format_args!("expected a section, not {}; write [{}]", self.kind(), self.key))
        })?;
        let mut entries: Vec<_> = table
            .iter()
            .filter_map(|(name, _)| {
                let (key, item) = table.get_key_value(name)?;
                let dotted =
                    if self.key.is_empty() { name.to_owned() } else { format!("{}.{name}", self.key) };
                // A table made by a header like [a.b] has no place of its own for `a`: the next one does.
                let key_offset = key.span().map_or(self.key_offset, |span| span.start);
                Some(Self { source: self.source, key: dotted, key_offset, content: Content::Item(item) })
            })
            .collect();
        entries.sort_by_key(|entry| entry.key_offset);
        Ok(entries)
    }

    /// The members of an array, all under the array's key; `None` if it isn't one.
    pub(crate) fn members(&self) -> Option<Vec<Self>> {
        let member = |content| Self {
            source: self.source,
            key: self.key.clone(),
            key_offset: self.key_offset,
            content,
        };
        match self.content {
            Content::Item(Item::ArrayOfTables(tables)) => Some(
                tables
                    .iter()
                    .map(|table| Self {
                        key_offset: table.span().map_or(self.key_offset, |span| span.start),
                        ..member(Content::Table(table))
                    })
                    .collect(),
            ),
            Content::Item(Item::Value(Value::Array(array))) | Content::Value(Value::Array(array)) => {
                Some(array.iter().map(|value| member(Content::Value(value))).collect())
            }
            _ => None,
        }
    }

    /// Whether it is a table of either kind.
    pub(crate) fn is_table(&self) -> bool {
        self.table().is_some()
    }

    fn table(&self) -> Option<&'a dyn TableLike> {
        match self.content {
            Content::Table(table) => Some(table),
            Content::Item(item) => item.as_table_like(),
            Content::Value(Value::InlineTable(table)) => Some(table),
            Content::Value(_) => None,
        }
    }

    fn value(&self) -> Option<&'a Value> {
        match self.content {
            Content::Item(item) => item.as_value(),
            Content::Value(value) => Some(value),
            Content::Table(_) => None,
        }
    }

    /// What was written, for "expected …, not …".
    pub(crate) fn kind(&self) -> &'static str {
        match self.value() {
            Some(Value::String(_)) => "a string",
            Some(Value::Integer(_)) => "a number",
            Some(Value::Float(_)) => "a fraction",
            Some(Value::Boolean(_)) => "true or false",
            Some(Value::Datetime(_)) => "a date",
            Some(Value::Array(_)) => "an array",
            Some(Value::InlineTable(_)) | None => "a table",
        }
    }

    /// The string that was written, if it is one.
    pub(crate) fn as_text(&self) -> Option<&'a str> {
        self.value().and_then(Value::as_str)
    }

    /// The truth value that was written, if it is one.
    pub(crate) fn as_boolean(&self) -> Option<bool> {
        self.value().and_then(Value::as_bool)
    }

    /// The whole number that was written, if it is one.
    pub(crate) fn as_integer(&self) -> Option<i64> {
        self.value().and_then(Value::as_integer)
    }

    /// A string; `example` is shown to who wrote something else.
    pub(crate) fn text(&self, example: &str) -> Result<&'a str, FileError> {
        self.as_text().ok_or_else(|| {
            self.wrong(format_args!("expected a string, not {}; write {example:?}", self.kind()))
        })
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&self) -> Result<bool, FileError> {
        self.as_boolean().ok_or_else(|| {
            self.wrong(format_args!("expected true or false, not {}; write true or false", self.kind()))
        })
    }

    /// A whole number from `low` to `high`.
    pub(crate) fn integer<N: TryFrom<i64>>(&self, low: i64, high: i64) -> Result<N, FileError> {
        let found = self.as_integer().ok_or_else(|| {
            self.wrong(format_args!("expected a number, not {}; write {low} to {high}", self.kind()))
        })?;
        if (low..=high).contains(&found)
            && let Ok(number) = N::try_from(found)
        {
            return Ok(number);
        }
        Err(self.wrong(format_args!("{found} is out of range; write {low} to {high}")))
    }

    /// Bytes as a number, or a string with a unit.
    pub(crate) fn size(&self) -> Result<u64, FileError> {
        let written = match (self.as_integer(), self.as_text()) {
            (Some(number), _) => number.to_string(),
            (None, Some(text)) => text.to_owned(),
            (None, None) => self.kind().to_owned(),
        };
        crate::size::parse(&written).map_err(|problem| self.wrong(problem))
    }

    /// Seconds as a number, or a string with a unit.
    pub(crate) fn duration(&self) -> Result<Duration, FileError> {
        let seconds = self.as_integer().and_then(|number| u64::try_from(number).ok());
        let found = match (seconds, self.as_text()) {
            (Some(seconds), _) => Some(Duration::from_secs(seconds)),
            (None, Some(text)) => parse_duration(text),
            (None, None) => None,
        };
        found.ok_or_else(|| {
            let written = match (self.as_integer(), self.as_text()) {
                (Some(number), _) => number.to_string(),
                (_, Some(text)) => format!("{text:?}"),
                _ => self.kind().to_owned(),
            };
            self.wrong(format_args!(
                "expected a time, not {written}; write seconds like 300, or \"5m\" (ms, s, m, h, d)"
            ))
        })
    }

    /// One of a few words.
    pub(crate) fn one_of<T: Copy>(&self, words: &[(&str, T)]) -> Result<T, FileError> {
        let found = self.as_text();
        words.iter().find(|(word, _)| Some(*word) == found).map(|(_, meaning)| *meaning).ok_or_else(|| {
            let choices: Vec<_> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
            let written = found.map_or_else(|| self.kind().to_owned(), |text| format!("{text:?}"));
            self.wrong(format_args!("{written} is none of the choices; write {}", choices.join(" or ")))
        })
    }
}

/// `300`, `300s`, `5m`, `2h`, `1d`, `500ms`.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text.get(..digits)?.parse().ok()?;
    let seconds = |factor: u64| number.checked_mul(factor).map(Duration::from_secs);
    match text.get(digits..)?.trim() {
        "ms" => Some(Duration::from_millis(number)),
        "" | "s" => seconds(1),
        "m" | "min" => seconds(60),
        "h" => seconds(3_600),
        "d" => seconds(86_400),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        for (text, want) in [
            ("300", Some(300_000)),
            ("5m", Some(300_000)),
            ("500ms", Some(500)),
            ("2 h", Some(7_200_000)),
            ("1d", Some(86_400_000)),
            ("", None),
            ("m", None),
            ("5 years", None),
            ("-5", None),
            ("99999999999999999999", None),
            ("999999999999999999d", None),
        ] {
            assert_eq!(parse_duration(text), want.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn columns_count_characters() {
        let source = Source::new(Path::new("f"), "a = 1\näöü = 2\n");
        let offset = source.text.find('2').unwrap();
        assert_eq!(source.error_at(offset, "x").to_string(), "f:2:7: x");
        assert_eq!(source.error_at(9_999, "x").position(), Some((3, 1)));
    }
}
