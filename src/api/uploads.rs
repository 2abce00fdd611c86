//! What clients send to become a job: streamed into a file, bounded, and gone when nobody took it.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use axum::{body::Body, http::StatusCode};
use futures_util::StreamExt;
use tokio::{fs::File, io::AsyncWriteExt};

use crate::store::layout::Layout;

/// A file that somebody sent; it is removed when this is dropped, unless it was moved away.
#[derive(Debug)]
pub struct Uploaded {
    path: PathBuf,
}

/// Why nothing was stored.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// It is larger than it may be.
    #[error("what was sent is larger than {0} bytes")]
    TooLarge(u64),
    /// It did not come whole.
    #[error("what was sent did not arrive whole: {0}")]
    Cut(axum::Error),
    /// The disk did not take it.
    #[error("what was sent could not be stored: {0}")]
    Disk(#[from] io::Error),
}

/// Returns the status of an answer to what was not stored.
pub fn status(error: &UploadError) -> StatusCode {
    match error {
        UploadError::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
        UploadError::Cut(_) => StatusCode::BAD_REQUEST,
        UploadError::Disk(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Makes the folder for uploads, and removes what a crash left there. It belongs to this instance alone.
///
/// # Errors
/// When it cannot be made.
pub fn prepare(layout: &Layout) -> io::Result<()> {
    let folder = folder(layout);
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %folder.display(), %error, "old uploads were not removed");
        }
        Ok(()) | Err(_) => {}
    }
    fs::create_dir_all(folder)
}

/// Stores a request's body of at most `bytes_max` bytes.
///
/// # Errors
/// When it is larger, ends early, or the disk does not take it.
pub async fn receive(layout: &Layout, body: Body, bytes_max: u64) -> Result<Uploaded, UploadError> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let uploaded = Uploaded { path: folder(layout).join(number.to_string()) };
    let mut file = File::create_new(&uploaded.path).await?;
    let mut pieces = body.into_data_stream();
    let mut n_bytes = 0;
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(UploadError::Cut)?;
        n_bytes += piece.len() as u64;
        if n_bytes > bytes_max {
            return Err(UploadError::TooLarge(bytes_max));
        }
        file.write_all(&piece).await?;
    }
    // The last write may still be on its way in a thread of its own.
    file.flush().await?;
    Ok(uploaded)
}

impl Uploaded {
    /// Returns where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Uploaded {
    fn drop(&mut self) {
        // Whoever moved it away did right.
        let _ = fs::remove_file(&self.path);
    }
}

fn folder(layout: &Layout) -> PathBuf {
    layout.host().join("uploads")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::Instance;

    #[tokio::test]
    async fn an_upload_is_bounded_and_leaves_nothing_behind() {
        let data = tempfile::tempdir().expect("a folder");
        let layout = Layout::new(data.path().to_owned(), Instance::new("a"));
        prepare(&layout).expect("a folder");
        fs::write(folder(&layout).join("old"), "x").expect("it is written");
        prepare(&layout).expect("a folder");
        let uploaded = receive(&layout, Body::from("12345"), 5).await.expect("it fits");
        assert_eq!(fs::read(uploaded.path()).expect("it is there"), b"12345");
        drop(uploaded);
        let error = receive(&layout, Body::from("123456"), 5).await.expect_err("it is too large");
        assert!(matches!(error, UploadError::TooLarge(5)));
        assert_eq!(fs::read_dir(folder(&layout)).expect("a folder").count(), 0);
    }
}
