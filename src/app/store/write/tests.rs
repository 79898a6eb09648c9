use std::{collections::BTreeMap, path::PathBuf};

use tempfile::TempDir;

use super::{
    disk::faults::{Fault, with},
    *,
};

type Files = BTreeMap<String, String>;

/// Returns all files of a folder, without those of ours that are under way.
fn files(folder: &Path) -> Files {
    let mut found = Files::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder).unwrap().display().to_string();
            if name.starts_with(".runrate-") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(name, fs::read_to_string(path).unwrap());
            }
        }
    }
    found
}

fn left_over(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.display().to_string().contains(".runrate-")).collect()
}

/// Returns a folder in the memory where there is one: only the order of the calls matters here.
fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

const OWNED: [&str; 2] = ["odds.svg", "tables/table-*.csv"];

/// Returns a folder with a set, a link in it, and a file that is not of the set.
fn before(out: &Path) -> Files {
    let set = [
        ("plan.json", "old"),
        ("same.txt", "same"),
        ("odds.svg", "old"),
        ("tables/table-a.csv", "old"),
        ("tables/table-b.csv", "old"),
    ];
    write_folder(out, &set, &[]).unwrap();
    fs::write(out.join("mine.txt"), "mine").unwrap();
    #[cfg(unix)]
    {
        fs::write(out.join("linked"), "old").unwrap();
        std::os::unix::fs::symlink("linked", out.join("link")).unwrap();
    }
    files(out)
}

fn write_after(out: &Path) -> Result<(), Error> {
    let set = [
        ("plan.json", "new, and longer"),
        ("same.txt", "same"),
        ("tables/table-b.csv", "new"),
        ("deep/er/new.txt", "new"),
        ("link", "new"),
    ];
    write_folder(out, &set, &OWNED)
}

/// Returns what the folder holds once it is written, and the points that takes.
fn after() -> (Files, usize) {
    let folder = folder();
    before(folder.path());
    let (done, points) = with(Fault::None, || write_after(folder.path()));
    done.unwrap();
    let found = files(folder.path());
    assert!(!found.contains_key("odds.svg") && !found.contains_key("tables/table-a.csv"));
    assert_eq!((&*found["mine.txt"], &*found["linked"]), ("mine", "new"));
    assert!(folder.path().join("link").is_symlink() || cfg!(not(unix)));
    assert_eq!(left_over(folder.path()), [] as [PathBuf; 0]);
    (found, points)
}

#[test]
fn a_set_is_old_or_new_wherever_the_disk_fails_or_the_run_is_killed() {
    let (new, points) = after();
    let mut tried = 0;
    for point in 0..points {
        for fault in [Fault::Once(point), Fault::From(point)] {
            let folder = folder();
            let out = folder.path();
            let old = before(out);
            let (done, _) = with(fault, || write_after(out));
            if let (Err(error), Fault::Once(_)) = (&done, fault) {
                assert!(!set::is_open(out), "{fault:?} is undone at once");
                assert_eq!(error.exit_code(), 1, "{error}");
            }
            // The next reader.
            settle(out).unwrap();
            let found = files(out);
            assert!(found == old || found == new, "{fault:?}: {found:?}");
            assert!(done.is_err() || found == new, "{fault:?} went unnoticed");
            // The next writer.
            write_after(out).unwrap();
            assert_eq!(files(out), new, "{fault:?}");
            assert_eq!(left_over(out), [] as [PathBuf; 0], "{fault:?}");
            tried += 1;
        }
    }
    assert!(tried > 100, "{tried} points tried");
    eprintln!("a set: {tried} points, 0 failures");
}

#[test]
fn putting_back_may_be_killed_too() {
    let (new, points) = after();
    let mut tried = 0;
    for killed in 0..points {
        let mut again = 0;
        loop {
            let folder = folder();
            let out = folder.path();
            let old = before(out);
            let _ = with(Fault::From(killed), || write_after(out));
            let (done, reached) = with(Fault::From(again), || settle(out));
            settle(out).unwrap();
            let found = files(out);
            assert!(found == old || found == new, "{killed}, {again}: {found:?}");
            tried += 1;
            again += 1;
            if done.is_ok() && again > reached {
                break;
            }
        }
    }
    assert!(tried > points, "{tried} points tried");
    eprintln!("putting back: {tried} pairs of points, 0 failures");
}

#[test]
fn a_new_folder_is_whole_or_not_there_at_all() {
    let out = |folder: &TempDir| folder.path().join("a/b");
    let write = |out: &Path| write_folder(out, &[("x", "1"), ("y/z", "2")], &[]);
    let first = folder();
    let (done, points) = with(Fault::None, || write(&out(&first)));
    done.unwrap();
    let whole = files(&out(&first));
    for point in 0..points {
        let folder = folder();
        let (done, _) = with(Fault::Once(point), || write(&out(&folder)));
        let exists = out(&folder).exists();
        assert!(exists == folder.path().join("a").exists(), "point {point}");
        assert!(done.is_err() || exists, "point {point}");
        assert!(!exists || files(&out(&folder)) == whole, "point {point}");
    }
}

