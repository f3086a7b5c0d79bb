//! What is known and what happened, against the likely cause and the words for it.

use super::super::{Form, Mode, Outlook, Reached, Span, Way, Ways};
use super::*;
use crate::advertise::Advertised;
use core::net::SocketAddr;
use std::collections::BTreeSet;
use std::format;
use std::string::String;
use std::vec;
use std::vec::Vec;

const PUBLIC: &str = "203.0.113.10";
const PRIVATE: &str = "10.0.0.20";
/// The server's own address and the one outside.
const INSIDE: &str = "10.0.0.2";
const OUTSIDE: &str = "198.51.100.1";

/// `PASV EPSV/TLS PORT`: a set of ways.
fn ways(text: &str) -> Ways {
    text.split_whitespace().fold(Ways::default(), |ways, word| {
        let (verb, encrypted) = match word.split_once('/') {
            Some((verb, "TLS")) => (verb, true),
            _ => (word, false),
        };
        let mode = match verb {
            "PASV" => Mode::Pasv,
            "EPSV" => Mode::Epsv,
            "PORT" => Mode::Active,
            _ => panic!("{word}"),
        };
        ways.with(Way { mode, encrypted })
    })
}

fn reached(first: u16, last: u16, count: u16) -> Reached {
    Reached { span: Some(Span { first, last }), count }
}

/// Nothing is known, and the client, at `PUBLIC`, was told to come to port 41050 of `advertised`.
fn nobody(command: &str, advertised: &str) -> Verdict {
    let (verb, encrypted) = match command.split_once('/') {
        Some((verb, _)) => (verb, true),
        None => (command, false),
    };
    Verdict {
        peer: SocketAddr::new(PUBLIC.parse().unwrap(), 4_000),
        local: SocketAddr::new(INSIDE.parse().unwrap(), 21),
        setup: Some(match verb {
            "PASV" | "EPSV" => Setup::Passive {
                advertised: Advertised::plain(advertised.parse().unwrap(), 41_050),
                port: 41_050,
                form: if verb == "EPSV" { Form::Extended } else { Form::Plain },
            },
            _ => Setup::Active { target: SocketAddr::new(PUBLIC.parse().unwrap(), 5_000), form: Form::Plain },
        }),
        cause: if verb == "PORT" {
            Cause::ConnectFailed(LinkError::TimedOut)
        } else {
            Cause::NobodyConnected
        },
        bytes: 0,
        direction: None,
        encrypted,
        software: None,
        outlook: Outlook { ports: Some(Span { first: 41_000, last: 41_099 }), ..Outlook::default() },
    }
}

/// The same from elsewhere.
fn from(peer: &str, verdict: Verdict) -> Verdict {
    Verdict { peer: SocketAddr::new(peer.parse().unwrap(), 4_000), ..verdict }
}

/// With what is known: of the client's own network, and of others.
fn known(own: &str, others: &str, verdict: Verdict) -> Verdict {
    let outlook = Outlook { own: ways(own), others: ways(others), ..verdict.outlook };
    Verdict { outlook, ..verdict }
}

fn failed(own: &str, others: &str, verdict: Verdict) -> Verdict {
    let outlook = Outlook { own_failed: ways(own), others_failed: ways(others), ..verdict.outlook };
    Verdict { outlook, ..verdict }
}

fn ports(plain: Reached, encrypted: Reached, verdict: Verdict) -> Verdict {
    Verdict { outlook: Outlook { plain, encrypted, ..verdict.outlook }, ..verdict }
}

fn happened(cause: Cause) -> Verdict {
    Verdict { cause, ..nobody("EPSV", INSIDE) }
}

/// The same port, told so by a router and for this reason.
fn told(port: u16, why: Reason, verdict: Verdict) -> Verdict {
    let setup = match verdict.setup {
        Some(Setup::Passive { advertised: Advertised { address, .. }, port: listened, form }) => {
            let advertised = Advertised { address, port, why };
            Some(Setup::Passive { advertised, port: listened, form })
        }
        other => other,
    };
    Verdict { setup, ..verdict }
}

fn moved(cause: Cause, direction: Direction, bytes: u64) -> Verdict {
    Verdict { direction: Some(direction), bytes, ..happened(cause) }
}

