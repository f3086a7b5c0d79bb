//! `ftpd tls show`: what certificates say, and whether clients will take them.

use super::{Failure, print};
use crate::certificate::CertificateFacts;
use crate::certificate::chain::{self, Finding, date};
use crate::certificate::pem::PemFile;
use crate::config_file::{self, FileError};
use clap::Subcommand;
use ftp_proto::time::UnixTime;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

#[derive(Subcommand, Debug)]
pub(super) enum TlsCommand {
    /// Show certificates: names, days left, fingerprints, order of the chain, whether the key fits
    #[command(after_help = SHOW_HELP)]
    Show {
        /// PEM files with certificates, and with their keys perhaps
        #[arg(required_unless_present = "config")]
        files: Vec<PathBuf>,
        /// Show those that this configuration file names
        #[arg(long, value_name = "FILE", conflicts_with = "files")]
        config: Option<PathBuf>,
    },
}

const SHOW_HELP: &str = "\
Fingerprints, subjects and names are shown as an accounts file wants them. Times are in UTC. The exit code is 1
if something has expired or can't be used.";

pub(super) fn run(command: TlsCommand) -> Result<(), Failure> {
    let TlsCommand::Show { files, config } = command;
    let mut report = Report::new(crate::tls::now());
    match config {
        Some(config) => show_configured(&mut report, &config)?,
        None => show_files(&mut report, &files),
    }
    print(&report.text);
    if report.broken.is_empty() {
        return Ok(());
    }
    Err(Failure::System(format!("can't be used: {}", report.broken.join(", "))))
}

/// What the configuration names, each certificate with its key.
fn show_configured(report: &mut Report, config: &Path) -> Result<(), Failure> {
    let Some(files) = config_file::load(config)?.tls else {
        let advice = "tls.certificates: missing; write certificates = [{ certificate = \"fullchain.pem\", key = \
                      \"privkey.pem\" }] below [tls]";
        return Err(FileError::whole(config, advice).into());
    };
    for pair in &files.certificates {
        report.file(&pair.certificate, |report, file| {
            report.chain(file);
            match PemFile::read(pair.key_file()) {
                Ok(key) => report.key(file, pair.key_file(), &key),
                Err(problem) => report.finding(&Finding::Broken(problem)),
            }
        });
    }
    for authority in &files.client_authorities {
        report.file(authority, Report::authorities);
    }
    Ok(())
}

/// What was named on the command line. Which key belongs to which certificate has to be found out.
fn show_files(report: &mut Report, paths: &[PathBuf]) {
    let read = |path: &PathBuf| PemFile::read(path).ok().map(|file| (path.clone(), file));
    let all: Vec<_> = paths.iter().filter_map(read).collect();
    for path in paths {
        report.file(path, |report, file| {
            if file.certificates.is_empty() {
                let fits = all.iter().find(|(_, certificates)| certificates.check_key(file).is_ok());
                return report.finding(&match fits {
                    Some((certificates, _)) => {
                        Finding::Note(format!("the key of {}", certificates.display()))
                    }
                    None => Finding::Broken("a key, and no file with its certificate is named".to_owned()),
                });
            }
            report.chain(file);
            if file.has_key {
                report.key(file, path, file);
            } else if let Some((path, key)) = all.iter().find(|(_, key)| file.check_key(key).is_ok()) {
                report.key(file, path, key);
            }
        });
    }
}

/// The text so far, and which files can't be used.
struct Report {
    text: String,
    broken: Vec<String>,
    /// Whether the file at hand can't be used.
    is_broken: bool,
    now: UnixTime,
}

// Writing to a string can't fail.
impl Report {
    fn new(now: UnixTime) -> Self {
        Self { text: String::new(), broken: Vec::new(), is_broken: false, now }
    }

    /// The part about one file.
    fn file(&mut self, path: &Path, show: impl FnOnce(&mut Self, &PemFile)) {
        let _ = writeln!(self.text, "{}", path.display());
        self.is_broken = false;
        match PemFile::read(path) {
            Ok(file) => show(self, &file),
            Err(problem) => self.finding(&Finding::Broken(problem)),
        }
        if self.is_broken {
            self.broken.push(path.display().to_string());
        }
    }

    fn finding(&mut self, finding: &Finding) {
        self.is_broken |= matches!(finding, Finding::Broken(_));
        let _ = writeln!(self.text, "  {finding}");
    }

    /// Certificates to be shown to clients.
    fn chain(&mut self, file: &PemFile) {
        if let Some(chain) = self.certificates(file) {
            let findings = chain::findings(&chain, self.now);
            findings.iter().for_each(|finding| self.finding(finding));
        }
    }

    /// Certificates that clients' certificates are checked by: each stands for itself.
    fn authorities(&mut self, file: &PemFile) {
        for (index, certificate) in self.certificates(file).into_iter().flatten().enumerate() {
            if let Some(finding) = chain::validity(index + 1, &certificate, self.now) {
                self.finding(&finding);
            }
        }
    }

    fn certificates(&mut self, file: &PemFile) -> Option<Vec<CertificateFacts>> {
        match chain::read(&file.certificates) {
            Ok(all) if all.is_empty() => {
                self.finding(&Finding::Broken("no certificate in it".to_owned()));
                None
            }
            Ok(all) => {
                for (index, certificate) in all.iter().enumerate() {
                    self.certificate(index + 1, certificate);
                }
                Some(all)
            }
            Err(problem) => {
                self.finding(&Finding::Broken(problem));
                None
            }
        }
    }

    fn certificate(&mut self, number: usize, facts: &CertificateFacts) {
        let names: Vec<_> = facts.names.iter().map(ToString::to_string).collect();
        let left = match facts.days_left(self.now) {
            _ if facts.is_over(self.now) => "expired".to_owned(),
            1 => "1 day left".to_owned(),
            days => format!("{days} days left"),
        };
        let _ = writeln!(self.text, "  certificate {number}");
        for (key, value) in [
            ("subject", facts.subject.to_string()),
            ("issuer", facts.issuer.to_string()),
            ("names", if names.is_empty() { "none".to_owned() } else { names.join(", ") }),
            ("valid", format!("{} to {}, {left}", date(facts.not_before), date(facts.not_after))),
            ("key", facts.key.clone()),
            ("serial", facts.serial.clone()),
            ("fingerprint", facts.fingerprint.to_string()),
        ] {
            let _ = writeln!(self.text, "    {key:<12}{value}");
        }
    }

    /// Whether a key belongs to certificates.
    fn key(&mut self, certificates: &PemFile, path: &Path, key: &PemFile) {
        let path = path.display();
        self.finding(&match certificates.check_key(key) {
            Ok(()) => Finding::Note(format!("the key in {path} fits")),
            Err(problem) => Finding::Broken(format!("{path}: {problem}")),
        });
    }
}
