//! The binary under fault: killed while it writes, two at once, a full disk, folders that cannot be written.
//! Afterwards the old files are there or the new ones, and the program reads them.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use crate::support::{
    kill::{Tally, kill_while_writing, kills},
    stdout,
};
use tempfile::TempDir;

const SMALL: &str = "examples/hourly-load.toml";
const PROGRAM: &str = env!("CARGO_BIN_EXE_runrate");

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments);
    command
}

fn runrate(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A folder in memory where there is one, for tests in which a slow disk adds nothing.
fn in_memory() -> TempDir {
    TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap()
}

type Files = BTreeMap<PathBuf, Vec<u8>>;

/// All files of a folder, those that a killed run left among them.
fn files(folder: &Path) -> Files {
    let mut found = Files::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.clone(), fs::read(path).unwrap());
        }
    }
    found
}

/// The small example under another name.
fn scenario(folder: &TempDir, name: &str) -> String {
    let example = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(SMALL)).unwrap();
    let line = example.lines().find(|line| line.starts_with("name = ")).unwrap();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data");
    let text = example
        .replacen(line, &format!("name = \"{name}\""), 1)
        .replace("\"data/", &format!("\"{}/", data.display()));
    let path = folder.path().join(format!("{name}.toml"));
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn a_plan_that_is_killed_leaves_the_old_files_or_the_new() {
    let folder = TempDir::new().unwrap();
    let scenarios = ["old", "new"].map(|name| scenario(&folder, name));
    let out = folder.path().join("out");
    let named = out.display().to_string();
    let plan = |scenario: &str| command(&["plan", scenario, "--trials", "1", "--out", &named]);
    let states = scenarios.each_ref().map(|scenario| {
        stdout(&plan(scenario).output().unwrap());
        files(&out)
    });
    let mut now = 1;
    let mut tally = Tally::default();
    for turn in 0..kills(4) {
        tally.add(kill_while_writing(&mut plan(&scenarios[1 - now]), &out, turn));
        // A reader puts right what is to be put right.
        let read = out.join("plan.json").display().to_string();
        stdout(&runrate(&["explain", &read]));
        let mut found = files(&out);
        found.retain(|path, _| !path.display().to_string().contains(".runrate-"));
        now = states.iter().position(|state| *state == found).unwrap_or_else(|| {
            panic!("kill {turn} left a mixture of two plans");
        });
    }
    // The next run leaves nothing of the killed ones.
    stdout(&plan(&scenarios[0]).output().unwrap());
    assert!(files(&out) == states[0]);
    tally.end("plan --out");
}

