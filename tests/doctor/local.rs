//! `ftpd doctor --config`: real files, real ports, a real server, each in a network of its own.

use super::{Findings, doctor};
use ftpd::accounts::PasswordHash;
use rcgen::{CertificateParams, KeyPair};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A folder with a configuration that is right: one user, TLS, explicit and implicit, one public address.
struct Place {
    folder: TempDir,
}

/// The only address of the network that the tests make, beside loopback.
const PUBLIC: &str = "203.0.113.9";

/// Who owns nothing.
const NOBODY: u32 = 65_534;

impl Place {
    fn new() -> Self {
        let place = Self { folder: TempDir::new().unwrap() };
        fs::create_dir(place.path("root")).unwrap();
        let hash = PasswordHash::of(b"secret").unwrap();
        let user =
            format!("[[user]]\nname = \"bob\"\npassword = \"{}\"\nrights = [\"all\"]\n", hash.as_str());
        place.write("accounts.toml", &user);
        place.certificate(&[PUBLIC], 2_099);
        place.configure("");
        place.give_to_nobody();
        place
    }

    /// Root's server becomes nobody; in a network that its own user has made, root is no root.
    fn give_to_nobody(&self) {
        if rustix::process::geteuid().is_root() {
            for name in [".", "root", "accounts.toml", "chain.pem", "key.pem", "ftpd.toml"] {
                std::os::unix::fs::chown(self.path(name), Some(NOBODY), None).unwrap();
            }
        }
    }

