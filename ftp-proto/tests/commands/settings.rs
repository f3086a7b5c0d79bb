//! Settings made at random, as lines of a transcript's world.

use ftp_proto::account::Rights;
use quickcheck::{Arbitrary, Gen};

/// What decides which commands there are.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    pub(crate) tls: Option<&'static str>,
    pub(crate) lines: Vec<String>,
    pub(crate) rights: Vec<&'static str>,
    /// The client logs in under TLS, if there is any.
    pub(crate) secure: bool,
}

impl Arbitrary for Choice {
    fn arbitrary(source: &mut Gen) -> Self {
        let tls = [None, Some("ftp.example.com"), Some("ftp.example.com"), Some("broken ftp.example.com")];
        let mut lines = Vec::new();
        for (key, values) in SETTINGS {
            if let Some(value) = *source.choose(values).unwrap() {
                lines.push(format!("config: {key}={value}\n"));
            }
        }
        let few = bool::arbitrary(source);
        let mut rights: Vec<&str> =
            Rights::NAMES.iter().map(|(name, _)| *name).filter(|_| !few || bool::arbitrary(source)).collect();
        if rights.is_empty() {
            rights.push("none");
        }
        Self { tls: *source.choose(&tls).unwrap(), lines, rights, secure: bool::arbitrary(source) }
    }
}

const SWITCH: &[Option<&str>] = &[None, Some("true"), Some("false")];

/// What may be set, and to what. `None`: left as it is.
const SETTINGS: &[(&str, &[Option<&str>])] = &[
    (
        "profile",
        &[None, Some("users=bob epsv=false"), Some("epsv=false allo=202"), Some("users=eve epsv=false")],
    ),
    ("passive.enabled", SWITCH),
    ("active.enabled", SWITCH),
    ("transfers.deflate", SWITCH),
    ("tls.ccc", SWITCH),
    ("tls.server_to_server", SWITCH),
    ("tls.data", &[None, Some("allow"), Some("require"), Some("deny")]),
    ("tls.control", &[None, Some("allow"), Some("require"), Some("require-for-credentials")]),
];

impl Choice {
    /// The world, up to the greeting.
    pub(crate) fn world(&self) -> String {
        let mut world = self.lines.concat();
        if let Some(tls) = self.tls {
            world.push_str(&format!("tls: {tls}\n"));
        }
        world.push_str(&format!("user: bob secret rights={}\n", self.rights.join(",")));
        world
    }

    pub(crate) fn has_working_tls(&self) -> bool {
        self.tls.is_some_and(|tls| tls == "ftp.example.com")
    }
}
