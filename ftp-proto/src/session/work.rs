//! A long job of a session, as a digest: from its command to its reply the session goes on listening.
//!
//! For the queue of commands it is like a transfer: what is marked `Busy::Now` runs at once, all else waits for its
//! end. Since nobody expects other replies before the one to the command itself, a 150 comes before the first of them.

use super::timers::Timer;
use super::transfer::After;
use super::{Session, Turn};
#[cfg(feature = "digests")]
use crate::event::Digested;
use crate::event::{Contender, Course, Done, Job, LongJob, Ticket};
use crate::host::StorageError;
use crate::notice::Notice;
use crate::path::VirtualPath;
use crate::reply::Reply;
use crate::session::Reaction;
use crate::time::Now;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;

/// How long a stopped job has to come back.
const STOP_GRACE: core::time::Duration = core::time::Duration::from_secs(10);

/// What is said when it has come to its end.
pub(crate) enum Finish {
    /// Something is changed.
    Changed {
        /// The new name, if there is one.
        to: Option<VirtualPath>,
        reply: Reply,
    },
    /// Files are put together in one.
    Combined,
    /// How many bytes.
    Measured,
    /// Digests, in the form of their command.
    #[cfg(feature = "digests")]
    Digested(fn(crate::digest::Algorithm, &[Digested]) -> Reply, crate::digest::Algorithm),
}

impl Finish {
    /// Whether nothing is lost when it is stopped.
    fn is_question(&self) -> bool {
        !matches!(self, Self::Changed { .. } | Self::Combined)
    }
}

/// A long job that runs.
pub(crate) struct Work {
    ticket: Ticket,
    verb: &'static str,
    path: VirtualPath,
    course: Arc<Course>,
    finish: Finish,
    /// What was done when it was last looked at.
    seen: usize,
    /// The client was told that more replies come.
    is_announced: bool,
    after: Option<After>,
}

/// However it ends, a job that nobody waits for any more stops.
impl Drop for Work {
    fn drop(&mut self) {
        self.course.stop();
    }
}

impl Turn<'_> {
    /// Has the account's storage do a long job; `path` is what STAT and the log say it is about.
    pub(crate) fn long(
        &mut self,
        verb: &'static str,
        path: VirtualPath,
        job: LongJob,
        finish: Finish,
    ) -> Reaction {
        let session = &mut *self.session;
        let Some(account) = session.login.account() else {
            return Reply::new(530, "Log in first.").into();
        };
        let course = Arc::new(Course::of(Contender::at(session.peer.ip())));
        let storage = Arc::clone(&account.storage);
        session.perform(Job::Long(storage, job, Arc::clone(&course)));
        let ticket = Ticket(session.ids.ticket);
        let (is_announced, after) = (false, None);
        let work = Work { ticket, verb, path, course, finish, seen: 0, is_announced, after };
        session.work = Some(Box::new(work));
        session.timers.set(Timer::Stall, self.now.mono + session.config.timeouts.stall);
        Reaction::Silent
    }
}

impl Session {
    /// A command runs although a long job does: its reply must not be taken for that of the job's command.
    pub(super) fn announce_work(&mut self) {
        if let Some(work) = self.work.as_mut().filter(|work| !work.is_announced) {
            work.is_announced = true;
            let text = format!("{} goes on.", work.verb);
            self.reply(Reply::with(150, text));
        }
    }

    /// Whether a long job runs behind which everything waits.
    pub(super) fn work_is_ending(&self) -> bool {
        self.work.as_ref().is_some_and(|work| work.after.is_some())
    }

    /// STAT while a long job runs: verb, path and KiB so far.
    pub(crate) fn work_progress(&self) -> Option<(&'static str, &VirtualPath, usize)> {
        self.work.as_ref().map(|work| (work.verb, &work.path, work.course.kibibytes()))
    }

    /// ABOR. `false`: there is no long job.
    pub(crate) fn abort_work(&mut self, now: Now) -> bool {
        let Some(work) = &mut self.work else { return false };
        work.after = Some(After::AbortReply);
        self.stop_work(now);
        true
    }