/// Two years of bills that say one amount.
fn bills(folder: &TempDir, amount: u32) -> String {
    let mut text = "month,account,service,cost\n".to_owned();
    for month in 0..24 {
        let (year, month) = (2024 + month / 12, month % 12 + 1);
        let _ = writeln!(text, "{year}-{month:02},222222222222,AmazonEC2,{amount}");
    }
    let path = folder.path().join(format!("{amount}.csv"));
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// The amount that all months of a folder say.
fn amount(kept: &str) -> u32 {
    let listed = runrate(&["actuals", "list", "--actuals", kept, "--format", "csv"]);
    let listed = stdout(&listed);
    let amounts = [100, 200].map(|amount| {
        listed.lines().filter(|line| line.contains(&format!(",{amount},{amount},"))).count()
    });
    match amounts {
        [24, 0] => 100,
        [0, 24] => 200,
        _ => panic!("months of two imports: {amounts:?} in {listed}"),
    }
}

#[test]
fn an_import_that_is_killed_leaves_all_months_or_none() {
    let folder = TempDir::new().unwrap();
    let kept = folder.path().join("kept");
    let named = kept.display().to_string();
    let exports = [100, 200].map(|amount| bills(&folder, amount));
    let import = |export: &str| command(&["actuals", "import", export, "--actuals", &named]);
    stdout(&import(&exports[0]).output().unwrap());
    let mut tally = Tally::default();
    for turn in 0..kills(30) {
        let export = &exports[usize::from(amount(&named) == 100)];
        tally.add(kill_while_writing(&mut import(export), &kept, turn));
        amount(&named);
    }
    stdout(&import(&exports[1]).output().unwrap());
    assert_eq!((amount(&named), files(&kept).len()), (200, 24));
    tally.end("actuals import");
}

#[test]
fn two_runs_at_once_leave_the_files_of_one() {
    let folder = in_memory();
    let kept = folder.path().join("kept").display().to_string();
    let exports = [100, 200].map(|amount| bills(&folder, amount));
    for _ in 0..8 {
        let mut runs = exports.each_ref().map(|export| {
            let mut import = command(&["actuals", "import", export, "--actuals", &kept]);
            import.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        });
        for run in &mut runs {
            assert!(run.wait().unwrap().success());
        }
        amount(&kept);
    }
    assert_eq!(files(Path::new(&kept)).len(), 24, "nothing is left over");
}

/// A small file system in memory; root alone may mount one.
struct Mount {
    path: PathBuf,
}

impl Mount {
    fn new(folder: &TempDir, options: &str) -> Option<Self> {
        let path = folder.path().join("mount");
        fs::create_dir(&path).unwrap();
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&path).output();
        let is_mounted = mounted.is_ok_and(|mounted| mounted.status.success());
        if !is_mounted {
            eprintln!("skipped: only root may mount a tmpfs; an injected fault is tested in store");
        }
        is_mounted.then_some(Self { path })
    }

    fn remount(&self, options: &str) {
        let mut mount = Command::new("mount");
        let done = mount.args(["-o", &format!("remount,{options}")]).arg(&self.path).status();
        assert!(done.unwrap().success());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}

#[test]
fn a_full_disk_and_a_read_only_one_fail_with_the_path_and_leave_what_was() {
    let folder = TempDir::new().unwrap();
    let Some(mount) = Mount::new(&folder, "size=2m") else { return };
    let out = mount.path.join("out");
    let named = out.display().to_string();
    let scenarios = ["old", "new"].map(|name| scenario(&folder, name));
    let plan = |scenario: &str| runrate(&["plan", scenario, "--trials", "1", "--out", &named]);
    stdout(&plan(&scenarios[0]));
    let before = files(&out);
    let single = mount.path.join("one.toml");
    let single_name = single.display().to_string();
    stdout(&runrate(&["init", &single_name]));
    let text = fs::read(&single).unwrap();
    let fails = |output: &Output, path: &str, why: &str| {
        let said = stderr(output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(path) && said.contains(why), "{said}");
        assert!(files(&out) == before);
        assert_eq!(fs::read(&single).unwrap(), text);
    };
    // From no room at all to nearly enough: it ends within another file each time.
    let free = 2 << 20;
    let used: usize = before.values().map(Vec::len).sum::<usize>() + text.len();
    for room in [0, 128, 448] {
        let ballast = mount.path.join("ballast");
        let page = 4096;
        let held = before.len() * page / 2 + used + page;
        fs::write(&ballast, vec![1_u8; free - held - (room << 10)]).unwrap_or_default();
        let full = mount.path.join("more");
        if room == 0 {
            // The last pages.
            let _ = fs::write(&full, vec![1_u8; free]);
        }
        fails(&plan(&scenarios[1]), &named, "the disk is full. Free some space");
        if room == 0 {
            let init = runrate(&["init", &single_name, "--force"]);
            fails(&init, &single_name, "the disk is full. Free some space");
            fs::remove_file(full).unwrap();
        }
        fs::remove_file(ballast).unwrap();
    }
    mount.remount("ro");
    fails(&plan(&scenarios[1]), &named, "the file system is read-only");
    let init = runrate(&["init", &single_name, "--force"]);
    fails(&init, &single_name, "the file system is read-only");
    // What is there is still read.
    let read = out.join("plan.json").display().to_string();
    stdout(&runrate(&["explain", &read]));
    mount.remount("rw");
    stdout(&plan(&scenarios[1]));
    assert!(files(&out) != before);
}

#[test]
fn a_folder_without_permission_fails_with_its_path() {
    use std::os::unix::fs::PermissionsExt;
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("out");
    fs::create_dir(&out).unwrap();
    fs::set_permissions(&out, fs::Permissions::from_mode(0o555)).unwrap();
    let is_root = fs::write(out.join("probe"), "").is_ok();
    if is_root {
        eprintln!("skipped: root may write everywhere; a read-only file system is tested");
        return;
    }
    let named = out.display().to_string();
    let output = runrate(&["plan", SMALL, "--trials", "1", "--out", &named]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&named) && said.contains("permission denied"), "{said}");
}

