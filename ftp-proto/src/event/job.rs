//! What is asked of the backend, how it is performed, and what is answered.

#[cfg(feature = "digests")]
use super::Digested;
use super::{Course, LongJob};
use crate::account::{Account, Credentials, LoginError, Rights, RightsByPath};
use crate::host::{Accounts, Create, File, Metadata, Storage, StorageError, Usage};
use crate::listing::{Found, Search, Walk};
use crate::path::VirtualPath;
use crate::time::{Now, UnixTime};
use crate::transfer::{Coding, EndReason, Pipe, Step, measure};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// One question to the backend: plain data; rights were checked, paths are normalised.
pub enum Job {
    /// Check a login.
    Authenticate(Arc<dyn Accounts>, Box<Credentials>),
    /// Whether the certificate is enough for this user: [`Accounts::authenticate_by_certificate`].
    AuthenticateByCertificate(Arc<dyn Accounts>, Box<Credentials>),
    /// Anything about files.
    Files(Arc<dyn Storage>, FileJob),
    /// What may take long. It runs beside the session ([`Job::is_long`]), and both look at the same [`Course`].
    Long(Arc<dyn Storage>, LongJob, Arc<Course>),
    /// Ends a transfer that never began, so that an upload's file is given up properly.
    Discard(Box<Pipe>),
}

/// A question to a [`Storage`].
pub enum FileJob {
    /// [`Storage::metadata`].
    Metadata(VirtualPath),
    /// [`Storage::metadata_to_resume`].
    MetadataToResume(VirtualPath),
    /// How much a transfer would send; the file is opened and read for that, if it is not too long.
    Measure(VirtualPath, Coding),
    /// [`Storage::open`].
    OpenRead(VirtualPath),
    /// [`Storage::create`].
    OpenWrite(VirtualPath, Create),
    /// [`Storage::create`] under the first free name of `NAME`, `NAME.1`, `NAME.2` … (STOU). Each has rights of its own.
    OpenUnique(VirtualPath, RightsByPath),
    /// [`Search::open`].
    OpenListing(Box<Search>),
    /// Up to this many more lines (STAT of a path).
    ReadListing(Walk, usize),
    /// [`Storage::available`].
    Available(VirtualPath),
    /// [`Storage::usage`].
    Usage,
    /// [`Storage::create_dir`].
    MakeDirectory(VirtualPath),
    /// [`Storage::remove_file`].
    RemoveFile(VirtualPath),
    /// [`Storage::remove_dir`].
    RemoveDirectory(VirtualPath),
    /// [`Storage::rename`].
    Rename {
        /// The old name.
        from: VirtualPath,
        /// The new name.
        to: VirtualPath,
        /// Whether an existing file may be replaced.
        replace: bool,
    },
    /// [`Storage::set_modified`].
    SetModified(VirtualPath, UnixTime),
    /// [`Storage::set_created`].
    SetCreated(VirtualPath, UnixTime),
    /// [`Storage::set_permissions`].
    SetPermissions(VirtualPath, u32),
    /// Several of these at once, all or none.
    SetFacts(VirtualPath, NewFacts),
    /// [`Storage::symlink`].
    Symlink {
        /// Where it leads.
        target: VirtualPath,
        /// Its own name.
        link: VirtualPath,
    },
}

impl core::fmt::Debug for Job {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Authenticate(_, credentials) => out.debug_tuple("Authenticate").field(credentials).finish(),
            Self::AuthenticateByCertificate(_, credentials) => {
                out.debug_tuple("AuthenticateByCertificate").field(credentials).finish()
            }
            Self::Files(_, job) => job.fmt(out),
            Self::Long(_, job, _) => job.fmt(out),
            Self::Discard(_) => write!(out, "Discard"),
        }
    }
}

impl core::fmt::Debug for FileJob {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Metadata(path) => write!(out, "Metadata {path}"),
            Self::MetadataToResume(path) => write!(out, "MetadataToResume {path}"),
            Self::Measure(path, coding) => write!(out, "Measure {path} {coding}"),
            Self::OpenRead(path) => write!(out, "OpenRead {path}"),
            Self::OpenWrite(path, how) => write!(out, "OpenWrite {path} {how:?}"),
            Self::OpenUnique(path, _) => write!(out, "OpenUnique {path}"),
            Self::OpenListing(search) => {
                write!(out, "OpenListing {} {:?}", search.selection.base(), search.wanted)
            }
            Self::ReadListing(_, count) => write!(out, "ReadListing {count}"),
            Self::Available(path) => write!(out, "Available {path}"),
            Self::Usage => write!(out, "Usage"),
            Self::MakeDirectory(path) => write!(out, "MakeDirectory {path}"),
            Self::RemoveFile(path) => write!(out, "RemoveFile {path}"),
            Self::RemoveDirectory(path) => write!(out, "RemoveDirectory {path}"),
            Self::Rename { from, to, replace } => write!(out, "Rename {from} {to} replace={replace}"),
            Self::SetModified(path, time) => write!(out, "SetModified {path} {}", time.seconds),
            Self::SetCreated(path, time) => write!(out, "SetCreated {path} {}", time.seconds),
            Self::SetPermissions(path, mode) => write!(out, "SetPermissions {path} {mode:o}"),
            Self::SetFacts(path, facts) => write!(out, "SetFacts {path} {facts:?}"),
            Self::Symlink { target, link } => write!(out, "Symlink {link} to {target}"),
        }
    }
}

