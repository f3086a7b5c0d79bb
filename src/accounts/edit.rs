//! Changes to the accounts file. It is replaced in one step, so that a server that reads it at any moment
//! sees the old or the new one; comments and order survive.

use super::file::{AccountsFile, USER, User, rights_names};
use super::login::{CertificateRule, LoginBy};
use super::password::PasswordHash;
use crate::config_file::FileError;
use crate::config_file::reader::plain;
use crate::replace::{directory_of, replace_file};
use crate::storage::Limits;
use ftp_proto::account::Rights;
use std::fs::File;
use std::io;
use std::path::Path;
use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, Table, TableLike, value};

/// Why an accounts file was not changed.
#[derive(Debug)]
pub enum EditError {
    /// It can't be read as it is.
    File(FileError),
    /// There is such a user already.
    Exists(String),
    /// There is no such user.
    Unknown(String),
    /// The system does not let us write it.
    System(String),
}

impl std::fmt::Display for EditError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(error) => error.fmt(out),
            Self::Exists(name) => {
                write!(out, "there is a user {name:?} already; change the password by `ftpd user passwd`")
            }
            Self::Unknown(name) => write!(out, "there is no user {name:?}; see `ftpd user list`"),
            Self::System(text) => out.write_str(text),
        }
    }
}

impl std::error::Error for EditError {}

impl From<FileError> for EditError {
    fn from(error: FileError) -> Self {
        Self::File(error)
    }
}

/// Adds a user; the file is made if there is none.
///
/// # Errors
/// [`EditError`]; the file is then as it was.
pub fn add(path: &Path, user: &User) -> Result<(), EditError> {
    edit(path, true, |document, known| {
        if known.users.contains_key(&user.name) {
            return Err(EditError::Exists(user.name.clone()));
        }
        let users = document.entry(USER).or_insert(Item::ArrayOfTables(ArrayOfTables::new()));
        match users {
            Item::ArrayOfTables(users) => users.push(table_of(user)),
            // Written as `user = [{ … }]`: stays so.
            Item::Value(users) => {
                if let Some(users) = users.as_array_mut() {
                    users.push(table_of(user).into_inline_table());
                }
            }
            Item::None | Item::Table(_) => {}
        }
        Ok(())
    })
}

/// Gives a user another password.
///
/// # Errors
/// [`EditError`]; the file is then as it was.
pub fn set_password(path: &Path, name: &str, password: &PasswordHash) -> Result<(), EditError> {
    edit(path, false, |document, _| {
        let mut found = false;
        for_each_user(document, |user| {
            if user.get("name").and_then(Item::as_str) == Some(name) {
                put(user, "password", value(password.as_str()));
                found = true;
            }
        });
        if found { Ok(()) } else { Err(EditError::Unknown(name.to_owned())) }
    })
}

/// Gives a user other limits; what is `None` is left as it was.
///
/// # Errors
/// [`EditError`]; the file is then as it was.
pub fn set_limits(
    path: &Path,
    name: &str,
    bytes: Option<Option<u64>>,
    files: Option<Option<u64>>,
) -> Result<(), EditError> {
    edit(path, false, |document, _| {
        let mut found = false;
        for_each_user(document, |user| {
            if user.get("name").and_then(Item::as_str) != Some(name) {
                return;
            }
            found = true;
            let whole = Limits { bytes: bytes.flatten(), files: files.flatten() };
            for (key, item, is_given) in [
                (QUOTA, bytes_item(whole), bytes.is_some()),
                (QUOTA_FILES, files_item(whole), files.is_some()),
            ] {
                match (item, is_given) {
                    (_, false) => {}
                    (Some(item), true) => put(user, key, item),
                    (None, true) => drop(user.remove(key)),
                }
            }
        });
        if found { Ok(()) } else { Err(EditError::Unknown(name.to_owned())) }
    })
}

/// A value in the place of another keeps what stands around it: the comment on its line, and those above.
fn put(user: &mut dyn TableLike, key: &str, mut item: Item) {
    let Some(old) = user.get_mut(key) else { return drop(user.insert(key, item)) };
    if let (Some(old), Some(new)) = (old.as_value(), item.as_value_mut()) {
        new.decor_mut().clone_from(old.decor());
    }
    *old = item;
}

const QUOTA: &str = "quota";
const QUOTA_FILES: &str = "quota_files";

