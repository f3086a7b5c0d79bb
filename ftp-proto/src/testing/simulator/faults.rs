//! What goes wrong in the simulated world, and where: a fault that is never met shows nothing, so each is counted.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// What a session was doing when something befell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Waiting for a command.
    Idle,
    /// In the TLS handshake of the control connection.
    Handshake,
    /// A command has come, and its reply was not read.
    Unanswered,
    /// A part of a reply was read.
    AmidReply,
    /// A job of the storage runs.
    Job,
    /// A long job runs, or waits for its turn.
    LongJob,
    /// A passive port waits for the client.
    Waiting,
    /// A connection to the client is being made.
    Dialling,
    /// A data connection is there, and no transfer on it.
    Connected,
    /// A data connection's TLS handshake goes on.
    Securing,
    /// Bytes move.
    Transfer,
}

impl Place {
    const ALL: [Self; 11] = [
        Self::Idle,
        Self::Handshake,
        Self::Unanswered,
        Self::AmidReply,
        Self::Job,
        Self::LongJob,
        Self::Waiting,
        Self::Dialling,
        Self::Connected,
        Self::Securing,
        Self::Transfer,
    ];
}

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The control connection breaks: what was on its way is lost, both ways.
    Reset(Place),
    /// The client closes its sending side and reads on.
    HalfClose(Place),
    /// The session is kicked.
    Kick(Place),
    /// The server shuts down.
    Drain(Place),
    /// The server gets new settings.
    Reconfigured(Place),
    /// The host's clock is set forward.
    WallForward(Place),
    /// It is set back.
    WallBack(Place),
    /// Fewer bytes were read from the control connection than there were.
    ShortRead,
    /// Fewer were written than were shown.
    ShortWrite,
    /// A client that reads no reply.
    NeverReads,
    /// A client that says nothing.
    NeverSpeaks,
    /// A client that sends a byte a minute.
    Trickles,
    /// Somebody on the way changes the text of 227, 228 or 229.
    PassiveRewritten,
    /// Somebody on the way changes the address of PORT or EPRT.
    ActiveRewritten,
    /// Two lines become one.
    LinesJoined,
    /// One line becomes two.
    LineSplit,
    /// A data connection breaks before its transfer.
    DataResetEarly,
    /// It breaks in its handshake.
    DataResetInHandshake,
    /// It ends in its handshake.
    DataClosedInHandshake,
    /// Its handshake stands still.
    DataStallsInHandshake,
    /// It breaks when the transfer wants to write.
    DataResetAtWrite,
    /// It breaks when it wants to read.
    DataResetAtRead,
    /// It breaks when the storage has its turn.
    DataResetAtTurn,
    /// It ends in the middle of an upload.
    DataCut,
    /// Nothing moves on it any more.
    DataStalls,
    /// Fewer bytes were read from it than there were.
    DataShortRead,
    /// Fewer were written than were shown.
    DataShortWrite,
    /// Somebody else came to a passive port.
    Stranger,
    /// The client refuses the server's connection.
    DialRefused,
    /// It does not answer.
    DialTimedOut,
    /// Nobody knows the way to it.
    DialUnreachable,
    /// The source port is taken.
    DialUnavailable,
    /// A passive port can't be opened.
    PortFailed,
    /// The external name has no address.
    NameUnknown,
    /// A balancer names nobody.
    BalancerSilent,
    /// A balancer's header is cut off or none.
    BalancerBroken,
    /// There is no room for a client.
    TurnedAway,
    /// One that has not logged in has to make room for another.
    CrowdedOut,
    /// A job panics.
    JobPanics,
    /// A long job panics.
    LongJobPanics,
    /// A transfer's storage panics.
    TransferPanics,
    /// A long job stands still.
    LongJobStalls,
    /// A long job has to wait for others.
    LongJobWaits,
    /// A client has as many long jobs as it may, while there are places.
    LongJobsOfOneClient,
    /// A long job gave up waiting.
    LongJobGivesUp,
    /// This call of the storage fails.
    Storage(&'static str),
    /// A call of the storage fails for this reason.
    StorageError(&'static str),
}

/// The calls of a storage that fail in this world: all there are, but for those that can't.
pub(super) const CALLS: &[&str] = &[
    "metadata",
    "metadata_to_resume",
    "open",
    "create",
    "read_dir",
    "create_dir",
    "remove_file",
    "remove_dir",
    "rename",
    "set_modified",
    "set_created",
    "available",
    "symlink",
    "set_permissions",
    "read_at",
    "write_at",
    "copy_from",
    "discard",
    "finish",
    "next_entry",
];

impl Fault {
    /// Those that befall a session wherever it is, at each place.
    pub(super) fn somewhere() -> Vec<Self> {
        Place::ALL.into_iter().flat_map(Self::at).collect()
    }

    /// Those of them at one place.
    pub(super) fn at(place: Place) -> [Self; 7] {
        [
            Self::Reset(place),
            Self::HalfClose(place),
            Self::Kick(place),
            Self::Drain(place),
            Self::Reconfigured(place),
            Self::WallForward(place),
            Self::WallBack(place),
        ]
    }

    /// All there are.
    pub fn all() -> Vec<Self> {
        let mut all = Vec::from([
            Self::ShortRead,
            Self::ShortWrite,
            Self::NeverReads,
            Self::NeverSpeaks,
            Self::Trickles,
            Self::PassiveRewritten,
            Self::ActiveRewritten,
            Self::LinesJoined,
            Self::LineSplit,
            Self::DataResetEarly,
            Self::DataResetInHandshake,
            Self::DataClosedInHandshake,
            Self::DataStallsInHandshake,
            Self::DataResetAtWrite,
            Self::DataResetAtRead,
            Self::DataResetAtTurn,
            Self::DataCut,
            Self::DataStalls,
            Self::DataShortRead,
            Self::DataShortWrite,
            Self::Stranger,
            Self::DialRefused,
            Self::DialTimedOut,
            Self::DialUnreachable,
            Self::DialUnavailable,
            Self::PortFailed,
            Self::NameUnknown,
            Self::BalancerSilent,
            Self::BalancerBroken,
            Self::TurnedAway,
            Self::CrowdedOut,
            Self::JobPanics,
            Self::LongJobPanics,
            Self::TransferPanics,
            Self::LongJobStalls,
            Self::LongJobWaits,
            Self::LongJobsOfOneClient,
            Self::LongJobGivesUp,
        ]);
        all.extend(Self::somewhere());
        all.extend(CALLS.iter().map(|call| Self::Storage(call)));
        all.extend(super::storage::ERRORS.iter().map(|(name, _)| Self::StorageError(name)));
        all
    }
}

/// How often each fault happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults(BTreeMap<Fault, usize>);

impl Faults {
    pub(super) fn met(&mut self, fault: Fault) {
        *self.0.entry(fault).or_default() += 1;
    }

    pub(super) fn met_if(&mut self, happened: bool, fault: Fault) {
        if happened {
            self.met(fault);
        }
    }

    pub(super) fn add(&mut self, more: &Self) {
        for (fault, count) in &more.0 {
            *self.0.entry(*fault).or_default() += count;
        }
    }

    /// How often this one did.
    pub fn count(&self, fault: Fault) -> usize {
        self.0.get(&fault).copied().unwrap_or(0)
    }
}
