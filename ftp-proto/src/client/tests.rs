//! What the client does when a server says this or that.

use super::*;
use std::string::ToString as _;
use std::vec;

const SERVER: &str = "198.51.100.1:21";

struct Talk {
    client: Client,
    now: Instant,
}

impl Talk {
    fn greeted() -> Self {
        let now = Instant::ZERO;
        let mut talk = Self { client: Client::new(now, SERVER.parse().unwrap(), Patience::default()), now };
        assert!(talk.hears("220 Welcome.")[0].result.is_ok());
        talk
    }

    /// Begins a step and returns the line that the client sends.
    fn begins(&mut self, step: Step) -> String {
        assert!(self.client.begin(self.now, step), "it is free");
        self.says()
    }

    fn says(&mut self) -> String {
        let said = String::from_utf8(self.client.transmit().to_vec()).unwrap();
        self.client.transmitted(said.len());
        said
    }

    fn hears(&mut self, line: &str) -> Vec<Report> {
        self.client.receive(self.now, std::format!("{line}\r\n").as_bytes());
        self.reports()
    }

    fn happens(&mut self, event: Event) -> Vec<Report> {
        self.client.handle(self.now, event);
        self.reports()
    }

    fn waits(&mut self) -> Vec<Report> {
        self.now = self.client.deadline().expect("a step has a deadline");
        self.client.handle_timeout(self.now);
        self.reports()
    }

    fn action(&mut self) -> Action {
        self.client.poll_action().expect("something to do")
    }

    fn reports(&mut self) -> Vec<Report> {
        let mut reports = Vec::new();
        while let Some(Action::Finished(_)) = self.client.actions.front() {
            if let Some(Action::Finished(report)) = self.client.poll_action() {
                reports.push(*report);
            }
        }
        reports
    }
}

fn listing(way: Way) -> Step {
    Step::Transfer(Transfer { way, work: Work::List })
}

fn failure(reports: &[Report]) -> Failure {
    assert_eq!(reports.len(), 1, "{reports:?}");
    reports[0].result.clone().unwrap_err()
}

#[test]
fn a_login_with_and_without_a_password() {
    let login = || Step::Login { user: "bob".into(), password: "pw".into() };
    let mut talk = Talk::greeted();
    assert_eq!(talk.begins(login()), "USER bob\r\n");
    assert!(talk.hears("331 Password?").is_empty());
    assert_eq!(talk.says(), "PASS pw\r\n");
    assert_eq!(talk.hears("230 In.")[0].result.as_ref().unwrap().code, 230);
    let mut talk = Talk::greeted();
    talk.begins(login());
    assert!(talk.hears("230 In already.")[0].result.is_ok());
    let mut talk = Talk::greeted();
    talk.begins(login());
    talk.hears("331 Password?");
    assert_eq!(failure(&talk.hears("530 No.")).to_string(), "PASS: 530 No.");
    assert!(!talk.client.has_ended(), "it may be tried again");
}

#[test]
fn an_argument_with_a_line_end_is_never_sent() {
    let mut talk = Talk::greeted();
    let step = Step::Login { user: "bob\r\nDELE x".into(), password: String::new() };
    assert_eq!(talk.begins(step), "");
    assert_eq!(failure(&talk.reports()), Failure::BadArgument);
    let work = Work::Retrieve("a\nb".into());
    assert_eq!(talk.begins(Step::Transfer(Transfer { way: Way::Extended, work })), "");
    assert_eq!(failure(&talk.reports()), Failure::BadArgument);
}

#[test]
fn tls_is_begun_only_behind_the_last_clear_byte() {
    let mut talk = Talk::greeted();
    assert_eq!(talk.begins(Step::Secure), "AUTH TLS\r\n");
    assert!(talk.hears("234 Go.").is_empty());
    assert_eq!(talk.action(), Action::StartTls);
    assert!(talk.happens(Event::Secured)[0].result.is_ok());
    let mut talk = Talk::greeted();
    talk.begins(Step::Secure);
    assert_eq!(failure(&talk.hears("234 Go.\r\n230 You are in.")), Failure::Injected);
    assert!(talk.client.has_ended());
}

