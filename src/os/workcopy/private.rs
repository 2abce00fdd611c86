//! A folder that nobody else can write into, on a machine that others use too.
//!
//! `/tmp` is open to all: whoever makes our folder there before us, or links it elsewhere, would choose what we run. So
//! a folder is made with mode 0700, and one that exists must be a folder, and ours; everybody above it must be somebody
//! who could do as he likes anyway.

use std::{fs, io, path::Path};

use super::{CopyError, failed};

/// Makes a folder, and those above it, for its owner alone; or checks that it is one.
///
/// # Errors
/// When it cannot be made, or somebody else could change what is in it.
pub fn private_folder(path: &Path) -> Result<(), CopyError> {
    make(path).map_err(|source| failed(path, source))?;
    check(path)
}

fn make(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Returns whether a folder, itself and not a link to it, belongs to us.
#[cfg(unix)]
pub(super) fn is_ours(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let ours = rustix::process::geteuid().as_raw();
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir() && metadata.uid() == ours)
}

#[cfg(not(unix))]
pub(super) fn is_ours(path: &Path) -> bool {
    path.is_dir()
}

#[cfg(unix)]
fn check(path: &Path) -> Result<(), CopyError> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    /// Owner of what belongs to nobody in this user namespace, such as `/` in some containers.
    const OVERFLOW_UID: u32 = 65534;
    let refused = |why: String| CopyError::Unsafe { path: path.to_owned(), why };
    let look = |path: &Path| fs::symlink_metadata(path).map_err(|source| failed(path, source));

    let ours = rustix::process::geteuid().as_raw();
    let own = look(path)?;
    if !own.is_dir() {
        return Err(refused("it is a link".to_owned()));
    }
    if own.uid() != ours {
        return Err(refused(format!("it belongs to the user with id {}", own.uid())));
    }
    if own.mode() & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(|source| failed(path, source))?;
    }
    let real = fs::canonicalize(path).map_err(|source| failed(path, source))?;
    for above in real.ancestors().skip(1) {
        let metadata = look(above)?;
        if ![0, ours, OVERFLOW_UID].contains(&metadata.uid()) {
            return Err(refused(format!("`{}` belongs to the user with id {}", above.display(), metadata.uid())));
        }
        if metadata.mode() & 0o1002 == 0o0002 {
            return Err(refused(format!("everybody may rename what is in `{}`", above.display())));
        }
    }
    Ok(())
}

#[cfg(not(unix))]
fn check(_path: &Path) -> Result<(), CopyError> {
    Ok(())
}