#[test]
fn why_nobody_came() {
    use Suspect as S;
    let none = Reached::default();
    let few = reached(41_003, 41_007, 2);
    let many = reached(41_000, 41_019, 18);
    for (verdict, expected) in [
        // The address.
        (nobody("PASV", INSIDE), S::AddressPrivate),
        (nobody("PASV/TLS", INSIDE), S::AddressPrivate),
        (told(41_050, Reason::Unresolved, nobody("PASV", INSIDE)), S::NameUnresolved),
        (
            told(41_050, Reason::Unresolved, known("PASV", "", nobody("PASV/TLS", INSIDE))),
            S::RewritingBlinded,
        ),
        (known("EPSV", "", nobody("PASV", INSIDE)), S::AddressPrivate),
        (known("PASV", "", nobody("PASV/TLS", INSIDE)), S::RewritingBlinded),
        (known("", "PASV", nobody("PASV/TLS", INSIDE)), S::RewritingBlinded),
        (known("PASV", "", nobody("PASV", INSIDE)), S::ClientSilent),
        (from(PRIVATE, nobody("PASV", OUTSIDE)), S::HairpinMissing),
        (from(PRIVATE, known("PASV", "", nobody("PASV", OUTSIDE))), S::ClientSilent),
        (from(PRIVATE, nobody("EPSV", OUTSIDE)), S::RangeClosed),
        (from(PRIVATE, nobody("PASV", INSIDE)), S::RangeClosed),
        (known("EPSV/TLS", "", nobody("PASV/TLS", OUTSIDE)), S::AddressWrong),
        (known("EPSV EPSV/TLS", "", nobody("PASV", OUTSIDE)), S::AddressWrong),
        (known("", "EPSV EPSV/TLS", nobody("PASV", OUTSIDE)), S::AddressWrong),
        (known("EPSV", "", nobody("PASV", OUTSIDE)), S::AddressOrHelper),
        (failed("EPSV/TLS", "", known("EPSV", "", nobody("PASV", OUTSIDE))), S::HelperConflict),
        (failed("", "PASV/TLS", known("EPSV", "", nobody("PASV", OUTSIDE))), S::HelperConflict),
        (known("", "PASV EPSV", nobody("PASV", OUTSIDE)), S::ClientOutbound),
        // The ports.
        (nobody("PASV", OUTSIDE), S::RangeClosed),
        (nobody("EPSV", INSIDE), S::RangeClosed),
        (nobody("EPSV/TLS", INSIDE), S::RangeClosed),
        (failed("EPSV", "EPSV", nobody("EPSV", INSIDE)), S::RangeClosed),
        (known("PORT", "PORT", nobody("EPSV", INSIDE)), S::RangeClosed),
        (ports(few, none, known("EPSV", "", nobody("EPSV", INSIDE))), S::RangePartlyOpen),
        (ports(none, few, known("EPSV/TLS", "", nobody("EPSV", INSIDE))), S::RangePartlyOpen),
        (ports(many, none, known("EPSV", "", nobody("EPSV", INSIDE))), S::RangePartlyOpen),
        (ports(many, none, known("", "EPSV", nobody("EPSV", INSIDE))), S::RangePartlyOpen),
        (ports(few, none, known("", "EPSV", nobody("EPSV", INSIDE))), S::ClientOutbound),
        (
            ports(reached(41_000, 41_099, 9), none, known("", "EPSV", nobody("EPSV", INSIDE))),
            S::ClientOutbound,
        ),
        (ports(reached(41_000, 41_099, 9), none, known("EPSV", "", nobody("EPSV", INSIDE))), S::ClientSilent),
        // Ports that a firewall opened because it had read their announcement say nothing about others.
        (ports(few, none, known("EPSV", "", nobody("EPSV/TLS", INSIDE))), S::InspectionBlinded),
        (ports(many, none, known("", "EPSV", nobody("EPSV/TLS", INSIDE))), S::InspectionBlinded),
        (known("PASV", "EPSV", nobody("PASV/TLS", OUTSIDE)), S::InspectionBlinded),
        (known("EPSV", "EPSV/TLS", nobody("EPSV/TLS", INSIDE)), S::ClientOutbound),
        (known("EPSV/TLS", "", nobody("EPSV", INSIDE)), S::ClientSilent),
        // On the server itself there is no firewall.
        (from("127.0.0.1", nobody("PASV", OUTSIDE)), S::ClientSilent),
        (from("::1", nobody("EPSV/TLS", INSIDE)), S::ClientSilent),
    ] {
        assert_eq!(verdict.suspect(), expected, "{verdict:#?}");
    }
}

