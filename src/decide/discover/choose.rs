//! Which file of a folder runs (spec/kudu-webjobs 1.5, told for Linux).
//!
//! Kudu's order of kinds is kept, ours follow: cmd bat exe, ps1, sh, py, php, js mjs, fsx; jar, rb, pl, dll, other
//! extensions that have an interpreter; last whatever the system executes by itself. A file called `run` of any kind
//! beats every other; else the first file by name of the first kind that has one.
//!
//! Scripts that belong to Windows (cmd, bat, exe, ps1, fsx) are passed over where nothing runs them, since a folder may
//! serve both systems. No other kind is passed over for a missing interpreter: what runs must not depend on what happens
//! to be installed.

use std::collections::BTreeSet;

use super::{Surroundings, command, problem};
use crate::model::{
    job::{Problem, Script},
    listing::{self, Entry, EntryKind, FolderListing, LinkTo},
    settings::Settings,
};

/// Names that `no_script` lists.
const SEEN_MAX: usize = 12;

/// What runs files of some extensions: its name as logs show it, and the extensions in order.
const HOSTS: &[(&str, &[&str])] = &[
    ("WindowsScriptHost", &["cmd", "bat", "exe"]),
    ("PowerShellScriptHost", &["ps1"]),
    ("BashScriptHost", &["sh"]),
    ("PythonScriptHost", &["py"]),
    ("PhpScriptHost", &["php"]),
    ("NodeScriptHost", &["js", "mjs"]),
    ("FSharpScriptHost", &["fsx"]),
    ("JavaScriptHost", &["jar"]),
    ("RubyScriptHost", &["rb"]),
    ("PerlScriptHost", &["pl"]),
    ("DotNetScriptHost", &["dll"]),
];

/// A file and the name of what runs it.
#[derive(Clone, Copy)]
pub(super) struct Chosen<'a> {
    /// Its name in the script's folder.
    pub name: &'a str,
    /// Its extension, in lower case; `None` when the system executes it by itself.
    pub extension: Option<&'a str>,
    /// What runs it, as logs show it.
    pub host: &'static str,
    /// Its facts.
    pub entry: &'a Entry,
}

/// Chooses the file that runs, and says how.
pub fn script(
    listing: &FolderListing,
    dir: &str,
    settings: &Settings,
    around: &Surroundings<'_>,
) -> (Option<Script>, Vec<Problem>) {
    let folder = Folder::new(listing, dir, around);
    match folder.choose() {
        None => (None, vec![folder.nothing()]),
        Some(chosen) => {
            let (script, mut problems) = command::of_file(listing, dir, chosen, settings, around);
            problems.extend(folder.passed_over(chosen));
            (script, problems)
        }
    }
}

/// The files of the script's folder that might run, in the order of their names.
struct Folder<'a> {
    listing: &'a FolderListing,
    dir: &'a str,
    around: &'a Surroundings<'a>,
    files: Vec<(&'a str, &'a Entry)>,
    /// Extensions that the folder has, with the name of what runs them, in the order in which they are tried.
    kinds: Vec<(&'a str, &'static str)>,
}

impl<'a> Folder<'a> {
    fn new(listing: &'a FolderListing, dir: &'a str, around: &'a Surroundings<'a>) -> Self {
        let runnable = |name: &str| !name.starts_with('.') && !listing::is_noise(name);
        let mut files: Vec<_> =
            listing.children(dir).filter(|(name, entry)| entry.is_file() && runnable(name)).collect();
        // NTFS, which Kudu lists, orders names without regard to case.
        files.sort_by_cached_key(|(name, _)| (name.to_lowercase(), *name));
        Self { listing, dir, around, files, kinds: kinds(listing, dir, around) }
    }

