//! What the simulated world chooses from, and by what.

use alloc::vec::Vec;

/// Where the world's choices come from.
#[derive(Debug)]
pub enum Choices<'a> {
    /// A seed: the same seed makes the same world.
    Seed(u64),
    /// A fuzzer's bytes; the world ends when they do.
    Bytes(&'a [u8]),
    /// A seed, and the bytes that make the same choices.
    Record(u64, &'a mut Vec<u8>),
}

impl Choices<'_> {
    /// A number below `bound`; 0 when there are no more bytes.
    pub(in crate::testing) fn below(&mut self, bound: usize) -> usize {
        let is_wide = bound > 256;
        match self {
            Self::Seed(state) => reduced(next(state), bound),
            Self::Bytes(bytes) => {
                let mut number = 0;
                for _ in 0..if is_wide { 2 } else { 1 } {
                    let Some((&byte, rest)) = bytes.split_first() else { return 0 };
                    *bytes = rest;
                    number = number << 8 | u64::from(byte);
                }
                reduced(number, bound)
            }
            Self::Record(state, bytes) => {
                let number = reduced(next(state), bound.min(1 << 16));
                let [.., high, low] = number.to_be_bytes();
                bytes.extend(is_wide.then_some(high));
                bytes.push(low);
                number
            }
        }
    }

    pub(in crate::testing) fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    pub(in crate::testing) fn pick<'b, T>(&mut self, of: &'b [T]) -> Option<&'b T> {
        of.get(self.below(of.len()))
    }

    pub(in crate::testing) fn is_exhausted(&self) -> bool {
        matches!(self, Self::Bytes([]))
    }
}

fn reduced(number: u64, bound: usize) -> usize {
    usize::try_from(number % bound.max(1) as u64).unwrap_or(0)
}

/// The next number of a seed (splitmix64).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// What a client says, once logged in. `#` becomes a number never used before.
pub(super) const LINES: &[&str] = &[
    "PASV",
    "PASV",
    "PASV",
    "EPSV",
    "EPSV",
    "RETR a",
    "RETR a",
    "RETR b",
    "RETR big",
    "RETR none",
    "STOR up/#",
    "STOR up/#",
    "STOU",
    "APPE log",
    "LIST",
    "NLST *",
    "MLSD",
    "MLST a",
    "SIZE a",
    "MDTM b",
    "REST 3",
    "TYPE I",
    "TYPE A",
    "NOOP",
    "STAT",
    "STAT /",
    "ABOR",
    "PORT 203,0,113,5,15,160",
    "PORT 10,0,0,1,15,160",
    "EPRT |1|203.0.113.5|4001|",
    "CWD up",
    "CDUP",
    "PWD",
    "MKD d#",
    "RMD d1",
    "RNFR a",
    "RNTO a",
    "DELE up/1",
    "FEAT",
    "HELP",
    "SITE CHMOD 600 b",
    "OPTS UTF8 ON",
    "XYZZY",
    "",
    "ALLO 3",
    "EPSV 3",
    "SYST",
    "RETR",
    "TYPE X",
];

/// About TLS, where there is any.
pub(super) const SECURITY: &[&str] = &[
    "AUTH TLS",
    "AUTH TLS",
    "AUTH SSL",
    "AUTH TLS-C",
    "AUTH KERBEROS_V4",
    "PBSZ 0",
    "PBSZ 9",
    "PROT P",
    "PROT P",
    "PROT P",
    "PROT C",
    "PROT S",
    "CCC",
    "CCC",
    "SSCN",
    "SSCN ON",
    "SSCN OFF",
    "HOST ftp.example.com",
];

/// Said in vain without a data connection, so a client that has one says them more often.
pub(super) const TRANSFERS: &[&str] =
    &["RETR a", "RETR big", "STOR up/#", "STOU", "APPE log", "LIST", "NLST", "MLSD up"];

/// Several lines each, if need be.
pub(super) const NOVELTIES: &[&str] = &[
    "TYPE A\nMODE S",
    "TYPE E",
    "TYPE I",
    "TYPE L 8",
    "STRU R",
    "STRU F",
    "MODE S",
    "MODE B",
    "MODE B",
    "MODE C",
    "MODE Z",
    "MODE Z",
    "MODE Z\nEPSV\nSTOR z#",
    "MODE Z\nPASV\nSTOR z#",
    "MODE B\nPASV\nRETR text",
    "MODE C\nEPSV\nSTOR c#",
    "TYPE A\nSTRU R\nMODE B",
    "OPTS MODE Z LEVEL 9",
    "REST 3\nRETR text",
    "REST MARK",
    "RANG 2 9\nRETR text",
    "RANG 2 9\nHASH text",
    "RANG 1 0",
    "RETR text",
    "SIZE text",
    "HASH big",
    "HASH none",
    "XCRC text",
    "XCRC big 10 20",
    "XSHA256 \"big\"\nNOOP",
    "MD5 text\nNOOP\nSTAT",
    "MMD5 a, b\nABOR",
    "HASH big\nABOR",
    "HASH big\nNOOP\nPWD\nABOR\nPWD",
    "HASH big\nQUIT",
    "DSIZ /\nNOOP",
    "DSIZ\nABOR\nNOOP",
    "MKD t#\nMKD t#/u\nRMDA t#\nNOOP",
    "RMDA tree/e\nABOR",
    "SITE CPFR big\nSITE CPTO c#\nNOOP\nCOMB j# c#",
    "SITE CPFR a\nSITE CPTO c#\nQUIT",
    "COMB log up/1\nABOR",
    "OPTS HASH CRC32",
    "AVBL",
    "AVBL up",
    "MKD r#\nRNFR r#\nRNTO s#",
    "RNFR up\nRNTO up",
    "SITE SYMLINK a l#",
    "SITE SYMLINK text m#",
    "SITE CPFR a\nSITE CPTO x#\nSITE CPFR text\nSITE CPTO y#\nCOMB k# x# y#",
    "MDTM 20261125100000 b",
    "SITE SYMLINK b l#\nDELE l#",
    "MFCT 20261125100000 a",
    "MFF Create=20261125100000;UNIX.mode=0644; a",
    "LIST -R /",
    "LIST -latR tree",
    "NLST */*.txt",
    "NLST tree/{d,e}/*",
    "STAT -R tree",
    "MLST tree/d",
    "LPSV",
    "LPRT 4,4,203,0,113,5,2,15,160",
    "LPRT 4,4,10,0,0,1,2,15,160",
    "ESTA",
    "ESTP",
    "CLNT odd 1.0",
    "CSID Name=odd; Version=1;",
    "MKD \u{fc}ber#",
    "OPTS UTF8 OFF",
    "SITE DIRSTYLE",
    "MFMT 20261125100000 a",
    "MFF UNIX.mode=0600; b",
    "EHLO there",
    "GET / HTTP/1.1",
    "\u{ff}",
];

/// What comes to a port of FTP by mistake.
pub(super) const HELLOS: &[&str] =
    &["GET / HTTP/1.1\nHost: localhost\n", "EHLO there", "SSH-2.0-OpenSSH_9.9", "HOST two.example.com"];

/// Rarely, or nobody would stay logged in.
pub(super) const LOGINS: &[&str] = &[
    "REIN",
    "USER u",
    "PASS p",
    "USER u\nPASS wrong\nUSER u\nPASS wrong\nUSER u\nPASS p",
    "REIN\nHOST two.example.com\nUSER u\nPASS p",
    "REIN\nGET / HTTP/1.1",
];
