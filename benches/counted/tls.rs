//! What the core does around TLS. The cryptography is left out: it depends on what the processor can do, and is no
//! part of the core.

use crate::still::Still;
use crate::talk::{Talk, pump};
use crate::{Row, Work};
use ftp_proto::testing::{data_handshake, secure_pipe};
use ftp_proto::tls::{
    FamilyWish, Resumption, Tls, TlsError, TlsFacts, TlsFamily, TlsRole, TlsSession, TlsStatus, TlsVersion,
};
use ftp_proto::transfer::{Coding, Pipe};
use std::sync::Arc;

pub(crate) const PATHS: &[Row] = &[
    ("NOOP under TLS", 1, noop),
    ("download under TLS, 64 KiB", 16, download),
    ("upload under TLS, 64 KiB", 16, upload),
];

/// A record's header, and the handshake, alert and data that begin with it.
const HANDSHAKE: [u8; 5] = [22, 3, 3, 0, 0];
const CLOSE_NOTIFY: [u8; 5] = [21, 3, 3, 0, 0];
const RECORD: usize = 16 << 10;

/// TLS that costs a copy each way and nothing else.
struct CopyingTls;

impl Tls for CopyingTls {
    fn family(&self, _: FamilyWish<'_>) -> Box<dyn TlsFamily> {
        Box::new(Self)
    }

    fn knows_host(&self, _: &str) -> bool {
        false
    }
}

impl TlsFamily for CopyingTls {
    fn open(&self, _: TlsRole) -> Result<Box<dyn TlsSession>, TlsError> {
        Ok(Box::new(Self))
    }
}

impl TlsSession for CopyingTls {
    fn read_record(
        &mut self,
        record: &mut [u8],
        plain: &mut Vec<u8>,
        _: &mut Vec<u8>,
    ) -> Result<TlsStatus, TlsError> {
        plain.extend_from_slice(record.get(5..).unwrap_or_default());
        Ok(if record == CLOSE_NOTIFY { TlsStatus::Closed } else { TlsStatus::Established })
    }

    fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), TlsError> {
        for piece in plain.chunks(RECORD) {
            out.extend_from_slice(&header(piece.len()));
            out.extend_from_slice(piece);
        }
        Ok(())
    }

    fn close_notify(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&CLOSE_NOTIFY);
    }

    fn facts(&self) -> Option<TlsFacts> {
        Some(TlsFacts {
            version: TlsVersion::V1_3,
            suite: "TLS_NULL",
            server_name: None,
            client_certificate: None,
            resumption: Resumption::Resumed,
        })
    }
}

/// Of a record of data.
fn header(len: usize) -> [u8; 5] {
    let [high, low] = u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes();
    [23, 3, 3, high, low]
}

fn record(plain: &[u8]) -> Vec<u8> {
    [&header(plain.len()), plain].concat()
}

fn noop() -> Work {
    let mut talk = Talk::new(Still::new([]), Some(Arc::new(CopyingTls)));
    talk.say(b"AUTH TLS\r\n", b"234 ");
    talk.receive(&HANDSHAKE);
    let noop = record(b"NOOP\r\n");
    Box::new(move || talk.say(&noop, &[23, 3, 3]))
}

fn secured(mut pipe: Pipe) -> Pipe {
    let mut handshake = data_handshake(Box::new(CopyingTls));
    handshake.receive(&HANDSHAKE);
    secure_pipe(&mut pipe, handshake, true).expect("a handshake");
    pipe
}

fn download() -> Work {
    let still = Still::new(vec![7; 64 * RECORD]);
    Box::new(move || {
        let pipe = Pipe::download(still.open_file(), 0, None, Coding::IMAGE);
        let end = pump(secured(pipe), &[]);
        assert_eq!((end.bytes, end.outcome), (64 * RECORD as u64, Ok(())));
    })
}

fn upload() -> Work {
    let still = Still::new([]);
    let mut records = record(&[7; RECORD]).repeat(64);
    records.extend(CLOSE_NOTIFY);
    Box::new(move || {
        let pipe = Pipe::upload(still.open_file(), Coding::IMAGE);
        let end = pump(secured(pipe), &records);
        assert_eq!((end.bytes, end.outcome), (64 * RECORD as u64, Ok(())));
    })
}