/// The backend's answer to a [`Job`].
pub enum Done {
    /// To `Authenticate` and `AuthenticateByCertificate`.
    Login(Result<Account, LoginError>),
    /// To `Metadata` and `MetadataToResume`.
    Metadata(Result<Metadata, StorageError>),
    /// To `Measure`; `None`: the file is too long to be read for that.
    Octets(Result<Option<u64>, StorageError>),
    /// To `OpenRead` and `OpenWrite`.
    File(Result<Box<dyn File>, StorageError>),
    /// To `OpenUnique`: the name that was free, and the file.
    Unique(Result<(VirtualPath, Box<dyn File>), StorageError>),
    /// To `OpenListing`; the flag says whether it is of a directory or a pattern, not of a file.
    Listing(Result<(Walk, bool), StorageError>),
    /// To `ReadListing`.
    Lines(Result<Batch, StorageError>),
    /// To `Digest`: one for each path.
    #[cfg(feature = "digests")]
    Digested(Result<Vec<Digested>, StorageError>),
    /// To `Measure` and `Available`: bytes.
    Measured(Result<u64, StorageError>),
    /// To `Combine`: how many of the parts stay, because they can't be removed or are other files by now.
    Combined(Result<usize, StorageError>),
    /// To `Usage`.
    Usage(Result<Usage, StorageError>),
    /// To all that changes something.
    Changed(Result<(), StorageError>),
    /// The job panicked; the session ends.
    Panicked,
}

impl core::fmt::Debug for Done {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Login(result) => write!(out, "Login {result:?}"),
            Self::Metadata(result) => write!(out, "Metadata {result:?}"),
            Self::Octets(result) => write!(out, "Octets {result:?}"),
            Self::File(result) => write!(out, "File {:?}", result.as_ref().map(|_| ())),
            Self::Unique(result) => write!(out, "Unique {:?}", result.as_ref().map(|(path, _)| path)),
            Self::Listing(result) => {
                write!(out, "Listing {:?}", result.as_ref().map(|(_, is_dir)| is_dir))
            }
            Self::Lines(result) => {
                write!(out, "Lines {:?}", result.as_ref().map(|(found, _)| found.len()))
            }
            #[cfg(feature = "digests")]
            Self::Digested(result) => write!(out, "Digested {result:?}"),
            Self::Measured(result) => write!(out, "Measured {result:?}"),
            Self::Combined(result) => write!(out, "Combined {result:?}"),
            Self::Usage(result) => write!(out, "Usage {result:?}"),
            Self::Changed(result) => write!(out, "Changed {result:?}"),
            Self::Panicked => write!(out, "Panicked"),
        }
    }
}

/// What is to be changed of a file or directory; `None` stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NewFacts {
    /// Last modification.
    pub modified: Option<UnixTime>,
    /// Creation.
    pub created: Option<UnixTime>,
    /// Unix permission bits.
    pub mode: Option<u32>,
}

/// The times last, since changing the mode is what a system refuses, and what can be taken back.
fn set_facts(storage: &dyn Storage, path: &VirtualPath, facts: NewFacts) -> Result<(), StorageError> {
    let before = storage.metadata(path)?;
    if let Some(mode) = facts.mode {
        storage.set_permissions(path, mode)?;
    }
    let created = facts.created.map_or(Ok(()), |time| storage.set_created(path, time));
    let times = created.and_then(|()| facts.modified.map_or(Ok(()), |time| storage.set_modified(path, time)));
    times.inspect_err(|_| {
        // The error that led here is the one to tell.
        if let (Some(_), Some(mode)) = (facts.mode, before.mode) {
            let _ = storage.set_permissions(path, mode);
        }
        if let (Some(_), Some(time)) = (facts.created, before.created) {
            let _ = storage.set_created(path, time);
        }
    })
}

/// How many names STOU tries before it gives up.
const UNIQUE_TRIES: u32 = 10_000;

impl Job {
    /// Whether it may take long, so that it must hold up neither its session nor other jobs: the session listens on
    /// while it runs. Others are short, and their session waits for them.
    pub const fn is_long(&self) -> bool {
        matches!(self, Self::Long(..))
    }

    /// Whether nobody waits for it any more, so that it need not be performed.
    pub fn is_unwanted(&self) -> bool {
        matches!(self, Self::Long(_, _, course) if course.is_stopped())
    }

    /// Whether it checks a login: of no use to anybody when its session is gone.
    pub const fn is_login(&self) -> bool {
        matches!(self, Self::Authenticate(..) | Self::AuthenticateByCertificate(..))
    }

