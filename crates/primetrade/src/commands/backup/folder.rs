//! Folders that appear under their name when they are whole.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use node::Failure;

/// A folder that is being filled, beside the place where it will be. It is removed if it does not get there.
pub struct Staged {
    at: PathBuf,
    name: PathBuf,
    published: bool,
}

impl Staged {
    /// `other`: how the user names another place.
    ///
    /// # Errors
    /// When there is something in the place already, or the folder cannot be made.
    pub fn beside(name: &Path, other: &str) -> Result<Self, Failure> {
        let name = std::path::absolute(name)?;
        require_vacant(&name, other)?;
        let (Some(parent), Some(last)) = (name.parent(), name.file_name()) else {
            return Err(format!("{} cannot be a folder for this", name.display()).into());
        };
        // Nobody takes it for the folder that it will be.
        let at = parent.join(format!(".{}.{}.unfinished", last.to_string_lossy(), std::process::id()));
        let make = |recursive, folder: &Path| DirBuilder::new().recursive(recursive).mode(0o700).create(folder);
        let made = make(true, parent).and_then(|()| make(false, &at));
        made.map_err(|error| format!("cannot make {}: {error}", at.display()))?;
        Ok(Self { at, name, published: false })
    }

    pub fn path(&self) -> &Path {
        &self.at
    }

    /// Gives it its name. What is in it is on disk before its name is.
    ///
    /// # Errors
    /// When somebody put something there meanwhile, or it is a mount point.
    pub fn publish(mut self) -> Result<(), Failure> {
        let named = sync(&self.at).and_then(|()| fs::rename(&self.at, &self.name));
        named.map_err(|error| format!("cannot put it at {}: {error}", self.name.display()))?;
        self.published = true;
        Ok(sync(self.name.parent().unwrap_or(Path::new("/")))?)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.published {
            // Its name says what it is, should it stay.
            let _ = fs::remove_dir_all(&self.at);
        }
    }
}

fn require_vacant(name: &Path, other: &str) -> Result<(), Failure> {
    let shown = name.display();
    match fs::read_dir(name).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => {
            Err(format!("{shown} is not empty, and nothing is ever overwritten: name a new folder{other}").into())
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(format!("{shown}: {error}").into()),
    }
}

/// Copies a file that only this user may read, and has the copy on disk.
///
/// # Errors
/// With the file that is to blame.
pub fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    let blame = |file: &Path| {
        let file = file.display().to_string();
        move |error: io::Error| format!("{file}: {error}")
    };
    let mut source = File::open(from).map_err(blame(from))?;
    let mut target = create(to).map_err(blame(to))?;
    io::copy(&mut source, &mut target).map_err(blame(to))?;
    Ok(target.sync_all().map_err(blame(to))?)
}

/// A new file that only this user may read.
pub fn create(file: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
