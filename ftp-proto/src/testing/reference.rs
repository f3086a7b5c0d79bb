//! What an FTP session does, told as simply as can be: a transfer happens at once, files are a map, and what RFC 959, RFC
//! 2428 and RFC 3659 say of each command stands in a line or two. It knows nothing of how the server is made, so that the
//! two can be compared.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Files by path, and directories, which have no bytes.
pub(super) type Files = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// What may be replied to a command, and what else has to be seen.
#[derive(Debug, Default)]
pub(super) struct Prediction {
    /// The codes of all replies; each of these is right.
    pub(super) replies: Vec<Vec<u16>>,
    /// What the final reply says somewhere.
    pub(super) says: Option<Vec<u8>>,
    /// What comes over the data connection.
    pub(super) comes: Comes,
}

/// What comes over the data connection.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Comes {
    #[default]
    Anything,
    /// These bytes.
    File(Vec<u8>),
    /// So many lines, each of which ends with one of these names.
    Names(Vec<Vec<u8>>),
}

/// One session, and the files it works on.
#[derive(Clone)]
pub(super) struct Reference {
    pub(super) files: Files,
    pub(super) closed: bool,
    user: Option<Vec<u8>>,
    logged_in: bool,
    failures: usize,
    directory: Vec<u8>,
    ascii: bool,
    restart: u64,
    rename_from: Option<Vec<u8>>,
    has_data_connection: bool,
    extended_only: bool,
    /// What a command does when its transfer has ended well.
    unique: Option<Vec<u8>>,
}

fn one(code: u16) -> Prediction {
    any(&[code])
}

fn any(codes: &[u16]) -> Prediction {
    Prediction { replies: codes.iter().map(|&code| Vec::from([code])).collect(), ..Prediction::default() }
}

fn transfer() -> Prediction {
    Prediction { replies: Vec::from([Vec::from([150, 226])]), ..Prediction::default() }
}

/// What a client means by a path.
pub(super) fn resolve(directory: &[u8], argument: &[u8]) -> Vec<u8> {
    let whole = if argument.first() == Some(&b'/') {
        argument.to_vec()
    } else {
        [directory, b"/", argument].concat()
    };
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in whole.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    [b"/", parts.join(&b'/').as_slice()].concat()
}

fn parent(path: &[u8]) -> Vec<u8> {
    resolve(path, b"..")
}

/// A text file as it is sent: a line of a file may end with CR LF already.
fn to_wire(stored: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    for &byte in stored {
        if byte == b'\n' && wire.last() != Some(&b'\r') {
            wire.push(b'\r');
        }
        wire.push(byte);
    }
    wire
}

/// A text as it is stored.
fn from_wire(wire: &[u8]) -> Vec<u8> {
    let mut stored = Vec::new();
    for &byte in wire {
        if byte == b'\n' && stored.last() == Some(&b'\r') {
            stored.pop();
        }
        stored.push(byte);
    }
    stored
}

fn number(text: &[u8]) -> Option<u64> {
    core::str::from_utf8(text).ok()?.parse().ok().filter(|_| text.iter().all(u8::is_ascii_digit))
}

impl Reference {
    pub(super) fn new(files: Files) -> Self {
        Self {
            files,
            closed: false,
            user: None,
            logged_in: false,
            failures: 0,
            directory: b"/".to_vec(),
            ascii: true,
            restart: 0,
            rename_from: None,
            has_data_connection: false,
            extended_only: false,
            unique: None,
        }
    }

    fn file(&self, path: &[u8]) -> Option<&Vec<u8>> {
        self.files.get(path)?.as_ref()
    }

    fn is_dir(&self, path: &[u8]) -> bool {
        self.files.get(path) == Some(&None)
    }

    fn children(&self, path: &[u8]) -> Vec<Vec<u8>> {
        let inside = |other: &&Vec<u8>| other.as_slice() != b"/" && parent(other) == path;
        let name = |other: &Vec<u8>| other.rsplit(|&byte| byte == b'/').next().unwrap_or_default().to_vec();
        self.files.keys().filter(inside).map(name).collect()
    }

    /// A line, and what the client would send over a data connection. `None`: this is beyond what is told here.
    pub(super) fn say(&mut self, line: &[u8], sends: &[u8]) -> Option<Prediction> {
        let mut next = self.clone();
        let prediction = next.run(line, sends)?;
        *self = next;
        Some(prediction)
    }

