//! Cases that measure the whole process.

use crate::runtime::Runtime;
use std::process::Command;

/// Says to the test program that it was started for one case.
const MARK: &str = "FTPD_SUITE_ALONE";

/// Runs `body` in a process in which nothing else runs: this program again, for this one case. `module` and
/// `case` are where the case stands.
pub(crate) fn run<R: Runtime>(module: &str, case: &str, body: impl FnOnce()) {
    run_by::<R>(&[], module, case, body);
}

/// The same where nobody else sees what is mounted.
pub(crate) fn run_with_mounts<R: Runtime>(module: &str, case: &str, body: impl FnOnce()) {
    run_by::<R>(&["unshare", "--mount"], module, case, body);
}

fn run_by<R: Runtime>(wrapper: &[&str], module: &str, case: &str, body: impl FnOnce()) {
    if std::env::var_os(MARK).is_some() {
        return body();
    }
    let module = module.split_once("::").expect("the crate's name comes first").1;
    let name = format!("{module}::{}::{case}", R::NAME);
    let program = std::env::current_exe().expect("a test program knows where it is");
    let words = wrapper.iter().map(AsRef::as_ref).chain([program.as_os_str()]);
    let words: Vec<&std::ffi::OsStr> = words.collect();
    let mut command = Command::new(words[0]);
    let command = command.args(&words[1..]).args(["--exact", &name]).env(MARK, "1");
    let run = command.output().expect("it starts");
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(said.contains("1 passed"), "{name}, alone:\n{said}{}", String::from_utf8_lossy(&run.stderr));
}

/// Open descriptors of this process.
pub(crate) fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("/proc is there").count()
}

/// Threads of this process.
pub(crate) fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").expect("/proc is there").count()
}

/// Resident memory of this process in KiB; `VmHWM` is the peak, `VmRSS` what it is now.
pub(crate) fn memory(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc is there");
    let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("the field is there");
    line.trim_matches([':', ' ', '\t', 'k', 'B']).parse().expect("a number")
}
