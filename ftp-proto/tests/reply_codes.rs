//! RFC 959 section 5.4 lists the codes that each of its commands may get, and asks to keep to them. RFC 1123 section
//! 4.1.2.11 allows others where they are needed: which, and why, stands here.

use ftp_proto::command::docs::ALWAYS;
use ftp_proto::command::table::COMMANDS;
use std::collections::BTreeSet;

const UPLOAD: &[u16] = &[110, 125, 150, 226, 250, 425, 426, 450, 451, 452, 532, 551, 552, 553];
const LISTING: &[u16] = &[125, 150, 226, 250, 425, 426, 450, 451];

/// RFC 959 section 5.4, without 500, 501, 502, 421 and 530, which almost every command has in it.
const RFC_959: &[(&str, &[u16])] = &[
    ("ABOR", &[225, 226]),
    ("ACCT", &[202, 230, 503]),
    ("ALLO", &[200, 202, 504]),
    ("APPE", &[110, 125, 150, 226, 250, 425, 426, 450, 451, 452, 532, 550, 551, 552, 553]),
    // 200 stands in the list, but section 4.1.1 wants the codes of CWD.
    ("CDUP", &[200, 250, 550]),
    ("CWD", &[250, 550]),
    ("DELE", &[250, 450, 550]),
    ("HELP", &[211, 214]),
    ("LIST", LISTING),
    ("MKD", &[257, 550]),
    ("MODE", &[200, 504]),
    ("NLST", LISTING),
    ("NOOP", &[200]),
    ("PASS", &[202, 230, 332, 503]),
    ("PASV", &[227]),
    ("PORT", &[200]),
    ("PWD", &[257, 550]),
    ("QUIT", &[221]),
    ("REIN", &[120, 220]),
    ("REST", &[350]),
    ("RETR", &[110, 125, 150, 226, 250, 425, 426, 450, 451, 550]),
    ("RMD", &[250, 550]),
    ("RNFR", &[350, 450, 550]),
    ("RNTO", &[250, 503, 532, 553]),
    ("SITE", &[200, 202]),
    ("SMNT", &[202, 250, 550]),
    ("STAT", &[211, 212, 213, 450]),
    ("STOR", UPLOAD),
    ("STOU", UPLOAD),
    ("STRU", &[200, 504]),
    ("SYST", &[215]),
    ("TYPE", &[200, 504]),
    ("USER", &[230, 331, 332]),
];

const TRANSFERS: &[&str] = &["APPE", "LIST", "NLST", "RETR", "STOR", "STOU"];
const PATHS: &[&str] = &[
    "APPE", "CDUP", "CWD", "DELE", "LIST", "MKD", "NLST", "RETR", "RMD", "RNFR", "RNTO", "SITE", "SMNT",
    "STAT", "STOR", "STOU",
];

/// Codes beyond that list, for which commands, and why.
const OTHERS: &[(&[u16], &[&str], &str)] = &[
    (
        &[450, 451, 452, 550, 552, 553],
        PATHS,
        "what the storage says, by the meanings of RFC 959 section 4.2.2",
    ),
    (&[504], PATHS, "the storage can't do that (RFC 959 section 4.2: an unimplemented parameter)"),
    (&[521, 522], TRANSFERS, "RFC 4217 section 10.2: protection of the data connection"),
    (&[554, 555], TRANSFERS, "RFC 1123 section 4.1.3.4: REST does not fit the file, or the type does not"),
    (&[425], &["PASV"], "no port is free, or the address is IPv6: an error that passes, while 5yz would not"),
    (&[503], &["PASV", "PORT"], "RFC 2428 section 3: refused after EPSV ALL"),
    (&[232], &["USER"], "RFC 2228 section 4: logged in by a certificate"),
    (&[211, 214], &["SITE"], "SITE STAT and SITE HELP are what STAT and HELP are"),
    (&[250, 257], &["SITE"], "SITE CPTO, SITE MKDIR and SITE RMDIR do what RNTO, MKD and RMD do"),
    (&[350, 503], &["SITE"], "SITE CPFR and SITE CPTO come one behind the other, as RNFR and RNTO"),
    (
        &[150, 426],
        &["SITE"],
        "SITE COPY takes long, goes on beside the session, and can be aborted, as a transfer",
    ),
];

#[test]
// req: 959-4.2-codes, 959-5.4-abor, 959-5.4-acct, 959-5.4-allo, 959-5.4-appe, 959-5.4-cdup, 959-5.4-cwd
// req: 959-5.4-dele, 959-5.4-help, 959-5.4-list, 959-5.4-mkd, 959-5.4-mode, 959-5.4-nlst, 959-5.4-noop
// req: 959-5.4-pass, 959-5.4-pasv, 959-5.4-port, 959-5.4-pwd, 959-5.4-quit, 959-5.4-rein, 959-5.4-rest
// req: 959-5.4-retr, 959-5.4-rmd, 959-5.4-rnfr, 959-5.4-rnto, 959-5.4-site, 959-5.4-stat, 959-5.4-stor
// req: 959-5.4-stou, 959-5.4-stru, 959-5.4-syst, 959-5.4-type, 959-5.4-user, 1123-4.1.2.11-defined-codes
fn each_command_answers_with_the_codes_of_its_rfc() {
    let mut problems = Vec::new();
    for spec in COMMANDS {
        let Some((_, listed)) = RFC_959.iter().find(|(name, _)| *name == spec.name) else { continue };
        for code in spec.replies.iter().filter(|code| !listed.contains(code) && !ALWAYS.contains(code)) {
            if !OTHERS.iter().any(|(codes, names, _)| codes.contains(code) && names.contains(&spec.name)) {
                problems.push(format!(
                    "{}: RFC 959 section 5.4 has no {code} for it; use a code of {listed:?}, or write into OTHERS why not",
                    spec.name
                ));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn no_reason_is_left_over() {
    for (codes, names, why) in OTHERS {
        let used = COMMANDS
            .iter()
            .any(|spec| names.contains(&spec.name) && spec.replies.iter().any(|code| codes.contains(code)));
        assert!(used, "no command answers {codes:?} any more: {why}");
    }
    let known: BTreeSet<&str> = RFC_959.iter().map(|(name, _)| *name).collect();
    assert_eq!(known.len(), RFC_959.len());
    for spec in COMMANDS.iter().filter(|spec| spec.source.starts_with("RFC 959")) {
        assert!(known.contains(spec.name), "RFC 959 section 5.4 is not written down for {}", spec.name);
    }
}