    /// Does it if the storage has the answer at hand ([`Storage::open_now`], [`Storage::metadata_now`]); never
    /// blocks.
    ///
    /// # Errors
    /// The job itself, to be performed where blocking is allowed.
    pub fn perform_now(self) -> Result<Done, Self> {
        let Self::Files(storage, job) = &self else { return Err(self) };
        let done = match job {
            FileJob::OpenRead(path) => storage.open_now(path).map(|file| Done::File(Ok(file))),
            FileJob::Metadata(path) | FileJob::MetadataToResume(path) => {
                storage.metadata_now(path).map(|metadata| Done::Metadata(Ok(metadata)))
            }
            _ => None,
        };
        done.ok_or(self)
    }

    /// Does it, by calling the embedder's named methods. Blocks as long as they do.
    pub fn perform(self) -> Done {
        match self {
            Self::Authenticate(accounts, credentials) => Done::Login(accounts.authenticate(&credentials)),
            Self::AuthenticateByCertificate(accounts, credentials) => {
                Done::Login(accounts.authenticate_by_certificate(&credentials))
            }
            Self::Files(storage, job) => job.perform(&storage),
            Self::Long(storage, job, course) => job.perform(&*storage, &course),
            Self::Discard(mut pipe) => {
                pipe.fail(EndReason::Aborted);
                while pipe.step(Now::default()) == Step::Turn {
                    pipe.turn();
                }
                Done::Changed(Ok(()))
            }
        }
    }
}

impl FileJob {
    fn perform(self, storage: &Arc<dyn Storage>) -> Done {
        match self {
            Self::Metadata(path) => Done::Metadata(storage.metadata(&path)),
            Self::MetadataToResume(path) => Done::Metadata(storage.metadata_to_resume(&path)),
            Self::Measure(path, coding) => {
                Done::Octets(storage.open(&path).and_then(|mut file| measure(&mut *file, coding)))
            }
            Self::OpenRead(path) => Done::File(storage.open(&path)),
            Self::OpenWrite(path, how) => Done::File(storage.create(&path, how)),
            Self::OpenUnique(path, rights) => Done::Unique(open_unique(&**storage, &path, &rights)),
            Self::OpenListing(search) => Done::Listing(search.open(storage)),
            Self::ReadListing(walk, count) => Done::Lines(read_listing(walk, count)),
            Self::Available(path) => Done::Measured(storage.available(&path)),
            Self::Usage => Done::Usage(storage.usage()),
            Self::MakeDirectory(path) => Done::Changed(storage.create_dir(&path)),
            Self::RemoveFile(path) => Done::Changed(storage.remove_file(&path)),
            Self::RemoveDirectory(path) => Done::Changed(storage.remove_dir(&path)),
            Self::Rename { from, to, replace } => Done::Changed(storage.rename(&from, &to, replace)),
            Self::SetModified(path, time) => Done::Changed(storage.set_modified(&path, time)),
            Self::SetCreated(path, time) => Done::Changed(storage.set_created(&path, time)),
            Self::SetPermissions(path, mode) => Done::Changed(storage.set_permissions(&path, mode)),
            Self::SetFacts(path, facts) => Done::Changed(set_facts(&**storage, &path, facts)),
            Self::Symlink { target, link } => Done::Changed(storage.symlink(&target, &link)),
        }
    }
}

fn open_unique(
    storage: &dyn Storage,
    wanted: &VirtualPath,
    rights: &RightsByPath,
) -> Result<(VirtualPath, Box<dyn File>), StorageError> {
    let mut path = wanted.clone();
    for number in 1..=UNIQUE_TRIES {
        // The next name may be outside the rule that allowed the first, or in one that forbids it.
        if !rights.on(&path).contains(Rights::CREATE) {
            return Err(StorageError::Denied);
        }
        match storage.create(&path, Create::New) {
            Ok(file) => return Ok((path, file)),
            Err(StorageError::AlreadyExists | StorageError::Busy) => {}
            Err(error) => return Err(error),
        }
        let name = [wanted.as_bytes(), alloc::format!(".{number}").as_bytes()].concat();
        path = VirtualPath::new(&name).map_err(|_| StorageError::BadName)?;
    }
    Err(StorageError::AlreadyExists)
}

/// What came, and the rest of the walk unless it is at its end.
pub type Batch = (Vec<Found>, Option<Walk>);

/// How many entries are looked at for one batch, so that an abort is heard.
const LOOKED_AT_MOST: usize = 1_024;

fn read_listing(mut walk: Walk, count: usize) -> Result<Batch, StorageError> {
    let mut found = Vec::new();
    for _ in 0..LOOKED_AT_MOST {
        match walk.advance()? {
            Some(Found::Nothing) => {}
            Some(one) => found.push(one),
            None => return Ok((found, None)),
        }
        if found.len() >= count {
            break;
        }
    }
    Ok((found, Some(walk)))
}
