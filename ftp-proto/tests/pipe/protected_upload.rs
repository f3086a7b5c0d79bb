//! Uploads under TLS.

use crate::drive::{Stored, Watch, at, drive, from_wire};
use crate::protected::{alert, protect, said};
use ftp_proto::event::LinkError;
use ftp_proto::host::StorageError;
use ftp_proto::testing::FakeTlsClient;
use ftp_proto::tls::{TlsError, TlsStatus};
use ftp_proto::transfer::{Coding, EndReason, Pipe, Step, TransferEnd};
use quickcheck::{QuickCheck, quickcheck};

const NEEDED: bool = true;
const TOLERATED: bool = false;

struct Upload {
    pipe: Pipe,
    client: FakeTlsClient,
    watch: Watch,
}

impl Upload {
    fn new(coding: Coding, needs_close_notify: bool, behind: impl FnOnce(&mut FakeTlsClient)) -> Self {
        let (file, watch) = Stored::new(b"").direct().boxed();
        let mut pipe = Pipe::upload(file, coding);
        let client = protect(&mut pipe, needs_close_notify, behind);
        Self { pipe, client, watch }
    }

    fn binary(needs_close_notify: bool) -> Self {
        Self::new(Coding::IMAGE, needs_close_notify, |_| {})
    }

    fn step(&mut self) -> Step {
        self.pipe.step(at(0))
    }

    /// The client's words arrive.
    fn arrive(&mut self) {
        let mut bytes = self.client.take_outgoing();
        self.pipe.receive_in_place(at(0), &mut bytes);
    }

    /// What the pipe wants to write arrives at the client.
    fn deliver(&mut self) {
        self.client.receive(self.pipe.transmit()).unwrap();
        self.pipe.transmitted(at(0), self.pipe.transmit().len());
    }

    /// Nothing is left to do but to end the file.
    fn end(&mut self) -> TransferEnd {
        assert_eq!(self.step(), Step::Turn);
        self.pipe.turn();
        match self.step() {
            Step::End(end) => end,
            other => panic!("{other:?}"),
        }
    }

    fn stored(&self) -> Vec<u8> {
        self.watch.record().bytes.clone()
    }

    fn finished(&self) -> Vec<bool> {
        self.watch.ending().1
    }
}

fn lost() -> EndReason {
    EndReason::Link(LinkError::Reset)
}

quickcheck! {
    fn the_file_holds_what_the_client_sent(pieces: Vec<Vec<u8>>, behind: usize, choices: Vec<u8>) -> bool {
        let behind = &pieces[..behind.min(pieces.len())];
        let mut upload = Upload::new(Coding::IMAGE, NEEDED, |client| {
            behind.iter().for_each(|piece| client.send(piece).unwrap());
        });
        for piece in &pieces[behind.len()..] {
            upload.client.send(piece).unwrap();
            upload.client.update_keys();
        }
        upload.client.close_notify();
        let incoming = [&upload.client.take_outgoing()[..], b"no TLS any more"].concat();
        let seen = drive(&mut upload.pipe, None, &incoming, &choices);
        upload.client.receive(&seen.wire).unwrap();
        assert_eq!(upload.client.status(), TlsStatus::Closed);
        assert_eq!(upload.client.key_updates(), pieces.len() - behind.len());
        let sent = pieces.concat();
        let end = TransferEnd { bytes: sent.len() as u64, outcome: Ok(()), close_notify: true };
        upload.stored() == sent && upload.finished() == [true] && seen.end == end
    }
}

#[test]
fn line_ends_become_line_feeds_however_the_records_are_cut() {
    fn property(pieces: Vec<Vec<u8>>, choices: Vec<u8>) -> bool {
        let mut upload = Upload::new(Coding::ASCII, NEEDED, |_| {});
        let mut sent = Vec::new();
        for piece in &pieces {
            let text: Vec<u8> = piece.iter().map(|&byte| b"\r\n\r\nab"[usize::from(byte) % 6]).collect();
            upload.client.send(&text).unwrap();
            sent.extend(text);
        }
        upload.client.close_notify();
        let seen = drive(&mut upload.pipe, None, &upload.client.take_outgoing(), &choices);
        upload.stored() == from_wire(&sent) && seen.end.bytes == sent.len() as u64
    }
    QuickCheck::new().tests(1_000).quickcheck(property as fn(Vec<Vec<u8>>, Vec<u8>) -> bool);
}