    /// Whom it is to become.
    fn user() -> &'static str {
        if rustix::process::geteuid().is_root() { "user = \"nobody\"\n" } else { "" }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file that only its owner reads.
    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn certificate(&self, names: &[&str], until: i32) {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut parameters = CertificateParams::new(names).unwrap();
        parameters.not_before = rcgen::date_time_ymd(2_020, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        self.write("chain.pem", &parameters.self_signed(&key).unwrap().pem());
        self.write("key.pem", &key.serialize_pem());
    }

    /// With these lines below `[passive]`, and what may follow.
    fn configure(&self, passive: &str) {
        let user = Self::user();
        self.write(
            "ftpd.toml",
            &format!(
                "[server]\n{user}root = \"root\"\nbind = \"0.0.0.0:2121\"\nbind_implicit_tls = \"0.0.0.0:2990\"\n[accounts]\n\
                 file = \"accounts.toml\"\n[tls]\ncertificates = [{{ certificate = \"chain.pem\", key = \"key.pem\" }}]\n\
                 [passive]\nports = \"21000-21009\"\n{passive}\n"
            ),
        );
    }

    fn config(&self) -> String {
        self.path("ftpd.toml").display().to_string()
    }

    /// The doctor in a network with only these addresses, without a server.
    fn look(&self, addresses: &[&str]) -> Findings {
        self.run(addresses, "", "--no-live")
    }

    /// The same with a server that runs.
    fn live(&self, addresses: &[&str], arguments: &str) -> Findings {
        let serve = format!(
            "'{program}' serve --config '{config}' >'{out}' 2>'{log}' & SERVER=$!; \
             trap 'kill $SERVER; wait $SERVER' EXIT; \
             for i in $(seq 200); do grep -q '^passive' '{out}' && break; sleep 0.05; done;",
            program = env!("CARGO_BIN_EXE_ftpd"),
            config = self.config(),
            out = self.path("out").display(),
            log = self.path("log").display(),
        );
        self.run(addresses, &serve, arguments)
    }

    /// In a network namespace: these addresses, these commands first, then the doctor.
    fn run(&self, addresses: &[&str], before: &str, arguments: &str) -> Findings {
        let mut script = String::from("ip link set lo up; ");
        for address in addresses {
            script.push_str(&format!("ip addr add {address}/32 dev lo; "));
        }
        script.push_str(before);
        let program = env!("CARGO_BIN_EXE_ftpd");
        let config = self.config();
        script.push_str(&format!("'{program}' doctor --json --timeout 2 --config '{config}' {arguments}"));
        let mut unshare = Command::new("unshare");
        if !rustix::process::geteuid().is_root() {
            unshare.arg("--map-root-user");
        }
        unshare.args(["--net", "sh", "-c", &script]).env("FTPD_PASSWORD", "secret").stdin(Stdio::null());
        Findings::of(&unshare.output().unwrap())
    }
}

fn replace(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(file, text.replace(from, to)).unwrap();
}

#[test]
fn a_healthy_set_up_alarms_nobody() {
    let place = Place::new();
    place.look(&[PUBLIC]).expect(0, &[]);
    place.configure(&format!("external_address = \"{PUBLIC}\""));
    let findings = place.live(&[PUBLIC], "--user bob");
    findings.expect(0, &[]);
    let tried: Vec<_> = findings.all().filter(|finding| finding["id"] == "live-ok").collect();
    assert_eq!(tried.len(), 4, "two listeners by two addresses: {:#}", findings.json);
    for finding in tried {
        let text = finding["text"].as_str().unwrap();
        for word in
            ["LIST by EPSV", "LIST by PASV", "STOR by EPSV", "STOR by PASV", "RETR by PASV", "DELE", "TLS"]
        {
            assert!(text.contains(word), "{word}: {text}");
        }
    }
    assert_eq!(fs::read_dir(place.path("root")).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn without_a_server_or_a_name_it_says_what_was_not_tried() {
    let place = Place::new();
    let findings = place.run(&[PUBLIC], "", "");
    findings.expect(0, &[]);
    assert!(findings.has("live-not-running"));
    let findings = place.live(&[PUBLIC], "");
    findings.expect(0, &[]);
    assert!(findings.has("live-no-credentials"));
    assert!(findings.text("ports-ok").contains("the server runs"));
}

#[test]
fn a_router_that_does_not_turn_connections_around() {
    let place = Place::new();
    place.certificate(&["198.51.100.7"], 2_099);
    place.configure("external_address = \"198.51.100.7\"");
    place.live(&["10.0.0.2"], "--user bob").expect(1, &["hairpin-failed"]);
}

#[test]
fn a_password_goes_in_the_clear_to_this_machine_alone() {
    let place = Place::new();
    let user = Place::user();
    let text = format!(
        "[server]\n{user}root = \"root\"\nbind = \"0.0.0.0:2121\"\n[accounts]\nfile = \"accounts.toml\"\n\
         [log]\ncommands = true\n[passive]\nports = \"21000-21009\"\nexternal_address = \"198.51.100.7\"\n"
    );
    place.write("ftpd.toml", &text);
    // Somebody answers at the external address, and it is on no interface.
    let again = format!("ip route add local 198.51.100.7/32 dev lo; {}", again(&place));
    let findings = place.live(&["10.0.0.2"], &format!("--no-live >/dev/null; {again}"));
    findings.expect(1, &["passwords-in-clear"]);
    assert!(findings.text("live-no-credentials").contains("no password was sent"), "{:#}", findings.json);
    let log = fs::read_to_string(place.path("log")).unwrap();
    assert_eq!(log.matches("USER bob").count(), 1, "{log}");
    // An address of this machine is as good as loopback.
    let findings = place.live(&["10.0.0.2", "198.51.100.7"], "--user bob");
    assert_eq!(findings.all().filter(|finding| finding["id"] == "live-ok").count(), 2, "{:#}", findings.json);
}

#[test]
fn a_live_server_that_refuses() {
    let place = Place::new();
    place.live(&[PUBLIC], "--user eve").expect(2, &["live-login-refused"]);
    // A firewall on the machine itself.
    let closed = "nft -f - <<'END'\ntable inet t { chain c { type filter hook input priority 0; \
                  tcp dport 21000-21009 reject with tcp reset; }; }\nEND\n";
    let findings =
        place.live(&[PUBLIC], &format!("--user bob --no-live >/dev/null; {closed} {}", again(&place)));
    assert!(findings.alarms().contains(&"live-transfer-failed"), "{:#}", findings.json);
}

fn again(place: &Place) -> String {
    format!(
        "'{}' doctor --json --timeout 2 --config '{}' --user bob",
        env!("CARGO_BIN_EXE_ftpd"),
        place.config()
    )
}

#[test]
fn our_own_server_from_outside() {
    let place = Place::new();
    let from = |arguments: &str| {
        let program = env!("CARGO_BIN_EXE_ftpd");
        let chain = place.path("chain.pem").display().to_string();
        format!(
            "--no-live >/dev/null; '{program}' doctor --json --timeout 2 --user bob --ca '{chain}' --upload {arguments}"
        )
    };
    for arguments in [format!("--from {PUBLIC}:2121"), format!("--from {PUBLIC}:2990 --tls implicit")] {
        let findings = place.live(&[PUBLIC], &from(&arguments));
        findings.expect(0, &[]);
        assert!(findings.has("outside-ok") && findings.has("tls-ok"), "{arguments}: {:#}", findings.json);
        assert!(!findings.has("data-tls-not-resumed"), "{arguments}: sessions are resumed");
    }
}

#[test]
fn the_server_still_shows_the_old_certificate() {
    let place = Place::new();
    place.configure("");
    let pem = fs::read_to_string(place.path("chain.pem")).unwrap();
    let key = fs::read_to_string(place.path("key.pem")).unwrap();
    place.certificate(&[PUBLIC], 2_098);
    // New files are put there when the server has read the old ones, and the server reads them only once a minute.
    let (new_chain, new_key) = (place.path("chain.pem"), place.path("key.pem"));
    fs::rename(&new_chain, place.path("new-chain.pem")).unwrap();
    fs::rename(&new_key, place.path("new-key.pem")).unwrap();
    place.write("chain.pem", &pem);
    place.write("key.pem", &key);
    let swap = format!(
        "--no-live >/dev/null; cp -p '{0}/new-chain.pem' '{0}/chain.pem'; cp -p '{0}/new-key.pem' '{0}/key.pem'; {1}",
        place.folder.path().display(),
        again(&place)
    );
    let findings = place.live(&[PUBLIC], &swap);
    assert!(findings.has("live-other-certificate"), "{:#}", findings.json);
}

#[test]
fn the_running_server_is_asked_for_its_file_and_its_settings() {
    let place = Place::new();
    let program = env!("CARGO_BIN_EXE_ftpd");
    let socket = place.path("sock").display().to_string();
    let text = fs::read_to_string(place.path("ftpd.toml")).unwrap();
    let at = format!("[server]\ncontrol_socket = \"{socket}\"\n");
    place.write("ftpd.toml", &text.replace("[server]\n", &at));
    let set = format!(
        "--no-live >/dev/null; '{program}' set --socket '{socket}' passive.ports 21000-21004 >/dev/null; \
         '{program}' doctor --json --timeout 2 --no-live --socket '{socket}'"
    );
    let findings = place.live(&[PUBLIC], &set);
    findings.expect(1, &["live-settings"]);
    assert!(findings.text("live-settings").contains("passive.ports"), "{:#}", findings.json);
    let capacity = findings.text("capacity");
    assert!(capacity.contains("5 data connections"), "what was set is looked at, not the file: {capacity}");
    assert!(findings.text("ports-ok").contains("the server runs"), "it has its ports: {:#}", findings.json);
}

#[test]
fn a_configuration_that_is_wrong() {
    let place = Place::new();
    doctor(&["--config", &place.path("none.toml").display().to_string()])
        .expect(2, &["configuration-invalid"]);
    place.write("ftpd.toml", "[server]\nbnid = 1\n");
    let findings = doctor(&["--config", &place.config()]);
    findings.expect(2, &["configuration-invalid"]);
    assert!(findings.text("configuration-invalid").contains("bind"), "the nearest key is named");
    let place = Place::new();
    place.write("accounts.toml", "[[user]]\n");
    doctor(&["--config", &place.config()]).expect(2, &["accounts-invalid"]);
    place.write("accounts.toml", "");
    place.look(&[PUBLIC]).expect(2, &["accounts-none"]);
}

#[test]
fn a_firewall_on_the_machine_itself() {
    let place = Place::new();
    let closed = "nft -f - <<'END'\ntable inet filter { chain input { type filter hook input priority 0; policy drop; \
                  iif lo accept; tcp dport { 2121, 2990, 21000-21004 } accept; }; }\nEND\n";
    let findings = place.run(&[PUBLIC], closed, "--no-live");
    assert!(findings.alarms().contains(&"firewall-closed"), "{:#}", findings.json);
    assert!(findings.text("firewall-closed").contains("21005-21009"), "{:#}", findings.json);
}

#[test]
fn ports_that_others_hold() {
    let place = Place::new();
    let hold = |port: u16| {
        format!(
            "python3 -c 'import socket,time; s=socket.create_server((\"\",{port})); print(1,flush=True); time.sleep(30)' \
             >'{0}' & trap \"kill $!\" EXIT; for i in $(seq 200); do test -s '{0}' && break; sleep 0.05; done;",
            place.path("held").display()
        )
    };
    let findings = place.run(&[PUBLIC], &hold(2_121), "--no-live");
    findings.expect(2, &["control-port-held"]);
    assert!(findings.text("control-port-held").contains("python3"), "{:#}", findings.json);
    fs::remove_file(place.path("held")).unwrap();
    let findings = place.run(&[PUBLIC], &hold(21_003), "--no-live");
    findings.expect(1, &["passive-ports-held"]);
    assert!(findings.text("passive-ports-held").contains("port 21003 by python3"), "{:#}", findings.json);
}

/// It would do for the login whatever it hears.
#[test]
fn another_program_on_the_port_hears_no_password() {
    let place = Place::new();
    let text = fs::read_to_string(place.path("ftpd.toml")).unwrap();
    let clear = text
        .lines()
        .filter(|line| !["[tls]", "certificates", "bind_implicit"].iter().any(|word| line.starts_with(word)));
    place.write("ftpd.toml", &clear.collect::<Vec<_>>().join("\n"));
    place.write(
        "thief.py",
        "import socket, sys\n\
         server = socket.create_server((\"\", 2121))\n\
         print(\"ready\", flush=True)\n\
         while True:\n\
         \x20   client = server.accept()[0]\n\
         \x20   client.sendall(b\"220 Welcome.\\r\\n\")\n\
         \x20   for line in client.makefile():\n\
         \x20       print(\"heard\", line, flush=True)\n\
         \x20       client.sendall(b\"331 Send the password.\\r\\n\")\n",
    );
    let heard = place.path("heard");
    let thief = format!(
        "python3 '{}' >'{heard}' & trap \"kill $!\" EXIT; \
         for i in $(seq 200); do grep -q ready '{heard}' && break; sleep 0.05; done;",
        place.path("thief.py").display(),
        heard = heard.display(),
    );
    let findings = place.run(&[PUBLIC], &thief, "--user bob");
    findings.expect(2, &["control-port-held", "passwords-in-clear"]);
    assert!(findings.text("live-other-program").contains("python3"), "{:#}", findings.json);
    assert_eq!(fs::read_to_string(&heard).unwrap(), "ready\n");
}

#[test]
fn addresses_and_ranges() {
    let place = Place::new();
    let findings = place.look(&["10.0.0.2"]);
    // The machine that runs the tests may itself be a container.
    let expected = [["external-address-unset"], ["container-without-external-address"]];
    assert!(expected.iter().any(|ids| findings.alarms() == ids), "{:#}", findings.json);
    place.configure("external_address = \"nobody.invalid\"");
    place.look(&["10.0.0.2"]).expect(2, &["certificate-other-name", "external-name-unresolved"]);
    place.configure("external_address = \"10.9.9.9\"");
    let findings = place.look(&[PUBLIC]);
    assert_eq!(findings.alarms(), ["certificate-other-name", "external-address-hides-public"]);
    place.configure("");
    replace(&place.path("ftpd.toml"), "21000-21009", "41000-41009");
    let findings = place.look(&[PUBLIC]);
    findings.expect(1, &["range-ephemeral"]);
    // Reserved, it is no problem any more.
    let reserve = "echo 41000-41099 >/proc/sys/net/ipv4/ip_local_reserved_ports;";
    place.run(&[PUBLIC], reserve, "--no-live").expect(0, &[]);
}

#[test]
fn certificates() {
    let place = Place::new();
    place.certificate(&[PUBLIC], 2_021);
    place.look(&[PUBLIC]).expect(2, &["certificate-expired"]);
    place.certificate(&["ftp.example.org"], 2_099);
    place.configure(&format!("external_address = \"{PUBLIC}\""));
    place.look(&[PUBLIC]).expect(1, &["certificate-other-name"]);
    let place = Place::new();
    let other = KeyPair::generate().unwrap();
    place.write("key.pem", &other.serialize_pem());
    place.look(&[PUBLIC]).expect(2, &["certificate-unusable"]);
}

#[test]
fn files_and_directories() {
    let place = Place::new();
    let mode = |name: &str, mode| {
        fs::set_permissions(place.path(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    mode("key.pem", 0o644);
    mode("accounts.toml", 0o644);
    place.look(&[PUBLIC]).expect(1, &["accounts-file-open", "key-open"]);
    mode("key.pem", 0o600);
    mode("accounts.toml", 0o600);
    fs::remove_dir(place.path("root")).unwrap();
    place.look(&[PUBLIC]).expect(2, &["root-missing"]);
    fs::write(place.path("root"), "a file").unwrap();
    place.look(&[PUBLIC]).expect(2, &["root-missing"]);
}

#[test]
fn people_read_lines() {
    let place = Place::new();
    let output = super::command(&["doctor", "--no-live", "--config", &place.config()]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("configuration\n  ok      "), "{text}");
    assert!(text.lines().last().unwrap().contains("error"), "{text}");
    let output = super::command(&["doctor", "--socket", &place.config()]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--config"));
}