#[test]
fn a_file_is_old_or_new_wherever_the_disk_fails() {
    let first = folder();
    fs::write(first.path().join("f"), "old").unwrap();
    let (done, points) = with(Fault::None, || write_file(&first.path().join("f"), b"new"));
    done.unwrap();
    assert!(points > 4, "{points}");
    for point in 0..points {
        for fault in [Fault::Once(point), Fault::From(point)] {
            let folder = folder();
            let path = folder.path().join("f");
            fs::write(&path, "old").unwrap();
            let (done, _) = with(fault, || write_file(&path, b"new"));
            let found = fs::read_to_string(&path).unwrap();
            assert!(found == "new" || (found == "old" && done.is_err()), "{fault:?}: {found}");
            write_file(&path, b"newer").unwrap();
            assert_eq!(left_over(folder.path()), [] as [PathBuf; 0], "{fault:?}");
        }
    }
}

#[test]
fn stale_temporaries_go_and_those_in_use_stay() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    fs::write(path(".runrate-abc.tmp"), "stale").unwrap();
    fs::write(path(".tmpabc"), "not ours").unwrap();
    let used = fs::File::create(path(".runrate-used.tmp")).unwrap();
    used.lock().unwrap();
    write_file(&path("f"), b"1").unwrap();
    assert_eq!(left_over(folder.path()), [path(".runrate-used.tmp")]);
    drop(used);
    write_folder(folder.path(), &[("g", "1")], &[]).unwrap();
    assert_eq!(left_over(folder.path()), [] as [PathBuf; 0]);
    assert!(path(".tmpabc").exists());
}

#[test]
fn writers_and_readers_at_once_see_whole_sets() {
    let folder = folder();
    let out = folder.path().join("out");
    let names = ["a", "b", "sub/c"];
    let write = |text: &str| write_folder(&out, &names.map(|name| (name, text)), &[]).unwrap();
    write("first");
    std::thread::scope(|scope| {
        for writer in 0..3 {
            scope.spawn(move || (0..30).for_each(|turn| write(&format!("{writer}-{turn}"))));
        }
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..60 {
                    let _lock = reading(&out).unwrap();
                    let read = names.map(|name| fs::read_to_string(out.join(name)).unwrap());
                    assert!(read.iter().all(|text| *text == read[0]), "{read:?}");
                }
            });
        }
    });
    assert_eq!(left_over(&out), [] as [PathBuf; 0]);
}

#[cfg(unix)]
#[test]
fn owner_mode_and_links_are_kept() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    let mode = |name: &str| path(name).metadata().unwrap().permissions().mode() & 0o777;
    for name in ["private", "shared"] {
        fs::write(path(name), "old").unwrap();
    }
    fs::set_permissions(path("private"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(path("shared"), fs::Permissions::from_mode(0o664)).unwrap();
    // Only root can give a file away.
    let given = std::os::unix::fs::chown(path("private"), Some(65_534), None).is_ok();
    write_file(&path("private"), b"new").unwrap();
    write_folder(folder.path(), &[("private", "newer"), ("shared", "new")], &[]).unwrap();
    assert_eq!((mode("private"), mode("shared")), (0o600, 0o664));
    assert!(!given || path("private").metadata().unwrap().uid() == 65_534);
    // A link to a file that is not there yet, and one to a folder elsewhere.
    symlink("shared", path("link")).unwrap();
    symlink(path("later"), path("dangling")).unwrap();
    write_file(&path("link"), b"1").unwrap();
    write_file(&path("dangling"), b"2").unwrap();
    assert!(path("link").is_symlink() && path("dangling").is_symlink());
    assert_eq!(fs::read(path("shared")).unwrap(), b"1");
    assert_eq!(fs::read(path("later")).unwrap(), b"2");
    symlink("round", path("round")).unwrap();
    let error = write_file(&path("round"), b"3").unwrap_err().to_string();
    assert!(error.contains("symbolic links form a circle"), "{error}");
    fs::set_permissions(path("shared"), fs::Permissions::from_mode(0o444)).unwrap();
    for error in [
        write_file(&path("shared"), b"3").unwrap_err(),
        write_folder(folder.path(), &[("private", "4"), ("shared", "4")], &[]).unwrap_err(),
    ] {
        assert!(
            error.to_string().contains("shared: cannot be written: it is read-only"),
            "{error}"
        );
    }
    assert_eq!(fs::read(path("private")).unwrap(), b"newer");
    write_file(Path::new("/dev/null"), b"5").unwrap();
    assert!(!Path::new("/dev/null").is_file());
}

#[cfg(unix)]
#[test]
fn a_journal_of_somebody_else_reaches_nothing_outside_its_folder() {
    let folder = folder();
    let (out, secret) = (folder.path().join("out"), folder.path().join("secret"));
    fs::create_dir_all(out.join(".runrate-set")).unwrap();
    std::os::unix::fs::symlink(&secret, out.join("link")).unwrap();
    let change = |name: &str| serde_json::json!({ "name": name, "new": crate::app::store::digest(b"x"), "existed": true });
    let changes = [change("../secret"), change("link"), change(&secret.display().to_string())];
    for index in 0..changes.len() {
        fs::write(out.join(format!(".runrate-set/old-{index}")), "evil").unwrap();
    }
    let journal = serde_json::json!({ "changes": changes, "folders": ["../other"] });
    fs::write(out.join(".runrate-set/journal.json"), journal.to_string()).unwrap();
    fs::create_dir(folder.path().join("other")).unwrap();
    settle(&out).unwrap();
    assert!(!secret.exists() && folder.path().join("other").exists());
    assert!(!set::is_open(&out));
}
