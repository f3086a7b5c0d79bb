//! Counts the instructions of the core's paths by valgrind, and compares them with those that are recorded in
//! `figures.txt` beside this file. What has grown fails, and so does what is in one place only.
//!
//! ```sh
//! cargo run -p counted --profile counted             # compares
//! cargo run -p counted --profile counted -- record   # writes the figures anew
//! ```

mod figures;

use counted::{Path, paths};
use figures::{Figures, Kind};
use std::error::Error;
use std::path::Path as FilePath;
use std::process::{Command, ExitCode};

/// Repetitions before one is counted: memory that is kept has its size, and nothing is done for the first time.
const WARM_UP: u32 = 4;
/// Repetitions that are counted. What grows now and then (queues, trees) is spread over them.
const REPETITIONS: u32 = 32;

const FIGURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/figures.txt");

/// What the figures depend on beside the code.
const COMPILER: &str = env!("COMPILER");

/// valgrind's processor has what the real one has. The C library chooses its way of copying by that, so it is told
/// to take the one for all.
const PLAIN_PROCESSOR: &str =
    "glibc.cpu.hwcaps=-AVX2,-AVX512F,-AVX512VL,-AVX512BW,-ERMS,-FSRM,-AVX_Fast_Unaligned_Load";

fn main() -> Result<ExitCode, Box<dyn Error>> {
    match std::env::args().nth(1).as_deref() {
        None => check(),
        Some("record") => record(),
        Some("play") => play(),
        Some(other) => Err(format!("{other}? Say nothing (compare), or `record`.").into()),
    }
}

fn check() -> Result<ExitCode, Box<dyn Error>> {
    let text = std::fs::read_to_string(FIGURES)?;
    let recorded = Figures::parse(&text).map_err(|problem| format!("{FIGURES}: {problem}"))?;
    let kind = here();
    if recorded.kind.target != kind.target {
        println!("The figures are those of {}, so that nothing can be compared here.", recorded.kind.target);
        return Ok(ExitCode::SUCCESS);
    }
    let comparison = recorded.compare(&count()?);
    print!("{comparison}");
    if comparison.is_fine() {
        return Ok(ExitCode::SUCCESS);
    }
    if recorded.kind.compiler != kind.compiler {
        println!("Recorded with {}, counted with {}.", recorded.kind.compiler, kind.compiler);
    }
    println!(
        "If that is meant: cargo run -p counted --profile counted -- record, and say why in the commit."
    );
    Ok(ExitCode::FAILURE)
}

fn record() -> Result<ExitCode, Box<dyn Error>> {
    let figures = Figures { kind: here(), paths: count()? };
    std::fs::write(FIGURES, figures.to_string())?;
    print!("{figures}");
    Ok(ExitCode::SUCCESS)
}

fn here() -> Kind {
    let target = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS);
    Kind { target, compiler: COMPILER.to_owned() }
}

/// Plays all paths under valgrind, which writes two files for each: what setting it up has cost, and the repetitions.
fn count() -> Result<Vec<(String, u64)>, Box<dyn Error>> {
    let program = std::env::current_exe()?;
    let folder = program.with_file_name("counted.out");
    match std::fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => std::fs::create_dir(&folder)?,
    }
    let mut valgrind = Command::new("valgrind");
    valgrind
        .args(["--tool=callgrind", "--dump-before=counted::mark"])
        .arg(format!("--callgrind-out-file={}", folder.join("counts").display()))
        .arg(program)
        .arg("play")
        // What is in the environment lies on the stack, and moves all that follows.
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .env("GLIBC_TUNABLES", PLAIN_PROCESSOR);
    let output = valgrind.output().map_err(|error| format!("valgrind: {error}; is it installed?"))?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        return Err(format!("valgrind failed, {}:\n{words}", output.status).into());
    }
    let files = (2..).step_by(2);
    let counted = |(file, path): (u32, Path)| Ok((path.name.to_owned(), cost(&folder, file, &path)?));
    files.zip(paths()).map(counted).collect()
}

/// What one path cost, for each of its units.
fn cost(folder: &FilePath, number: u32, path: &Path) -> Result<u64, Box<dyn Error>> {
    let file = folder.join(format!("counts.{number}"));
    let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let totals = text.lines().rev().find_map(|line| line.strip_prefix("totals: "));
    let total: u64 = totals.ok_or_else(|| format!("{}: no totals", file.display()))?.trim().parse()?;
    if total == 0 {
        return Err(format!("{}: nothing was counted", path.name).into());
    }
    Ok(total / u64::from(REPETITIONS) / path.units)
}

/// What valgrind looks at.
fn play() -> Result<ExitCode, Box<dyn Error>> {
    for path in paths() {
        let mut work = (path.make)();
        for _ in 0..WARM_UP {
            work();
        }
        mark();
        for _ in 0..REPETITIONS {
            work();
        }
        mark();
    }
    Ok(ExitCode::SUCCESS)
}

/// valgrind begins another file here.
#[inline(never)]
fn mark() {
    std::hint::black_box(());
}
