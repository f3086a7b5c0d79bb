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

/// Runs wget until it had its ticket in time. Under TLS 1.3 the ticket comes behind the handshake; GnuTLS waits 50 ms
/// for it, which a busy machine may miss, and then wget has nothing to resume.
fn succeed(attempt: impl Fn() -> (Server, Client)) -> Server {
    const TRIES: usize = 5;
    for left in (0..TRIES).rev() {
        let (server, client) = attempt();
        let transcript = client.run();
        let missed = transcript.everything().contains("Could not save SSL session data");
        if transcript.status.success() || !missed || left == 0 {
            assert!(transcript.status.success(), "{}", transcript.everything());
            return server;
        }
    }
    unreachable!("the last try returns or fails")
}

/// Where TLS begins with AUTH: wget calls that `ftps` as well.
fn explicit(server: &Server, path: &str) -> String {
    format!("ftps://{}/{path}", server.address())
}

fn downloads_explicit(runtime: Runtime) {
    downloads(runtime, |server, wget| wget.args(["-O", "down", &explicit(server, "file")]));
}

fn downloads_implicit(runtime: Runtime) {
    downloads(runtime, |server, wget| {
        wget.args(["--ftps-implicit", "-O", "down", &server.implicit_url("file")])
    });
}

fn downloads(runtime: Runtime, arguments: impl Fn(&Server, Client) -> Client) {
    for version in VERSIONS {
        let content = samples::bytes(samples::LENGTH);
        let server = succeed(|| {
            let server = Setup::new(runtime).secured("").start();
            server.put("file", &content);
            let client = arguments(&server, wget(&server, version));
            (server, client)
        });
        assert_same(&server.got("down"), &content);
        server.assert_sessions(1);
    }
}

fn downloads_many_files_over_one_login(runtime: Runtime) {
    for version in VERSIONS {
        let server = succeed(|| {
            let server = Setup::new(runtime).secured("").start();
            std::fs::create_dir(server.path("tree")).unwrap();
            for number in 0..50 {
                server.put(format!("tree/file-{number}"), &samples::bytes(number * 1_000));
            }
            let client =
                wget(&server, version).args(["-r", "-nH", "-P", "copy", &explicit(&server, "tree/")]);
            (server, client)
        });
        for number in 0..50 {
            assert_same(&server.got(format!("copy/tree/file-{number}")), &samples::bytes(number * 1_000));
        }
        server.assert_sessions(1);
    }
}
