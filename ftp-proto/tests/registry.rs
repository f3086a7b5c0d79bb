//! The registry of FTP commands (RFC 5797 section 3, with what was added since).

use ftp_proto::command::find;
use ftp_proto::command::table::NOT_IMPLEMENTED;

/// Those that every server has to have.
const MANDATORY: &[&str] = &[
    "ABOR", "ACCT", "ALLO", "APPE", "CWD", "DELE", "FEAT", "HELP", "LIST", "MODE", "NLST", "NOOP", "OPTS",
    "PASS", "PASV", "PORT", "QUIT", "REIN", "REST", "RETR", "RNFR", "RNTO", "SITE", "STAT", "STOR", "STRU",
    "TYPE", "USER",
];

/// The others, the historic ones among them.
const OPTIONAL: &[&str] = &[
    "ADAT", "ALGS", "AUTH", "CCC", "CDUP", "CONF", "ENC", "EPRT", "EPSV", "HOST", "LANG", "LPRT", "LPSV",
    "MDTM", "MIC", "MKD", "MLSD", "MLST", "PBSZ", "PROT", "PWD", "RMD", "SIZE", "SMNT", "STOU", "SYST",
    "XCUP", "XCWD", "XMKD", "XPWD", "XRMD",
];

#[test]
// req: 5797-3-mandatory
fn every_mandatory_command_is_served() {
    for name in MANDATORY {
        assert!(find(name.as_bytes()).is_some(), "{name} is mandatory");
    }
}

#[test]
// req: 5797-3-recognised
fn every_optional_command_is_at_least_known() {
    for name in OPTIONAL {
        let known = find(name.as_bytes()).is_some() || NOT_IMPLEMENTED.iter().any(|(known, _)| known == name);
        assert!(known, "{name} would be answered by 500, as if it were no command at all");
    }
}
