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
    /// While it wrote files.
    WhileWriting,
    /// While it gave them their names.
    WhileNaming,
    /// Before or after that, or not at all.
    Otherwise,
}

/// Counts the kills that came in time, and tells of them.
#[derive(Debug, Default)]
pub struct Tally {
    kills: usize,
    while_writing: usize,
    while_naming: usize,
}

impl Tally {
    pub fn add(&mut self, killed: Killed) {
        self.kills += 1;
        self.while_writing += usize::from(killed == Killed::WhileWriting);
        self.while_naming += usize::from(killed == Killed::WhileNaming);
    }

    /// Tells of them; a test in which none came in time has tested nothing.
    pub fn end(&self, what: &str) {
        let Self { kills, while_writing, while_naming } = self;
        eprintln!(
            "{what}: {kills} kills, {while_writing} while it wrote, {while_naming} while files took their names, 0 failures"
        );
        assert!(while_writing + while_naming > 0, "no kill of {kills} came in time");
    }
}

/// How many kills a test makes: as many as `RUNRATE_KILLS` says, or few.
pub fn kills(few: usize) -> usize {
    std::env::var("RUNRATE_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(few)
}

/// Starts a program and sends it SIGKILL: a while after it begins to write into a folder, or, in every other turn,
/// after it begins to give files their names.
pub fn kill_while_writing(command: &mut Command, folder: &Path, turn: usize) -> Killed {
    let stage = folder.join(".runrate-set");
    let sign = if turn.is_multiple_of(2) { stage.clone() } else { stage.join("journal.json") };
    // What the kill before left is no sign; a reader has removed its journal.
    let _ = std::fs::remove_dir_all(&stage);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while !sign.exists() && child.try_wait().unwrap().is_none() {
        thread::sleep(Duration::from_micros(20));
    }
    // Spread over the time that it takes; what the machine does besides adds to it.
    let most = if turn.is_multiple_of(2) { 60_000 } else { 4_000 };
    thread::sleep(Duration::from_micros((turn as u64).wrapping_mul(7_919) % most));
    let _ = child.kill();
    let status = child.wait().unwrap();
    match (status.code(), stage.join("journal.json").exists(), stage.exists()) {
        (None, true, _) => Killed::WhileNaming,
        (None, false, true) => Killed::WhileWriting,
        _ => Killed::Otherwise,
    }
}