fn bytes_item(limits: Limits) -> Option<Item> {
    limits.bytes.map(|bytes| match i64::try_from(bytes) {
        Ok(bytes) if bytes < 1024 => value(bytes),
        _ => value(crate::size::show(bytes)),
    })
}

fn files_item(limits: Limits) -> Option<Item> {
    limits.files.map(|files| value(i64::try_from(files).unwrap_or(i64::MAX)))
}

/// Takes a user out.
///
/// # Errors
/// [`EditError`]; the file is then as it was.
pub fn remove(path: &Path, name: &str) -> Result<(), EditError> {
    edit(path, false, |document, known| {
        if !known.users.contains_key(name) {
            return Err(EditError::Unknown(name.to_owned()));
        }
        match document.get_mut(USER) {
            Some(Item::ArrayOfTables(users)) => {
                users.retain(|user| user.get("name").and_then(Item::as_str) != Some(name));
            }
            Some(Item::Value(users)) => {
                if let Some(users) = users.as_array_mut() {
                    users.retain(|user| {
                        user.as_inline_table().and_then(|user| user.get("name")?.as_str()) != Some(name)
                    });
                }
            }
            _ => {}
        }
        Ok(())
    })
}

fn for_each_user(document: &mut DocumentMut, mut visit: impl FnMut(&mut dyn TableLike)) {
    match document.get_mut(USER) {
        Some(Item::ArrayOfTables(users)) => users.iter_mut().for_each(|user| visit(user)),
        Some(Item::Value(users)) => {
            for user in users.as_array_mut().into_iter().flat_map(Array::iter_mut) {
                if let Some(user) = user.as_inline_table_mut() {
                    visit(user);
                }
            }
        }
        _ => {}
    }
}

fn table_of(user: &User) -> Table {
    let mut table = Table::new();
    table.insert("name", value(user.name.as_str()));
    if let Some(password) = &user.password {
        table.insert("password", value(password.as_str()));
    }
    if user.login != LoginBy::default() {
        table.insert("login", value(user.login.name()));
    }
    if !user.certificates.is_empty() {
        let rules = user.certificates.iter().map(CertificateRule::to_table);
        table.insert("certificates", value(rules.collect::<Array>()));
    }
    if let Some(root) = &user.root {
        table.insert("root", value(root.to_string_lossy().as_ref()));
    }
    table.insert("rights", value(rights_value(user.rights)));
    if !user.rights_below.is_empty() {
        let mut rules = InlineTable::new();
        for (path, rights) in &user.rights_below {
            let path = String::from_utf8_lossy(path.as_bytes()).into_owned();
            rules.insert(&path, rights_value(*rights).into());
        }
        table.insert("rights_below", value(rules));
    }
    if !user.home.is_root() {
        table.insert("home", value(String::from_utf8_lossy(user.home.as_bytes()).as_ref()));
    }
    for (key, item) in [(QUOTA, bytes_item(user.limits)), (QUOTA_FILES, files_item(user.limits))] {
        if let Some(item) = item {
            table.insert(key, item);
        }
    }
    table
}

fn rights_value(rights: Rights) -> Array {
    rights_names(rights).into_iter().collect()
}

/// Reads, changes, checks and replaces the file, alone.
fn edit(
    path: &Path,
    may_be_missing: bool,
    change: impl FnOnce(&mut DocumentMut, &AccountsFile) -> Result<(), EditError>,
) -> Result<(), EditError> {
    // A link stays a link: what it points to is replaced.
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let failed = |error: &io::Error| EditError::System(format!("{}: {}", path.display(), plain(error)));
    // Two commands at the same time must not lose one of the changes. Where directories can't be opened or
    // locked, it has to do without.
    let lock = File::open(directory_of(&path));
    let _ = lock.as_ref().map(File::lock);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound && may_be_missing => String::new(),
        Err(error) => {
            return Err(FileError::whole(&path, format_args!("can't be read: {}", plain(&error))).into());
        }
    };
    let known = AccountsFile::parse(&path, &text)?;
    let mut document: DocumentMut =
        text.parse().map_err(|error| FileError::whole(&path, format_args!("can't be changed: {error}")))?;
    change(&mut document, &known)?;
    let text = document.to_string();
    AccountsFile::parse(&path, &text)?;
    replace_file(&path, text.as_bytes()).map_err(|error| failed(&error))
}
