//! Jobs of the simulated world, and those among them that take long: they go on a little at a time, stand still or fail.

use super::Tally;
use super::choices::Choices;
use crate::event::{Done, Event, Job, Ticket};
use crate::host::StorageError;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// A job that has not ended.
pub(super) struct Pending {
    ticket: Ticket,
    job: Job,
    /// It never ends.
    pub(super) stands_still: bool,
}

impl Pending {
    pub(super) fn new(ticket: Ticket, job: Job, choices: &mut Choices<'_>) -> Self {
        let stands_still = job.is_long() && choices.below(12) == 11;
        if let (true, Job::Long(_, _, course)) = (stands_still && choices.one_in(2), &job) {
            course.begin();
        }
        Self { ticket, job, stands_still }
    }
}

/// A job gets further: what its session hears of it, if it ends.
pub(super) fn go_on(jobs: &mut Vec<Pending>, choices: &mut Choices<'_>, tally: &mut Tally) -> Option<Event> {
    let moving: Vec<usize> =
        (0..).zip(&*jobs).filter(|(_, job)| !job.stands_still).map(|(at, _)| at).collect();
    let which = *choices.pick(&moving)?;
    let pending = jobs.get(which)?;
    let Job::Long(_, _, course) = &pending.job else {
        let Pending { ticket, job, .. } = jobs.remove(which);
        return Some(Event::Done(ticket, job.perform()));
    };
    match choices.below(8) {
        1 | 2 => {
            course.begin();
            course.go_on(choices.below(1 << 16) as u64);
            return None;
        }
        3 => return None,
        _ => {}
    }
    let Pending { ticket, job, .. } = jobs.remove(which);
    tally.long_jobs += 1;
    tally.stopped_jobs += usize::from(job.is_unwanted());
    let done = match (job.perform(), choices.below(24)) {
        (_, 1) => Done::Panicked,
        (Done::Changed(_), 2) => Done::Changed(Err(StorageError::NoSpace)),
        (Done::Measured(_), 2) => Done::Measured(Err(StorageError::Io("broken".to_string()))),
        (done, _) => done,
    };
    Some(Event::Done(ticket, done))
}

/// Of a session that is gone: whoever performs its long jobs knows that nobody waits for them. How many there are.
pub(super) fn check_left(jobs: &[Pending]) -> Result<usize, String> {
    let long: Vec<&Pending> = jobs.iter().filter(|pending| pending.job.is_long()).collect();
    match long.iter().find(|pending| !pending.job.is_unwanted()) {
        Some(pending) => Err(alloc::format!("{:?} goes on, though its session is gone", pending.job)),
        None => Ok(long.len()),
    }
}