#[test]
fn why_the_server_could_not_connect() {
    use Suspect as S;
    let failing = |why: LinkError, verdict: Verdict| Verdict { cause: Cause::ConnectFailed(why), ..verdict };
    let timed_out = || nobody("PORT", INSIDE);
    for (verdict, expected) in [
        (timed_out(), S::ActiveBlocked),
        (nobody("PORT/TLS", INSIDE), S::ActiveBlocked),
        (failed("PORT", "", timed_out()), S::ActiveBlocked),
        (failed("PORT", "PORT", timed_out()), S::ServerOutbound),
        (failed("", "PORT/TLS", timed_out()), S::ServerOutbound),
        (known("", "PORT", failed("", "PORT", timed_out())), S::ClientInbound),
        (known("PORT", "", timed_out()), S::ClientInbound),
        (known("PORT", "", nobody("PORT/TLS", INSIDE)), S::ActiveBlinded),
        (known("PORT PORT/TLS", "", nobody("PORT/TLS", INSIDE)), S::ClientInbound),
        (known("", "PORT", nobody("PORT/TLS", INSIDE)), S::ClientInbound),
        (failing(LinkError::Refused, failed("", "PORT", timed_out())), S::ClientRefuses),
        (failing(LinkError::Unreachable, timed_out()), S::NoRoute),
        (failing(LinkError::Unreachable, failed("", "PORT", timed_out())), S::ServerOutbound),
        (failing(LinkError::SourceUnavailable, timed_out()), S::SourcePort),
        (failing(LinkError::Other("no".into()), timed_out()), S::ConnectFailed),
    ] {
        assert_eq!(verdict.suspect(), expected, "{verdict:#?}");
    }
}

/// All else, each cause at least once.
fn others() -> Vec<(Verdict, Suspect)> {
    use Suspect as S;
    let stranger = |address: &str| Cause::WrongPeer(vec![address.parse().unwrap()]);
    let tls = |why| happened(Cause::TlsFailed(why));
    let alert = |name: &str| tls(TlsError::Alert(name.into()));
    vec![
        (happened(stranger("203.0.113.31:5")), S::EgressPool),
        (happened(stranger("[::ffff:203.0.113.31]:5")), S::EgressPool),
        (happened(stranger("198.51.100.9:5")), S::OtherAddress),
        (happened(Cause::NoProxyHeader("10.0.0.5:5".parse().unwrap())), S::BalancerSilent),
        (happened(Cause::NoPortFree), S::PortsBusy),
        (happened(Cause::NoPortOpen), S::PortsTaken),
        (happened(Cause::PeerLeft(LinkError::Reset)), S::ClientLeft),
        (happened(Cause::Broken(LinkError::Reset)), S::CutOff),
        (moved(Cause::Stalled, Direction::Upload, 0), S::PathMtu),
        (moved(Cause::Stalled, Direction::Upload, 1), S::WentSilent),
        (moved(Cause::Stalled, Direction::Download, 87_040), S::PathMtu),
        (moved(Cause::Stalled, Direction::Download, 5_000_000), S::WentSilent),
        (from("127.0.0.1", moved(Cause::Stalled, Direction::Download, 9)), S::WentSilent),
        (tls(TlsError::NotTls), S::PlainData),
        (alert("unknown_ca"), S::CertificateRefused),
        (alert("protocol_version"), S::TlsUnsuitable),
        (tls(TlsError::Refused("only TLS 1.3 is served".into())), S::TlsUnsuitable),
        (tls(TlsError::Broken("a record is too long".into())), S::TlsDamaged),
        (tls(TlsError::Ended), S::HandshakeLeft),
        (tls(TlsError::Link(LinkError::Reset)), S::HandshakeLeft),
        (tls(TlsError::TimedOut), S::HandshakeSilent),
        (happened(Cause::NotResumed(Resumption::Full)), S::SessionNotReused),
        (happened(Cause::NotResumed(Resumption::Foreign)), S::SessionForeign),
        (happened(Cause::Truncated), S::UploadCut),
    ]
}

