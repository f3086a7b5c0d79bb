//! TLS as a codec beside the cipher alone: 256 KiB each way in records of 16 KiB, AES-256-GCM both times. What is
//! compared with copies the plain text once, since in place of the file's own buffer nothing can be encrypted.
#![allow(missing_docs, clippy::expect_used, reason = "criterion's macros; a benchmark that fails may panic")]

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ftp_proto::config::ClientCertificates;
use ftp_proto::time::UnixTime;
use ftp_proto::tls::rustls::{Identity, RustlsTls, TlsSettings};
use ftp_proto::tls::{FamilyWish, Tls, TlsRole, TlsSession};
use std::hint::black_box;
use std::time::{Duration, Instant};

const PIECE: usize = 256 << 10;
const RECORD: usize = 16 << 10;

fn cipher(bench: &mut Criterion) {
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).expect("a key"));
    let nonce = || Nonce::assume_unique_for_key([0; 12]);
    let plain = vec![1; PIECE];
    let mut group = bench.benchmark_group("cipher");
    group.throughput(Throughput::Bytes(PIECE as u64));
    let mut out = Vec::new();
    group.bench_function("copy and encrypt", |bench| {
        bench.iter(|| {
            out.clear();
            for record in black_box(&plain).chunks(RECORD) {
                let start = out.len();
                out.extend_from_slice(record);
                let tag = key.seal_in_place_separate_tag(nonce(), Aad::empty(), &mut out[start..]);
                out.extend_from_slice(tag.expect("room").as_ref());
            }
        });
    });
    let mut record = plain[..RECORD].to_vec();
    key.seal_in_place_append_tag(nonce(), Aad::empty(), &mut record).expect("room");
    group.bench_function("decrypt and copy", |bench| {
        bench.iter_custom(|rounds| {
            timed(
                rounds,
                || vec![record.clone(); PIECE / RECORD].concat(),
                |records, out| {
                    for record in records.chunks_mut(RECORD + 16) {
                        out.extend_from_slice(
                            key.open_in_place(nonce(), Aad::empty(), record).expect("whole"),
                        );
                    }
                },
            )
        });
    });
}

fn codec(bench: &mut Criterion) {
    let plain = vec![1; PIECE];
    let mut group = bench.benchmark_group("codec");
    group.throughput(Throughput::Bytes(PIECE as u64));
    let (mut server, _) = connected(TlsRole::Download);
    let mut out = Vec::new();
    group.bench_function("write", |bench| {
        bench.iter(|| {
            out.clear();
            server.write(black_box(&plain), &mut out).expect("a connection");
        });
    });
    let (mut server, mut client) = connected(TlsRole::Upload);
    let mut encrypt = || {
        let mut records = Vec::new();
        client.write(&plain, &mut records).expect("a connection");
        records
    };
    group.bench_function("read", |bench| {
        bench.iter_custom(|rounds| {
            timed(rounds, &mut encrypt, |records, out| read(&mut *server, records, out, &mut Vec::new()))
        });
    });
}

/// How long `work` takes, without making what it works on.
fn timed(
    rounds: u64,
    mut make: impl FnMut() -> Vec<u8>,
    mut work: impl FnMut(&mut Vec<u8>, &mut Vec<u8>),
) -> Duration {
    let mut out = Vec::with_capacity(PIECE);
    let mut total = Duration::ZERO;
    for _ in 0..rounds {
        let mut input = make();
        out.clear();
        let start = Instant::now();
        work(&mut input, &mut out);
        total += start.elapsed();
    }
    black_box(&out);
    total
}

/// A server's session and a client's, their handshake done.
fn connected(role: TlsRole) -> (Box<dyn TlsSession>, Box<dyn TlsSession>) {
    let now = UnixTime::from_seconds(1_790_000_000);
    let (certificate, key) =
        ftpd::certificate::self_signed::self_signed(&["ftp.example.org".to_owned()], now)
            .expect("a certificate");
    let identity = Identity::from_pem(certificate.as_bytes(), key.as_bytes()).expect("an identity");
    let tls = RustlsTls::new(TlsSettings { identities: vec![identity], ..TlsSettings::default() });
    let wish = FamilyWish { client_certificates: ClientCertificates::Ignore, host: None };
    let family = tls.expect("TLS").family(wish);
    let mut server = family.open(role).expect("a session");
    let mut client = family.open(TlsRole::Client).expect("a session");
    let (mut to_server, mut to_client, mut plain) = (Vec::new(), Vec::new(), Vec::new());
    client.begin(&mut to_server);
    while !to_server.is_empty() {
        read(&mut *server, &mut std::mem::take(&mut to_server), &mut plain, &mut to_client);
        read(&mut *client, &mut std::mem::take(&mut to_client), &mut plain, &mut to_server);
    }
    (server, client)
}

/// All records, one at a time.
fn read(session: &mut dyn TlsSession, mut records: &mut [u8], plain: &mut Vec<u8>, out: &mut Vec<u8>) {
    while let [_, _, _, high, low, ..] = *records {
        let (record, rest) = records.split_at_mut(5 + usize::from(u16::from_be_bytes([high, low])));
        session.read_record(record, plain, out).expect("a record");
        records = rest;
    }
}

criterion_group!(benches, cipher, codec);
criterion_main!(benches);
