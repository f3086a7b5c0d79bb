//! Tests written as the conversation they check.
//!
//! A transcript is a text file: first `#` lines that say why it is there and cite an RFC or a complaint, then
//! lines that build the world, then the conversation. Everything that isn't expected is a failure.
//!
//! ```
//! use ftp_proto::testing::Script;
//! let script = Script::parse("cwd.ftp", "\
//! ## RFC 959 section 4.1.1: CWD moves, PWD tells where.
//! dir: /pub
//! as: bob
//! C: CWD pub
//! S: 250 ...
//! C: PWD
//! S: 257 \"/pub\" ...
//! ");
//! assert!(script.is_ok());
//! ```
//!
//! # The world
//! All of it is optional; bytes may hold the escapes `\r \n \t \\ \xNN` and `{x*9000}` (a byte repeated).
//!
//! | Line | Meaning |
//! |---|---|
//! | `file: /a.txt hello\n` | a file; write a space in the path as `\x20` |
//! | `zeros: /big 5368709120` | a file of that many zero bytes |
//! | `dir: /x` | a directory |
//! | `part: /a.txt hel` | the hidden part of a broken upload |
//! | `mode: /a.txt 640` | permission bits |
//! | `modified: /a.txt 20240102030405` | time of last modification |
//! | `failing: /a.txt io` | all that touches it fails: `io`, `denied`, `busy`, `full`, `over-quota`, `bad-name` |
//! | `capacity: 10` | bytes that fit on the disk |
//! | `quota: 10`, `quota-files: 3` | bytes, or files and directories, that may be stored |
//! | `user: bob secret rights=read,list rights:/in=create home=/in certificate=trusted-bob host=a.example` | a user, of a virtual host perhaps; `certificate` is enough for a login; without any, there is `bob` `secret` with all rights and a reading `anonymous` |
//! | `anonymous: rights=read` | lets anonymous in |
//! | `tls:`, `tls: implicit ftp.example.com` | the server has a fake TLS (`FakeTls`); `implicit`: it begins with the connection; `broken`: its settings allow none; other words are names it has certificates for, besides the one named `default` |
//! | `accounts-down: text` | the accounts can't be read |
//! | `config: passive.ports=2000-2000` | one setting |
//! | `config: host=a.example,www.a.example Welcome.\nTo A.` | one more virtual host: names and greeting; `none`: there is none any more |
//! | `config: tls.rule=users=bob,eve control=allow` | one rule of TLS: conditions and what they set, by their names in the configuration file |
//! | `config: passive.rule=local=10.0.0.2 external_address=192.0.2.1` | one rule of passive mode |
//! | `networks: 10.0.0.2/24`, `routers: 10.0.0.1` | the server's place in the network |
//! | `resolves: ftp.example.com 198.51.100.1,2001:db8::1` | what a name stands for; other names are not found |
//! | `taken: 2001 text` | a passive port that can't be opened |
//! | `peer: 203.0.113.5:4000`, `local: 10.0.0.2:21` | the ends of the control connection |
//! | `now: 20261125100000` | the date |
//! | `as: bob`, `as: bob over TLS` | greeting and login come first, unwritten; over TLS: AUTH and the handshake before, PBSZ, PROT P and `data-TLS` behind |
//!
//! # The conversation
//! | Line | Meaning |
//! |---|---|
//! | `C: NOOP` | the client sends this and CR LF; lines that follow each other are sent at once; `{active}`, `{eprt}` and `{lprt}` stand for the address of a listener of the client, for PORT, EPRT and LPRT |
//! | `C-raw: NO` | the same without CR LF |
//! | `C-whole: AUTH TLS\r\nCWD /x\r\n` | the same, in one segment whatever is done to others |
//! | `TLS` | the client does its TLS handshake; from here on all is said under TLS. Behind it `name=x`, `certificate=trusted-bob`, `version=1.2`, `ticket-of=2` (resumes the session of client 2); `shows=x`: the server must show that certificate; `fails=certificate_required`: it must refuse with that alert; `alert=unknown_ca`: the client sends it in the middle |
//! | `TLS-close`, `TLS-drop` | the client leaves TLS, with or without close_notify; what the server says is read under TLS until its own close_notify |
//! | `S: 200 Fine.` | the server says exactly this line; `...` at the end is any rest; `{port}` and `{address}` in 227, 228 and 229 are the port and the server's address |
//! | `S*: 211 +EPSV -TVFS` | one whole reply of any number of lines; one of them is (or begins with) EPSV, none is TVFS; `~firewall` is held somewhere, `=211_End` is a whole line; `_` stands for a space |
//! | `data-TLS` | data connections of this client are under TLS from here on and resume the control connection's session. Behind it `no-ticket`; `tickets-once` (uses none twice); `ticket-of=2`; `version=1.2`; `garbage` (other bytes instead of a handshake); `silent` (nothing); `server-part` (SSCN); `alert=unknown_ca` (sent in the middle); `no-close-notify` or `damaged` (how uploads end); or `off` |
//! | `connect`, `connect to=1 from=198.51.100.9:7` | the client opens a passive data connection, to its own port or another client's, from its own address or another; `header=PROXY_TCP4_...\r\n`: through a balancer that says this first; `refused`: it is closed at once; `data` lines do so too when there is none |
//! | `data-closed` | the server has closed the newest data connection, and nothing came over it |
//! | `data> hello\n` | the client receives exactly this and the end; lines that follow each other are one |
//! | `data< hello\n` | the client sends this and ends; `data<+` sends and goes on |
//! | `zlib> hello\n`, `zlib< hello\n` | the same in MODE Z: what the zlib stream holds |
//! | `stored: /a.txt hello\n`, `stored-part: …`, `missing: /a.txt` | what the storage holds |
//! | `closed` | the server has ended the control connection |
//! | `verdict nobody_connected`, `verdict nobody_connected range_closed` | a data connection failed in this way, and for this likely cause; each that fails must be named |
//! | `notice LoggedIn`, `notice no LoggedIn` | the log was told; it was not, since the last `notice` |
//! | `on 2 from 198.51.100.7:1000` | what follows is said on another control connection, opened at its first mention |
//! | `>> Connect 203.0.113.5:4001` | the core asked for this; `>> no Connect`: it did not, since the last `>>` |
//! | `<< stranger 198.51.100.9:5` | fed by hand: `arrived`, `stranger ADDRESS`, `connected`, `link-failed refused`, `reset`, `peer-closed`, `kick`, `drain 30s`, `config key=value`, `resolves NAME ADDRESSES`, `panic` (of the next job), `jobs-wait` and `jobs-run` (the storage takes its time), `hold 5` (the client takes 5 more bytes of data, then none), `release`, `unread` and `read` (replies) |
//! | `wait 30s` | time passes, deadlines fire |

mod client;
mod content;
mod data;
mod exchanges;
mod passive;
mod play;
mod policy;
mod profile;
mod script;
mod secure;
mod steps;
mod talk;
mod tcp;
mod text;
mod world;

pub use exchanges::Exchange;
pub use play::Split;
pub use script::Script;
pub use talk::Talk;
pub use tcp::run_over_tcp;

#[cfg(test)]
mod tests;
