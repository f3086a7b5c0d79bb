//! From a firewall that lets in ssh alone to one that lets in what is needed, and back, with real clients.

use crate::net::{Net, SERVER, SERVER_V6};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// One kind of firewall.
struct Kind {
    /// Lets in ssh alone.
    setup: String,
    /// Prints the rules, the same each time.
    dump: String,
    /// Removes a rule that lets passive data in.
    damage: &'static str,
    /// What a drop is said to be by.
    by: &'static str,
}

const NFTABLES: &str = "nft -f - <<'END'
table inet filter {
	chain input {
		type filter hook input priority filter; policy drop;
		ct state vmap { established : accept, related : accept, invalid : drop }
		iifname \"lo\" accept
		meta l4proto { icmp, ipv6-icmp } accept
		tcp dport 22 accept comment \"ssh\"
		log prefix \"dropped \" reject with icmpx admin-prohibited
	}
	chain other {
		type filter hook input priority filter + 10; policy accept;
		ip saddr 192.0.2.0/24 drop
	}
}
END";

fn iptables(variant: &str) -> Kind {
    let mut setup = String::new();
    for (program, icmp) in [("iptables", "icmp"), ("ip6tables", "ipv6-icmp")] {
        for rule in [
            "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
            "-A INPUT -i lo -j ACCEPT",
            &format!("-A INPUT -p {icmp} -j ACCEPT"),
            "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT",
            "-A INPUT -p udp -j REJECT",
            "-P INPUT DROP",
        ] {
            setup += &format!("{program}-{variant} -w {rule}\n");
        }
    }
    let save = format!("iptables-{variant}-save; ip6tables-{variant}-save");
    let damage = match variant {
        "nft" => "iptables-nft -w -D FTPD-IN 1",
        _ => "iptables-legacy -w -D FTPD-IN 1",
    };
    Kind {
        setup,
        dump: format!("({save}) | grep -v '^#' | sed 's/\\[[0-9:]*\\]//'"),
        damage,
        by: if variant == "nft" {
            "iptables nft filter INPUT policy drop"
        } else {
            "iptables legacy filter INPUT policy drop"
        },
    }
}

/// A server that runs until it is dropped.
pub(crate) struct Server(Child);