    /// ABOR waits behind other commands, and will be answered behind them. `false`: there is nothing to stop, or it is
    /// being stopped.
    pub(super) fn stop_work_early(&mut self, now: Now) -> bool {
        let may_stop = |work: &Work| !work.course.is_stopped() && work.after.is_none();
        if !self.work.as_deref().is_some_and(may_stop) {
            return false;
        }
        self.stop_work(now);
        true
    }

    /// QUIT: a question that nobody waits for any more is stopped, a change comes to its end. `false`: there is no long
    /// job.
    pub(crate) fn quit_after_work(&mut self, now: Now) -> bool {
        let Some(work) = &mut self.work else { return false };
        work.after = Some(After::Quit);
        if work.finish.is_question() {
            self.stop_work(now);
        }
        true
    }

    fn stop_work(&mut self, now: Now) {
        let Some(work) = &mut self.work else { return };
        work.course.stop();
        if work.course.has_begun() {
            self.timers.clear(Timer::Stall);
            self.timers.set(Timer::Abort, now.mono + STOP_GRACE);
        } else {
            // It waits for others still: nobody is there to stop it.
            self.end_work(now, Reply::storage(&StorageError::Interrupted));
        }
    }

    /// Nothing was heard of it for a while. That is no reason to end one that goes on.
    pub(super) fn look_after_work(&mut self, now: Now) {
        let Some(work) = &mut self.work else { return };
        let pieces = work.course.pieces();
        if pieces != work.seen {
            work.seen = pieces;
            self.timers.set(Timer::Stall, now.mono + self.config.timeouts.stall);
        } else if work.course.has_begun() {
            self.finish(now, Reply::new(421, "The storage does not answer."), "storage did not answer");
        } else {
            self.end_work(now, Reply::new(450, "Too much else is to be done here; try again later."));
        }
    }

    /// It was told to stop, and has not: go on without it.
    pub(super) fn work_overdue(&mut self, now: Now) {
        let may_change = self.work.as_ref().is_some_and(|work| !work.finish.is_question());
        let reply = if may_change {
            Reply::new(426, "Aborted, but the storage does not answer: it may still be done.")
        } else {
            Reply::storage(&StorageError::Interrupted)
        };
        self.end_work(now, reply);
    }

    /// An answer came. Returned if it is not the job's.
    pub(super) fn work_done(&mut self, now: Now, ticket: Ticket, done: Done) -> Option<Done> {
        let Some(work) = self.work.as_mut().filter(|work| work.ticket == ticket) else { return Some(done) };
        let path = work.path.clone();
        let verb = work.verb;
        let result = match (&mut work.finish, done) {
            (_, Done::Panicked) => {
                self.finish(
                    now,
                    Reply::new(421, "Internal error; closing the connection."),
                    "internal error",
                );
                return None;
            }
            (Finish::Changed { to, reply }, Done::Changed(Ok(()))) => {
                let (to, reply) = (to.take(), reply.clone());
                self.notify(Notice::Changed { verb, path, to });
                Ok(reply)
            }
            (Finish::Combined, Done::Combined(Ok(kept))) => {
                self.notify(Notice::Changed { verb, path, to: None });
                Ok(match kept {
                    0 => Reply::new(250, "The parts are put together."),
                    1 => Reply::new(250, "The parts are put together; one of them stays."),
                    _ => Reply::with(250, format!("The parts are put together; {kept} of them stay.")),
                })
            }
            (Finish::Measured, Done::Measured(Ok(bytes))) => Ok(Reply::with(213, format!("{bytes}"))),
            #[cfg(feature = "digests")]
            (Finish::Digested(say, algorithm), Done::Digested(Ok(digests))) => Ok(say(*algorithm, &digests)),
            #[cfg(feature = "digests")]
            (_, Done::Digested(Err(error))) => Err(error),
            (_, Done::Changed(Err(error)) | Done::Combined(Err(error)) | Done::Measured(Err(error))) => {
                Err(error)
            }
            _ => Err(StorageError::Io(String::from("the backend gave an answer to another question"))),
        };
        let reply = result.unwrap_or_else(|error| self.storage_failed(&error));
        self.end_work(now, reply);
        None
    }

