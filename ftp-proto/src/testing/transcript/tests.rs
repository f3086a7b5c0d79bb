use super::{Script, Split};
use alloc::format;
use alloc::string::String;

fn failure(conversation: &str) -> String {
    let script =
        Script::parse("x.ftp", &format!("# RFC 959: a test of the runner.\n{conversation}")).unwrap();
    script.run_all().expect_err("it should fail")
}

#[test]
fn a_wrong_reply_is_named_with_its_line() {
    let failure = failure("as: bob\nC: NOOP\nS: 250 ...\n");
    assert!(failure.starts_with("x.ftp:4: not as written"), "{failure}");
    assert!(failure.contains("expected: 250 ...") && failure.contains("came:     200 "), "{failure}");
}

#[test]
fn whatever_is_not_expected_fails() {
    for (conversation, why) in [
        ("as: bob\nC: NOOP\n", "the server said more at the end"),
        ("as: bob\nC: NOOP\nC-raw: \\n\nS: 200 ...\nwait 1s\n", "the server said what nobody expected"),
        ("as: bob\nC: NOOP\nS: 200 ...\nS: 200 ...\n", "the server says nothing"),
        ("as: bob\nclosed\n", "still open"),
        ("as: bob\nC: QUIT\nS: 221 ...\nS: 221 ...\n", "the server closed the connection"),
        ("as: bob\nC: EPSV\nS: 229 ...\nC: NLST\nS: 150 ...\ndata> a\\r\\n\n", "not as written"),
        ("as: bob\nC: EPSV\nS: 229 ...\nC: NLST\nS: 150 ...\nwait 31s\nS: 425 ...\n", "no line says so"),
        ("as: bob\nverdict broken\n", "no data connection failed"),
        ("as: bob\nC: STAT\nS*: 211 +nonsense\n", "begins with \"nonsense\""),
        ("as: bob\nstored: /a x\n", "no such file"),
        ("as: bob\n>> Connect\n", "not as written"),
        ("as: bob\nconnect\n", "no port was announced"),
    ] {
        let failure = failure(conversation);
        assert!(failure.contains(why), "{conversation}: {failure}");
    }
}

#[test]
fn whatever_is_not_expected_of_tls_fails() {
    for (conversation, why) in [
        ("S: 220 ...\nC: AUTH TLS\nS: 234 ...\nTLS fails=unknown_ca\n", "expected the alert unknown_ca"),
        ("S: 220 ...\nC: AUTH TLS\nS: 234 ...\nTLS shows=x\n", "the certificate of default"),
        ("S: 220 ...\nTLS\n", "the handshake failed"),
        ("as: bob\nTLS\n", "the handshake goes on and on"),
        ("as: bob over TLS\nTLS ticket-of=2\n", "there is no client 2"),
        ("as: bob over TLS\nC: EPSV\nS: 229 ...\nconnect\ndata-closed\n", "still open"),
        ("as: bob over TLS\ndata-TLS off\nC: EPSV\nS: 229 ...\nC: NLST\nS: 150 ...\ndata>\n", "still open"),
        ("as: bob\ndata-TLS\nC: EPSV\nS: 229 ...\nC: LIST\nS: 150 ...\ndata> \n", "without close_notify"),
        ("as: bob over TLS\nconnect to=2\n", "there is no client 2"),
    ] {
        let failure = failure(&format!("tls:\n{conversation}"));
        assert!(failure.contains(why), "{conversation}: {failure}");
    }
}

#[test]
fn lines_that_mean_nothing_are_named() {
    for (text, why) in [
        ("C: NOOP\n", "must say why"),
        ("# x\nnonsense\n", "x.ftp:2: no such line: nonsense"),
        ("# x\nC: NOOP\nfile: /late x\n", "x.ftp:3: no such line"),
        ("# x\nconfig: no.such=1\n", "no such setting"),
        ("# x\nuser: bob x rights=fly\n", "no such right"),
        ("# x\n<< nonsense\n", "no such event"),
        ("# x\nwait 5\n", "write a duration"),
        ("# x\nTLS nonsense\n", "no such wish for TLS"),
        ("# x\ndata-TLS version=1.1\n", "no such wish for TLS"),
        ("# x\nconnect 2\n", "write connect"),
        ("# x\nconfig: tls.nonsense=1\n", "no such setting of TLS"),
        ("# x\nconfig: tls.control=maybe\n", "no such choice"),
        ("# x\nconfig: tls.rule=users\n", "write a rule"),
        ("# x\nconfig: limits.sessions=0\n", "limits.sessions"),
    ] {
        let Err(error) = Script::parse("x.ftp", text) else { panic!("{text} was read") };
        assert!(error.contains(why), "{text}: {error}");
    }
}

#[test]
fn hand_fed_scripts_are_told_apart() {
    let script = |text: &str| Script::parse("x.ftp", &format!("# RFC 959\n{text}")).unwrap();
    assert!(!script("as: bob\nC: NOOP\nS: 200 ...\n").needs_hand_feeding());
    for text in [
        "now: 20261125100000\n",
        "<< kick\n",
        "wait 1s\n",
        "on 2 from 192.0.2.1:1\n",
        ">> Abort\n",
        "connect from=192.0.2.1:1\n",
    ] {
        assert!(script(text).needs_hand_feeding(), "{text}");
    }
    assert_eq!(script("C: stor a\nC: PWD\n").verbs(), ["STOR", "PWD"]);
    assert_eq!(script("as: bob\n").run(Split::Bytes), Ok(()));
}
