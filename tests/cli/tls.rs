//! FTPS as who runs the program sees it: certificates that are made, kept, replaced and refused.

use crate::{Client, PATIENCE, RUNTIMES, Server, eventually, ftpd, result, run};
use ftp_proto::time::UnixTime;
use ftpd::certificate::Fingerprint;
use ftpd::certificate::self_signed::self_signed;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A client's control connection under TLS, whatever the server's certificate.
struct Secure {
    lines: BufReader<StreamOwned<ClientConnection, TcpStream>>,
}

impl Secure {
    /// By AUTH TLS.
    fn connect(address: SocketAddr) -> Self {
        let mut clear = Client::connect(address);
        assert!(clear.reply().starts_with("220"));
        clear.send("AUTH TLS");
        assert!(clear.reply().starts_with("234"));
        Self::over(clear.lines.into_inner())
    }

    /// TLS at once.
    fn implicit(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self::over(stream)
    }

    fn over(mut stream: TcpStream) -> Self {
        let provider = Arc::new(ring::default_provider());
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
        while connection.is_handshaking() {
            connection.complete_io(&mut stream).unwrap();
        }
        Self { lines: BufReader::new(StreamOwned::new(connection, stream)) }
    }

    /// As the introduction writes it.
    fn fingerprint(&self) -> String {
        let certificates = self.lines.get_ref().conn.peer_certificates().unwrap();
        Fingerprint::of(&certificates[0]).to_string()
    }

