//! Replaces a file of the user: completely or not at all, and only if it has not changed since it was read.
//!
//! # Limits
//! Between the last look and the new name another program could still write; the gap is one rename long.

use std::path::Path;

use super::{read_text, write_file};
use crate::error::{Error, Place};

/// Puts a new text in the place of the one that was read. Links and permissions stay.
///
/// # Errors
/// A file that has changed since, is gone, or cannot be written.
pub fn rewrite(path: &Path, read: &str, text: &str) -> Result<(), Error> {
    let place = || Place::file(&path.display().to_string());
    if read_text(path)? != read {
        let message =
            "has changed on disk since it was read; nothing was written. Restart to read it again";
        return Err(Error::io(place(), message));
    }
    write_file(path, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_is_written_only_while_it_is_what_was_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.toml");
        fs::write(&path, "a = 1\n").unwrap();
        rewrite(&path, "a = 1\n", "a = 2\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "a = 2\n");
        let error = rewrite(&path, "a = 1\n", "a = 3\n").unwrap_err().to_string();
        assert!(error.contains("has changed on disk"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "a = 2\n");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left over");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link_and_a_private_file_private() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real.toml"), folder.path().join("s.toml"));
        fs::write(&real, "a = 1\n").unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o600)).unwrap();
        symlink(&real, &link).unwrap();
        rewrite(&link, "a = 1\n", "a = 2\n").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&real).unwrap(), "a = 2\n");
        assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
