//! The program `ftpd`; all of it is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    ftpd::cli::main()
}