    fn reply(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn ask(&mut self, line: &str) -> String {
        self.lines.get_mut().write_all(format!("{line}\r\n").as_bytes()).unwrap();
        self.reply()
    }
}

#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// A new certificate in `certificate.pem` and `key.pem`, made so many days ago; its fingerprint.
fn make_certificate(directory: &Path, days_ago: i64) -> String {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let then = UnixTime::from_seconds(i64::try_from(now).unwrap() - days_ago * 86_400);
    let (chain, key) = self_signed(&["ftp.example.org".to_owned()], then).unwrap();
    for (name, text) in [("certificate.pem", chain.as_str()), ("key.pem", &key)] {
        let path = directory.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let file = ftpd::certificate::pem::PemFile::parse(chain.into_bytes()).unwrap();
    Fingerprint::of(&file.certificates[0]).to_string()
}

/// A configuration with these lines below `[tls]`, for guests and for bob, whose password is `secret`.
fn configure(directory: &Path, tls: &str) -> PathBuf {
    let path = directory.join("ftpd.toml");
    let text = format!(
        "[server]\nbind = \"127.0.0.1:0\"\nroot = \".\"\n[passive]\nports = \"auto:1\"\n\
         [accounts]\nfile = \"accounts.toml\"\nanonymous = true\n[tls]\n{tls}\n"
    );
    fs::write(&path, text).unwrap();
    let accounts = directory.join("accounts.toml");
    if !accounts.exists() {
        let arguments = ["user", "add", "--accounts", accounts.to_str().unwrap(), "bob", "--rights", "all"];
        let added = ftpd(&arguments).env("FTPD_PASSWORD", "secret").output().unwrap();
        assert_eq!(added.status.code(), Some(0));
    }
    path
}

const CERTIFICATE: &str = "certificates = [{ certificate = \"certificate.pem\", key = \"key.pem\" }]";

const ADDRESSES: [&str; 6] =
    ["--bind", "127.0.0.1:0", "--bind-implicit-tls", "127.0.0.1:0", "--passive-ports", "auto:1"];

#[test]
fn a_certificate_is_made_once_and_kept() {
    let home = tempfile::tempdir().unwrap();
    let mut shown = Vec::new();
    for runtime in RUNTIMES {
        let arguments =
            [&["serve", ".", "--tls", "--user", "bob", "--runtime", runtime][..], &ADDRESSES].concat();
        let mut command = ftpd(&arguments);
        command.env("HOME", home.path()).env_remove("XDG_DATA_HOME").env("FTPD_PASSWORD", "secret");
        let server = Server::start(&mut command);
        let lines = &server.introduction;
        let fingerprint = lines.iter().find_map(|line| line.strip_prefix("TLS certificate, SHA-256 "));
        shown.push(fingerprint.expect("the fingerprint is shown").to_owned());
        let implicit = lines.iter().find_map(|line| {
            line.strip_prefix("listening on ")?.strip_suffix(", TLS from the start (implicit)")
        });
        let certificate = home.path().join(".local/share/ftpd/certificate.pem");
        let curl = format!("  curl --ssl-reqd --cacert '{}' -u 'bob' ftp://", certificate.display());
        assert!(lines.iter().any(|line| line.starts_with(&curl)), "{lines:?}");

        let mut client = Secure::connect(server.address);
        assert_eq!(Some(&client.fingerprint()), shown.last());
        assert!(client.ask("USER bob").starts_with("331"));
        assert!(client.ask("PASS secret").starts_with("230"));
        assert!(client.ask("EPSV").starts_with("229"));
        assert!(client.ask("NLST").starts_with("521 "), "PROT P has to come first");
        let mut client = Secure::implicit(implicit.expect("it listens").parse().unwrap());
        assert_eq!(Some(&client.fingerprint()), shown.last());
        assert!(client.reply().starts_with("220"));

        let replies = server.talk(&["USER bob"]);
        assert!(replies[1].starts_with("530 TLS is required here"), "{replies:?}");
    }
    assert_eq!(shown[0], shown[1]);
    let key = fs::metadata(home.path().join(".local/share/ftpd/key.pem")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);

    // Elsewhere, another one; and guests need no TLS.
    let data = home.path().join("data");
    let mut command = ftpd(&[&["serve", ".", "--tls"][..], &ADDRESSES].concat());
    let server = Server::start(command.env("XDG_DATA_HOME", &data));
    assert!(data.join("ftpd/certificate.pem").exists());
    assert!(!server.introduction.iter().any(|line| line.contains(&shown[0])));
    assert!(server.talk(&["USER ftp", "PASS x"])[2].starts_with("230"));
}

#[test]
fn a_certificate_of_ones_own_is_served() {
    let directory = tempfile::tempdir().unwrap();
    let fingerprint = make_certificate(directory.path(), 0);
    let at = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (certificate, key) = (at("certificate.pem"), at("key.pem"));
    let own = ["serve", ".", "--tls-certificate", &certificate, "--tls-key", &key];
    let server = Server::start(&mut ftpd(&[&own[..], &ADDRESSES].concat()));
    assert_eq!(Secure::connect(server.address).fingerprint(), fingerprint);
    let lftp = "  lftp -e 'set ftp:ssl-force true; open ftp://ftp.example.org:";
    assert!(server.introduction.iter().any(|line| line.starts_with(lftp)), "{:?}", server.introduction);
    // Without a configuration file a SIGHUP is about the certificate.
    let renewed = make_certificate(directory.path(), 0);
    server.signal("HUP");
    eventually(|| Secure::connect(server.address).fingerprint() == renewed);
}

#[test]
fn what_is_wrong_with_tls_is_one_line() {
    let directory = tempfile::tempdir().unwrap();
    make_certificate(directory.path(), 0);
    let at = |name: &str| directory.path().join(name).display().to_string();
    let serve = |arguments: &[&str]| result(&run(&[&["serve"], arguments].concat()));
    for arguments in [
        &["--config", "x", "--tls"][..],
        &[".", "--tls-key", "key.pem"],
        &[".", "--bind-implicit-tls", "127.0.0.1:990"],
        &[".", "--tls", "--bind-implicit-tls", "127.0.0.1:21000"],
        &[".", "--tls", "--bind", "127.0.0.1:2121", "--bind-implicit-tls", "127.0.0.1:2121"],
    ] {
        let (code, out, error) = serve(arguments);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{arguments:?}: {error}");
        assert!(error.contains("--"), "{error}");
    }
    let (code, _, error) = serve(&[".", "--tls-certificate", &at("key.pem")]);
    assert!(code == Some(2) && error.starts_with(&format!("{}: ", at("key.pem"))), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");

    let name = at("ftpd.toml");
    for (tls, want) in [
        ("control = \"require\"", format!("{name}:10:11: tls.control: needs a certificate; ")),
        (
            "certificates = [{ certificate = \"no.pem\" }]",
            format!("{}: can't be read: No such", at("no.pem")),
        ),
        ("certificates = [{ certificate = \"certificate.pem\" }]", format!("{}: ", at("certificate.pem"))),
    ] {
        configure(directory.path(), tls);
        for command in [&["check-config", &name][..], &["serve", "--config", &name]] {
            let (code, out, error) = result(&run(command));
            assert_eq!((code, out.as_str()), (Some(2), ""), "{error}");
            assert!(error.starts_with(&want) && error.lines().count() == 1, "{error}");
        }
    }
}

#[test]
fn check_config_tells_what_tls_amounts_to() {
    let directory = tempfile::tempdir().unwrap();
    make_certificate(directory.path(), 0);
    let rule = "[[tls.rule]]\nnetworks = \"10.0.0.0/8\"\nusers = \"camera\"\ncontrol = \"allow\"";
    let path = configure(directory.path(), &format!("{CERTIFICATE}\ndata = \"deny\"\n{rule}"));
    let check = || result(&run(&["check-config", path.to_str().unwrap()]));
    let (code, out, error) = check();
    assert_eq!((code, error.as_str()), (Some(0), ""), "{out}");
    let rows: Vec<_> =
        out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for want in [
        "tls.control require",
        "tls.data deny",
        "tls.data_resumption require",
        "tls.minimum 1.2",
        "tls.rule (built in) for anonymous guests: control = allow, data = allow",
        "tls.rule 1 for user camera from 10.0.0.0/8: control = allow",
    ] {
        assert!(rows.iter().any(|row| row == want), "{want} in {out}");
    }
    let certificate = rows.iter().find(|row| row.starts_with("tls.certificates ")).unwrap();
    assert!(certificate.contains("/certificate.pem: ftp.example.org, "), "{certificate}");
    assert!(certificate.ends_with(", 396 days left"), "{certificate}");

    fs::set_permissions(directory.path().join("key.pem"), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(
        check().2.contains("key.pem: everybody on this machine can read the private key"),
        "{}",
        check().2
    );
    configure(directory.path(), "");
    assert!(check().1.contains("none: there is no TLS"), "{}", check().1);
}

#[test]
fn certificates_and_policies_change_while_sessions_go_on() {
    for runtime in RUNTIMES {
        let directory = tempfile::tempdir().unwrap();
        let first = make_certificate(directory.path(), 0);
        let path = configure(directory.path(), CERTIFICATE);
        let arguments = ["serve", "--config", path.to_str().unwrap(), "--runtime", runtime];
        let log = directory.path().join("log");
        let server = Server::start_logging(&mut ftpd(&arguments), fs::File::create(&log).unwrap().into());
        let log = || fs::read_to_string(&log).unwrap();
        let fingerprint = || Secure::connect(server.address).fingerprint();
        let mut client = Secure::connect(server.address);
        assert_eq!(client.fingerprint(), first);
        assert!(client.ask("USER bob").starts_with("331"));
        assert!(client.ask("PASS secret").starts_with("230"));

        let second = make_certificate(directory.path(), 0);
        server.signal("HUP");
        eventually(|| fingerprint() == second);
        // A broken one changes nothing, nor does what else is new.
        fs::write(directory.path().join("certificate.pem"), "broken").unwrap();
        configure(directory.path(), &format!("{CERTIFICATE}\ncontrol = \"allow\""));
        server.signal("HUP");
        eventually(|| log().contains("configuration not read again"));
        assert!(server.talk(&["USER bob"])[1].starts_with("530"));
        assert_eq!(fingerprint(), second);
        // Policies alone.
        let third = make_certificate(directory.path(), 0);
        server.signal("HUP");
        eventually(|| server.talk(&["USER bob"])[1].starts_with("331"));
        assert_eq!(fingerprint(), third);
        // Off and on again.
        configure(directory.path(), "");
        server.signal("HUP");
        eventually(|| !server.talk(&["AUTH TLS"])[1].starts_with("234"));
        configure(directory.path(), CERTIFICATE);
        server.signal("HUP");
        eventually(|| server.talk(&["AUTH TLS"])[1].starts_with("234"));
        assert_eq!(fingerprint(), third);

        assert!(client.ask("NOOP").starts_with("200"), "the first session goes on");
        let log = log();
        let refused = log.lines().find(|line| line.contains("configuration not read again")).unwrap();
        assert!(refused.contains("ERROR") && refused.contains("certificate.pem: "), "{refused}");
        assert_eq!(log.matches("there is no certificate any more").count(), 1, "{log}");
    }
}

#[test]
fn what_ends_soon_is_in_the_log() {
    for (days_ago, want) in [
        (0, None),
        (380, Some(" WARN certificate ends soon; renew it file=")),
        (400, Some("ERROR certificate has ended, clients refuse it; renew it file=")),
    ] {
        let directory = tempfile::tempdir().unwrap();
        make_certificate(directory.path(), days_ago);
        let path = configure(directory.path(), CERTIFICATE);
        let server = Server::start(&mut ftpd(&["serve", "--config", path.to_str().unwrap()]));
        server.signal("TERM");
        let (code, log) = server.ended();
        assert_eq!(code, Some(0), "{log}");
        match want {
            Some(want) => assert_eq!(log.matches(want).count(), 1, "{log}"),
            None => assert!(!log.contains("renew it"), "{log}"),
        }
    }
}

#[test]
fn parts_of_broken_uploads_are_kept_or_not() {
    for (partial, kept) in [("keep", 1), ("discard", 0)] {
        let directory = tempfile::tempdir().unwrap();
        let path = configure(directory.path(), "");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("[passive]", &format!("partial_uploads = \"{partial}\"\n[passive]")))
            .unwrap();
        let server = Server::start(&mut ftpd(&["serve", "--config", path.to_str().unwrap()]));
        let mut client = Client::connect(server.address);
        assert!(client.reply().starts_with("220"));
        let mut ask = |line: &str| {
            client.send(line);
            client.reply()
        };
        for (line, code) in [("USER bob", "331"), ("PASS secret", "230"), ("TYPE I", "200")] {
            assert!(ask(line).starts_with(code), "{line}");
        }
        let port = ask("EPSV").split('|').nth(3).unwrap().parse().unwrap();
        let mut data = TcpStream::connect(SocketAddr::new(server.address.ip(), port)).unwrap();
        assert!(ask("STOR new").starts_with("150"));
        // More than the server gathers before it writes.
        data.write_all(&[b'x'; 2 << 20]).unwrap();
        // One that nothing has come for yet is not kept.
        let parts = || {
            let entries = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap());
            let is_part = |entry: &fs::DirEntry| {
                entry.file_name().to_string_lossy().starts_with(".ftpd-part-")
                    && entry.metadata().is_ok_and(|facts| facts.len() > 0)
            };
            entries.filter(is_part).count()
        };
        eventually(|| parts() == 1);
        assert!(ask("ABOR").starts_with("426"));
        eventually(|| parts() == kept);
        drop(data);
    }
}