    fn end_work(&mut self, now: Now, reply: Reply) {
        let Some(work) = self.work.take() else { return };
        self.timers.clear(Timer::Stall);
        self.timers.clear(Timer::Abort);
        self.reply(reply);
        self.go_on_after(now, work.after);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Connection;
    use crate::account::Rights;
    use crate::config::Settings;
    use crate::event::{Action, Answer, Arrival, Event, Request, SessionId, Standing};
    use crate::testing::{MemoryAccounts, MemoryStorage};
    use alloc::vec::Vec;
    use core::time::Duration;

    /// A session in which a digest has its place and waits, and what it shares with the digest.
    struct Digesting {
        connection: Connection,
        now: Now,
        course: Arc<Course>,
        ticket: Ticket,
    }

    impl Digesting {
        fn new() -> Self {
            Self::with(Settings::default())
        }

        fn with(settings: Settings) -> Self {
            let storage = MemoryStorage::new().file("/a", "alpha");
            let accounts = Arc::new(MemoryAccounts::new().user("u", "p", storage.account("u", Rights::ALL)));
            let config = Arc::new(settings.validate().unwrap());
            let arrival =
                Arrival::new("198.51.100.1:21".parse().unwrap(), "203.0.113.5:4000".parse().unwrap());
            let now = Now::default();
            let connection = Connection::new(now, SessionId(1), config, accounts, None, arrival);
            let mut digesting = Self { connection, now, course: Arc::default(), ticket: Ticket(0) };
            digesting.say("USER u\r\nPASS p\r\n");
            digesting.say("HASH a\r\n");
            digesting.course.begin();
            digesting
        }

        /// Its digest has ended.
        fn at_rest() -> Self {
            let mut digesting = Self::new();
            let digested = Done::Digested(Err(StorageError::NotFound));
            digesting.connection.handle(digesting.now, Event::Done(digesting.ticket, digested));
            digesting.settle();
            digesting
        }

        /// Sends lines; what is said to them.
        fn say(&mut self, lines: &str) -> String {
            self.connection.receive(self.now, lines.as_bytes());
            self.settle()
        }

        fn settle(&mut self) -> String {
            let mut said = String::new();
            loop {
                while let Some(action) = self.connection.poll_action() {
                    match action {
                        Action::Perform(ticket, Job::Long(_, _, course)) => {
                            (self.ticket, self.course) = (ticket, course);
                        }
                        Action::Perform(ticket, job) => {
                            self.connection.handle(self.now, Event::Done(ticket, job.perform()));
                        }
                        Action::Consult(Request::Attempt { .. }) => {
                            let answer = Answer::Standing(Standing::Free);
                            self.connection.handle(self.now, Event::Answer(answer));
                        }
                        _ => {}
                    }
                }
                let out = self.connection.transmit().to_vec();
                if out.is_empty() {
                    return said;
                }
                said.push_str(&String::from_utf8_lossy(&out));
                self.connection.transmitted(self.now, out.len());
            }
        }

        /// Some time later; what is said by then.
        fn later(&mut self, time: Duration) -> String {
            self.now.mono = self.now.mono + time;
            self.connection.handle_timeout(self.now);
            self.settle()
        }
    }

    const MINUTES: Duration = Duration::from_secs(120);

    #[test]
    fn a_digest_may_take_hours_as_long_as_it_goes_on() {
        let mut digesting = Digesting::new();
        for hour in 1..100 {
            digesting.course.go_on(hour << 30);
            assert_eq!(digesting.later(MINUTES), "");
            assert!(!digesting.course.is_stopped() && !digesting.connection.is_finished());
            assert!(digesting.connection.deadline().is_some());
        }
        let said = digesting.say("STAT\r\n");
        assert!(said.starts_with("150 ") && said.contains("HASH /a: 103809024 KiB so far"), "{said}");
    }

    /// RFC 1123 section 4.1.3.2: who waits for an answer is not idle.
    #[test]
    fn a_digest_is_no_idleness() {
        let mut settings = Settings::default();
        settings.timeouts.idle = MINUTES / 4;
        settings.timeouts.stall = MINUTES;
        let mut digesting = Digesting::with(settings);
        digesting.course.go_on(1);
        assert_eq!(digesting.later(MINUTES / 2), "");
        assert!(!digesting.course.is_stopped());
    }

    #[test]
    fn one_that_stands_still_ends_its_session() {
        let mut digesting = Digesting::new();
        digesting.course.go_on(1);
        assert_eq!(digesting.later(MINUTES), "");
        assert!(digesting.later(MINUTES).starts_with("421 "));
        assert!(digesting.course.is_stopped());
    }

    #[test]
    fn a_stopped_one_that_never_comes_back_holds_up_nothing() {
        let mut digesting = Digesting::new();
        assert!(digesting.say("ABOR\r\nPWD\r\n").starts_with("150 "));
        assert!(digesting.course.is_stopped());
        let said = digesting.later(MINUTES);
        let codes: Vec<&str> = said.lines().filter_map(|line| line.get(..3)).collect();
        assert_eq!(codes, ["426", "226", "257"], "{said}");
    }

    /// It may be past the last moment in which it could have been stopped.
    #[test]
    fn a_change_that_does_not_stop_may_still_be_made() {
        let mut changing = Digesting::at_rest();
        assert_eq!(changing.say("COMB whole a b\r\n"), "");
        changing.course.begin();
        assert_eq!(changing.say("ABOR\r\n"), "150 COMB goes on.\r\n");
        let said = changing.later(MINUTES);
        assert!(said.starts_with("426 ") && said.contains("it may still be done"), "{said}");
        assert!(said.contains("\r\n226 "), "{said}");
    }

    #[test]
    fn an_answer_that_comes_too_late_is_nobody_elses() {
        let mut digesting = Digesting::new();
        digesting.say("ABOR\r\n");
        assert!(digesting.later(MINUTES).starts_with("426 "));
        // It waits for a port, which the server has not given yet.
        assert_eq!(digesting.say("PASV\r\n"), "");
        let late = Done::Digested(Err(StorageError::Interrupted));
        digesting.connection.handle(digesting.now, Event::Done(digesting.ticket, late));
        assert_eq!(digesting.settle(), "");
    }

    /// RFC 959 section 4.2: the replies come in order, also behind an ABOR that takes its time.
    #[test]
    fn nothing_is_answered_before_the_abort() {
        for early in ["", "PWD\r\n"] {
            let mut digesting = Digesting::new();
            let said = digesting.say(&alloc::format!("{early}ABOR\r\nNOOP\r\n"));
            assert!(digesting.course.is_stopped());
            let replies = if early.is_empty() { "150 HASH goes on.\r\n" } else { "" };
            assert_eq!(said, replies);
            let said = digesting.later(MINUTES);
            let codes: Vec<&str> = said.lines().filter_map(|line| line.get(..3)).collect();
            let order =
                if early.is_empty() { &["426", "226", "200"][..] } else { &["426", "257", "226", "200"] };
            assert_eq!(codes, order, "{said}");
        }
    }

    /// A client that heard of a failure would append the parts again.
    #[test]
    fn parts_that_stay_are_told_in_a_good_reply() {
        let mut digesting = Digesting::at_rest();
        for (kept, text) in [
            (0, "250 The parts are put together.\r\n"),
            (1, "250 The parts are put together; one of them stays.\r\n"),
            (2, "250 The parts are put together; 2 of them stay.\r\n"),
        ] {
            assert_eq!(digesting.say("COMB whole a b\r\n"), "");
            digesting
                .connection
                .handle(digesting.now, Event::Done(digesting.ticket, Done::Combined(Ok(kept))));
            assert_eq!(digesting.settle(), text);
        }
    }

    #[test]
    fn a_session_that_is_given_up_stops_its_digest() {
        let Digesting { connection, course, .. } = Digesting::new();
        assert!(!course.is_stopped());
        drop(connection);
        assert!(course.is_stopped());
    }
}
