//! Passive ports, by way of the server that has the pool: 100 of them, on which 1,000 other clients wait.

use crate::still::Still;
use crate::talk::{client, now, server, settle};
use crate::{Row, Work};
use ftp_proto::diagnose::Way;
use ftp_proto::event::{Answer, Arrival, LinkId, Request, SessionId};
use ftp_proto::time::Instant;
use ftp_proto::{Admission, Server};
use std::net::SocketAddr;
use std::time::Duration;

pub(crate) const PATHS: &[Row] = &[
    ("port leased and connected to, 1,000 others pending", 1, used),
    ("port leased and given back, 1,000 others pending", 1, given_back),
    ("port that a stranger comes to, 1,000 others pending", 1, stranger),
];

struct Pool {
    server: Server,
    session: SessionId,
    link: u32,
}

const CLIENT: u16 = 2_000;

impl Pool {
    fn new() -> Self {
        let mut server = server(Still::new([]));
        for number in 0..1_000 {
            let session = admit(&mut server, client(number));
            lease(&mut server, session, LinkId::new(1));
        }
        let session = admit(&mut server, client(CLIENT));
        Self { server, session, link: 0 }
    }

    fn lease(&mut self) -> (LinkId, u16) {
        self.link += 1;
        let link = LinkId::new(self.link);
        (link, lease(&mut self.server, self.session, link))
    }
}

fn admit(server: &mut Server, peer: SocketAddr) -> SessionId {
    let local = SocketAddr::from(([198, 51, 100, 1], 21));
    match server.admit(now(), Arrival::new(local, peer)) {
        Admission::Accepted(session, _) => session,
        Admission::Refused(why) => panic!("refused: {}", why.escape_ascii()),
    }
}

fn lease(server: &mut Server, session: SessionId, link: LinkId) -> u16 {
    let until = Instant::ZERO + Duration::from_secs(30);
    let way = Way::default();
    let answer = server.consult(now(), Request::Lease { session, link, until, open: false, way });
    let Answer::Leased { port, .. } = answer else { panic!("{answer:?}") };
    server.activate(now(), session, link);
    port
}

fn used() -> Work {
    let mut pool = Pool::new();
    Box::new(move || {
        let (link, port) = pool.lease();
        let owner = pool.server.route(now(), port, client(CLIENT));
        assert_eq!(owner, Some((pool.session, link.arrived(1))));
    })
}

fn given_back() -> Work {
    let mut pool = Pool::new();
    Box::new(move || {
        let (link, _) = pool.lease();
        pool.server.consult(now(), Request::Release { session: pool.session, link });
    })
}

fn stranger() -> Work {
    let mut pool = Pool::new();
    let (_, port) = pool.lease();
    Box::new(move || {
        assert_eq!(pool.server.route(now(), port, client(3_000)), None);
        settle(&mut pool.server);
    })
}
