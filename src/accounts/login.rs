//! What a user has to show to log in: a password, a certificate, or both; and which certificates are hers.

use super::password::PasswordHash;
use crate::certificate::{AlternativeName, CertificateFacts, DistinguishedName, Fingerprint};
use crate::config_file::FileError;
use crate::config_file::reader::Node;
use ftp_proto::tls::ClientCertificate;
use std::fmt;
use toml_edit::InlineTable;

/// What a user has to show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoginBy {
    /// The password.
    #[default]
    Password,
    /// A certificate of hers; no password helps.
    Certificate,
    /// Both.
    PasswordAndCertificate,
    /// One of the two.
    PasswordOrCertificate,
}

impl LoginBy {
    /// As written in the file.
    pub const NAMES: &[(&str, Self)] = &[
        ("password", Self::Password),
        ("certificate", Self::Certificate),
        ("password-and-certificate", Self::PasswordAndCertificate),
        ("password-or-certificate", Self::PasswordOrCertificate),
    ];

    /// As written in the file.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, by)| *by == self).map_or("", |(name, _)| name)
    }

    /// Whether a certificate is enough.
    pub(super) fn certificate_alone(self) -> bool {
        matches!(self, Self::Certificate | Self::PasswordOrCertificate)
    }

    /// Whether a password is needed at least in one way.
    pub fn takes_password(self) -> bool {
        self != Self::Certificate
    }
}

/// One way to recognise a user's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateRule {
    /// It is this very certificate, whoever issued it.
    Fingerprint(Fingerprint),
    /// It is for this subject, and one of the authorities in the configuration has issued it.
    Subject(DistinguishedName),
    /// One of its alternative names is this, and one of the authorities in the configuration has issued it.
    AlternativeName(AlternativeName),
}

impl CertificateRule {
    /// Reads `{ fingerprint = "…" }`, `{ subject = "…" }` or `{ san = "…" }`.
    pub(super) fn read(node: &Node<'_>) -> Result<Self, FileError> {
        const EXAMPLE: &str = "write { fingerprint = \"AB:CD:…\" }, { subject = \"CN=bob,O=Example\" } or \
                               { san = \"bob@example.org\" }";
        if !node.is_table() {
            return Err(node.wrong(format_args!("expected a table, not {}; {EXAMPLE}", node.kind())));
        }
        let entries = node.entries()?;
        let [entry] = entries.as_slice() else {
            let problem = format_args!("expected one key, not {}; {EXAMPLE}", entries.len());
            return Err(node.wrong(problem));
        };
        let rule = match entry.key() {
            "user.certificates.fingerprint" => entry.text("AB:CD:…")?.parse().map(Self::Fingerprint),
            "user.certificates.subject" => DistinguishedName::parse(entry.text("CN=bob,O=Example")?)
                .map(Self::Subject)
                .map_err(|problem| format!("{problem}; write it as `ftpd tls show` does")),
            "user.certificates.san" => AlternativeName::parse(entry.text("bob@example.org")?)
                .map(Self::AlternativeName)
                .map_err(|problem| format!("{problem}; write it as `ftpd tls show` does")),
            _ => {
                let keys = ["fingerprint", "subject", "san"].map(|key| format!("user.certificates.{key}"));
                return Err(entry.unknown(keys.iter().map(String::as_str)));
            }
        };
        rule.map_err(|problem| entry.wrong(problem))
    }

    /// As it stands in the file.
    pub(super) fn to_table(&self) -> InlineTable {
        let (key, text) = self.parts();
        InlineTable::from_iter([(key, text)])
    }

    fn parts(&self) -> (&'static str, String) {
        match self {
            Self::Fingerprint(fingerprint) => ("fingerprint", fingerprint.to_string()),
            Self::Subject(subject) => ("subject", subject.to_string()),
            Self::AlternativeName(name) => ("san", name.to_string()),
        }
    }
}

/// `subject=CN=bob,O=Example`
impl fmt::Display for CertificateRule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, text) = self.parts();
        write!(out, "{key}={text}")
    }
}

