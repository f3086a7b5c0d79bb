//! Looks at the server before a case and after it: whatever was done to it, everything has to be back.

use crate::client::{Client, PATIENCE, eventually};
use crate::server::{Server, Standing};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

/// Threads that stay when they have nothing to do: up to 32 at each of two listeners, and smol's pool lets its own go
/// after half a second.
const SPARE_THREADS: u64 = 64;
/// How much more memory may be in use than before, in KiB. The allocator keeps pieces for each of many threads, and so
/// do the tables that have once been large.
const MEMORY: u64 = 32 << 10;
/// How many more pieces of memory the kernel may know of: two for a stack, and more for what the allocator keeps for a
/// thread.
const MAPPINGS: usize = 1_000;
/// What a fresh client waits at most for anything.
const PROMPT: Duration = Duration::from_secs(3);

/// What it was like before.
pub(crate) struct Watch {
    descriptors: usize,
    threads: u64,
    memory: u64,
    mappings: usize,
    /// What else the log may say at the level ERROR.
    expected: Vec<&'static str>,
    more_memory: u64,
}

impl Watch {
    /// Begins behind a warm-up: what is made once is there then.
    pub(crate) fn begin(server: &Server) -> Self {
        Self::begin_from(Ipv4Addr::LOCALHOST, server)
    }

    /// The same where clients have this address.
    pub(crate) fn begin_from(own: Ipv4Addr, server: &Server) -> Self {
        for login in [Client::try_login, Client::try_login_securely] {
            let mut client = login(own, server.address).unwrap();
            client.store("STOR .warm-up", b"warm");
            assert_eq!(client.fetch("RETR .warm-up"), b"warm");
            client.fetch("LIST");
            client.expect("DELE .warm-up", 250);
            client.expect("QUIT", 221);
        }
        eventually("the warm-up is over", PATIENCE, || server.standing().sessions == 0);
        Self {
            descriptors: server.descriptors(),
            threads: server.kernel_says("Threads"),
            memory: server.kernel_says("VmRSS"),
            mappings: server.mappings(),
            expected: Vec::new(),
            more_memory: MEMORY,
        }
    }

    /// Lines of the log with this are no error, but what the case wants to see.
    pub(crate) fn expects(mut self, text: &'static str) -> Self {
        self.expected.push(text);
        self
    }

    /// So much more memory may stay in use, in KiB.
    pub(crate) fn leaves_memory(mut self, kib: u64) -> Self {
        self.more_memory = kib;
        self
    }

    /// Fails unless everything is back, and a fresh client is served.
    pub(crate) fn end(self, server: &Server) {
        // From where no lease cools down.
        self.end_from(Ipv4Addr::new(127, 0, 0, 77), server);
    }

    /// The same where clients have this address.
    pub(crate) fn end_from(self, own: Ipv4Addr, server: &Server) {
        let nothing = Standing { sessions: 0, transfers: 0, leases: 0, queued: 0 };
        let begin = Instant::now();
        while server.standing() != nothing {
            assert!(begin.elapsed() < PATIENCE, "it has not ended everything: {:?}", server.standing());
            std::thread::sleep(Duration::from_millis(50));
        }
        let begin = Instant::now();
        let mut client = Client::login_from(own, server.address);
        client.store("STOR .afterwards", b"all is well");
        assert_eq!(client.fetch("RETR .afterwards"), b"all is well");
        client.expect("DELE .afterwards", 250);
        client.expect("NOOP", 200);
        let took = begin.elapsed();
        assert!(took < PROMPT, "a fresh client waited for {took:?}");
        client.expect("QUIT", 221);
        drop(client);
        self.wait_for_resources(server);
        self.read_log(server);
    }

    fn wait_for_resources(&self, server: &Server) {
        let begin = Instant::now();
        loop {
            let (descriptors, mappings) = (server.descriptors(), server.mappings());
            let (threads, memory) = (server.kernel_says("Threads"), server.kernel_says("VmRSS"));
            if descriptors <= self.descriptors
                && threads <= self.threads + SPARE_THREADS
                && memory <= self.memory + self.more_memory
                && mappings <= self.mappings + MAPPINGS
            {
                return;
            }
            assert!(
                begin.elapsed() < Duration::from_secs(10),
                "descriptors, threads, memory (KiB), mappings: before {:?}, now {:?}",
                (self.descriptors, self.threads, self.memory, self.mappings),
                (descriptors, threads, memory, mappings)
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What the server itself calls an error, and what Rust says of panics.
    fn read_log(&self, server: &Server) {
        let log = server.log();
        let is_wrong = |line: &&str| {
            (line.contains(" ERROR ") || line.contains("panicked") || line.contains("internal error"))
                && !self.expected.iter().any(|text| line.contains(text))
        };
        let wrong: Vec<&str> = log.lines().filter(is_wrong).collect();
        assert!(wrong.is_empty(), "errors in the log: {wrong:#?}");
    }
}
