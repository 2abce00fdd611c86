//! What a path of a client stands for, and a folder as Kudu shows it.

use serde::Serialize;

use super::{
    content,
    tree::{self, Shown},
};
use crate::{
    api::{kudu::text, links::Links},
    model::config::Config,
    store::{
        beneath::{Beneath, Entry, Node},
        layout::Layout,
    },
};

/// The folders that are shown.
#[derive(Clone, Debug)]
pub struct Roots {
    data: Beneath,
    jobs: Beneath,
}

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

impl Roots {
    /// Takes the folders of a host. Its own, with the credentials, is never shown.
    pub fn new(config: &Config, layout: &Layout) -> Self {
        let shown = |root: &std::path::Path| Beneath::new(root.to_owned(), layout.own());
        Self { data: shown(layout.data()), jobs: shown(&config.jobs) }
    }

    /// Opens what a path stands for; `None` when that is nothing that is shown.
    pub fn open(&self, parts: &[String]) -> Option<Node> {
        if parts.is_empty() {
            let folders = [self.data.as_entry("data"), self.jobs.as_entry("jobs")];
            return Some(Node::Folder(folders.into_iter().flatten().collect()));
        }
        match tree::resolve(parts)? {
            (Shown::Data, rest) => self.data.open(rest),
            (Shown::Jobs, rest) => self.jobs.open(rest),
        }
    }
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
