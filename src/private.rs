//! Files that hold patients or secrets: made for their owner alone whatever the umask, and told when others may read them.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Read and written by the owner, nobody else.
const OWNER: u32 = 0o600;
/// What a mode gives to the group and to others.
const OTHERS: u32 = 0o077;

/// A file that others than its owner may read, write or run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exposed {
    pub path: PathBuf,
    /// Its permissions, as `chmod` takes them.
    pub mode: u32,
}

/// How a file is opened that, if it is made, only its owner reads.
pub fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(OWNER);
    options
}

/// Makes an empty file if there is none.
///
/// # Errors
/// As the system says.
pub fn make(path: &Path) -> io::Result<()> {
    // One that is there is not even opened: closing it would end the locks that SQLite holds on it in this process.
    if path.exists() {
        return Ok(());
    }
    options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    Ok(())
}

/// Which of these files others than their owner may use; those that are not there are left out.
pub fn exposed(paths: impl IntoIterator<Item = PathBuf>) -> Vec<Exposed> {
    let others = |path: PathBuf| {
        let mode = path.metadata().ok()?.permissions().mode() & 0o7777;
        (mode & OTHERS != 0).then_some(Exposed { path, mode })
    };
    paths.into_iter().filter_map(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_is_made_for_its_owner_and_one_that_is_wider_is_told() {
        let dir = std::env::temp_dir().join(format!("relais_unit_private_{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let file = dir.join("file");
        make(&file).unwrap();
        let told = || exposed([file.clone(), dir.join("none")]);
        assert_eq!(told(), []);
        fs::write(&file, "kept").unwrap();
        for mode in [0o640, 0o604, 0o620, 0o644] {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            make(&file).unwrap();
            let path = file.clone();
            assert_eq!(told(), [Exposed { path, mode }]);
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), "kept");
        fs::remove_dir_all(&dir).unwrap();
    }
}
