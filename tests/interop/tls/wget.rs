//! wget with GnuTLS. It resumes of its own accord, and speaks implicit TLS if it is told to.

use crate::client::Client;
use crate::samples::{self, assert_same};
use crate::server::{PASSWORD, Runtime, Server, Setup, USER};

on_both_runtimes! { downloads_explicit, downloads_implicit, downloads_many_files_over_one_login }

const VERSIONS: [&str; 2] =
    ["--ciphers=NORMAL:-VERS-ALL:+VERS-TLS1.2", "--ciphers=NORMAL:-VERS-ALL:+VERS-TLS1.3"];

fn wget(server: &Server, version: &str) -> Client {
    let authority = format!("--ca-certificate={}", server.certificate("authority.pem").display());
    let user = format!("--ftp-user={USER}");
    let password = format!("--ftp-password={PASSWORD}");
    Client::new(server, "wget")
        .args(["--no-config", "--no-verbose", "--no-proxy", "--tries=1", "--timeout=30"])
        .args(["--ftps-resume-ssl", version, &authority, &user, &password])
}

/// Where TLS begins with AUTH: wget calls that `ftps` as well.
fn explicit(server: &Server, path: &str) -> String {
    format!("ftps://{}/{path}", server.address())
}

fn downloads_explicit(runtime: Runtime) {
    for version in VERSIONS {
        let server = Setup::new(runtime).secured("").start();
        let content = samples::bytes(samples::LENGTH);
        server.put("file", &content);
        wget(&server, version).args(["-O", "down", &explicit(&server, "file")]).succeed();
        assert_same(&server.got("down"), &content);
        server.assert_sessions(1);
    }
}

fn downloads_implicit(runtime: Runtime) {
    for version in VERSIONS {
        let server = Setup::new(runtime).secured("").start();
        let content = samples::bytes(samples::LENGTH);
        server.put("file", &content);
        wget(&server, version)
            .args(["--ftps-implicit", "-O", "down", &server.implicit_url("file")])
            .succeed();
        assert_same(&server.got("down"), &content);
        server.assert_sessions(1);
    }
}

fn downloads_many_files_over_one_login(runtime: Runtime) {
    for version in VERSIONS {
        let server = Setup::new(runtime).secured("").start();
        std::fs::create_dir(server.path("tree")).unwrap();
        for number in 0..50 {
            server.put(format!("tree/file-{number}"), &samples::bytes(number * 1_000));
        }
        wget(&server, version).args(["-r", "-nH", "-P", "copy", &explicit(&server, "tree/")]).succeed();
        for number in 0..50 {
            assert_same(&server.got(format!("copy/tree/file-{number}")), &samples::bytes(number * 1_000));
        }
        server.assert_sessions(1);
    }
}