#[test]
fn large_uploads_are_written_in_large_pieces() {
    let sent: Vec<u8> = (0..1 << 20).map(|at: u32| (at % 251) as u8).collect();
    for (coding, read) in [(Coding::IMAGE, 64 << 10), (Coding::IMAGE, 20_000), (Coding::ASCII, 1_000)] {
        let mut upload = Upload::new(coding, NEEDED, |_| {});
        let incoming = said(&mut upload.client, &sent);
        let mut pieces = incoming.chunks(read);
        let mut most = 0;
        let end = loop {
            match upload.step() {
                Step::Read => upload.pipe.receive_in_place(at(0), &mut pieces.next().unwrap().to_vec()),
                Step::Write => upload.deliver(),
                Step::Turn => {
                    let before = upload.stored().len();
                    upload.pipe.turn();
                    most = most.max(upload.stored().len() - before);
                }
                Step::Marked(_) | Step::Report(_) => {}
                Step::End(end) => break end,
                Step::Direct { .. } => panic!("past TLS"),
            }
        };
        assert_eq!(end.outcome, Ok(()));
        assert_eq!(upload.stored(), sent);
        assert!(most < (128 << 10) + read, "no more is held than one read beyond 128 KiB: {most}");
        assert!(upload.watch.ending().0 <= 9);
    }
}

#[test]
fn close_notify_is_answered_before_the_file_is_published() {
    let mut upload = Upload::binary(NEEDED);
    assert_eq!(upload.step(), Step::Read, "never direct");
    upload.client.send(b"all of it").unwrap();
    upload.client.close_notify();
    upload.arrive();
    assert_eq!(upload.step(), Step::Write);
    assert_eq!(upload.finished(), []);
    upload.deliver();
    assert_eq!(upload.client.status(), TlsStatus::Closed);
    assert_eq!(upload.end(), TransferEnd { bytes: 9, outcome: Ok(()), close_notify: true });
    assert_eq!((&upload.stored()[..], upload.finished()), (&b"all of it"[..], vec![true]));
}

#[test]
fn a_client_that_is_gone_when_its_close_notify_is_answered_loses_nothing() {
    let mut upload = Upload::binary(NEEDED);
    upload.client.send(b"all of it").unwrap();
    upload.client.close_notify();
    upload.arrive();
    assert_eq!(upload.step(), Step::Write);
    upload.pipe.fail(lost());
    assert!(upload.pipe.transmit().is_empty());
    assert_eq!(upload.end(), TransferEnd { bytes: 9, outcome: Ok(()), close_notify: true });
    assert_eq!((&upload.stored()[..], upload.finished()), (&b"all of it"[..], vec![true]));
}

#[test]
fn an_abort_before_the_answer_to_close_notify_is_an_abort() {
    let mut upload = Upload::binary(NEEDED);
    upload.client.close_notify();
    upload.arrive();
    upload.pipe.fail(EndReason::Aborted);
    assert_eq!(upload.end().outcome, Err(EndReason::Aborted));
    assert_eq!(upload.finished(), [false]);
}

#[test]
fn a_link_that_breaks_before_close_notify_breaks_the_upload() {
    let mut upload = Upload::binary(TOLERATED);
    upload.client.send(b"a part").unwrap();
    upload.arrive();
    upload.pipe.fail(lost());
    assert_eq!(upload.end(), TransferEnd::failed(6, lost()));
    assert_eq!((&upload.stored()[..], upload.finished()), (&b"a part"[..], vec![false]));
}

#[test]
fn without_close_notify_the_policy_decides() {
    for (needed, outcome) in [(TOLERATED, Ok(())), (NEEDED, Err(EndReason::Truncated))] {
        let mut upload = Upload::binary(needed);
        upload.client.send(b"all?").unwrap();
        upload.arrive();
        upload.pipe.receive(at(0), b"");
        upload.client.send(b"unasked for").unwrap();
        upload.arrive();
        if outcome.is_ok() {
            assert_eq!(upload.step(), Step::Write, "we still say that we have done");
            upload.deliver();
            assert_eq!(upload.client.status(), TlsStatus::Closed);
        }
        let published = outcome.is_ok();
        assert_eq!(upload.end(), TransferEnd { bytes: 4, outcome, close_notify: false });
        assert_eq!((&upload.stored()[..], upload.finished()), (&b"all?"[..], vec![published]));
    }
}

#[test]
fn half_a_record_at_the_end_is_cut_off_whatever_the_policy() {
    for needed in [TOLERATED, NEEDED] {
        for missing in 1..24 {
            let mut upload = Upload::binary(needed);
            upload.client.send(b"whole").unwrap();
            upload.client.send(b"half of this is missing").unwrap();
            let mut bytes = upload.client.take_outgoing();
            bytes.truncate(bytes.len() - missing);
            upload.pipe.receive_in_place(at(0), &mut bytes);
            upload.pipe.receive_in_place(at(0), &mut []);
            assert_eq!(upload.end(), TransferEnd::failed(5, EndReason::Truncated));
            assert_eq!((&upload.stored()[..], upload.finished()), (&b"whole"[..], vec![false]));
        }
    }
}

