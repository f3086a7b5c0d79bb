//! The command table: rows only. What a row means stands in its family's file.

use super::args::Syntax;
#[cfg(feature = "digests")]
use super::digests;
use super::{Busy, CommandSpec, Feat, Gate, Stage};
use super::{
    access, client, data, files, host, information, listings, navigation, parameters, security, site,
    transfers, trees,
};
use crate::account::Rights;
use crate::host::Abilities;

const ANYTIME: CommandSpec = CommandSpec {
    name: "",
    aliases: &[],
    syntax: Syntax::Nothing,
    stage: Stage::Anytime,
    busy: Busy::Later,
    needs: Rights::NONE,
    gate: Gate::Always,
    transfers: false,
    secret: false,
    feat: Feat::None,
    source: "RFC 959 section 4.1",
    replies: &[],
    help: "",
    samples: &[],
    run: information::noop,
};

const LOGGED_IN: CommandSpec = CommandSpec { stage: Stage::LoggedIn, ..ANYTIME };

const TLS: CommandSpec = CommandSpec { gate: Gate::Tls, source: "RFC 4217 section 4", ..ANYTIME };

const TRANSFER: CommandSpec = CommandSpec { transfers: true, ..LOGGED_IN };

/// Verbs of the registry (RFC 5797) and of the field that are recognised and not served, and why not.
pub const NOT_IMPLEMENTED: &[(&str, &str)] = &[
    ("ADAT", "TLS exchanges its security data in its own handshake (RFC 4217 section 4)"),
    ("ALGS", "it is for gateways between IPv6 and IPv4 (RFC 6384), which answer it by themselves"),
    ("CONF", "TLS protects the control connection as a whole"),
    ("ENC", "TLS protects the control connection as a whole"),
    ("MIC", "TLS protects the control connection as a whole"),
    ("SMNT", "an account has one tree of files, and clients can't mount others"),
    ("THMB", "the server would have to decode what strangers say are pictures"),
];

/// Whether it is one of these, in any case.
pub(crate) fn is_not_implemented(verb: &[u8]) -> bool {
    NOT_IMPLEMENTED.iter().any(|(name, _)| name.as_bytes().eq_ignore_ascii_case(verb))
}

/// First words of HTTP (RFC 9110 section 9, RFC 5789, RFC 9113 section 3.4): whoever begins so was sent here by mistake or
/// by an attacker.
pub(crate) const HTTP_METHODS: &[&str] =
    &["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PRI", "PUT", "TRACE"];

/// First words of mail (RFC 5321 section 4.1, RFC 2033 section 4.1, RFC 3207).
pub(crate) const MAIL_COMMANDS: &[&str] = &["EHLO", "HELO", "LHLO", "STARTTLS"];

