//! A folder as Kudu shows it.

use serde::Serialize;

use super::content;
use crate::{
    api::{kudu::text, links::Links},
    store::beneath::Entry,
};

/// Something in a folder, as Kudu shows it.
#[derive(Debug, Serialize)]
pub struct Shape {
    name: String,
    size: u64,
    mtime: String,
    crtime: String,
    mime: &'static str,
    href: String,
    path: String,
}

/// Shows a folder; `path` is how the client names it.
pub fn show(entries: Vec<Entry>, links: &Links, path: &str) -> Vec<Shape> {
    let shape = |entry: Entry| {
        let own = if path.is_empty() { entry.name.clone() } else { format!("{path}/{}", entry.name) };
        Shape {
            size: entry.size,
            mtime: text::date(Some(entry.modified)),
            crtime: text::date(Some(entry.created)),
            mime: if entry.is_folder { "inode/directory" } else { content::media_type(&entry.name) },
            href: links.file(&own) + if entry.is_folder { "/" } else { "" },
            path: entry.place.to_string_lossy().into_owned(),
            name: entry.name,
        }
    };
    entries.into_iter().map(shape).collect()
}
