use super::*;
use crate::config_file::{LogConfig, LogFormat, LogLevel};
use ftp_proto::Ban;
use ftp_proto::advertise::Advertised;
use ftp_proto::diagnose::{Form, Outlook, Span};
use ftp_proto::notice::Refusal;
use ftp_proto::path::VirtualPath;
use ftp_proto::time::UnixTime;
use ftp_proto::transfer::Coding;
use std::io;
use std::sync::Arc;

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What `notices` of one session look like, without the time.
fn logged(config: LogConfig, notices: &[Notice]) -> Vec<String> {
    let buffer = Buffer::default();
    let writer = buffer.clone();
    let (subscriber, _level) = crate::log::subscriber(config, move || writer.clone());
    tracing::subscriber::with_default(subscriber, || {
        let observer = LogObserver::new(config.commands);
        for notice in notices {
            observer.notice(Some(SessionId(7)), notice);
        }
        assert_eq!(observer.with_sessions(|sessions| sessions.len()), 0, "all sessions are forgotten");
    });
    let text = String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap();
    text.lines()
        .map(|line| match line.split_once("Z ") {
            Some((_, rest)) => rest.trim_start().to_owned(),
            None => line.to_owned(),
        })
        .collect()
}

fn session(inside: Vec<Notice>) -> Vec<Notice> {
    let mut notices = vec![Notice::SessionOpened {
        peer: "[::ffff:192.0.2.7]:50000".parse().unwrap(),
        local: "192.0.2.1:21".parse().unwrap(),
    }];
    notices.extend(inside);
    notices.push(Notice::SessionClosed { user: None, lasted: Duration::from_millis(1_500), why: "QUIT" });
    notices
}

#[test]
fn a_session_line_by_line() {
    let lines = logged(
        LogConfig { commands: true, ..LogConfig::default() },
        &session(vec![
            Notice::LoginFailed { user: "x\" ip=1.1.1.1\n".into(), why: LoginError::Refused, checked: true },
            Notice::LoginFailed {
                user: "bob".into(),
                why: LoginError::Unavailable("/srv: gone".into()),
                checked: true,
            },
            Notice::LoggedIn { user: "bob".into() },
            Notice::Command { line: b"RETR a\x07\xff b".to_vec() },
            Notice::TransferEnded(TransferRecord {
                verb: "RETR",
                direction: Direction::Download,
                path: VirtualPath::new(b"/a b").unwrap(),
                coding: Coding::IMAGE,
                bytes: 3_000_000,
                lasted: Duration::from_secs(2),
                outcome: Ok(()),
            }),
        ]),
    );
    assert_eq!(
        lines,
        [
            r#"INFO session opened session=7 ip=192.0.2.7 port=50000 local=192.0.2.1:21"#,
            r#"WARN AUTH-FAIL ip=192.0.2.7 port=50000 user="x\" ip=1.1.1.1\x0a" reason="login incorrect" session=7"#,
            r#"ERROR login could not be checked session=7 ip=192.0.2.7 port=50000 user="bob" reason="/srv: gone""#,
            r#"INFO logged in session=7 ip=192.0.2.7 port=50000 user="bob""#,
            r#"INFO command session=7 ip=192.0.2.7 user="bob" command="RETR a\x07\xff b""#,
            r#"INFO sent session=7 ip=192.0.2.7 user="bob" verb=RETR path="/a b" bytes=3000000 seconds=2.0 mb_per_s=1.5 outcome=complete"#,
            r#"INFO session closed session=7 ip=192.0.2.7 user="bob" seconds=1.5 reason="QUIT""#,
        ]
    );
}