#[test]
fn what_else_goes_wrong() {
    for (verdict, expected) in others() {
        assert_eq!(verdict.suspect(), expected, "{verdict:#?}");
    }
}

#[test]
fn names_are_words_and_stand_for_one_suspect() {
    let names: BTreeSet<&str> = Suspect::ALL.iter().map(|suspect| suspect.id()).collect();
    assert_eq!(names.len(), Suspect::ALL.len());
    assert!(names.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')));
}

/// Every sentence a client may hear, with the longest addresses.
#[test]
fn replies_are_short_lines_and_advice_is_there() {
    let long = "2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff";
    let outlooks = ["", "PASV", "EPSV", "PASV/TLS", "EPSV/TLS", "PORT", "PORT/TLS"];
    let (mut suspects, mut kinds) = (BTreeSet::new(), BTreeSet::new());
    let mut verdicts: Vec<Verdict> = others().into_iter().map(|(verdict, _)| verdict).collect();
    for command in ["PASV", "PASV/TLS", "EPSV", "EPSV/TLS", "PORT", "PORT/TLS"] {
        for (own, other) in outlooks.into_iter().flat_map(|own| outlooks.map(|other| (own, other))) {
            let span = reached(41_000, 41_009, MANY_PORTS);
            let verdict = ports(span, span, known(own, other, nobody(command, long)));
            for why in [LinkError::Refused, LinkError::Unreachable, LinkError::SourceUnavailable] {
                if command.starts_with("PORT") {
                    verdicts.push(Verdict { cause: Cause::ConnectFailed(why), ..verdict.clone() });
                }
            }
            for blind in ["", "EPSV/TLS", "PORT"] {
                verdicts.push(failed("", blind, verdict.clone()));
                verdicts.push(from(long, failed("", blind, verdict.clone())));
                verdicts.push(from(PRIVATE, failed("", blind, verdict.clone())));
                verdicts.push(failed("", blind, known(own, other, nobody(command, OUTSIDE))));
                verdicts.push(failed("", blind, known(own, other, nobody(command, INSIDE))));
            }
        }
    }
    verdicts.push(told(41_050, Reason::Unresolved, nobody("PASV", INSIDE)));
    verdicts.push(Verdict { cause: Cause::ConnectFailed(LinkError::Reset), ..nobody("PORT", INSIDE) });
    for verdict in &verdicts {
        suspects.insert(verdict.suspect());
        kinds.insert(verdict.kind());
        for text in [verdict.reply_text(), verdict.advice()] {
            assert!(text.len() <= 250, "{} bytes: {text}", text.len());
            assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{text}");
        }
        let line = format!("{verdict}");
        assert!(line.contains(verdict.suspect().id()) && line.contains(&verdict.advice()), "{line}");
    }
    let missing: Vec<&Suspect> = Suspect::ALL.iter().filter(|suspect| !suspects.contains(suspect)).collect();
    assert!(missing.is_empty(), "never suspected: {missing:?}");
    assert!(kinds.iter().eq(Verdict::KINDS.iter().collect::<BTreeSet<_>>()), "{kinds:?}");
    let unnamed = String::from("the passive ports");
    let auto = Verdict { outlook: Outlook::default(), ..nobody("EPSV", INSIDE) };
    assert!(auto.reply_text().contains(&unnamed), "{}", auto.reply_text());
}

#[test]
fn ports_are_named_as_the_client_sees_them() {
    let span = reached(41_000, 41_009, MANY_PORTS);
    let verdict = ports(span, span, known("EPSV", "", nobody("EPSV", INSIDE)));
    let verdict = told(51_050, Reason::Literal, verdict);
    let expected = "No data connection came to port 51050; ports 51000-51009 were reached and this one never: \
                    a firewall lets in only a part of TCP 51000-51099.";
    assert_eq!(verdict.reply_text(), expected);
    let expected =
        "let the rules of every firewall and router on the way cover all of TCP 51000-51099 (to 41000-41099)";
    assert_eq!(verdict.advice(), expected);
}
