//! The console blocks of the guides, run in order in one folder per guide: what they show is what the program prints.
//!
//! - A line that starts with `$ ` is a command of a POSIX shell; the lines below it are its output, both streams.
//! - A line `…` stands for lines that are left out.
//! - `<!-- run: COMMAND -->` runs a command that the reader does in another way, in an editor for instance.
//!
//! `runrate` takes the fixed price book of the tests, so that the built-in book may change. Commands that the reader does
//! not see use GNU tools, so the guides run on Linux only.
#![cfg(target_os = "linux")]

use std::{fmt::Write, fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use super::{compare, root};

/// Stands for lines that are left out.
const GAP: &str = "…";

/// The program with the fixed price book. A saved plan has its prices, and some commands need none.
const WRAPPER: &str = "\
#!/bin/sh
case \"$1:$*\" in
report:*plan.json* | reconcile:*plan.json*) ;;
plan:* | compare:* | commit:* | tune:* | simulate:* | reconcile:* | calibrate:* | backtest:* | report:* | manifests:*)
    set -- \"$@\" --prices \"$BOOK\" ;;
esac
exec \"$RUNRATE\" \"$@\"
";

fn run(command: &str, folder: &Path, programs: &Path) -> Vec<String> {
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("sh")
        .args(["-c", &format!("exec 2>&1; {command}")])
        .current_dir(folder)
        .env("PATH", format!("{}:{path}", programs.display()))
        .env("RUNRATE", env!("CARGO_BIN_EXE_runrate"))
        .env("BOOK", root().join("tests/data/prices"))
        .env("REPOSITORY", root())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("panicked at"), "{command}: {text}");
    text.lines().map(|line| line.trim_end().to_owned()).collect()
}

/// Whether the shown lines are the printed ones, apart from gaps.
fn is_shown(shown: &[String], printed: &[String]) -> bool {
    let mut parts = shown.split(|line| line.trim() == GAP);
    let first = parts.next().unwrap_or_default();
    if !printed.starts_with(first) {
        return false;
    }
    let (mut at, mut last) = (first.len(), None);
    for part in parts {
        let found = printed[at..].windows(part.len().max(1)).position(|lines| lines == part);
        last = Some(part);
        if !part.is_empty() {
            let Some(found) = found else { return false };
            at += found + part.len();
        }
    }
    match last {
        None => at == printed.len(),
        Some([]) => true,
        Some(part) => printed.ends_with(part),
    }
}

/// The printed lines that are most like the shown ones, with the gaps between them.
fn rewritten(shown: &[String], printed: &[String]) -> Vec<String> {
    const LIKE: f64 = 0.5;
    if !shown.iter().any(|line| line.trim() == GAP) {
        return printed.to_vec();
    }
    let mut lines: Vec<String> = Vec::new();
    let mut at = 0;
    let gap = |lines: &mut Vec<String>| {
        if lines.last().is_none_or(|last| last != GAP) {
            lines.push(GAP.to_owned());
        }
    };
    for line in shown.iter().filter(|line| line.trim() != GAP) {
        let likeness = |other: &String| {
            if line.is_empty() || other.is_empty() {
                return f64::from(u8::from(line == other));
            }
            strsim::normalized_levenshtein(line, other)
        };
        let scores: Vec<f64> = printed[at..].iter().map(likeness).collect();
        let best = scores.iter().copied().fold(LIKE, f64::max);
        let Some(found) = scores.iter().position(|score| *score >= best) else { continue };
        if found > 0 {
            gap(&mut lines);
        }
        lines.push(printed[at + found].clone());
        at += found + 1;
    }
    if at < printed.len() {
        gap(&mut lines);
    }
    lines
}

/// Runs a guide; the guide as it has to be.
fn checked(guide: &str, least: usize) -> String {
    let folder = tempfile::tempdir().unwrap();
    let programs = tempfile::tempdir().unwrap();
    let wrapper = programs.path().join("runrate");
    fs::write(&wrapper, WRAPPER).unwrap();
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).unwrap();
    let text = fs::read_to_string(root().join(guide)).unwrap();
    let mut lines = text.lines().peekable();
    let mut out = String::new();
    let mut inside = false;
    let mut commands = 0;
    while let Some(line) = lines.next() {
        let _ = writeln!(out, "{line}");
        if let Some(hidden) = line.strip_prefix("<!-- run: ") {
            let printed = run(hidden.trim_end_matches(" -->"), folder.path(), programs.path());
            assert!(printed.is_empty(), "{guide}: {hidden}: {printed:?}");
        }
        if line.starts_with("```") {
            inside = line == "```console";
        }
        let Some(mut command) = line.strip_prefix("$ ").filter(|_| inside).map(str::to_owned)
        else {
            continue;
        };
        while command.ends_with('\\') {
            let more = lines.next().unwrap();
            let _ = writeln!(out, "{more}");
            command = format!("{} {}", command.trim_end_matches('\\').trim_end(), more.trim());
        }
        let mut shown = Vec::new();
        while let Some(line) =
            lines.next_if(|line| !line.starts_with("$ ") && !line.starts_with("```"))
        {
            shown.push(line.to_owned());
        }
        let printed = run(&command, folder.path(), programs.path());
        let expected = if is_shown(&shown, &printed) { shown } else { rewritten(&shown, &printed) };
        for line in expected {
            let _ = writeln!(out, "{line}");
        }
        commands += 1;
    }
    assert!(commands >= least, "{guide} has {commands} commands");
    out
}

#[test]
fn the_guide_for_founders_prints_what_it_shows() {
    compare("docs/guide-founder.md", &checked("docs/guide-founder.md", 5));
}

#[test]
fn the_guide_for_finance_prints_what_it_shows() {
    compare("docs/guide-finance.md", &checked("docs/guide-finance.md", 5));
}

#[test]
fn the_guide_for_engineers_prints_what_it_shows() {
    compare("docs/guide-engineer.md", &checked("docs/guide-engineer.md", 5));
}

#[test]
fn the_example_of_the_readme_prints_what_it_shows() {
    compare("README.md", &checked("README.md", 1));
}

#[test]
fn a_shown_line_must_be_printed() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let printed = lines("a 1\nb 2\nc 3\nd 4");
    for shown in ["a 1\nb 2\nc 3\nd 4", "a 1\n…", "…\nc 3\n…", "…\nd 4", "a 1\n…\nc 3\nd 4", "…"]
    {
        assert!(is_shown(&lines(shown), &printed), "{shown}");
    }
    for shown in ["", "a 1", "a 2\n…", "…\nc 3", "…\nd 4\n…\na 1", "b 2\n…", "…\nb 2\nd 4\n…"]
    {
        assert!(!is_shown(&lines(shown), &printed), "{shown}");
    }
    let changed = lines("a 1\nnew\nb 2\nc 33\nd 4");
    assert_eq!(rewritten(&lines("a 1\n…\nc 3\n…"), &changed), lines("a 1\n…\nc 33\n…"));
    assert_eq!(rewritten(&lines("a 1"), &changed), changed);
}