#[test]
fn data_is_protected_when_prot_p_was_taken() {
    let mut talk = Talk::greeted();
    assert_eq!(talk.begins(Step::ProtectData), "PBSZ 0\r\n");
    talk.hears("200 Ok.");
    assert_eq!(talk.says(), "PROT P\r\n");
    talk.hears("200 Ok.");
    assert_eq!(talk.begins(listing(Way::Extended)), "EPSV\r\n");
    talk.hears("229 Entering Extended Passive Mode (|||2000|)");
    assert_eq!(talk.action(), Action::OpenData("198.51.100.1:2000".parse().unwrap()));
    talk.happens(Event::DataOpened);
    assert_eq!(talk.says(), "LIST\r\n");
    talk.hears("150 Here.");
    assert_eq!(talk.action(), Action::SecureData);
    talk.happens(Event::DataSecured);
    assert_eq!(talk.action(), Action::ReceiveData);
    talk.happens(Event::Data(vec![b'x'; 10]));
    // The last reply may overtake the data.
    assert!(talk.hears("226 Done.").is_empty());
    let reports = talk.happens(Event::DataEnded);
    let transfer = reports[0].transfer.as_ref().unwrap();
    assert!(reports[0].result.is_ok() && transfer.secured);
    assert_eq!(transfer.data, [b'x'; 10]);
}

#[test]
fn an_upload_is_over_when_the_server_says_so() {
    let mut talk = Talk::greeted();
    let work = Work::Store("up".into(), b"bytes".to_vec());
    talk.begins(Step::Transfer(Transfer { way: Way::Passive { believe: true }, work }));
    talk.hears("227 Entering Passive Mode (10,0,0,2,7,208).");
    assert_eq!(talk.action(), Action::OpenData("10.0.0.2:2000".parse().unwrap()), "227 is believed");
    talk.happens(Event::DataOpened);
    assert_eq!(talk.says(), "STOR up\r\n");
    talk.hears("150 Go.");
    assert_eq!(talk.action(), Action::SendData(b"bytes".to_vec()));
    assert!(talk.happens(Event::DataSent).is_empty());
    assert_eq!(failure(&talk.hears("552 No room.")).to_string(), "STOR: 552 No room.");
    assert!(!talk.client.has_ended());
}

#[test]
fn the_address_in_227_need_not_be_believed() {
    let mut talk = Talk::greeted();
    talk.begins(listing(Way::Passive { believe: false }));
    talk.hears("227 Entering Passive Mode (10,0,0,2,7,208).");
    assert_eq!(talk.action(), Action::OpenData("198.51.100.1:2000".parse().unwrap()));
    let transfer = talk.happens(Event::DataFailed(DataError::Refused)).remove(0).transfer.unwrap();
    assert_eq!(transfer.announced, Some("10.0.0.2:2000".parse().unwrap()));
    assert!(!transfer.connected && !talk.client.has_ended());
}

#[test]
fn bad_announcements() {
    for (way, line) in [
        (Way::Passive { believe: true }, "227 Entering Passive Mode (10,0,0,2,7)"),
        (Way::Passive { believe: true }, "200 Entering Passive Mode (10,0,0,2,7,208)"),
        (Way::Extended, "229 Entering Extended Passive Mode (||2000|)"),
        (Way::Extended, "227 Entering Passive Mode (10,0,0,2,7,208)"),
    ] {
        let mut talk = Talk::greeted();
        talk.begins(listing(way));
        assert!(matches!(failure(&talk.hears(line)), Failure::NoAddress { .. }), "{line}");
    }
    let mut talk = Talk::greeted();
    talk.begins(listing(Way::Extended));
    assert_eq!(failure(&talk.hears("522 Use (1).")).to_string(), "EPSV: 522 Use (1).");
}

