//! The floor of control connections: one thread, one epoll set, no transfers. What a thread per session costs more
//! (at login above all) is seen beside it.

use crate::Failure;
use crate::speech::{GREETING, fixed};
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::net::{RecvFlags, SendFlags, SocketFlags};
use std::net::TcpListener;
use std::os::fd::OwnedFd;

/// The key of the listener; sessions have their place in the slab.
const LISTENER: u64 = u64::MAX;

pub(crate) fn serve(port: u16) -> Result<(), Failure> {
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    rustix::net::listen(&listener, 4096)?;
    let set = epoll::create(CreateFlags::empty())?;
    epoll::add(&set, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    let mut sessions: slab::Slab<OwnedFd> = slab::Slab::new();
    let mut events = Vec::with_capacity(256);
    let mut buffer = vec![0u8; 8192];
    loop {
        events.clear();
        epoll::wait(&set, rustix::buffer::spare_capacity(&mut events), None)?;
        for event in &events {
            let key = event.data.u64();
            if key == LISTENER {
                let _ = greet(&listener, &set, &mut sessions);
            } else if let Ok(key) = usize::try_from(key)
                && !answer(&sessions[key], &mut buffer)
            {
                sessions.remove(key);
            }
        }
    }
}

fn greet(
    listener: &TcpListener,
    set: &OwnedFd,
    sessions: &mut slab::Slab<OwnedFd>,
) -> rustix::io::Result<()> {
    let client = rustix::net::accept_with(listener, SocketFlags::CLOEXEC)?;
    rustix::net::sockopt::set_tcp_nodelay(&client, true)?;
    let place = sessions.vacant_entry();
    epoll::add(set, &client, EventData::new_u64(place.key() as u64), EventFlags::IN)?;
    rustix::net::send(&client, GREETING, SendFlags::NOSIGNAL)?;
    place.insert(client);
    Ok(())
}

/// Whether the session goes on.
fn answer(client: &OwnedFd, buffer: &mut [u8]) -> bool {
    let Ok((length, _)) = rustix::net::recv(client, &mut buffer[..], RecvFlags::empty()) else {
        return false;
    };
    if length == 0 {
        return false;
    }
    let mut replies: Vec<u8> = Vec::new();
    let mut quit = false;
    for line in buffer[..length].split(|&byte| byte == b'\n').filter(|line| line.len() > 3) {
        let verb = line.split(|&byte| byte == b' ' || byte == b'\r').next().unwrap_or_default();
        quit |= verb == b"QUIT";
        replies.extend_from_slice(fixed(verb));
    }
    let _ = rustix::net::send(client, &replies, SendFlags::NOSIGNAL);
    !quit
}