#[test]
fn the_umask_counts_and_a_link_is_followed() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = in_memory();
    let path = |name: &str| folder.path().join(name);
    let mode = |name: &str| path(name).metadata().unwrap().permissions().mode() & 0o777;
    let under = |umask: &str, arguments: &[&str]| {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("umask {umask}; exec \"$0\" \"$@\""), PROGRAM]);
        stdout(&shell.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments).output().unwrap());
    };
    let named = |name: &str| path(name).display().to_string();
    under("077", &["init", &named("private.toml")]);
    under("077", &["plan", SMALL, "--trials", "1", "--out", &named("private")]);
    assert_eq!((mode("private.toml"), mode("private/plan.json")), (0o600, 0o600));
    assert_eq!(mode("private"), 0o700);
    under("022", &["init", &named("shared.toml")]);
    assert_eq!(mode("shared.toml"), 0o644);
    // An existing file keeps its mode, and a link leads to the file.
    symlink("private.toml", path("link.toml")).unwrap();
    fs::write(path("private.toml"), "old").unwrap();
    under("022", &["init", &named("link.toml"), "--force"]);
    assert!(path("link.toml").is_symlink());
    assert_eq!(mode("private.toml"), 0o600);
    assert!(fs::read_to_string(path("private.toml")).unwrap().contains("[plan]"));
    under("022", &["plan", SMALL, "--trials", "1", "--out", &named("private")]);
    assert_eq!(mode("private/plan.json"), 0o600);
}

#[test]
fn what_a_command_owns_and_does_not_write_is_removed() {
    let folder = in_memory();
    let out = folder.path().join("out");
    let named = out.display().to_string();
    let spread = || ["spread.csv", "odds.svg"].map(|name| out.join(name).exists());
    stdout(&runrate(&["plan", SMALL, "--trials", "2", "--out", &named]));
    assert_eq!(spread(), [true, true]);
    fs::write(out.join("notes.txt"), "mine").unwrap();
    stdout(&runrate(&["plan", SMALL, "--trials", "1", "--out", &named]));
    assert_eq!(spread(), [false, false], "they are of the plan before");
    assert!(out.join("notes.txt").exists());
    // Tables of another plan, and only where tables are written.
    fs::write(out.join("table-other.csv"), "of another plan").unwrap();
    let plan = out.join("plan.json").display().to_string();
    stdout(&runrate(&["report", &plan, "--format", "md", "--out", &named]));
    assert!(out.join("table-other.csv").exists());
    stdout(&runrate(&["report", &plan, "--format", "csv", "--out", &named]));
    assert!(!out.join("table-other.csv").exists() && out.join("tables.csv").exists());
    // Manifests of an account: a file of ours goes, one of the user's stays.
    let manifests = folder.path().join("manifests");
    let account = manifests.join("production");
    fs::create_dir_all(&account).unwrap();
    for name in ["capacity-buffers.yaml", "mine.yaml"] {
        fs::write(account.join(name), "old").unwrap();
    }
    let to = manifests.display().to_string();
    let arguments = ["examples/innovate.toml", "--account", "production", "--out", &to];
    stdout(&runrate(&[&["manifests"], &arguments[..]].concat()));
    assert!(!account.join("capacity-buffers.yaml").exists() && account.join("mine.yaml").exists());
}