/// A client's certificate, read once for all the rules it is held against.
pub(super) struct Shown {
    fingerprint: Fingerprint,
    /// What it says, if that counts: an authority that we trust says so.
    trusted: Option<CertificateFacts>,
}

impl Shown {
    /// What a client has shown. One that can't be read has its fingerprint only.
    pub(super) fn new(certificate: &ClientCertificate) -> Self {
        let facts = CertificateFacts::from_der(&certificate.der).ok();
        Self {
            fingerprint: Fingerprint::of(&certificate.der),
            trusted: facts.filter(|_| certificate.trusted),
        }
    }

    /// Whether it is a user's: one rule is enough.
    pub(super) fn is_of(&self, rules: &[CertificateRule]) -> bool {
        rules.iter().any(|rule| match (rule, &self.trusted) {
            (CertificateRule::Fingerprint(fingerprint), _) => *fingerprint == self.fingerprint,
            (CertificateRule::Subject(subject), Some(facts)) => *subject == facts.subject,
            (CertificateRule::AlternativeName(name), Some(facts)) => facts.names.contains(name),
            (_, None) => false,
        })
    }
}

/// Whether a user can log in at all this way.
///
/// # Errors
/// The key that is wrong, what is wrong with it, and what to write.
pub fn check(
    by: LoginBy,
    password: Option<&PasswordHash>,
    certificates: &[CertificateRule],
) -> Result<(), (&'static str, String)> {
    if by == LoginBy::Password && !certificates.is_empty() {
        let others = "\"certificate\", \"password-and-certificate\" or \"password-or-certificate\"";
        return Err(("login", format!("\"password\" asks for no certificate; write {others}")));
    }
    if by != LoginBy::Password && certificates.is_empty() {
        let problem = "missing; write some, like [{ fingerprint = \"AB:CD:…\" }]";
        return Err(("certificates", problem.to_owned()));
    }
    if by.takes_password() && password.is_none() {
        return Err(("password", "missing; write it with `ftpd user passwd`".to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::file::AccountsFile;
    use crate::accounts::tests::{cheap, credentials, user};
    use crate::accounts::{ServerAccounts, Sources, User, edit};
    use ftp_proto::account::{Account, Credentials, LoginError};
    use ftp_proto::host::Accounts as _;
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};
    use std::path::Path;

    /// A new certificate of `CN=bob,O=Example` with some names.
    fn certificate() -> Vec<u8> {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        parameters.distinguished_name.push(DnType::OrganizationName, "Example");
        parameters.distinguished_name.push(DnType::CommonName, "bob");
        parameters.subject_alt_names = vec![
            SanType::Rfc822Name("bob@example.org".try_into().unwrap()),
            SanType::DnsName("pc.example.org".try_into().unwrap()),
            SanType::IpAddress([192, 0, 2, 1].into()),
            SanType::URI("https://example.org/bob".try_into().unwrap()),
        ];
        parameters.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    fn shown(der: &[u8], trusted: bool) -> Shown {
        Shown::new(&ClientCertificate { der: der.into(), trusted })
    }

    fn rules(text: &str) -> Vec<CertificateRule> {
        let text = format!("[[user]]\nname = \"bob\"\nlogin = \"certificate\"\ncertificates = [{text}]\n");
        AccountsFile::parse(Path::new("a.toml"), &text).unwrap().users["bob"].certificates.clone()
    }

    #[test]
    fn a_rule_is_met_or_not() {
        let der = certificate();
        for (rule, is_met) in [
            ("subject = \"CN=bob,O=Example\"", true),
            ("subject = \" cn = bob , o = Example \"", true),
            ("subject = \"2.5.4.3=bob,2.5.4.10=Example\"", true),
            ("subject = \"CN=Bob,O=Example\"", false),
            ("subject = \"O=Example,CN=bob\"", false),
            ("subject = \"CN=bob\"", false),
            ("subject = \"CN=bob,O=Example,C=XX\"", false),
            ("subject = \"CN=bob+O=Example\"", false),
            ("subject = \"CN=bob\\\\,O=Example\"", false),
            ("san = \"bob@Example.ORG\"", true),
            ("san = \"Bob@example.org\"", false),
            ("san = \"PC.example.org\"", true),
            ("san = \"example.org\"", false),
            ("san = \"192.0.2.1\"", true),
            ("san = \"192.0.2.2\"", false),
            ("san = \"https://example.org/bob\"", true),
            ("san = \"https://example.org/Bob\"", false),
        ] {
            let rules = rules(&format!("{{ {rule} }}"));
            assert_eq!(shown(&der, true).is_of(&rules), is_met, "{rule}");
            assert!(!shown(&der, false).is_of(&rules), "{rule} of a certificate that anybody can make");
        }
        let own = rules(&format!("{{ fingerprint = \"{}\" }}", Fingerprint::of(&der)));
        assert!(shown(&der, true).is_of(&own) && shown(&der, false).is_of(&own));
        assert!(!shown(&certificate(), true).is_of(&own), "the same subject is not the same certificate");
        let any = rules("{ san = \"x\" }, { subject = \"CN=bob,O=Example\" }");
        assert!(shown(&der, true).is_of(&any), "one rule is enough");
        assert!(!shown(&der, true).is_of(&[]));
        let junk = rules(&format!("{{ fingerprint = \"{}\" }}", Fingerprint::of(b"junk")));
        assert!(shown(b"junk", false).is_of(&junk) && !shown(b"junk", true).is_of(&any));
    }

    /// Which of the two questions lets whom in.
    #[test]
    fn every_way_to_log_in_asks_for_what_it_says() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("accounts.toml");
        let der = certificate();
        let certificates =
            vec![CertificateRule::Subject(DistinguishedName::parse("CN=bob,O=Example").unwrap())];
        for (name, login) in LoginBy::NAMES {
            let certificates = if *login == LoginBy::Password { Vec::new() } else { certificates.clone() };
            let root = Some(directory.path());
            edit::add(&path, &User { login: *login, certificates, ..user(name, root) }).unwrap();
        }
        let without_password = User {
            login: LoginBy::Certificate,
            password: None,
            certificates,
            ..user("no-password", Some(directory.path()))
        };
        edit::add(&path, &without_password).unwrap();
        let sources = Sources { file: Some(path), ..Sources::default() };
        let accounts = ServerAccounts::open(sources, Vec::new()).unwrap();

        let good = Some((der.as_slice(), true));
        let bad = [None, Some((der.as_slice(), false)), Some((b"junk".as_slice(), true))];
        for (name, certificate_alone, password_alone, both) in [
            ("password", false, true, true),
            ("certificate", true, false, false),
            ("no-password", true, false, false),
            ("password-and-certificate", false, false, true),
            ("password-or-certificate", true, true, true),
            ("nobody", false, false, false),
            ("anonymous", false, false, false),
        ] {
            let ask = |password: &str, certificate: Option<(&[u8], bool)>| {
                let certificate =
                    certificate.map(|(der, trusted)| ClientCertificate { der: der.into(), trusted });
                let credentials = Credentials { certificate, ..credentials(name, password) };
                let entered = |answer: Result<Account, LoginError>| match answer {
                    Ok(account) => account.name == name,
                    Err(error) => {
                        assert_eq!(error, LoginError::Refused, "{name}: the refusal tells nothing");
                        false
                    }
                };
                let at_user = entered(accounts.authenticate_by_certificate(&credentials));
                (at_user, entered(accounts.authenticate(&credentials)))
            };
            assert_eq!(ask("secret", good), (certificate_alone, both), "{name}");
            assert_eq!(ask("wrong", good), (certificate_alone, false), "{name}");
            for bad in bad {
                assert_eq!(ask("secret", bad), (false, password_alone), "{name} {bad:?}");
                assert_eq!(ask("wrong", bad), (false, false), "{name} {bad:?}");
            }
        }
    }

    #[test]
    fn mistakes_are_one_line_with_place_key_and_fix() {
        let certificate = "login = \"certificate\"\n";
        let example = "write { fingerprint = \"AB:CD:…\" }, { subject = \"CN=bob,O=Example\" } or { san = \"bob@example.org\" }";
        let hash = cheap(b"secret");
        for (lines, want) in [
            (certificate.to_owned(), "1:1: user.certificates: missing; write some, like [{ fingerprint = \"AB:CD:…\" }]".to_owned()),
            (
                "login = \"token\"\n".to_owned(),
                "3:9: user.login: \"token\" is none of the choices; write \"password\" or \"certificate\" or \"password-and-certificate\" or \"password-or-certificate\"".to_owned(),
            ),
            (
                "login = \"password-and-certificate\"\ncertificates = [{ san = \"x\" }]\n".to_owned(),
                "1:1: user.password: missing; write it with `ftpd user passwd`".to_owned(),
            ),
            (
                format!("password = \"{}\"\ncertificates = [{{ san = \"x\" }}]\n", hash.as_str()),
                "1:1: user.login: \"password\" asks for no certificate; write \"certificate\", \"password-and-certificate\" or \"password-or-certificate\"".to_owned(),
            ),
            (
                format!("{certificate}certificates = \"CN=bob\"\n"),
                "4:16: user.certificates: expected a list, not a string; write [{ fingerprint = \"AB:CD:…\" }]".to_owned(),
            ),
            (
                format!("{certificate}certificates = [\"CN=bob\"]\n"),
                format!("4:17: user.certificates: expected a table, not a string; {example}"),
            ),
            (
                format!("{certificate}certificates = [{{}}]\n"),
                format!("4:17: user.certificates: expected one key, not 0; {example}"),
            ),
            (
                format!("{certificate}certificates = [{{ subjekt = \"CN=bob\" }}]\n"),
                "4:19: unknown key `user.certificates.subjekt`; did you mean `user.certificates.subject`?".to_owned(),
            ),
            (
                format!("{certificate}certificates = [{{ subject = \"bob\" }}]\n"),
                "4:29: user.certificates.subject: no \"=\" in \"bob\"; write it as `ftpd tls show` does".to_owned(),
            ),
            (
                format!("{certificate}certificates = [{{ fingerprint = \"AB\" }}]\n"),
                "4:33: user.certificates.fingerprint: \"AB\" is no SHA-256 fingerprint; write 32 pairs of digits like \"AB:CD:…\", see `ftpd tls show`".to_owned(),
            ),
            (
                format!("{certificate}certificates = [{{ san = \"a b\" }}]\n"),
                "4:25: user.certificates.san: \"a b\" is no name of a certificate; write it as `ftpd tls show` does".to_owned(),
            ),
        ] {
            let text = format!("[[user]]\nname = \"bob\"\n{lines}");
            let error = AccountsFile::parse(Path::new("a.toml"), &text).unwrap_err().to_string();
            assert_eq!(error, format!("a.toml:{want}"), "{text}");
        }
    }

    #[test]
    fn edits_keep_what_certificates_are_needed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("accounts.toml");
        let rule = |text: &str| CertificateRule::AlternativeName(AlternativeName::parse(text).unwrap());
        let bob = User {
            password: None,
            login: LoginBy::Certificate,
            certificates: vec![
                CertificateRule::Fingerprint(Fingerprint::of(b"bob")),
                CertificateRule::Subject(DistinguishedName::parse("CN=\\\"b\\\"\\, x,O=\\00").unwrap()),
                rule("bob@example.org"),
                rule("ftp://example.org/it's"),
            ],
            ..user("bob", None)
        };
        edit::add(&path, &bob).unwrap();
        let read = || AccountsFile::load(&path).unwrap().users["bob"].clone();
        assert_eq!((read().login, read().certificates), (bob.login, bob.certificates.clone()));
        assert!(read().password.is_none());
        edit::add(&path, &user("eve", None)).unwrap();
        edit::set_password(&path, "bob", &cheap(b"secret")).unwrap();
        edit::remove(&path, "eve").unwrap();
        assert_eq!((read().login, read().certificates), (bob.login, bob.certificates));
        assert_eq!(read().password.unwrap().verify(b"secret"), Ok(true));
    }
}
