//! What the server used: read from its control group, or from /proc for the process and its descendants.

use crate::options::Options;
use rustix::time::{ClockId, clock_gettime};
use std::collections::HashMap;
use std::fs;

/// The server's processes.
fn members(options: &Options) -> Vec<u32> {
    if let Ok(list) = fs::read_to_string(format!("{}/cgroup.procs", options.group)) {
        return list.lines().filter_map(|line| line.trim().parse().ok()).collect();
    }
    if options.pid == 0 {
        return Vec::new();
    }
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        if let Some(parent) = fields(pid).get(1).and_then(|parent| parent.parse().ok()) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = vec![options.pid];
    let mut next = 0;
    while let Some(pid) = found.get(next) {
        if let Some(more) = children.remove(pid) {
            found.extend(more);
        }
        next += 1;
    }
    found
}

/// The fields of /proc/PID/stat behind the program's name, which may hold spaces: the first is the state.
fn fields(pid: u32) -> Vec<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let behind = stat.rfind(')').and_then(|end| stat.get(end + 2..)).unwrap_or_default();
    behind.split(' ').map(str::to_owned).collect()
}

/// CPU seconds that the server has used so far.
pub(crate) fn server_cpu(options: &Options) -> f64 {
    if let Ok(nanoseconds) = fs::read_to_string(format!("{}/cpuacct.usage", options.group)) {
        return nanoseconds.trim().parse().unwrap_or(0.0) / 1e9;
    }
    if let Ok(statistics) = fs::read_to_string(format!("{}/cpu.stat", options.group)) {
        let used = statistics.lines().find_map(|line| line.strip_prefix("usage_usec "));
        return used.and_then(|used| used.trim().parse().ok()).unwrap_or(0.0) / 1e6;
    }
    let ticks_per_second = rustix::param::clock_ticks_per_second() as f64;
    // Of the process and of its children that are gone, in user mode and in the kernel.
    let times =
        |pid| fields(pid).iter().skip(11).take(4).filter_map(|time| time.parse::<f64>().ok()).sum::<f64>();
    members(options).into_iter().map(times).sum::<f64>() / ticks_per_second
}

/// CPU seconds that this program has used so far.
pub(crate) fn own_cpu() -> f64 {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    used.tv_sec as f64 + used.tv_nsec as f64 / 1e9
}

/// Of all processes of the server together; sizes in KiB.
#[derive(Default, Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) proportional: u64,
    pub(crate) resident: u64,
    pub(crate) peak: u64,
    pub(crate) page_tables: u64,
    pub(crate) processes: u64,
    pub(crate) threads: u64,
    pub(crate) descriptors: u64,
}

pub(crate) fn memory(options: &Options) -> Memory {
    let mut sum = Memory::default();
    for pid in members(options) {
        sum.processes += 1;
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        sum.proportional += value(&rollup, "Pss:");
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        sum.resident += value(&status, "VmRSS:");
        sum.peak += value(&status, "VmHWM:");
        sum.page_tables += value(&status, "VmPTE:");
        sum.threads += value(&status, "Threads:");
        sum.descriptors += fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, |list| list.count() as u64);
    }
    sum
}

fn value(text: &str, key: &str) -> u64 {
    let found = text.lines().find_map(|line| line.strip_prefix(key));
    found.and_then(|value| value.trim().trim_end_matches(" kB").trim().parse().ok()).unwrap_or(0)
}

/// The peak begins anew at what is resident now.
pub(crate) fn reset_peak(options: &Options) {
    for pid in members(options) {
        let _ = fs::write(format!("/proc/{pid}/clear_refs"), "5");
    }
}

/// What the whole system has left, in KiB.
pub(crate) fn available() -> f64 {
    value(&fs::read_to_string("/proc/meminfo").unwrap_or_default(), "MemAvailable:") as f64
}