    fn choose(&self) -> Option<Chosen<'a>> {
        let is_run = |chosen: &Chosen<'_>| stem(chosen.name).eq_ignore_ascii_case("run");
        let scripts = || self.scripts().filter(|chosen| self.runs_here(chosen));
        scripts()
            .find(is_run)
            .or_else(|| self.native().find(is_run))
            .or_else(|| self.native_in_name_only())
            .or_else(|| scripts().next())
            .or_else(|| self.native().find(|chosen| chosen.entry.is_executable()))
            .or_else(|| self.native().next())
    }

    /// Files with an extension that something runs, in the order in which they are tried.
    fn scripts(&self) -> impl Iterator<Item = Chosen<'a>> {
        self.kinds.iter().flat_map(move |&(ext, host)| {
            let of_kind = self.files.iter().filter(move |(name, _)| extension(name).eq_ignore_ascii_case(ext));
            of_kind.filter(move |(name, _)| ext != "dll" || self.starts(name)).map(move |&(name, entry)| Chosen {
                name,
                extension: Some(ext),
                host,
                entry,
            })
        })
    }

    /// Files that the system executes by itself: programs, and scripts whose first line says what runs them.
    fn native(&self) -> impl Iterator<Item = Chosen<'a>> {
        let other = |name: &str| !self.kinds.iter().any(|(ext, _)| extension(name).eq_ignore_ascii_case(ext));
        let library =
            |name: &str| matches!(extension(name), "so" | "o" | "a" | "node" | "dylib") || name.contains(".so.");
        let files = self.files.iter().filter(move |(name, _)| other(name) && !library(name));
        let magic = |name: &str| {
            let head = self.head(name);
            command::first_line(head).is_some() || command::is_binary(head)
        };
        let native = files.filter(move |(name, _)| !self.around.interpreters.windows && magic(name));
        native.map(|&(name, entry)| Chosen { name, extension: None, host: "NativeScriptHost", entry })
    }

    /// A file called just `run` that is marked executable, but that the system cannot execute.
    fn native_in_name_only(&self) -> Option<Chosen<'a>> {
        let unix = !self.around.interpreters.windows;
        let own = self.files.iter().find(|(name, entry)| *name == "run" && entry.is_executable() && unix);
        own.map(|&(name, entry)| Chosen { name, extension: None, host: "NativeScriptHost", entry })
    }

    fn head(&self, name: &str) -> &'a [u8] {
        self.listing.heads.get(&listing::join(self.dir, name)).map_or(&[], Vec::as_slice)
    }

    /// A `.dll` is a program when its runtime configuration lies beside it.
    fn starts(&self, name: &str) -> bool {
        let config = format!("{}.runtimeconfig.json", stem(name));
        self.files.iter().any(|(other, _)| other.eq_ignore_ascii_case(&config))
    }

    /// Whether something here runs a script that belongs to Windows; true for all others.
    fn runs_here(&self, chosen: &Chosen<'_>) -> bool {
        let Surroundings { interpreters, exists, .. } = self.around;
        let program =
            chosen.extension.and_then(|ext| interpreters.by_extension.get(ext)).and_then(|words| words.first());
        match chosen.extension {
            Some("cmd" | "bat" | "exe") => interpreters.windows || program.is_some(),
            Some("ps1" | "fsx") => program.is_some_and(|program| exists(program)),
            Some(_) | None => true,
        }
    }

    fn cannot_run(&self) -> Option<Chosen<'a>> {
        let mut unable = self.scripts().filter(|chosen| !self.runs_here(chosen));
        let first = unable.next()?;
        let run = |chosen: &Chosen<'_>| stem(chosen.name).eq_ignore_ascii_case("run");
        if run(&first) { Some(first) } else { unable.find(run).or(Some(first)) }
    }

    fn passed_over(&self, chosen: Chosen<'_>) -> Option<Problem> {
        let run = |name: &str| stem(name).eq_ignore_ascii_case("run");
        let unable = self.cannot_run().filter(|unable| run(unable.name) && !run(chosen.name))?;
        let message = format!("is passed over, because {}; `{}` runs instead", self.why_not(unable), chosen.name);
        Some(problem("script_passed_over", Some(&listing::join(self.dir, unable.name)), message, false))
    }

    fn why_not(&self, unable: Chosen<'_>) -> String {
        let program = unable.extension.and_then(|ext| self.around.interpreters.by_extension.get(ext));
        match program.and_then(|words| words.first()) {
            Some(program) => format!("`{program}` is not installed"),
            None => "it runs on Windows only".to_owned(),
        }
    }

    /// A link that would run if it were a file of this folder, `run` first, and where it leads.
    fn link_that_might_run(&self) -> Option<(&'a str, &'static str)> {
        let links = self.listing.children(self.dir).filter_map(|(name, entry)| match entry.kind {
            EntryKind::Link(LinkTo::Outside) => Some((name, "out of the job's folder")),
            EntryKind::Link(LinkTo::Nothing) => Some((name, "nowhere")),
            EntryKind::Link(LinkTo::File | LinkTo::Folder) | EntryKind::Folder | EntryKind::File | EntryKind::Other => {
                None
            }
        });
        let is_run = |name: &str| stem(name).eq_ignore_ascii_case("run");
        let is_script = |name: &str| self.kinds.iter().any(|(ext, _)| extension(name).eq_ignore_ascii_case(ext));
        let mut might = links.filter(|(name, _)| is_run(name) || is_script(name));
        let first = might.next()?;
        if is_run(first.0) { Some(first) } else { might.find(|(name, _)| is_run(name)).or(Some(first)) }
    }

    fn nothing(&self) -> Problem {
        let place = if self.dir.is_empty() { "the job's folder".to_owned() } else { format!("`{}`", self.dir) };
        let mut message = format!("No runnable script file was found in {place}");
        if let Some(unable) = self.cannot_run() {
            message += &format!(": `{}` cannot run here, because {}", unable.name, self.why_not(unable));
            if let Some(ext) = unable.extension {
                message += &format!("; name a program for it in webjobd.toml ([interpreters] {ext} = \"…\")");
            }
            return problem("no_script", Some(&listing::join(self.dir, unable.name)), message, true);
        }
        if let Some((name, why)) = self.link_that_might_run() {
            message += &format!(": `{name}` is a link that leads {why} and is not followed; put the file itself here");
            return problem("no_script", Some(&listing::join(self.dir, name)), message, true);
        }
        let children = self.listing.children(self.dir).filter(|(name, _)| !listing::is_noise(name));
        let names = children.map(|(name, entry)| match entry.kind {
            EntryKind::Folder | EntryKind::Link(LinkTo::Folder) => format!("{name}/"),
            EntryKind::File | EntryKind::Link(LinkTo::File | LinkTo::Nothing | LinkTo::Outside) | EntryKind::Other => {
                name.to_owned()
            }
        });
        let mut seen: Vec<_> = names.take(SEEN_MAX + 1).collect();
        if seen.len() > SEEN_MAX {
            seen[SEEN_MAX] = "…".to_owned();
        }
        match seen.is_empty() {
            true => message += ": it is empty",
            false => message += &format!(" (seen: {})", seen.join(", ")),
        }
        message += "; add run.sh, run.py, run.js or another script, or name a `command` in settings.job";
        problem("no_script", None, message, true)
    }
}

/// Returns what stands before the last dot.
fn stem(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// Returns the extensions of names in a folder that something runs, with the name of what does, in the order in which they
/// are tried.
fn kinds<'a>(listing: &'a FolderListing, dir: &str, around: &'a Surroundings<'_>) -> Vec<(&'a str, &'static str)> {
    // Few: most of what has an interpreter is not there.
    let there: BTreeSet<&str> = listing.children(dir).map(|(name, _)| extension(name)).collect();
    let is_there = |ext: &str| there.iter().any(|one| one.eq_ignore_ascii_case(ext));
    let known = |ext: &str| HOSTS.iter().any(|(_, extensions)| extensions.contains(&ext));
    let hosts = HOSTS.iter().flat_map(|(host, extensions)| extensions.iter().map(|ext| (*ext, *host)));
    let others = around.interpreters.by_extension.keys().map(|ext| (ext.as_str(), "OtherScriptHost"));
    let others = others.filter(|(ext, _)| is_there(ext) && !known(ext));
    hosts.filter(|(ext, _)| is_there(ext)).chain(others).collect()
}

/// Returns what stands after the last dot; empty without one.
fn extension(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(_, extension)| extension)
}