    fn run(&mut self, line: &[u8], sends: &[u8]) -> Option<Prediction> {
        let mut halves = line.splitn(2, |&byte| byte == b' ');
        let verb = halves.next().unwrap_or_default().to_ascii_uppercase();
        let argument = halves.next().unwrap_or_default();
        let words: Vec<&[u8]> =
            argument.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
        let renamed = self.rename_from.take();
        let path = resolve(&self.directory, argument);
        // What RFC 959 lets come before a login.
        match verb.as_slice() {
            b"USER" if words.is_empty() => return Some(one(501)),
            b"USER" => {
                (self.user, self.logged_in) = (Some(argument.trim_ascii().to_vec()), false);
                (self.directory, self.restart, self.has_data_connection) = (b"/".to_vec(), 0, false);
                return Some(one(331));
            }
            b"PASS" => return Some(self.pass(argument)),
            b"ACCT" if words.is_empty() => return Some(one(501)),
            b"ACCT" => return Some(one(if self.logged_in { 202 } else { 503 })),
            b"REIN" | b"QUIT" | b"NOOP" | b"SYST" | b"FEAT" if !words.is_empty() => return Some(one(501)),
            b"REIN" => {
                let (files, failures) = (core::mem::take(&mut self.files), self.failures);
                *self = Self { failures, ..Self::new(files) };
                return Some(one(220));
            }
            b"QUIT" => {
                self.closed = true;
                return Some(one(221));
            }
            b"NOOP" => return Some(one(200)),
            b"SYST" => return Some(one(215)),
            b"FEAT" => return Some(one(211)),
            b"HELP" => return Some(any(if words.is_empty() { &[211, 214] } else { &[211, 214, 501] })),
            b"OPTS" if words.is_empty() => return Some(one(501)),
            b"OPTS" => {
                let is = |index: usize, word: &[u8]| {
                    words.get(index).is_some_and(|given: &&[u8]| given.eq_ignore_ascii_case(word))
                };
                return match words.len() {
                    2 if is(0, b"UTF8") && is(1, b"ON") => Some(one(200)),
                    1 if is(0, b"NONE") => Some(one(501)),
                    _ => None,
                };
            }
            b"XYZZY" | b"LPSVX" | b"R" => return Some(any(&[500, 502])),
            _ => {}
        }
        let known = [
            &b"CWD"[..],
            b"XCWD",
            b"CDUP",
            b"XCUP",
            b"PWD",
            b"XPWD",
            b"MKD",
            b"XMKD",
            b"RMD",
            b"XRMD",
            b"DELE",
            b"RNFR",
            b"RNTO",
            b"SIZE",
            b"MDTM",
            b"MLST",
            b"TYPE",
            b"STRU",
            b"MODE",
            b"REST",
            b"ALLO",
            b"PASV",
            b"EPSV",
            b"PORT",
            b"EPRT",
            b"ABOR",
            b"STAT",
            b"RETR",
            b"STOR",
            b"APPE",
            b"STOU",
            b"LIST",
            b"NLST",
            b"MLSD",
        ];
        if !known.contains(&verb.as_slice()) {
            return None;
        }
        if !self.logged_in {
            return Some(one(530));
        }
        let is_transfer =
            matches!(&verb[..], b"RETR" | b"STOR" | b"APPE" | b"STOU" | b"LIST" | b"NLST" | b"MLSD");
        // The next transfer command uses a restart point up, however it ends.
        let restart = if is_transfer { core::mem::take(&mut self.restart) } else { 0 };
        match verb.as_slice() {
            b"CDUP" | b"XCUP" | b"PWD" | b"XPWD" | b"PASV" | b"ABOR" if !words.is_empty() => {
                return Some(one(501));
            }
            b"CDUP" | b"XCUP" | b"PWD" | b"XPWD" | b"PASV" | b"ABOR" | b"EPSV" | b"STAT" | b"STOU"
            | b"LIST" | b"NLST" | b"MLSD" | b"MLST" => {}
            _ if words.is_empty() => return Some(one(501)),
            _ => {}
        }
        let takes_path = !matches!(
            &verb[..],
            b"TYPE" | b"STRU" | b"MODE" | b"REST" | b"ALLO" | b"EPSV" | b"PORT" | b"EPRT"
        );
        if takes_path
            && (argument.split(|&byte| byte == b'/').any(|name| name.len() > 255) || path.len() > 4_000)
        {
            return Some(one(553));
        }
        match verb.as_slice() {
            b"CWD" | b"XCWD" => Some(self.change_to(path)),
            b"CDUP" | b"XCUP" => Some(self.change_to(parent(&self.directory))),
            b"PWD" | b"XPWD" => Some(Prediction { says: Some(quoted(&self.directory)), ..one(257) }),
            b"MKD" | b"XMKD" => {
                let may = !self.files.contains_key(&path) && self.is_dir(&parent(&path));
                if !may {
                    return Some(one(550));
                }
                let said = Prediction { says: Some(quoted(&path)), ..one(257) };
                self.files.insert(path, None);
                Some(said)
            }
            b"RMD" | b"XRMD" => {
                let may = self.is_dir(&path) && path != b"/" && self.children(&path).is_empty();
                Some(self.remove_if(may, &path))
            }
            b"DELE" => Some(self.remove_if(self.file(&path).is_some(), &path)),
            b"RNFR" if path != b"/" && self.files.contains_key(&path) => {
                self.rename_from = Some(path);
                Some(one(350))
            }
            b"RNFR" => Some(one(550)),
            b"RNTO" => Some(match renamed {
                None => one(503),
                Some(from) => self.rename(&from, &path),
            }),
            b"SIZE" => Some(match self.file(&path) {
                Some(bytes) => {
                    let len = if self.ascii { to_wire(bytes).len() } else { bytes.len() };
                    Prediction { says: Some(alloc::format!("213 {len}\r").into_bytes()), ..one(213) }
                }
                None => one(550),
            }),
            b"MDTM"
                if words.first().is_some_and(|word| word.len() >= 14 && number(&word[..14]).is_some()) =>
            {
                None
            }
            b"MDTM" if self.is_dir(&path) => Some(any(&[213, 550])),
            b"MDTM" => Some(one(if self.files.contains_key(&path) { 213 } else { 550 })),
            b"MLST" => Some(one(if self.files.contains_key(&path) { 250 } else { 550 })),
            b"TYPE" => self.set_type(&words),
            b"STRU" => match words[..] {
                [b"F" | b"f"] => Some(one(200)),
                [b"P" | b"p"] => Some(one(504)),
                [b"R" | b"r"] => None,
                _ => Some(any(&[501, 504])),
            },
            b"MODE" => match words[..] {
                [b"S" | b"s"] => Some(one(200)),
                [b"B" | b"b" | b"C" | b"c" | b"Z" | b"z"] => None,
                _ => Some(any(&[501, 504])),
            },
            b"REST" => Some(match number(argument.trim_ascii()) {
                Some(offset) => {
                    self.restart = offset;
                    one(350)
                }
                None => one(501),
            }),
            b"ALLO" => Some(match words[..] {
                [size] if size.iter().all(u8::is_ascii_digit) => any(&[200, 202]),
                [size, b"R" | b"r", record] if [size, record].concat().iter().all(u8::is_ascii_digit) => {
                    any(&[200, 202])
                }
                _ => one(501),
            }),
            b"PASV" if self.extended_only => Some(one(503)),
            b"PASV" => Some(self.prepared(one(227))),
            b"EPSV" => Some(match words[..] {
                [] | [b"1"] => self.prepared(one(229)),
                [word] if word.eq_ignore_ascii_case(b"ALL") => {
                    self.extended_only = true;
                    one(200)
                }
                [word] if word.iter().all(u8::is_ascii_digit) => one(522),
                _ => one(501),
            }),
            b"PORT" | b"EPRT" => self.active(argument.trim_ascii()),
            b"ABOR" => {
                self.has_data_connection = false;
                Some(any(&[225, 226]))
            }
            b"STAT" if words.is_empty() => Some(one(211)),
            b"STAT" | b"LIST" | b"NLST" if is_special(argument) => None,
            b"STAT" => Some(match self.files.get(&trimmed(&self.directory, argument)) {
                Some(None) => one(212),
                Some(Some(_)) => one(213),
                None => any(&[450, 550]),
            }),
            b"RETR" => Some(self.retrieve(&path, restart)),
            b"STOR" => Some(self.store(&path, restart, sends)),
            b"APPE" => Some(self.append(path, sends)),
            b"STOU" => Some(self.store_unique(path, sends)),
            _ => Some(self.list(&verb, argument)),
        }
    }

