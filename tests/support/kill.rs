//! Kills of a program while it writes into a folder.

use std::{
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

/// When a program was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Killed {
    /// While it wrote files or gave them their names.
    WhileWriting,
    /// Before or after that, or not at all.
    Otherwise,
}

/// How many kills a test makes: as many as `RUNRATE_KILLS` says, or few.
pub fn kills(few: usize) -> usize {
    std::env::var("RUNRATE_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(few)
}

/// Starts a program and sends it SIGKILL: a random time after it begins to write into a folder.
pub fn kill_while_writing(command: &mut Command, folder: &Path, turn: usize) -> Killed {
    let stage = folder.join(".runrate-set");
    // What the kill before left is no sign.
    let stale = stage.exists();
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let started = || if stale { stage.join("new-0").exists() } else { stage.exists() };
    while !started() && child.try_wait().unwrap().is_none() {
        thread::sleep(Duration::from_micros(50));
    }
    // Spread over the milliseconds that it takes, and beyond; the clock of the machine adds to it.
    thread::sleep(Duration::from_micros((turn as u64).wrapping_mul(7_919) % 24_000));
    let _ = child.kill();
    let status = child.wait().unwrap();
    if status.code().is_none() && stage.exists() { Killed::WhileWriting } else { Killed::Otherwise }
}
