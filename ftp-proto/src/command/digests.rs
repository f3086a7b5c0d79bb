//! Digests of files: HASH and OPTS HASH, and the commands from before it, MD5 MMD5 XCRC XMD5 XSHA XSHA1 XSHA256 XSHA512.

use super::args::{Arg, quoted_words, resolved};
use crate::account::Rights;
use crate::digest::Algorithm;
use crate::event::{Digested, LongJob, Part};
use crate::path::VirtualPath;
use crate::reply::Reply;
use crate::session::{Finish, Reaction, Turn};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

const DENIED: Reply = Reply::new(550, "Permission denied.");
/// How many files one MMD5 may name.
const MOST_PATHS: usize = 100;

impl Turn<'_> {
    fn digest(
        &mut self,
        verb: &'static str,
        paths: Vec<VirtualPath>,
        algorithm: Algorithm,
        part: Part,
        say: fn(Algorithm, &[Digested]) -> Reply,
    ) -> Reaction {
        // Whoever has the digest of a short file has the file.
        if !paths.iter().all(|path| self.may(path, Rights::READ)) {
            return DENIED.into();
        }
        let Some(first) = paths.first().cloned() else { return Reply::new(501, "A path is missing.").into() };
        let job = LongJob::Digest { paths, algorithm, part };
        self.long(verb, first, job, Finish::Digested(say, algorithm))
    }
}

/// draft-bryan-ftpext-hash-02 section 3. The part is the one that RANG named.
pub(super) fn hash(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let Arg::Path(path) = arg else { return Reaction::Silent };
    let part = turn.session.modes.take_range().unwrap_or_default();
    let algorithm = turn.session.modes.algorithm;
    turn.digest("HASH", Vec::from([path]), algorithm, part, |algorithm, digests| {
        let text = digests.iter().map(|Digested { path, start, end, digest }| {
            // The last byte is named, as in RANG; of no bytes there is none.
            let last = end.saturating_sub(1).max(*start);
            let text = format!("{} {start}-{last} {digest} ", algorithm.name());
            [text.as_bytes(), path.as_bytes()].concat()
        });
        Reply::with(213, text.collect::<Vec<_>>().concat())
    })
}

/// draft-bryan-ftpext-hash-02 section 4: shows or chooses the algorithm of HASH.
pub(super) fn options(turn: &mut Turn<'_>, options: &[u8]) -> Reply {
    let modes = &mut turn.session.modes;
    if !options.is_empty() {
        let Some(algorithm) = Algorithm::find(options) else {
            return Reply::new(501, "There is no such algorithm here; FEAT names them.");
        };
        modes.algorithm = algorithm;
    }
    Reply::with(200, modes.algorithm.name())
}

/// The line of FEAT: the selected algorithm carries an asterisk.
pub(super) fn feature(selected: super::Selected) -> Vec<u8> {
    let mut line = String::from("HASH");
    for (number, (name, algorithm)) in Algorithm::NAMES.iter().enumerate() {
        line.push(if number == 0 { ' ' } else { ';' });
        line.push_str(name);
        if *algorithm == selected.algorithm {
            line.push('*');
        }
    }
    line.into_bytes()
}

pub(super) fn xcrc(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    digest_of_part(turn, arg, "XCRC", Algorithm::Crc32)
}

pub(super) fn xmd5(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    digest_of_part(turn, arg, "XMD5", Algorithm::Md5)
}

pub(super) fn xsha1(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    digest_of_part(turn, arg, "XSHA1", Algorithm::Sha1)
}

pub(super) fn xsha256(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    digest_of_part(turn, arg, "XSHA256", Algorithm::Sha256)
}

pub(super) fn xsha512(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    digest_of_part(turn, arg, "XSHA512", Algorithm::Sha512)
}

/// The path, or the path, the first byte and the one behind the last. Clients take the whole text of the reply for the
/// digest.
fn digest_of_part(turn: &mut Turn<'_>, arg: Arg<'_>, verb: &'static str, algorithm: Algorithm) -> Reaction {
    let Arg::Text(text) = arg else { return Reaction::Silent };
    let Some((name, part)) = name_and_part(text) else {
        return Reply::with(
            501,
            format!("The argument is wrong; the syntax is {verb} <path> [<start> <end>]"),
        )
        .into();
    };
    match resolved(&turn.session.modes.directory, &name) {
        Ok(path) => turn.digest(verb, Vec::from([path]), algorithm, part, |_, digests| {
            let digests: Vec<String> = digests.iter().map(|found| found.digest.to_uppercase()).collect();
            Reply::with(250, digests.concat())
        }),
        Err(reply) => reply.into(),
    }
}

/// A name that holds spaces stands as it is, or between quotes if a part is named behind it.
fn name_and_part(text: &[u8]) -> Option<(Vec<u8>, Part)> {
    let is_quoted = text.trim_ascii_start().first() == Some(&b'"');
    let words = quoted_words(text);
    match words.as_deref() {
        Some([name, start, end]) => {
            let (start, end) = (super::args::number(start), super::args::number(end));
            match (start, end) {
                (Some(start), Some(end)) if start <= end => {
                    Some((name.clone(), Part { start, end: Some(end) }))
                }
                (Some(_), Some(_)) => None,
                _ if is_quoted => None,
                _ => Some((text.to_vec(), Part::default())),
            }
        }
        Some([name]) if is_quoted => Some((name.clone(), Part::default())),
        _ if is_quoted => None,
        _ => Some((text.to_vec(), Part::default())),
    }
}

/// draft-twine-ftpmd5-00 section 3.1.
pub(super) fn md5(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let Arg::Path(path) = arg else { return Reaction::Silent };
    turn.digest("MD5", Vec::from([path]), Algorithm::Md5, Part::default(), |_, digests| {
        Reply::with(251, with_paths(digests))
    })
}

/// draft-twine-ftpmd5-00 section 3.2: paths with commas between them.
pub(super) fn mmd5(turn: &mut Turn<'_>, arg: Arg<'_>) -> Reaction {
    let Arg::Text(text) = arg else { return Reaction::Silent };
    let mut paths = Vec::new();
    for name in text.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
        let name = match quoted_words(name).as_deref() {
            Some([word]) => word.clone(),
            _ => name.to_vec(),
        };
        if name.is_empty() || paths.len() >= MOST_PATHS {
            return Reply::new(501, "The argument is wrong; the syntax is MMD5 <path>, <path> ...").into();
        }
        match resolved(&turn.session.modes.directory, &name) {
            Ok(path) => paths.push(path),
            Err(reply) => return reply.into(),
        }
    }
    turn.digest("MMD5", paths, Algorithm::Md5, Part::default(), |_, digests| {
        Reply::with(252, with_paths(digests))
    })
}

fn with_paths(digests: &[Digested]) -> Vec<u8> {
    let each: Vec<Vec<u8>> = digests
        .iter()
        .map(|found| [found.path.as_bytes(), b" ", found.digest.to_uppercase().as_bytes()].concat())
        .collect();
    each.join(&b", "[..])
}