#[test]
fn a_failed_data_connection_says_all_that_was_seen() {
    let verdict = Verdict {
        peer: "192.0.2.7:50000".parse().unwrap(),
        local: "192.0.2.1:21".parse().unwrap(),
        setup: Some(Setup::Passive {
            advertised: Advertised::plain("192.0.2.1".parse().unwrap(), 41_050),
            port: 41_050,
            form: Form::Extended,
        }),
        cause: Cause::NobodyConnected,
        bytes: 0,
        direction: None,
        encrypted: true,
        software: Some("x\" user=root".into()),
        outlook: Outlook { ports: Some(Span { first: 41_000, last: 41_099 }), ..Outlook::default() },
    };
    let lines = logged(
        LogConfig::default(),
        &session(vec![
            Notice::ClientNamed { software: "x\" user=root".into() },
            Notice::StrangerTurnedAway { peer: "198.51.100.9:5".parse().unwrap(), port: 41_050 },
            Notice::DataConnectionFailed(verdict),
        ]),
    );
    assert_eq!(
        lines[1..4],
        [
            r#"INFO client named itself session=7 ip=192.0.2.7 software="x\" user=root""#,
            r#"INFO stranger turned away session=7 ip=192.0.2.7 peer=198.51.100.9:5 data_port=41050"#,
            concat!(
                r#"WARN data connection failed session=7 ip=192.0.2.7 verdict=nobody_connected suspect=range_closed "#,
                r#"mode=EPSV tls=true advertised="192.0.2.1 port 41050 (the address the client connected to)" "#,
                r#"data_port=41050 range=41000-41099 local=192.0.2.1:21 software="x\" user=root" "#,
                r#"reason="No data connection came to port 41050; none has come from outside so far: a firewall or "#,
                r#"router probably does not let TCP 41000-41099 in; under TLS none opens them by reading FTP." "#,
                r#"advice="open TCP 41000-41099 in the firewall and, behind NAT, have the router forward them""#
            ),
        ]
    );
}

#[test]
fn another_protocol_is_told_once_a_minute() {
    let spoke = |which| Notice::SpokeOtherProtocol { which, peer: "192.0.2.7:50000".parse().unwrap() };
    let lines = logged(LogConfig::default(), &session(vec![spoke(Protocol::Ssh), spoke(Protocol::Ssh)]));
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert_eq!(lines[1], "WARN spoke another protocol session=7 ip=192.0.2.7 protocol=ssh");
    let lines = logged(LogConfig::default(), &session(vec![spoke(Protocol::Tls)]));
    assert!(lines[1].contains("protocol=tls") && lines[1].contains("AUTH TLS"), "{}", lines[1]);
}

#[test]
fn bans_are_told_as_a_program_would_read_them_and_refusals_once_a_minute() {
    let ban = Ban {
        client: "192.0.2.7".parse().unwrap(),
        user: Some("x\" ip=1.1.1.1\n".into()),
        host: None,
        since: UnixTime::from_seconds(100),
        until: UnixTime::from_seconds(700),
        failures: 10,
        times: 1,
    };
    let network = Ban { client: "2001:db8:0:1::/64".parse().unwrap(), user: None, ..ban.clone() };
    let refused = || Notice::SessionRefused {
        peer: "192.0.2.7:50000".parse().unwrap(),
        why: Refusal::Banned(Duration::from_secs(61)),
    };
    let ended = Notice::BanEnded { ban: network.clone(), lifted: true };
    let notices = [Notice::Banned { ban }, Notice::Banned { ban: network }, refused(), refused(), ended];
    let lines = logged(LogConfig::default(), &notices);
    assert_eq!(
        lines,
        [
            r#"WARN BAN ip=192.0.2.7 user="x\" ip=1.1.1.1\x0a" failures=10 seconds=600 times=1"#,
            r#"WARN BAN ip=2001:db8:0:1::/64 failures=10 seconds=600 times=1"#,
            r#"WARN session refused ip=192.0.2.7 port=50000 reason="Too many failed logins from your address; try again in 2 minutes.""#,
            r#"INFO UNBAN ip=2001:db8:0:1::/64 reason="lifted""#,
        ]
    );
}

#[test]
fn json_has_one_object_a_line() {
    let config = LogConfig { format: LogFormat::Json, ..LogConfig::default() };
    let lines = logged(
        config,
        &session(vec![Notice::LoginFailed {
            user: "a\"b\n".into(),
            why: LoginError::Refused,
            checked: true,
        }]),
    );
    assert_eq!(lines.len(), 3);
    let failed = &lines[1];
    assert!(failed.starts_with('{') && failed.ends_with('}'), "{failed}");
    for part in
        [r#""level":"WARN""#, r#""message":"AUTH-FAIL""#, r#""ip":"192.0.2.7""#, r#""user":"a\"b\\x0a""#]
    {
        assert!(failed.contains(part), "{part} in {failed}");
    }
}

#[test]
fn the_level_hides_what_is_below_it() {
    let config = LogConfig { level: LogLevel::Warn, ..LogConfig::default() };
    let noisy = session(vec![Notice::Command { line: b"NOOP".to_vec() }]);
    assert_eq!(logged(config, &noisy), [""; 0]);
    let lines = logged(LogConfig { level: LogLevel::Debug, ..config }, &noisy);
    assert_eq!(lines[1], r#"DEBUG command session=7 ip=192.0.2.7 command="NOOP""#);
}