    /// What was replied: whether a transfer began is seen by it, and what name STOU has taken.
    pub(super) fn hear(&mut self, codes: &[u16], said: &[u8]) -> Result<(), &'static str> {
        if codes.first() == Some(&150) || codes.contains(&425) {
            self.has_data_connection = false;
        }
        if let Some(stored) = self.unique.take()
            && codes == [150, 226]
        {
            let line = said.split(|&byte| byte == b'\n').next().unwrap_or_default();
            let name = line.strip_prefix(b"150 FILE: ").ok_or("150 without a name")?;
            // It may end with spaces.
            let name = name.strip_suffix(b"\r").unwrap_or(name);
            let path = resolve(&self.directory, name);
            if self.files.insert(path, Some(stored)).is_some() {
                return Err("the name was not unique");
            }
        }
        Ok(())
    }

    fn pass(&mut self, password: &[u8]) -> Prediction {
        if self.logged_in {
            return one(503);
        }
        let Some(user) = self.user.take() else { return one(503) };
        self.logged_in = user == b"u" && password == b"p";
        if self.logged_in {
            return one(230);
        }
        self.failures += 1;
        self.closed = self.failures >= 3;
        one(if self.closed { 421 } else { 530 })
    }

    fn change_to(&mut self, path: Vec<u8>) -> Prediction {
        if !self.is_dir(&path) {
            return one(550);
        }
        self.directory = path;
        one(250)
    }

    fn remove_if(&mut self, may: bool, path: &[u8]) -> Prediction {
        if !may {
            return one(550);
        }
        self.files.remove(path);
        one(250)
    }

    fn rename(&mut self, from: &[u8], to: &[u8]) -> Prediction {
        if to == from {
            return one(250);
        }
        let below = [from, b"/"].concat();
        let may_replace = match self.files.get(to) {
            None => true,
            Some(there) => there.is_some() && self.file(from).is_some(),
        };
        if to == b"/" || to.starts_with(&below) || !may_replace || !self.is_dir(&parent(to)) {
            return any(&[550, 553]);
        }
        let moved: Vec<Vec<u8>> =
            self.files.keys().filter(|path| *path == from || path.starts_with(&below)).cloned().collect();
        for path in moved {
            let new = [to, path.get(from.len()..).unwrap_or_default()].concat();
            if let Some(what) = self.files.remove(&path) {
                self.files.insert(new, what);
            }
        }
        one(250)
    }

    fn set_type(&mut self, words: &[&[u8]]) -> Option<Prediction> {
        let capitals: Vec<Vec<u8>> = words.iter().map(|word| word.to_ascii_uppercase()).collect();
        let capitals: Vec<&[u8]> = capitals.iter().map(Vec::as_slice).collect();
        match capitals[..] {
            [b"A"] | [b"A", b"N" | b"T" | b"C"] => self.ascii = true,
            [b"I"] | [b"L", b"8"] => self.ascii = false,
            [b"L", size] if size.iter().all(u8::is_ascii_digit) => return Some(one(504)),
            [b"X"] | [b"A", b"X"] => return Some(any(&[501, 504])),
            _ => return None,
        }
        Some(one(200))
    }

    fn prepared(&mut self, prediction: Prediction) -> Prediction {
        self.has_data_connection = true;
        prediction
    }

    /// Only what the grammar makes.
    fn active(&mut self, argument: &[u8]) -> Option<Prediction> {
        let is_own = argument == b"203,0,113,5,15,160" || argument == b"|1|203.0.113.5|4000|";
        let prediction = match argument {
            b"203,0,113,5" | b"|1|203.0.113.5" | b"x" => one(501),
            _ if self.extended_only => any(&[501, 503]),
            _ if is_own => self.prepared(one(200)),
            b"203,0,113,5,0,20" | b"192,0,2,7,15,160" | b"|1|192.0.2.7|4000|" => any(&[500, 501, 504]),
            _ => return None,
        };
        Some(prediction)
    }

    // Transfers. Where more than one thing is wrong, nobody says which is told.

    fn refused(&self, codes: &[u16]) -> Prediction {
        if self.has_data_connection { any(codes) } else { any(&[codes, &[425]].concat()) }
    }

    fn retrieve(&self, path: &[u8], restart: u64) -> Prediction {
        let Some(stored) = self.file(path) else { return self.refused(&[550]) };
        if !self.has_data_connection {
            return one(425);
        }
        let wire = if self.ascii { to_wire(stored) } else { stored.clone() };
        match usize::try_from(restart).ok().and_then(|restart| wire.get(restart..)) {
            Some(rest) => Prediction { comes: Comes::File(rest.to_vec()), ..transfer() },
            None => Prediction { replies: Vec::from([Vec::from([554]), Vec::from([150, 554])]), ..one(554) },
        }
    }

    fn stored(&self, sends: &[u8]) -> Vec<u8> {
        if self.ascii { from_wire(sends) } else { sends.to_vec() }
    }

    fn may_store(&self, path: &[u8]) -> bool {
        !self.is_dir(path) && self.is_dir(&parent(path))
    }

    fn store(&mut self, path: &[u8], restart: u64, sends: &[u8]) -> Prediction {
        if restart > 0 && self.ascii {
            // Nothing can be resumed where line ends are changed.
            return self.refused(&[550, 553, 554]);
        }
        if !self.may_store(path) {
            return self.refused(&[550, 553]);
        }
        let old = self.file(path).cloned().unwrap_or_default();
        let Some(kept) = usize::try_from(restart).ok().and_then(|restart| old.get(..restart)) else {
            return self.refused(&[554]);
        };
        if !self.has_data_connection {
            return one(425);
        }
        let new = [kept, &self.stored(sends)].concat();
        self.files.insert(path.to_vec(), Some(new));
        transfer()
    }

    fn append(&mut self, path: Vec<u8>, sends: &[u8]) -> Prediction {
        if !self.may_store(&path) {
            return self.refused(&[550, 553]);
        }
        if !self.has_data_connection {
            return one(425);
        }
        let old = self.file(&path).cloned().unwrap_or_default();
        let new = [old, self.stored(sends)].concat();
        self.files.insert(path, Some(new));
        transfer()
    }

    /// Its name is told by the reply.
    fn store_unique(&mut self, path: Vec<u8>, sends: &[u8]) -> Prediction {
        let names_a_directory = self.is_dir(&path) && path != self.directory;
        let has_parent = path == self.directory || self.is_dir(&parent(&path));
        if names_a_directory || !has_parent || !self.is_dir(&self.directory) && path == self.directory {
            return self.refused(&[550, 553]);
        }
        if !self.has_data_connection {
            return one(425);
        }
        self.unique = Some(self.stored(sends));
        transfer()
    }

    fn list(&self, verb: &[u8], argument: &[u8]) -> Prediction {
        let path = if verb == b"MLSD" {
            resolve(&self.directory, argument)
        } else {
            trimmed(&self.directory, argument)
        };
        match self.files.get(&path) {
            None => self.refused(&[450, 550]),
            Some(Some(_)) if verb == b"MLSD" => self.refused(&[501, 550]),
            _ if !self.has_data_connection => one(425),
            Some(None) => Prediction { comes: Comes::Names(self.children(&path)), ..transfer() },
            Some(Some(_)) => transfer(),
        }
    }
}

/// As LIST, NLST and STAT read a path: spaces around it are none of it.
fn trimmed(directory: &[u8], argument: &[u8]) -> Vec<u8> {
    resolve(directory, argument.trim_ascii())
}

/// Options and patterns.
fn is_special(argument: &[u8]) -> bool {
    argument.trim_ascii().first() == Some(&b'-')
        || argument.iter().any(|byte| b"*?[]{}\\,\"~!".contains(byte))
}

/// RFC 959 appendix II.
fn quoted(path: &[u8]) -> Vec<u8> {
    let doubled =
        path.iter().flat_map(|&byte| if byte == b'"' { b"\"\"".to_vec() } else { Vec::from([byte]) });
    let doubled: Vec<u8> = doubled.collect();
    [&b"\""[..], &doubled, b"\""].concat()
}
