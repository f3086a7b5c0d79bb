//! Clients that leave TLS on the control connection after the login (CCC, RFC 4217 section 12.3): each does it in its
//! own way.

use crate::client::Client;
use crate::samples::{self, assert_same};
use crate::server::{PASSWORD, Runtime, Server, Setup, USER};

on_both_runtimes! { lftp_waits_for_close_notify, curl_waits_for_close_notify, curl_and_ftplib_say_it_first }

/// lftp, and curl if it waits, forget the TLS session together with TLS, so they can't resume it.
fn start(runtime: Runtime) -> Server {
    Setup::new(runtime).tls_settings("ccc = true\ndata_resumption = \"warn\"").start()
}

fn lftp_waits_for_close_notify(runtime: Runtime) {
    let server = start(runtime);
    let sent = samples::bytes(samples::LENGTH);
    server.give("up", &sent);
    let settings = format!(
        "set cmd:fail-exit yes; set net:max-retries 1; set ftp:ssl-force yes; set ftp:ssl-use-ccc yes; \
         set ssl:ca-file \"{}\"",
        server.certificate().display()
    );
    let open = format!("open -u {USER},{PASSWORD} -p {} {}", server.port(), server.host());
    let commands = format!("{settings}; debug 5; {open}; put up -o there; get there -o down; cls");
    let said = Client::new(&server, "lftp").args(["--norc", "-c", &commands]).succeed();
    let debug = String::from_utf8_lossy(&said.errors).into_owned();
    assert!(debug.contains("200 The control connection goes on in the clear."), "{debug}");
    assert_eq!(debug.matches("Connecting to ").count(), 1, "{debug}");
    assert_same(&server.get("there"), &sent);
    assert_same(&server.got("down"), &sent);
}

fn curl_waits_for_close_notify(runtime: Runtime) {
    let server = start(runtime);
    server.put("hello.txt", b"hello");
    assert_eq!(curl(&server, "passive"), "hello");
}

fn curl_and_ftplib_say_it_first(runtime: Runtime) {
    let server = Setup::new(runtime).tls_settings("ccc = true").start();
    server.put("hello.txt", b"hello");
    assert_eq!(curl(&server, "active"), "hello");
    let script = format!(
        "import ftplib, ssl\n\
         ftp = ftplib.FTP_TLS(context=ssl.create_default_context(cafile={:?}))\n\
         ftp.connect({:?}, {})\nftp.login({USER:?}, {PASSWORD:?})\n\
         ftp.ccc()\nprint(ftp.pwd(), ftp.sendcmd('NOOP'))\nftp.quit()\n",
        server.certificate(),
        server.host(),
        server.port()
    );
    assert_eq!(Client::new(&server, "python3").args(["-c", &script]).succeed().text(), "/ 200 Yes.\n");
}

fn curl(server: &Server, mode: &str) -> String {
    let user = format!("{USER}:{PASSWORD}");
    let client = Client::new(server, "curl").args(["-sS", "--max-time", "60", "--ssl-reqd", "-u", &user]);
    let client = client.args(["--ftp-ssl-ccc-mode", mode, "--cacert"]).arg(server.certificate());
    client.arg(server.url("hello.txt")).succeed().text()
}