#[test]
fn whatever_does_not_come_is_given_up() {
    let mut talk = Talk {
        client: Client::new(Instant::ZERO, SERVER.parse().unwrap(), Patience::default()),
        now: Instant::ZERO,
    };
    assert_eq!(failure(&talk.waits()), Failure::TimedOut("the greeting"));
    assert!(talk.client.begin(talk.now, Step::Quit));
    assert!(matches!(failure(&talk.reports()), Failure::Closed(_)), "nothing more is said");

    let mut talk = Talk::greeted();
    talk.begins(listing(Way::Extended));
    talk.hears("229 (|||2000|)");
    talk.action();
    talk.waits();
    assert_eq!(talk.action(), Action::DropData);
    assert_eq!(failure(&talk.reports()), Failure::Data(DataStage::Connect, DataError::TimedOut));
    assert!(!talk.client.has_ended(), "the next may come through");

    // After the command the server may say why.
    talk.begins(listing(Way::Extended));
    talk.hears("229 (|||2000|)");
    talk.action();
    talk.happens(Event::DataOpened);
    talk.hears("150 Go.");
    talk.action();
    assert!(talk.happens(Event::DataFailed(DataError::Reset)).is_empty());
    assert_eq!(failure(&talk.hears("426 Cut off.")).to_string(), "LIST: 426 Cut off.");
}

#[test]
fn a_control_connection_that_ends() {
    let mut talk = Talk::greeted();
    talk.begins(listing(Way::Extended));
    assert_eq!(failure(&talk.happens(Event::Closed)), Failure::Closed("EPSV"));
    let mut talk = Talk::greeted();
    talk.begins(Step::System);
    assert!(matches!(failure(&talk.hears("421 Bye.")), Failure::Refused { .. }));
    assert!(talk.client.has_ended());
    let mut talk = Talk::greeted();
    assert!(talk.hears("421 Too long.").is_empty());
    assert!(talk.client.has_ended());
    let mut talk = Talk::greeted();
    assert_eq!(talk.begins(Step::Quit), "QUIT\r\n");
    assert!(talk.hears("221 Bye.")[0].result.is_ok());
    assert!(talk.client.has_ended());
}

#[test]
fn data_is_bounded() {
    let mut talk = Talk::greeted();
    talk.begins(listing(Way::Extended));
    talk.hears("229 (|||2000|)");
    talk.action();
    talk.happens(Event::DataOpened);
    talk.hears("150 Go.");
    talk.action();
    talk.happens(Event::Data(vec![0; 1 << 20]));
    talk.happens(Event::Data(vec![0; 1]));
    assert_eq!(talk.action(), Action::DropData);
    assert!(talk.hears("226 Done.")[0].result.is_err());
}

#[cfg(feature = "testing")]
#[test]
fn any_server_and_any_order_of_events() {
    fn property(pieces: Vec<(u8, Vec<u8>, u8)>) {
        let lines = [
            "",
            "220 x\r\n",
            "331 x\r\n",
            "230 x\r\n",
            "229 (|||9|)\r\n",
            "227 (1,2,3,4,5,6)\r\n",
            "150 x\r\n",
            "226 x\r\n",
            "234 x\r\n",
            "425 x\r\n",
        ];
        let mut data = Vec::new();
        for (choice, noise, line) in pieces {
            data.push(choice.max(1));
            data.extend(noise.iter().filter(|byte| **byte != 0 && line == 0));
            data.extend_from_slice(lines[usize::from(line) % lines.len()].as_bytes());
            data.push(0);
        }
        crate::testing::fuzz::client(&data);
    }
    quickcheck::QuickCheck::new().tests(3_000).quickcheck(property as fn(Vec<(u8, Vec<u8>, u8)>));
}
