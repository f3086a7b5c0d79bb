//! Whether a server does at all what is measured: a download and an upload, byte for byte, and the listings.

use crate::client::{Client, Control};
use crate::data::{Source, sum_of};
use crate::options::{Options, Outcome, told};
use crate::report::Line;

pub(crate) fn verify(options: &'static Options) {
    let mut line = Line::new(options);
    match check(options) {
        Ok(note) => {
            line.errors(0, "");
            line.text("note", &note);
        }
        Err(error) => line.errors(1, &error),
    }
    line.print();
}

fn check(options: &'static Options) -> Outcome<String> {
    let right = told("--source", std::fs::read(&options.source))?;
    let right_sum = sum_of(&right);
    let mut client = Client::ready(options)?;
    let (down, _) = client.fetch(&format!("RETR {}", options.file), true)?;
    if (down.bytes, down.sum) != (right.len() as u64, right_sum) {
        return Err(format!("the download differs: {} bytes of {}", down.bytes, right.len()));
    }
    client.store("STOR up_verify", &Source::whole(&options.source)?)?;
    let (up, _) = client.fetch("RETR up_verify", true)?;
    if up.sum != right_sum {
        return Err("the upload differs".into());
    }
    let _ = client.command("DELE up_verify", &[250]);
    let (list, _) = client.fetch("LIST", false)?;
    let machine = match client.fetch("MLSD", false) {
        Ok((received, _)) => format!("MLSD {} bytes", received.bytes),
        Err(error) => format!("no MLSD ({error})"),
    };
    let tls = match &client.control {
        Control::Tls(tls) => format!(
            ", {:?} {:?}, resumed {}, full {}",
            tls.connection.protocol_version(),
            tls.connection.negotiated_cipher_suite().map(|suite| suite.suite()),
            client.resumed,
            client.full
        ),
        Control::Plain(_) => String::new(),
    };
    client.quit();
    Ok(format!("{} bytes down and up, LIST {} bytes, {machine}{tls}", down.bytes, list.bytes))
}
