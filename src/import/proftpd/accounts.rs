//! Guests and users.

use super::Scope;
use super::syntax::Block;
use crate::import::common::{self, ACCOUNTS, user_add};
use crate::import::draft::{Draft, Origin, Place};
use crate::import::files::Files;
use crate::import::passwd;
use crate::import::settings::Settings;
use crate::storage::Limits;
use std::path::Path;

pub(super) fn guests(draft: &mut Draft, scope: &Scope<'_>, files: &dyn Files) {
    let mut blocks = scope.blocks.iter().filter(|block| block.is("Anonymous"));
    let Some(block) = blocks.next() else { return };
    for other in blocks {
        draft.attention(
            &other.place,
            other.title(),
            "there is one tree for guests; make an account for this one",
        );
    }
    let limits = |block: &Block, word: &str| {
        let writes = |limit: &&Block| {
            limit.is("Limit")
                && limit
                    .arguments
                    .iter()
                    .any(|name| ["WRITE", "STOR", "ALL"].iter().any(|known| name.eq_ignore_ascii_case(known)))
        };
        block
            .blocks()
            .filter(writes)
            .any(|limit| limit.directives().any(|setting| setting.name.eq_ignore_ascii_case(word)))
    };
    let writable = !limits(block, "DenyAll");
    for directory in block.blocks().filter(|inner| inner.is("Directory")) {
        if limits(directory, "AllowAll") {
            draft.attention(
                &directory.place,
                directory.title(),
                "guests write everywhere (writable = true) or nowhere; nowhere was taken",
            );
        }
    }
    let known = ["User", "Group", "UserAlias", "RequireValidShell", "AnonRequirePassword"];
    for setting in block.directives() {
        if setting.name.eq_ignore_ascii_case("AnonRequirePassword") && !setting.is_off() {
            draft.attention(
                &setting.place,
                "AnonRequirePassword",
                "guests need no password; make an account instead of anonymous",
            );
        } else if !known.iter().any(|name| setting.name.eq_ignore_ascii_case(name)) {
            draft.attention(&setting.place, setting.name.clone(), "for guests alone is left out");
        }
    }
    let path = block.arguments.first().map_or("", String::as_str);
    let root = match path.strip_prefix('~') {
        None => Some(path.to_owned()),
        Some(rest) => {
            let (user, below) = rest.split_once('/').unwrap_or((rest, ""));
            passwd::home_of(files, user)
                .map(|home| if below.is_empty() { home } else { format!("{home}/{below}") })
        }
    };
    if root.is_none() {
        draft.attention(
            &block.place,
            block.title(),
            format!("the directory {path} is not known here; /srv/ftp was taken, check it"),
        );
    }
    let origin = Origin::new(format!("{}, line {}", block.title(), block.place.line));
    common::anonymous(draft, root.as_deref(), writable, origin);
}

pub(super) fn users(draft: &mut Draft, settings: &Settings, files: &dyn Files) {
    draft.set("accounts.file", ACCOUNTS, settings.origin("AuthUserFile"));
    let root = settings.text("DefaultRoot");
    let jailed = root.is_some_and(|(path, _)| path.starts_with('~'));
    match root {
        None => draft.attention_to_file("DefaultRoot", common::JAIL),
        Some((_, setting)) if setting.arguments.len() > 1 => draft.attention(
            &setting.place,
            "DefaultRoot",
            "holds for some groups; here everybody stays below --root, so choose one for each user",
        ),
        Some((path, setting)) if !jailed && !path.contains('%') => {
            draft.set("server.root", path, setting.origin())
        }
        Some((path, setting)) if path != "~" => draft.attention(
            &setting.place,
            "DefaultRoot",
            format!("is another for each user; give {path} with the names put in as --root"),
        ),
        Some(_) => {}
    }
    let place = settings.text("AuthUserFile").map(|(path, setting)| (path.to_owned(), setting.place.clone()));
    let (path, place): (String, Place) =
        place.unwrap_or_else(|| ("system, PAM and database users".to_owned(), draft.main.clone()));
    let listed = path.starts_with('/')
        && passwd::take_over(draft, files, Path::new(&path), jailed, "all", |_| Limits::default());
    let how = if listed {
        "see the commands below Accounts".to_owned()
    } else {
        format!("for each of them run: {}", user_add("NAME", Some("HOME"), "all"))
    };
    draft.attention(&place, "accounts", format!("those of {path} don't log in here; {how}"));
}
