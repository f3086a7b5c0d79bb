//! A configuration file, for what the command line doesn't know, and the certificates it names.

use std::fs;
use std::path::{Path, PathBuf};

use crate::certificates::authority;
use crate::server::{PASSWORD, USER};

/// The name that the server's certificate is for, besides the loopback addresses.
pub(crate) const NAME: &str = "ftp.example.org";
/// The name of its second certificate.
pub(crate) const OTHER_NAME: &str = "other.example.org";

/// What differs from test to test.
#[derive(Default)]
pub(crate) struct Configuration {
    /// Lines below `[tls]`.
    pub(crate) tls: String,
    /// Sections of their own.
    pub(crate) sections: String,
    /// Lines of the accounts file.
    pub(crate) users: String,
    /// Anybody may upload.
    pub(crate) guests_upload: bool,
    /// [`HOSTS`] are there.
    pub(crate) hosts: bool,
}

/// Virtual hosts: what their certificates are for, and what their folder is called. [`USER`] has another password on each,
/// the folder's name, and finds the file `whose` that holds it as well.
pub(crate) const HOSTS: [(&str, &str); 2] = [(NAME, "one"), (OTHER_NAME, "other")];

impl Configuration {
    /// Writes it into the server's folder, with an accounts file and these below `tls/`, each certificate with its key:
    /// `authority.pem`, whom clients may trust; `server.pem` and `other.pem`; `client.pem`.
    pub(crate) fn write(&self, folder: &Path, passive_ports: &str) -> PathBuf {
        let write = |name: &str, text: String| {
            let path = folder.join(name);
            fs::write(&path, text).expect("a temporary folder is writable");
            path
        };
        fs::create_dir_all(folder.join("tls")).expect("a temporary folder is writable");
        write("tls/authority.pem", authority().pem());
        authority().issue(&[NAME, "localhost", "127.0.0.1", "::1"]).write(&folder.join("tls/server.pem"));
        authority().issue(&[OTHER_NAME]).write(&folder.join("tls/other.pem"));
        authority().issue(&["client.example.org"]).write(&folder.join("tls/client.pem"));
        let hash = ftpd::accounts::password::PasswordHash::of(PASSWORD.as_bytes()).expect("it can be hashed");
        let user = format!("name = {USER:?}\npassword = {:?}\nrights = \"all\"", hash.as_str());
        write("accounts.toml", format!("[[user]]\n{user}\n{}", self.users));
        let hosts = if self.hosts {
            HOSTS.map(|(name, own)| host(folder, name, own)).concat()
        } else {
            String::new()
        };
        let lines = [
            "[server]",
            "bind_implicit_tls = \"127.0.0.1:0\"",
            "root = \"root\"",
            "[passive]",
            &format!("ports = {passive_ports:?}"),
            "[accounts]",
            "file = \"accounts.toml\"",
            &format!("anonymous = {{ writable = {} }}", self.guests_upload),
            "[tls]",
            "certificates = [{ certificate = \"tls/server.pem\" }, { certificate = \"tls/other.pem\" }]",
            "client_authorities = \"tls/authority.pem\"",
            &self.tls,
            &self.sections,
            &hosts,
        ];
        write("ftpd.toml", lines.join("\n"))
    }
}

fn host(folder: &Path, name: &str, own: &str) -> String {
    fs::create_dir_all(folder.join(own)).expect("a temporary folder is writable");
    fs::write(folder.join(own).join("whose"), own).expect("a temporary folder is writable");
    let hash = ftpd::accounts::password::PasswordHash::of(own.as_bytes()).expect("it can be hashed");
    let user = format!("[[user]]\nname = {USER:?}\npassword = {:?}\n", hash.as_str());
    fs::write(folder.join(format!("{own}.toml")), user).expect("a temporary folder is writable");
    format!(
        "[[host]]\nnames = {name:?}\ngreeting = \"This is {own}.\"\nroot = {own:?}\naccounts = \"{own}.toml\"\n"
    )
}
