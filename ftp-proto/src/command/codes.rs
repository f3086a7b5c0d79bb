//! What reply codes mean, for the documentation.

/// Code, meaning, where it is defined.
type Code = (u16, &'static str, &'static str);

const RFC_959: &str = "RFC 959 section 4.2.1";

/// In order. RFC 959's own, and those that later RFCs added to it.
const CODES: &[Code] = &[
    (110, "restart marker", RFC_959),
    (125, "the data connection is open already; the transfer begins", RFC_959),
    (150, "the transfer begins, as soon as there is a data connection; or: what takes long goes on", RFC_959),
    (200, "done", RFC_959),
    (202, "not needed here", RFC_959),
    (211, "the state of the server, or what it can do", RFC_959),
    (212, "the state of a directory", RFC_959),
    (213, "the state of a file, or a value asked for", RFC_959),
    (214, "help", RFC_959),
    (215, "the kind of system", RFC_959),
    (220, "ready", RFC_959),
    (221, "goodbye; the connection is closed", RFC_959),
    (225, "the data connection is open, and no transfer runs", RFC_959),
    (226, "the transfer is complete, or was stopped as asked", RFC_959),
    (227, "passive mode: where to connect to", RFC_959),
    (228, "long passive mode: where to connect to", "RFC 1639 section 3"),
    (229, "extended passive mode: the port to connect to", "RFC 2428 section 3"),
    (230, "logged in", RFC_959),
    (232, "logged in by the security exchange; no password is needed", "RFC 2228 section 5"),
    (234, "the security exchange begins", "RFC 2228 section 5"),
    (250, "done", RFC_959),
    (251, "the path of a file and its digest", "draft-twine-ftpmd5-00 section 3.1"),
    (252, "the paths of files, each with its digest", "draft-twine-ftpmd5-00 section 3.2"),
    (257, "done; the path stands in quotes", RFC_959),
    (331, "the password is needed", RFC_959),
    (332, "an account is needed", RFC_959),
    (350, "so far so good; another command has to follow", RFC_959),
    (421, "the session ends", RFC_959),
    (425, "there is no data connection", RFC_959),
    (426, "the transfer, or what takes long, was cut off", RFC_959),
    (431, "something that the security exchange needs is not there", "RFC 2228 section 5"),
    (450, "not now: something else uses the file", RFC_959),
    (451, "not now: something broke in the server", RFC_959),
    (452, "not now: no room is left", RFC_959),
    (500, "no command that is known here, or one that is not done for this client", RFC_959),
    (501, "the argument is wrong", RFC_959),
    (502, "not served here", RFC_959),
    (503, "not at this point: the order of commands is wrong", RFC_959),
    (504, "not with this argument, or not on this storage", RFC_959),
    (520, "no data connection of that kind was asked for", "common practice"),
    (
        521,
        "data connections can't be protected in this way here, or that address family is not served",
        "RFC 4217 section 9, RFC 1639 section 2",
    ),
    (
        522,
        "that network protocol is not served, or the data connection does not resume the TLS session",
        "RFC 2428 section 2, RFC 4217 section 10",
    ),
    (530, "not logged in", RFC_959),
    (532, "an account is needed to store files", RFC_959),
    (533, "the command must not come in the clear, or only under TLS", "RFC 2228 section 5"),
    (534, "the policy forbids it", "RFC 2228 section 5"),
    (535, "the security exchange failed", "RFC 2228 section 5"),
    (536, "that protection level is not served", "RFC 2228 section 5"),
    (550, "not possible: there is no such file, or no right to it", RFC_959),
    (551, "not possible: the kind of page is unknown", RFC_959),
    (552, "not possible: more than the account may store", RFC_959),
    (553, "the name is not allowed", RFC_959),
    (554, "the restart point is not possible", "RFC 3659 section 5"),
    (555, "the mode or structure of the file is another", "RFC 1123 section 4.1.2.7"),
    (556, "the files are not alike, or the range is not possible", "draft-bryan-ftpext-hash"),
];

/// A code's meaning and where it is defined.
pub fn meaning(code: u16) -> Option<(&'static str, &'static str)> {
    let (_, meaning, source) = CODES.iter().find(|(known, ..)| *known == code)?;
    Some((meaning, source))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::docs::ALWAYS;
    use crate::command::table::COMMANDS;

    #[test]
    fn every_code_of_the_table_has_a_meaning() {
        assert!(CODES.is_sorted_by_key(|(code, ..)| *code));
        for spec in COMMANDS {
            for code in spec.replies.iter().chain(ALWAYS) {
                assert!(meaning(*code).is_some(), "{}: {code}", spec.name);
            }
        }
    }
}
