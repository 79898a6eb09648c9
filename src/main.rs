//! The command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    runrate::app::cli::main(std::env::args_os())
}
