#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod documented;
mod iis;
mod proftpd;
mod properties;
mod pure_ftpd;
mod vsftpd;

use super::*;
use crate::config_file::{self, ServerConfig};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

/// Files in memory.
#[derive(Default)]
struct Memory(BTreeMap<PathBuf, Vec<u8>>);

impl Memory {
    fn with(files: &[(&str, &str)]) -> Self {
        Self(files.iter().map(|(path, text)| (PathBuf::from(path), text.as_bytes().to_vec())).collect())
    }
}

impl Files for Memory {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.0.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        let files: Vec<_> = self.0.keys().filter(|path| path.parent() == Some(directory)).cloned().collect();
        if files.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(files) }
    }
}

/// What an import gave, read back.
struct Read {
    config: ServerConfig,
    imported: Imported,
}

impl Read {
    fn of(server: Server, path: &str, site: Option<&str>, files: &Memory) -> Self {
        let imported = import(server, Path::new(path), site, files).unwrap();
        let config = config_file::parse(Path::new("/etc/ftpd/ftpd.toml"), &imported.toml)
            .unwrap_or_else(|error| panic!("{error}\n{}", imported.toml));
        Self { config, imported }
    }

    /// Lines and directives of what needs attention.
    fn attention(&self) -> Vec<(usize, &str)> {
        self.imported.attention.iter().map(|note| (note.place.line, note.directive.as_str())).collect()
    }

    /// The advice about a directive.
    fn advice(&self, directive: &str) -> &str {
        let note = self.imported.attention.iter().find(|note| note.directive == directive);
        &note.unwrap_or_else(|| panic!("nothing about {directive}: {:?}", self.attention())).advice
    }

    /// Whether the configuration has this comment line.
    fn has_comment(&self, text: &str) -> bool {
        self.imported.toml.lines().any(|line| line.strip_prefix("# ") == Some(text))
    }
}

fn error(server: Server, text: &str) -> String {
    let files = Memory::with(&[("/etc/old.conf", text)]);
    import(server, Path::new("/etc/old.conf"), None, &files).unwrap_err().to_string()
}

#[test]
fn what_is_not_there_is_one_line() {
    for (name, server) in Server::NAMES {
        let error = import(*server, Path::new("/no/such"), None, &Memory::default()).unwrap_err().to_string();
        assert!(error.starts_with("/no/such: can't be read: "), "{name}: {error}");
        assert!(!error.contains('\n'));
    }
}

#[test]
fn every_directive_is_once_in_its_table() {
    for (_, server) in Server::NAMES {
        let mut names: Vec<_> =
            server.directives().iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all, "{}", server.title());
    }
}

/// Keys of ours that the tables name exist.
#[test]
fn tables_name_keys_that_exist() {
    for (directive, fate) in Server::NAMES.iter().flat_map(|(_, server)| server.directives()) {
        let Fate::Becomes(text) = fate else { continue };
        let words = text
            .split([' ', ',', ';', ':'])
            .filter(|word| word.contains('.') && word.starts_with(char::is_alphabetic));
        for word in words {
            let key = word.strip_suffix(".root").or(word.strip_suffix(".writable")).unwrap_or(word);
            assert!(config_file::is_key(word) || config_file::is_key(key), "{directive}: {word}");
        }
    }
}
