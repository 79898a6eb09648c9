//! The command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    runrate::cli::main(std::env::args_os())
}
