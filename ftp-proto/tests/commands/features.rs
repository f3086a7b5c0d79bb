//! RFC 2389 section 3.2: what FEAT lists works. (Real servers list EPSV and answer it by 500: n8n-io/n8n#39221.)

use super::settings::Choice;
use super::speaker::{Speaker, final_code, script};
use ftp_proto::command::CommandSpec;
use ftp_proto::command::find;
use ftp_proto::command::table::{COMMANDS, NOT_IMPLEMENTED};
use ftp_proto::testing::Split;
use quickcheck::QuickCheck;

/// What is said to try a line of FEAT, if it is not the first sample of the verb that the line begins with.
const TRIALS: &[(&str, &str)] = &[("MODE Z", "MODE Z"), ("TVFS", "CWD /pub"), ("UTF8", "OPTS UTF8 ON")];

/// What has to be said before a command to see whether it works.
const BEFORE: &[(&str, &[&str])] = &[
    ("PASS", &["USER bob"]),
    ("SIZE", &["TYPE I"]),
    ("RNTO", &["RNFR a.txt"]),
    ("ACCT", &["USER bob", "PASS secret"]),
];

/// Codes by which a command says that it does not exist, or never does anything.
const REFUSALS: &[u16] = &[500, 502, 504];

struct Trial<'a> {
    choice: &'a Choice,
    logged_in: bool,
}

impl Trial<'_> {
    /// A new client says this; the final code and all lines.
    fn ask(&self, said: &[&str]) -> (u16, Vec<String>) {
        let script = script(&self.choice.world());
        let mut speaker = Speaker::new(script.talk(Split::Whole).unwrap());
        if self.logged_in {
            self.log_in(&mut speaker);
        }
        let (last, before) = said.split_last().unwrap();
        for line in before {
            speaker.ask(line);
        }
        let lines = speaker.ask(last);
        let Some(code) = lines.last().and_then(|line| final_code(line)) else {
            speaker.fail(&format!("{last} has no final reply"));
        };
        (code, lines)
    }

    fn log_in(&self, speaker: &mut Speaker<'_>) {
        if self.choice.secure && self.choice.has_working_tls() {
            speaker.play("C: AUTH TLS");
            speaker.play("TLS");
            speaker.play("C: PBSZ 0");
            speaker.play("C: PROT P");
        }
        speaker.play("C: USER bob");
        speaker.play("C: PASS secret");
    }

    fn try_sample(&self, spec: &CommandSpec, sample: &str) -> u16 {
        let before = BEFORE.iter().find(|(name, _)| *name == spec.name).map_or(&[][..], |(_, lines)| lines);
        let said: Vec<&str> = before.iter().copied().chain([sample]).collect();
        self.ask(&said).0
    }

    /// The lines between the first and the last of a reply.
    fn inner_lines(&self, said: &str) -> Vec<String> {
        let (_, lines) = self.ask(&[said]);
        let inner = lines.get(1..lines.len() - 1).unwrap_or_default();
        inner.iter().map(|line| line.trim().to_owned()).collect()
    }

    fn check(&self) {
        let features = self.inner_lines("FEAT");
        let helped: Vec<String> = self.inner_lines("HELP").join(" ").split(' ').map(str::to_owned).collect();
        for feature in &features {
            self.check_feature(feature);
        }
        for spec in COMMANDS {
            let is_helped = helped.iter().any(|name| name == spec.name);
            let is_feature = features.iter().any(|line| line.split(' ').next() == Some(spec.name));
            self.check_row(spec, is_helped, is_feature);
        }
        for (name, _) in NOT_IMPLEMENTED {
            let listed = helped.iter().chain(&features).any(|line| line.split(' ').next() == Some(name));
            assert!(!listed, "{name} is listed and not served");
        }
    }

    fn check_feature(&self, feature: &str) {
        let verb = feature.split(' ').next().unwrap_or_default();
        let trial = TRIALS.iter().find(|(line, _)| *line == feature);
        let (code, tried) = match (trial, find(verb.as_bytes())) {
            (Some((_, said)), _) => (self.ask(&[said]).0, *said),
            (None, Some(spec)) => {
                let sample = spec.samples.first().unwrap();
                (self.try_sample(spec, sample), *sample)
            }
            (None, None) => panic!("how is \"{feature}\" tried? Say so in features.rs"),
        };
        let refused = REFUSALS.contains(&code) || (self.logged_in && code == 550);
        // A server that has no certificate yet says so to each that asks.
        assert!(!refused, "FEAT lists \"{feature}\", and {tried} is answered by {code}: {:?}", self.choice);
    }

    fn check_row(&self, spec: &CommandSpec, is_helped: bool, is_feature: bool) {
        let (code, _) = self.ask(&[&format!("HELP {}", spec.name)]);
        assert_eq!(code == 214, is_helped, "HELP and HELP {} differ: {:?}", spec.name, self.choice);
        for (position, sample) in spec.samples.iter().enumerate() {
            let code = self.try_sample(spec, sample);
            let listed = is_helped || is_feature;
            // (500 is also for an address that is not the client's.)
            let refused = code == 502 || (code == 500 && position == 0);
            assert!(
                !(listed && refused),
                "{} is listed, and {sample} is answered by {code}: {:?}",
                spec.name,
                self.choice
            );
            assert!(
                is_helped || code >= 500,
                "{} is not in HELP, and {sample} is answered by {code}: {:?}",
                spec.name,
                self.choice
            );
        }
    }
}

#[test]
fn what_is_listed_works_and_what_is_refused_is_not_listed() {
    fn property(choice: Choice) {
        for logged_in in [false, true] {
            Trial { choice: &choice, logged_in }.check();
        }
    }
    QuickCheck::new().tests(40).quickcheck(property as fn(Choice));
}

/// Chance makes such an account once in some thousand.
#[test]
fn what_is_listed_works_for_whoever_has_no_right_at_all() {
    let choice = Choice { tls: None, lines: Vec::new(), rights: vec!["none"], secure: false };
    Trial { choice: &choice, logged_in: true }.check();
}