#[test]
fn a_damaged_record_ends_the_upload_and_the_client_is_told() {
    let mut upload = Upload::binary(TOLERATED);
    upload.client.send(b"a part").unwrap();
    upload.client.send_damaged();
    upload.client.send(b"more").unwrap();
    let seen = drive(&mut upload.pipe, None, &upload.client.take_outgoing(), b"");
    assert!(matches!(seen.end.outcome, Err(EndReason::Tls(TlsError::Broken(_)))), "{:?}", seen.end);
    assert_eq!((seen.end.bytes, seen.end.close_notify), (6, false));
    assert_eq!(alert(&mut upload.client, &seen.wire), "bad_record_mac");
    assert_eq!((&upload.stored()[..], upload.finished()), (&b"a part"[..], vec![false]));
}

#[test]
fn an_alert_that_can_not_be_sent_holds_up_nothing() {
    for why in [lost(), EndReason::Aborted] {
        let mut upload = Upload::binary(TOLERATED);
        upload.client.send_damaged();
        upload.arrive();
        assert_eq!(upload.step(), Step::Turn);
        upload.pipe.turn();
        assert_eq!(upload.step(), Step::Write);
        upload.pipe.fail(why);
        assert!(matches!(
            upload.step(),
            Step::End(TransferEnd { outcome: Err(EndReason::Tls(TlsError::Broken(_))), .. })
        ));
    }
}

#[test]
fn an_alert_of_the_client_ends_the_upload() {
    let mut upload = Upload::binary(TOLERATED);
    upload.client.send(b"a part").unwrap();
    upload.client.alert("internal_error");
    upload.arrive();
    let why = EndReason::Tls(TlsError::Alert("internal_error".into()));
    assert_eq!(upload.end(), TransferEnd::failed(6, why));
    assert_eq!(upload.finished(), [false]);
}

#[test]
fn what_is_no_tls_ends_the_upload() {
    let mut upload = Upload::binary(TOLERATED);
    upload.pipe.receive(at(0), b"plain text");
    assert_eq!(upload.end().outcome, Err(EndReason::Tls(TlsError::NotTls)));
}

#[test]
fn what_tls_asks_for_is_answered_before_more_is_read() {
    let mut upload = Upload::binary(TOLERATED);
    upload.client.update_keys();
    upload.arrive();
    assert_eq!(upload.step(), Step::Write);
    upload.deliver();
    assert_eq!(upload.client.key_updates(), 1);
    assert_eq!(upload.step(), Step::Read);
}

#[test]
fn what_came_with_the_last_of_the_handshake_is_read_before_the_socket() {
    let mut upload = Upload::new(Coding::IMAGE, NEEDED, |client| {
        client.send(b"small").unwrap();
        client.close_notify();
    });
    let seen = drive(&mut upload.pipe, None, b"", b"");
    assert_eq!(seen.steps.len(), 3);
    assert!(matches!(seen.steps[..], [Step::Write, Step::Turn, Step::End(_)]));
    assert_eq!(seen.end, TransferEnd { bytes: 5, outcome: Ok(()), close_notify: true });
    assert_eq!((&upload.stored()[..], upload.finished()), (&b"small"[..], vec![true]));
}

#[test]
fn a_storage_that_fails_says_nothing_to_the_client_under_tls() {
    let mut upload = Upload::binary(TOLERATED);
    upload.watch.record().write_error = Some(StorageError::NoSpace);
    let incoming = said(&mut upload.client, b"too much");
    let seen = drive(&mut upload.pipe, None, &incoming, b"");
    assert_eq!(seen.end.outcome, Err(EndReason::Storage(StorageError::NoSpace)));
    assert!(seen.end.close_notify, "the client did its part");
    assert_eq!(upload.finished(), [false]);
}

#[test]
fn a_client_that_needs_long_for_a_record_is_not_taken_for_one_that_stalls() {
    let mut upload = Upload::binary(NEEDED);
    let incoming = said(&mut upload.client, &[7; 16 << 10]);
    let mut reports = Vec::new();
    for (second, piece) in incoming.chunks(6_000).enumerate() {
        let now = at(second as u64 * 1_000);
        while let Step::Report(bytes) = upload.pipe.step(now) {
            reports.push(bytes);
        }
        upload.pipe.receive(now, piece);
    }
    assert_eq!(reports, [0, 0], "something came, if no plain text yet");
    assert_eq!(upload.pipe.step(at(60_000)), Step::Report(16 << 10));
}