impl Server {
    pub(crate) fn start(net: &Net, config: &Path) -> Self {
        let config = config.to_str().unwrap();
        let mut command = net.server(&[env!("CARGO_BIN_EXE_ftpd"), "serve", "--config", config]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let server = Self(child);
        let start = Instant::now();
        while net.shell("cat /proc/net/tcp /proc/net/tcp6").lines().all(|line| !line.contains(":0015 ")) {
            assert!(start.elapsed() < Duration::from_secs(60), "the server doesn't start");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn config(folder: &Path, ports: &str) -> String {
    let path = folder.join(format!("{ports}.toml"));
    let text = format!(
        "[server]\nbind = [\"[::]:21\"]\ncontrol_socket = {:?}\n[passive]\nports = \"{ports}\"\n[accounts]\nanonymous = {{ root = {:?} }}\n",
        folder.join("socket"),
        folder.join("root")
    );
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Whether clients get a file, by EPSV and PASV, IPv4 and IPv6.
fn assert_served(net: &Net) {
    for (address, mode) in
        [(SERVER, "--ftp-pasv"), (SERVER, "--disable-epsv"), (&format!("[{SERVER_V6}]"), "--ftp-pasv")]
    {
        let result = net.curl(&[mode, &format!("ftp://{address}/file")]);
        assert_eq!(result, (0, "hello".to_owned()), "{address} {mode}");
    }
}

/// Whether connections to this port are dropped, not only refused by nobody who listens.
fn is_dropped(net: &Net, port: u16) -> bool {
    // Until the time is over (28), or a reject (7) that the server's kernel does not make for a closed port.
    net.curl(&[&format!("telnet://{SERVER}:{port}")]).0 == 28
}

fn lifecycle(net: &Net, kind: &Kind) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("root")).unwrap();
    std::fs::write(folder.path().join("root/file"), "hello").unwrap();
    let first = config(folder.path(), "41000-41099");
    net.shell(&kind.setup);
    let before = net.shell(&kind.dump);

    let (code, out, error) = net.firewall(&["check", "--config", &first]);
    assert_eq!(code, 2, "{out}{error}");
    assert!(
        out.contains("missing: 21 (control") && out.contains("missing: 41000-41099 (passive data"),
        "{out}"
    );
    assert!(out.contains(kind.by), "{out}");

    let (code, planned, error) = net.firewall(&["apply", "--config", &first, "--dry-run"]);
    assert_eq!(code, 0, "{error}");
    assert_eq!(net.shell(&kind.dump), before, "a dry run changes nothing");
    let (code, done, error) = net.firewall(&["apply", "--config", &first]);
    assert_eq!((code, &done), (0, &planned), "{error}");
    let after = net.shell(&kind.dump);
    let (code, out, _) = net.firewall(&["check", "--config", &first]);
    assert_eq!((code, out.as_str()), (0, "ok: 21, 41000-41099 can come in\n"));
    {
        let _server = Server::start(net, Path::new(&first));
        assert_served(net);
        assert!(is_dropped(net, 41_100) && is_dropped(net, 40_999) && is_dropped(net, 20));
        assert!(!is_dropped(net, 22), "ssh came in before");
        // The server that runs says the same as its file.
        let socket = folder.path().join("socket");
        let (code, out, error) = net.firewall(&["check", "--socket", socket.to_str().unwrap()]);
        assert_eq!((code, out.as_str()), (0, "ok: 21, 41000-41099 can come in\n"), "{error}");
    }
    let (code, out, _) = net.firewall(&["apply", "--config", &first]);
    assert_eq!((code, out.as_str()), (0, "nothing to do\n"));
    assert_eq!(net.shell(&kind.dump), after);

    net.shell(kind.damage);
    let (code, out, _) = net.firewall(&["check", "--config", &first]);
    assert_eq!(code, 2, "{out}");
    assert!(out.contains("missing:") && out.contains("41000-41099 (passive data"), "{out}");
    assert_eq!(net.firewall(&["apply", "--config", &first]).0, 0);
    assert_eq!(net.shell(&kind.dump), after, "mended");

    let second = config(folder.path(), "42000-42009");
    let (code, out, _) = net.firewall(&["check", "--config", &second]);
    assert_eq!(code, 2, "{out}");
    assert!(out.contains("missing: 42000-42009 (passive data"), "{out}");
    assert!(out.contains("stale: ") && out.contains("for 41000-41099, no longer configured"), "{out}");
    assert_eq!(net.firewall(&["apply", "--config", &second]).0, 0);
    let (code, out, _) = net.firewall(&["check", "--config", &second]);
    assert_eq!((code, out.as_str()), (0, "ok: 21, 42000-42009 can come in\n"));
    {
        let _server = Server::start(net, Path::new(&second));
        assert_served(net);
        assert!(is_dropped(net, 41_000));
    }
    let (code, _, error) = net.firewall(&["remove"]);
    assert_eq!(code, 0, "{error}");
    assert_eq!(net.shell(&kind.dump), before, "everything is as before");
    assert_eq!(net.firewall(&["remove"]).1, "nothing to do\n");
}

#[test]
fn nftables() {
    let kind = Kind {
        // A reject would answer; here it has to be told from a closed port.
        setup: NFTABLES.replace("reject with icmpx admin-prohibited", "drop"),
        dump: "nft list ruleset".to_owned(),
        damage: "handle=$(nft -a list ruleset | sed -n 's/.*comment \"ftpd .*# handle //p')
            nft delete rule inet filter input handle $handle",
        by: "inet filter input, rule",
    };
    lifecycle(&Net::new(), &kind);
}

#[test]
fn iptables_on_nftables() {
    lifecycle(&Net::new(), &iptables("nft"));
}

#[test]
fn iptables_of_old() {
    lifecycle(&Net::new(), &iptables("legacy"));
}

#[test]
fn ufw() {
    let copy = tempfile::tempdir().unwrap();
    let copy = copy.path().to_str().unwrap();
    let mut net = Net::new();
    net.shell(&format!("cp -a /etc/ufw {copy}/etc; cp /etc/default/ufw {copy}/default"));
    net.shell(&format!("sed -i s/ENABLED=yes/ENABLED=no/ {copy}/etc/ufw.conf"));
    // Its files are its own here; the machine's are never written.
    let script = format!(
        "mount --make-rprivate / && mount --bind {copy}/etc /etc/ufw && mount --bind {copy}/default /etc/default/ufw && exec \"$@\""
    );
    net.wrapper = ["unshare", "-m", "sh", "-c", &script, "sh"].map(str::to_owned).to_vec();
    let kind = Kind {
        setup: "ufw --force reset; ufw allow 22/tcp; ufw --force enable".to_owned(),
        dump: "cat /etc/ufw/user.rules /etc/ufw/user6.rules; ufw status verbose".to_owned(),
        damage: "ufw delete allow 41000:41099/tcp",
        by: "filter INPUT policy drop",
    };
    lifecycle(&net, &kind);
}

#[test]
fn a_failure_changes_nothing() {
    let net = Net::new();
    net.shell(&iptables("nft").setup);
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "41000-41099");
    let dump = iptables("nft").dump;
    let before = net.shell(&dump);
    // An iptables whose insertions fail.
    let fake = folder.path().join("ip6tables-nft");
    std::fs::write(&fake, "#!/bin/sh\ncase \"$*\" in *' -I '*) echo no way >&2; exit 4;; esac\nexec /usr/sbin/ip6tables-nft \"$@\"\n")
        .unwrap();
    net.shell(&format!("chmod +x {}", fake.display()));
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let mut command = net.server(&[env!("CARGO_BIN_EXE_ftpd"), "firewall", "apply", "--config", &config]);
    let output = command.env("PATH", path).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("said: no way") && error.contains("taken back"), "{error}");
    assert_eq!(net.shell(&dump), before);
}

#[test]
fn the_stateful_way_serves_plain_ftp_alone() {
    let net = Net::new();
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("root")).unwrap();
    std::fs::write(folder.path().join("root/file"), "hello").unwrap();
    let config = config(folder.path(), "41000-41099");
    let setup = NFTABLES.replace("reject with icmpx admin-prohibited", "drop");
    net.shell(&setup);
    let (_, rules, error) = net.firewall(&[
        "show",
        "--for",
        "nftables",
        "--stateful",
        "--chain",
        "inet filter input",
        "--config",
        &config,
    ]);
    assert_eq!(error, "");
    net.shell(&format!("nft -f - <<'END'\n{rules}\nEND"));
    let (code, out, _) = net.firewall(&["check", "--config", &config]);
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("stateful: 41000-41099"), "{out}");
    let _server = Server::start(&net, Path::new(&config));
    assert_served(&net);
    assert!(is_dropped(&net, 41_050), "nobody announced it");
}
