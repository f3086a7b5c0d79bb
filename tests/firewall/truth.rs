//! What the check says of a firewall is what clients meet there: random rulesets, each tried with a real one.

use crate::net::{Net, SERVER};
use crate::traffic::Server;
use std::fmt::Write as _;

/// How many rulesets are tried.
const RULESETS: u64 = 60;

/// Rules for packets that come in.
const INBOUND: &[&str] = &[
    "ct state established accept",
    "ct state established,related accept",
    "ct state vmap { established : accept, invalid : drop }",
    "ct state new accept",
    "ct state new tcp dport 21 accept",
    "ct state new tcp dport 41000-41099 accept",
    "ct state != new accept",
    "tcp dport { 21, 41000-41099 } accept",
    "tcp dport 21 accept",
    "tcp dport 41000-41099 accept",
    "tcp dport 41000-41009 drop",
    "tcp flags & (fin | syn | rst | ack) == syn accept",
    "tcp flags & (syn | ack) == ack accept",
    "tcp flags & (fin | syn | rst | psh | ack) == ack accept",
    "tcp flags & ack == ack drop",
    "tcp sport 1-1023 accept",
    "tcp sport 1024-65535 accept",
    "iifname \"eth0\" accept",
    "oifname \"eth0\" drop",
    "udp dport 21 accept",
    "fib daddr type local accept",
    "fib daddr type unicast drop",
];

/// Rules for packets that leave.
const OUTBOUND: &[&str] = &[
    "ct state established accept",
    "ct state established drop",
    "ct state new drop",
    "ct state new accept",
    "tcp sport { 21, 41000-41099 } accept",
    "tcp sport 21 accept",
    "tcp sport 21 drop",
    "tcp sport 41000-41099 accept",
    "tcp dport 21 drop",
    "tcp dport 1024-65535 accept",
    "tcp flags & (syn | ack) == (syn | ack) accept",
    "tcp flags & (syn | ack) == (syn | ack) drop",
    "tcp flags & (syn | ack) == ack accept",
    "tcp flags & (fin | syn | rst | ack) == syn drop",
    "oifname \"eth0\" accept",
    "fib daddr type local drop",
    "fib daddr type unicast accept",
];

/// Numbers that look random, the same each time (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % limit
    }

    fn chain(&mut self, hook: &str, rules: &[&str]) -> String {
        let priority = if hook == "prerouting" { "raw" } else { "filter" };
        let policy = ["accept", "drop", "drop"][self.below(3)];
        let mut chain =
            format!("chain {hook} {{ type filter hook {hook} priority {priority}; policy {policy};\n");
        for _ in 0..1 + self.below(4) {
            writeln!(chain, "{}", rules[self.below(rules.len())]).unwrap();
        }
        chain + "}\n"
    }
}

/// Tables of these chains: what the server's own packets inside need is let through.
fn ruleset(random: &mut Random) -> String {
    let mut text = String::from("flush ruleset\ntable inet filter {\n");
    text += &random.chain("input", INBOUND);
    if random.below(3) > 0 {
        text += &random.chain("output", OUTBOUND);
    }
    if random.below(8) == 0 {
        text += &random.chain("prerouting", &INBOUND[7..15]);
    }
    text + "}\n"
}

#[test]
fn what_is_said_to_pass_passes_and_nothing_else() {
    let net = Net::new();
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("root")).unwrap();
    std::fs::write(folder.path().join("root/file"), "hello").unwrap();
    let config = folder.path().join("ftpd.toml");
    let text = format!(
        "[server]\nbind = \"0.0.0.0:21\"\ncontrol_socket = \"off\"\n[passive]\nports = \"41000-41003\"\n\
         [active]\nenabled = false\n[accounts]\nanonymous = {{ root = {:?} }}\n",
        folder.path().join("root")
    );
    std::fs::write(&config, text).unwrap();
    let (file, config) = (folder.path().join("rules.nft"), config.to_str().unwrap());
    let _server = Server::start(&net, std::path::Path::new(config));
    let url = format!("ftp://{SERVER}/file");
    let (mut passing, mut wrong) = (0, String::new());
    for seed in 1..=RULESETS {
        let rules = ruleset(&mut Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15)));
        std::fs::write(&file, &rules).unwrap();
        net.shell(&format!("nft -f {}", file.display()));
        let (code, said, error) = net.firewall(&["check", "--config", config, "--interface", "eth0"]);
        let tried = |seconds| net.curl(&["--connect-timeout", seconds, "-m", seconds, &url]).1 == "hello";
        // A busy machine may be late; a rule that drops stays so.
        let works = tried("0.5") || (code != 2 && tried("5"));
        passing += u32::from(works);
        if works != (code != 2) || said.contains("unknown:") {
            writeln!(
                wrong,
                "seed {seed}: a client {}\n{said}{error}{rules}",
                ["fails", "works"][usize::from(works)]
            )
            .unwrap();
        }
    }
    net.shell("nft flush ruleset");
    assert_eq!(wrong, "");
    assert!(
        (10..50).contains(&passing),
        "{passing} of {RULESETS} let clients in: too few or too many to tell"
    );
}