/// Every command, in alphabetical order.
pub static COMMANDS: &[CommandSpec] = &[
    // req: 959-5.4-abor, 5797-3-mandatory
    CommandSpec {
        name: "ABOR",
        busy: Busy::Stops,
        replies: &[226],
        help: "(stop the running transfer)",
        samples: &["ABOR"],
        run: transfers::abor,
        ..LOGGED_IN
    },
    // req: 959-5.4-acct, 1123-4.1.2.13-commands
    CommandSpec {
        name: "ACCT",
        secret: true,
        syntax: Syntax::Text,
        replies: &[202, 503],
        help: "<account> (not needed here)",
        samples: &["ACCT sales"],
        run: access::acct,
        ..ANYTIME
    },
    // req: 959-5.4-allo
    CommandSpec {
        name: "ALLO",
        syntax: Syntax::Text,
        replies: &[200, 202],
        help: "<bytes> [R <record size>] (is there room? nothing has to be reserved here)",
        samples: &["ALLO 1024", "ALLO 1024 R 80"],
        run: parameters::allo,
        ..LOGGED_IN
    },
    // req: 959-5.4-appe, 1123-4.1.2.13-commands
    CommandSpec {
        name: "APPE",
        syntax: Syntax::Path,
        needs: Rights::APPEND,
        replies: &[110, 150, 226, 425, 426, 450, 451, 452, 504, 521, 522, 550, 552, 553, 554],
        help: "<path> (append to a file, or go on with a broken upload)",
        samples: &["APPE log.txt"],
        run: transfers::appe,
        ..TRANSFER
    },
    // req: 4217-6-feat
    CommandSpec {
        name: "AUTH",
        syntax: Syntax::Text,
        feat: Feat::Line("AUTH TLS"),
        replies: &[234, 431, 503, 504],
        help: "TLS (protect the control connection)",
        samples: &["AUTH TLS", "AUTH SSL", "AUTH TLS-C", "AUTH TLS-P"],
        run: security::auth,
        ..TLS
    },
    CommandSpec {
        name: "AVBL",
        syntax: Syntax::OptionalPath,
        needs: Rights::CREATE,
        gate: Gate::Able(Abilities::AVAILABLE),
        feat: Feat::Line("AVBL"),
        source: "draft-peterson-streamlined-ftp-command-extensions-10 section 4",
        replies: &[213, 450, 451, 550, 553],
        help: "[<directory>] (how many bytes can be stored)",
        samples: &["AVBL", "AVBL /pub"],
        run: trees::avbl,
        ..LOGGED_IN
    },
    CommandSpec {
        name: "CCC",
        gate: Gate::ClearCommandChannel,
        feat: Feat::Line("CCC"),
        source: "RFC 4217 section 5",
        replies: &[200, 533, 534],
        help: "(go on in the clear on the control connection)",
        samples: &["CCC"],
        run: security::ccc,
        ..LOGGED_IN
    },
    // req: 959-5.4-cdup
    CommandSpec {
        name: "CDUP",
        aliases: &["XCUP"],
        replies: &[250, 450, 451, 550],
        help: "(change to the directory above)",
        samples: &["CDUP", "XCUP"],
        run: navigation::cdup,
        ..LOGGED_IN
    },
    CommandSpec {
        name: "CLNT",
        syntax: Syntax::Text,
        feat: Feat::Line("CLNT"),
        source: "common practice",
        replies: &[200],
        help: "<name and version> (what the client calls itself)",
        samples: &["CLNT NcFTP 3.2.6 linux-x86_64-glibc2.36"],
        run: client::clnt,
        ..ANYTIME
    },
    CommandSpec {
        name: "COMB",
        syntax: Syntax::Text,
        needs: Rights::READ.with(Rights::CREATE).with(Rights::APPEND).with(Rights::DELETE),
        feat: Feat::Line("COMB"),
        source: "common practice",
        replies: &[150, 250, 426, 450, 451, 452, 550, 552, 553],
        help: "<target> <part> ... (append the parts to a file, and remove them)",
        samples: &["COMB a.txt log.txt", "COMB \"a b\" \"part 1\" \"part 2\""],
        run: trees::comb,
        ..LOGGED_IN
    },
    CommandSpec {
        name: "CSID",
        syntax: Syntax::Text,
        feat: Feat::Line("CSID"),
        source: "draft-peterson-streamlined-ftp-command-extensions-10 section 6",
        replies: &[200],
        help: "Name=<name>; Version=<version>; (what the client is)",
        samples: &["CSID Name=WinSCP; Version=6.3;"],
        run: client::csid,
        ..ANYTIME
    },
    // req: 959-5.4-cwd
    CommandSpec {
        name: "CWD",
        aliases: &["XCWD"],
        syntax: Syntax::Path,
        replies: &[250, 450, 451, 550, 553],
        help: "<path> (change the directory)",
        samples: &["CWD /pub", "XCWD .."],
        run: navigation::cwd,
        ..LOGGED_IN
    },
    // req: 959-5.4-dele
    CommandSpec {
        name: "DELE",
        syntax: Syntax::Path,
        needs: Rights::DELETE,
        replies: &[250, 450, 451, 452, 504, 550, 553],
        help: "<path> (delete a file)",
        samples: &["DELE old.txt"],
        run: files::dele,
        ..LOGGED_IN
    },
    CommandSpec {
        name: "DSIZ",
        syntax: Syntax::OptionalPath,
        needs: Rights::LIST,
        feat: Feat::Line("DSIZ"),
        source: "common practice",
        replies: &[150, 213, 426, 450, 451, 550, 553],
        help: "[<directory>] (the bytes of all files below it)",
        samples: &["DSIZ", "DSIZ /pub"],
        run: trees::dsiz,
        ..LOGGED_IN
    },
    CommandSpec {
        name: "EPRT",
        syntax: Syntax::ExtendedHostPort,
        gate: Gate::Active,
        feat: Feat::Line("EPRT"),
        source: "RFC 2428 section 2",
        replies: &[200, 503, 522],
        help: "|<protocol>|<address>|<port>| (connect to the client for the next transfer)",
        samples: &["EPRT |1|192.0.2.1|4000|", "EPRT |2|2001:db8::1|4000|"],
        run: data::eprt,
        ..LOGGED_IN
    },
    CommandSpec {
        name: "EPSV",
        syntax: Syntax::OptionalText,
        gate: Gate::ExtendedPassive,
        feat: Feat::Line("EPSV"),
        source: "RFC 2428 section 3",
        replies: &[200, 229, 425, 522],
        help: "[1|2|ALL] (let the client connect for the next transfer)",
        samples: &["EPSV", "EPSV 1", "EPSV ALL"],
        run: data::epsv,
        ..LOGGED_IN
    },
    CommandSpec {
        name: "ESTA",
        gate: Gate::Active,
        feat: Feat::Line("ESTA"),
        source: "common practice",
        replies: &[225, 425, 520],
        help: "(connect to the client now, and tell from where)",
        samples: &["ESTA"],
        run: data::esta,
        ..LOGGED_IN
    },
    CommandSpec {
        name: "ESTP",
        gate: Gate::Passive,
        feat: Feat::Line("ESTP"),
        source: "common practice",
        replies: &[225, 425, 520],
        help: "(wait for the client's data connection, and tell from where it came)",
        samples: &["ESTP"],
        run: data::estp,
        ..LOGGED_IN
    },
    // req: 2389-3.2-not-itself
    CommandSpec {
        name: "FEAT",
        source: "RFC 2389 section 3",
        replies: &[211],
        help: "(list the extensions)",
        samples: &["FEAT"],
        run: information::feat,
        ..ANYTIME
    },
    #[cfg(feature = "digests")]
    CommandSpec {
        name: "HASH",
        syntax: Syntax::Path,
        needs: Rights::READ,
        feat: Feat::Computed(digests::feature),
        source: "draft-bryan-ftpext-hash-02 section 3",
        replies: &[150, 213, 426, 450, 451, 550, 553, 554],
        help: "<path> (a digest of a file, or of the part that RANG named)",
        samples: &["HASH a.txt"],
        run: digests::hash,
        ..LOGGED_IN
    },
    // req: 959-4.1.3-help-early, 959-5.4-help
    CommandSpec {
        name: "HELP",
        syntax: Syntax::OptionalText,
        replies: &[214],
        help: "[<command>] (list the commands, or tell about one)",
        samples: &["HELP", "HELP RETR"],
        run: information::help,
        ..ANYTIME
    },
    // req: 7151-3.4-feat
    CommandSpec {
        name: "HOST",
        syntax: Syntax::Text,
        gate: Gate::Hosts,
        feat: Feat::Line("HOST"),
        source: "RFC 7151 section 3",
        replies: &[220, 503, 504],
        help: "<name or [address]> (the virtual host that is wanted)",
        samples: &["HOST ftp.example.com", "HOST [2001:db8::1]"],
        run: host::host,
        ..ANYTIME
    },
    // Not in FEAT: see "One language" in ARCHITECTURE.md.
    // req: 2640-4.1-early
    CommandSpec {
        name: "LANG",
        syntax: Syntax::OptionalText,
        source: "RFC 2640 section 4.1",
        replies: &[200, 504],
        help: "[<language tag>] (the language of replies; alone, the usual one)",
        samples: &["LANG", "LANG en", "LANG en-GB"],
        run: client::lang,
        ..ANYTIME
    },
    // req: 959-5.4-list
    CommandSpec {
        name: "LIST",
        syntax: Syntax::OptionalText,
        needs: Rights::LIST,
        replies: &[150, 226, 425, 426, 450, 451, 521, 522, 550, 553],
        help: "[<path or pattern>] (list with details)",
        samples: &["LIST", "LIST -la /pub", "LIST -R", "LIST *.txt"],
        run: listings::list,
        ..TRANSFER
    },
    CommandSpec {
        name: "LPRT",
        syntax: Syntax::LongHostPort,
        gate: Gate::Active,
        source: "RFC 1639 section 2",
        replies: &[200, 503, 521],
        help: "<family,length,h1,...,length,p1,p2> (connect to the client for the next transfer)",
        samples: &["LPRT 4,4,192,0,2,1,2,15,160", "LPRT 6,16,32,1,13,184,0,0,0,0,0,0,0,0,0,0,0,1,2,15,160"],
        run: data::lprt,
        ..LOGGED_IN
    },
    CommandSpec {
        name: "LPSV",
        gate: Gate::Passive,
        source: "RFC 1639 section 3",
        replies: &[228, 425, 503],
        help: "(let the client connect for the next transfer)",
        samples: &["LPSV"],
        run: data::lpsv,
        ..LOGGED_IN
    },
    #[cfg(feature = "digests")]
    CommandSpec {
        name: "MD5",
        syntax: Syntax::Path,
        needs: Rights::READ,
        feat: Feat::Line("MD5"),
        source: "draft-twine-ftpmd5-00 section 3.1",
        replies: &[150, 251, 426, 450, 451, 550, 553],
        help: "<path> (the MD5 digest of a file)",
        samples: &["MD5 a.txt"],
        run: digests::md5,
        ..LOGGED_IN
    },
    // req: 3659-3.3-feat
    CommandSpec {
        name: "MDTM",
        syntax: Syntax::PathOrTimeAndPath,
        needs: Rights::LIST,
        feat: Feat::Line("MDTM"),
        source: "RFC 3659 section 3",
        replies: &[213, 450, 451, 550, 553],
        help: "[<YYYYMMDDHHMMSS>] <path> (time of last modification, or set it)",
        samples: &["MDTM a.txt", "MDTM 20261125100000 a.txt"],
        run: files::mdtm,
        ..LOGGED_IN
    },
    CommandSpec {
        name: "MFCT",
        syntax: Syntax::TimeAndPath,
        needs: Rights::ATTRIBUTES,
        gate: Gate::Able(Abilities::SET_CREATED),
        feat: Feat::Line("MFCT"),
        source: "draft-somers-ftp-mfxx-04 section 3.2",
        replies: &[213, 450, 451, 452, 504, 550, 553],
        help: "<YYYYMMDDHHMMSS> <path> (set the time of creation)",
        samples: &["MFCT 20261125100000 a.txt"],
        run: files::mfct,
        ..LOGGED_IN
    },
    CommandSpec {
        name: "MFF",
        syntax: Syntax::Text,
        needs: Rights::ATTRIBUTES,
        feat: Feat::Computed(files::mff_feature),
        source: "draft-somers-ftp-mfxx-04 section 3.3",
        replies: &[213, 450, 451, 452, 504, 550, 553],
        help: "<fact>=<value>; ... <path> (set facts of a file, all or none)",
        samples: &["MFF Modify=20261125100000; a.txt", "MFF Modify=20261125100000;UNIX.mode=0644; a.txt"],
        run: files::mff,
        ..LOGGED_IN
    },
    CommandSpec {
        name: "MFMT",
        syntax: Syntax::TimeAndPath,
        needs: Rights::ATTRIBUTES,
        feat: Feat::Line("MFMT"),
        source: "draft-somers-ftp-mfxx-04 section 3.1",
        replies: &[213, 450, 451, 452, 504, 550, 553],
        help: "<YYYYMMDDHHMMSS> <path> (set the time of last modification)",
        samples: &["MFMT 20261125100000 a.txt"],
        run: files::mfmt,
        ..LOGGED_IN
    },
    // req: 959-5.4-mkd
    CommandSpec {
        name: "MKD",
        aliases: &["XMKD"],
        syntax: Syntax::Path,
        needs: Rights::MAKE_DIRECTORY,
        replies: &[257, 450, 451, 452, 504, 550, 552, 553],
        help: "<path> (make a directory)",
        samples: &["MKD new", "XMKD new"],
        run: files::mkd,
        ..LOGGED_IN
    },
    // req: 3659-7.8-no-mlsd
    CommandSpec {
        name: "MLSD",
        syntax: Syntax::OptionalPath,
        needs: Rights::LIST,
        source: "RFC 3659 section 7",
        replies: &[150, 226, 425, 426, 450, 451, 521, 522, 550, 553],
        help: "[<directory>] (list for programs)",
        samples: &["MLSD", "MLSD /pub"],
        run: listings::mlsd,
        ..TRANSFER
    },
    CommandSpec {
        name: "MLST",
        syntax: Syntax::OptionalPath,
        needs: Rights::LIST,
        feat: Feat::Computed(information::mlst_feature),
        source: "RFC 3659 section 7",
        replies: &[250, 450, 451, 550, 553],
        help: "[<path>] (facts about a file)",
        samples: &["MLST", "MLST a.txt"],
        run: files::mlst,
        ..LOGGED_IN
    },
    #[cfg(feature = "digests")]
    CommandSpec {
        name: "MMD5",
        syntax: Syntax::Text,
        needs: Rights::READ,
        feat: Feat::Line("MMD5"),
        source: "draft-twine-ftpmd5-00 section 3.2",
        replies: &[150, 252, 426, 450, 451, 550, 553],
        help: "<path>, <path> ... (the MD5 digests of several files)",
        samples: &["MMD5 a.txt, log.txt"],
        run: digests::mmd5,
        ..LOGGED_IN
    },
    // req: 959-5.4-mode
    CommandSpec {
        name: "MODE",
        syntax: Syntax::Text,
        replies: &[200, 504],
        feat: Feat::Part(Gate::Deflate, "MODE Z"),
        source: "RFC 959 section 4.1, draft-preston-ftpext-deflate",
        help: "S | B | C | Z (how transfers are framed: as a stream, as blocks, with short forms for equal bytes, as a \
               stream compressed by zlib)",
        samples: &["MODE S", "MODE B", "MODE C", "MODE Z"],
        run: parameters::mode,
        ..LOGGED_IN
    },
    // req: 959-5.4-nlst
    CommandSpec {
        name: "NLST",
        syntax: Syntax::OptionalText,
        needs: Rights::LIST,
        replies: &[150, 226, 425, 426, 450, 451, 521, 522, 550, 553],
        help: "[<path or pattern>] (list names)",
        samples: &["NLST", "NLST *.txt", "NLST */*.{jpg,png}"],
        run: listings::nlst,
        ..TRANSFER
    },
    // req: 959-5.1-commands, 959-5.4-noop
    CommandSpec {
        name: "NOOP",
        busy: Busy::Now,
        replies: &[200],
        help: "(do nothing)",
        samples: &["NOOP"],
        ..ANYTIME
    },
    // req: 2389-4-implemented, 2389-4-not-listed
    CommandSpec {
        name: "OPTS",
        syntax: Syntax::Text,
        source: "RFC 2389 section 4",
        replies: &[200],
        help: "<command> [<options>] (choose how an extension behaves)",
        samples: &["OPTS UTF8 ON", "OPTS MLST type;size;", "OPTS MODE Z LEVEL 9"],
        run: parameters::opts,
        ..ANYTIME
    },
    // req: 959-5.4-pass
    CommandSpec {
        name: "PASS",
        secret: true,
        syntax: Syntax::Verbatim,
        replies: &[230, 503],
        help: "<password> (log in)",
        samples: &["PASS secret"],
        run: access::pass,
        ..ANYTIME
    },
    // req: 959-5.4-pasv, 1123-4.1.2.13-commands
    CommandSpec {
        name: "PASV",
        aliases: &["P@SW"],
        gate: Gate::Passive,
        replies: &[227, 425, 503],
        help: "(let the client connect for the next transfer)",
        samples: &["PASV", "P@SW"],
        run: data::pasv,
        ..LOGGED_IN
    },
    CommandSpec {
        name: "PBSZ",
        syntax: Syntax::Number,
        feat: Feat::Line("PBSZ"),
        source: "RFC 4217 section 9",
        replies: &[200, 503],
        help: "0 (the buffer size of TLS, before PROT)",
        samples: &["PBSZ 0"],
        run: security::pbsz,
        ..TLS
    },
    // req: 959-5.4-port
    CommandSpec {
        name: "PORT",
        syntax: Syntax::HostPort,
        gate: Gate::Active,
        replies: &[200, 503],
        help: "<h1,h2,h3,h4,p1,p2> (connect to the client for the next transfer)",
        samples: &["PORT 192,0,2,1,15,160"],
        run: data::port,
        ..LOGGED_IN
    },
    CommandSpec {
        name: "PRET",
        syntax: Syntax::Text,
        gate: Gate::Passive,
        source: "common practice",
        replies: &[200, 504],
        help: "<transfer command> (what PASV will be for; nothing depends on it here)",
        samples: &["PRET RETR a.txt", "PRET LIST"],
        run: data::pret,
        ..LOGGED_IN
    },
    CommandSpec {
        name: "PROT",
        syntax: Syntax::Text,
        feat: Feat::Line("PROT"),
        source: "RFC 4217 section 9",
        replies: &[200, 503, 504, 534, 536],
        help: "P | C (protect data connections, or not)",
        samples: &["PROT P", "PROT C"],
        run: security::prot,
        ..TLS
    },
    // req: 959-5.4-pwd
    CommandSpec {
        name: "PWD",
        aliases: &["XPWD"],
        replies: &[257],
        help: "(the current directory)",
        samples: &["PWD", "XPWD"],
        run: navigation::pwd,
        ..LOGGED_IN
    },
    // req: 959-5.4-quit
    CommandSpec {
        name: "QUIT",
        busy: Busy::Now,
        replies: &[221],
        help: "(end the session)",
        samples: &["QUIT"],
        run: access::quit,
        ..ANYTIME
    },
    CommandSpec {
        name: "RANG",
        syntax: Syntax::Text,
        feat: Feat::Line("RANG STREAM"),
        source: "draft-bryan-ftp-range-08 section 3",
        replies: &[350],
        help: "<first byte> <last byte> (which part the next RETR or HASH is of; 1 0: the whole)",
        samples: &["RANG 0 99", "RANG 1 0"],
        run: parameters::rang,
        ..LOGGED_IN
    },
    // req: 959-5.4-rein, 1123-4.1.2.13-optional
    CommandSpec {
        name: "REIN",
        replies: &[220],
        help: "(begin anew, without a login)",
        samples: &["REIN"],
        run: access::rein,
        ..ANYTIME
    },
    // req: 959-5.4-rest, 3659-5.4-feat
    CommandSpec {
        name: "REST",
        syntax: Syntax::Number,
        feat: Feat::Line("REST STREAM"),
        source: "RFC 3659 section 5",
        replies: &[350],
        help: "<offset or marker> (where the next transfer begins)",
        samples: &["REST 0", "REST 4294967296"],
        run: parameters::rest,
        ..LOGGED_IN
    },
    // req: 959-5.4-retr, 5797-2.4-base
    CommandSpec {
        name: "RETR",
        syntax: Syntax::Path,
        needs: Rights::READ,
        replies: &[150, 226, 425, 426, 450, 451, 521, 522, 550, 553, 554],
        help: "<path> (download)",
        samples: &["RETR a.txt"],
        run: transfers::retr,
        ..TRANSFER
    },
    // req: 959-5.4-rmd
    CommandSpec {
        name: "RMD",
        aliases: &["XRMD"],
        syntax: Syntax::Path,
        needs: Rights::REMOVE_DIRECTORY,
        replies: &[250, 450, 451, 452, 504, 550, 553],
        help: "<path> (remove an empty directory)",
        samples: &["RMD old", "XRMD old"],
        run: files::rmd,
        ..LOGGED_IN
    },
    CommandSpec {
        name: "RMDA",
        syntax: Syntax::Path,
        needs: Rights::REMOVE_DIRECTORY.with(Rights::DELETE),
        feat: Feat::Line("RMDA"),
        source: "common practice",
        replies: &[150, 250, 426, 450, 451, 550, 553],
        help: "<path> (remove a directory with all that is in it)",
        samples: &["RMDA old"],
        run: trees::rmda,
        ..LOGGED_IN
    },
    // req: 959-5.4-rnfr
    CommandSpec {
        name: "RNFR",
        syntax: Syntax::Path,
        needs: Rights::RENAME,
        replies: &[350, 450, 451, 550, 553],
        help: "<path> (the old name)",
        samples: &["RNFR a.txt"],
        run: files::rnfr,
        ..LOGGED_IN
    },
    // req: 959-5.4-rnto
    CommandSpec {
        name: "RNTO",
        syntax: Syntax::Path,
        needs: Rights::RENAME,
        replies: &[250, 450, 451, 452, 503, 504, 550, 552, 553],
        help: "<path> (the new name)",
        samples: &["RNTO b.txt"],
        run: files::rnto,
        ..LOGGED_IN
    },
    // req: 959-4.1.3-help-site, 959-5.4-site, 5797-3-mandatory
    CommandSpec {
        name: "SITE",
        syntax: Syntax::Text,
        replies: &[150, 200, 211, 214, 250, 257, 350, 426, 450, 451, 452, 503, 504, 550, 552, 553],
        help: "<command> (SITE HELP tells which there are)",
        samples: &["SITE HELP", "SITE CHMOD 644 a.txt"],
        run: site::site,
        ..LOGGED_IN
    },
    // req: 2389-3.2-any-case, 3659-4.3-feat
    CommandSpec {
        name: "SIZE",
        syntax: Syntax::Path,
        needs: Rights::LIST,
        feat: Feat::Line("SIZE"),
        source: "RFC 3659 section 4",
        replies: &[213, 450, 451, 550, 553],
        help: "<path> (length in bytes)",
        samples: &["SIZE a.txt"],
        run: files::size,
        ..LOGGED_IN
    },
    CommandSpec {
        name: "SSCN",
        syntax: Syntax::OptionalText,
        gate: Gate::ServerToServer,
        feat: Feat::Line("SSCN"),
        source: "draft-fordh-ftp-ssl-secure-server-to-server",
        replies: &[200, 503, 534],
        help: "[ON | OFF] (take the client's part in TLS on data connections)",
        samples: &["SSCN ON", "SSCN OFF", "SSCN"],
        run: security::sscn,
        ..LOGGED_IN
    },
    // req: 959-5.4-stat
    CommandSpec {
        name: "STAT",
        syntax: Syntax::OptionalText,
        busy: Busy::NowIfAlone,
        replies: &[211, 212, 213, 450, 451, 550, 553],
        help: "[<path or pattern>] (the session's state, or a listing)",
        samples: &["STAT", "STAT /pub"],
        run: information::stat,
        ..LOGGED_IN
    },
    // req: 959-5.4-stor
    CommandSpec {
        name: "STOR",
        syntax: Syntax::Path,
        needs: Rights::CREATE,
        replies: &[110, 150, 226, 425, 426, 450, 451, 452, 504, 521, 522, 550, 552, 553, 554],
        help: "<path> (upload)",
        samples: &["STOR a.txt"],
        run: transfers::stor,
        ..TRANSFER
    },
    // req: 959-5.4-stou, 1123-4.1.2.13-optional
    CommandSpec {
        name: "STOU",
        syntax: Syntax::OptionalPath,
        needs: Rights::CREATE,
        replies: &[150, 226, 425, 426, 451, 452, 504, 521, 522, 550, 552, 553],
        help: "[<path>] (upload under a name nobody has)",
        samples: &["STOU", "STOU a.txt"],
        run: transfers::stou,
        ..TRANSFER
    },
    // req: 959-5.4-stru
    CommandSpec {
        name: "STRU",
        syntax: Syntax::Text,
        replies: &[200, 504],
        help: "F | R (what is transferred: bytes, or records)",
        samples: &["STRU F", "STRU R"],
        run: parameters::stru,
        ..LOGGED_IN
    },
    // req: 959-5.4-syst
    CommandSpec {
        name: "SYST",
        replies: &[215],
        help: "(the kind of listing)",
        samples: &["SYST"],
        run: information::syst,
        ..ANYTIME
    },
    // req: 959-5.4-type
    CommandSpec {
        name: "TYPE",
        syntax: Syntax::Text,
        replies: &[200, 504],
        help: "A [N|T|C] | E [N|T|C] | I | L 8 (what transfers send: text in ASCII or EBCDIC, or bytes as they are)",
        samples: &["TYPE A", "TYPE A N", "TYPE E", "TYPE I", "TYPE L 8"],
        run: parameters::type_,
        ..LOGGED_IN
    },
    // req: 959-5.1-commands, 959-5.4-user
    CommandSpec {
        name: "USER",
        syntax: Syntax::Text,
        replies: &[232, 331],
        help: "<name> (who wants to log in)",
        samples: &["USER anonymous"],
        run: access::user,
        ..ANYTIME
    },
    #[cfg(feature = "digests")]
    CommandSpec {
        name: "XCRC",
        syntax: Syntax::Text,
        needs: Rights::READ,
        feat: Feat::Line("XCRC"),
        source: "common practice",
        replies: &[150, 250, 426, 450, 451, 550, 553, 554],
        help: "<path> [<start> <end>] (the CRC-32 of a file)",
        samples: &["XCRC a.txt", "XCRC \"a b\" 0 100"],
        run: digests::xcrc,
        ..LOGGED_IN
    },
    #[cfg(feature = "digests")]
    CommandSpec {
        name: "XMD5",
        syntax: Syntax::Text,
        needs: Rights::READ,
        feat: Feat::Line("XMD5"),
        source: "common practice",
        replies: &[150, 250, 426, 450, 451, 550, 553, 554],
        help: "<path> [<start> <end>] (the MD5 digest of a file)",
        samples: &["XMD5 a.txt"],
        run: digests::xmd5,
        ..LOGGED_IN
    },
    #[cfg(feature = "digests")]
    CommandSpec {
        name: "XSHA1",
        aliases: &["XSHA"],
        syntax: Syntax::Text,
        needs: Rights::READ,
        feat: Feat::Line("XSHA1"),
        source: "common practice",
        replies: &[150, 250, 426, 450, 451, 550, 553, 554],
        help: "<path> [<start> <end>] (the SHA-1 digest of a file)",
        samples: &["XSHA1 a.txt", "XSHA a.txt"],
        run: digests::xsha1,
        ..LOGGED_IN
    },
    #[cfg(feature = "digests")]
    CommandSpec {
        name: "XSHA256",
        syntax: Syntax::Text,
        needs: Rights::READ,
        feat: Feat::Line("XSHA256"),
        source: "common practice",
        replies: &[150, 250, 426, 450, 451, 550, 553, 554],
        help: "<path> [<start> <end>] (the SHA-256 digest of a file)",
        samples: &["XSHA256 a.txt"],
        run: digests::xsha256,
        ..LOGGED_IN
    },
    #[cfg(feature = "digests")]
    CommandSpec {
        name: "XSHA512",
        syntax: Syntax::Text,
        needs: Rights::READ,
        feat: Feat::Line("XSHA512"),
        source: "common practice",
        replies: &[150, 250, 426, 450, 451, 550, 553, 554],
        help: "<path> [<start> <end>] (the SHA-512 digest of a file)",
        samples: &["XSHA512 a.txt"],
        run: digests::xsha512,
        ..LOGGED_IN
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{args, find, split};
    use crate::path::VirtualPath;

    #[test]
    fn names_are_sorted_and_unique() {
        assert!(COMMANDS.is_sorted_by(|a, b| a.name < b.name));
        for spec in COMMANDS {
            for name in spec.aliases.iter().chain([&spec.name]) {
                assert!(core::ptr::eq(find(name.as_bytes()).unwrap(), spec), "{name}");
                let others = [HTTP_METHODS, MAIL_COMMANDS];
                assert!(!is_not_implemented(name.as_bytes()), "{name}");
                assert!(!others.iter().any(|names| names.contains(name)), "{name}");
            }
        }
    }

    #[test]
    fn every_row_is_documented_and_its_samples_parse() {
        for spec in COMMANDS {
            let is_source =
                ["RFC ", "draft-", "common practice"].iter().any(|kind| spec.source.starts_with(kind));
            assert!(is_source, "{}", spec.name);
            assert!(!spec.meaning().is_empty() && !spec.samples.is_empty(), "{}", spec.name);
            for sample in spec.samples {
                let (verb, argument) = split(sample.as_bytes());
                assert!(core::ptr::eq(find(verb).unwrap(), spec), "{sample}");
                let parsed = args::parse(spec.syntax, argument.unwrap_or_default(), &VirtualPath::root());
                assert!(parsed.is_ok(), "{sample}");
            }
        }
    }

    /// RFC 959 section 5.1 and RFC 1123 section 4.1.2.13.
    #[test]
    // req: 959-5.1-commands, 1123-4.1.2.13-commands
    fn the_required_commands_are_there() {
        for name in [
            "USER", "PASS", "ACCT", "PORT", "PASV", "TYPE", "MODE", "STRU", "RETR", "STOR", "APPE", "RNFR",
            "RNTO", "DELE", "CWD", "CDUP", "RMD", "MKD", "PWD", "LIST", "NLST", "SYST", "STAT", "HELP",
            "NOOP", "QUIT",
        ] {
            assert!(find(name.as_bytes()).is_some(), "{name}");
        }
    }
}
