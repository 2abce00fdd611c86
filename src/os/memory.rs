//! Gives memory back that the start of a host needed and that nothing needs now.
//!
//! A start runs through most of the program once: texts are read, tables are built, keys are made. What it ran through
//! stays mapped, some ten megabytes. The system mostly has the program's file in its cache, and maps what is needed again,
//! 64 KiB at a time; a host with nothing to do needs next to nothing. And it fills the heap: with ten thousand folders, lists
//! of all of them take some megabytes, which the allocator keeps when they are gone.

use std::sync::atomic::{AtomicU8, Ordering};

/// Things, such as files and jobs, that leave megabytes behind: fewer are not worth the milliseconds.
pub const THINGS_MANY: usize = 10_000;

/// What the allocator keeps though it is free, in bytes.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
struct Bounds {
    /// Free bytes at the end of an arena from which they are given back. glibc looks after a piece of at least 64 KiB went.
    end: libc::c_int,
    /// What then stays there.
    stays: libc::c_int,
    /// Size from which a piece is given back by itself.
    piece: libc::c_int,
}

/// While the host starts. What the arenas of threads keep at their ends is out of reach for [`give_back`]. Pieces for files that
/// are read are smaller, so that the kernel need not find their pages again for each.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const SPARE_AT_START: Bounds = Bounds { end: 64 * 1024, stays: 0, piece: 1024 * 1024 };

/// When it has started. With less, lists of ten thousand jobs and searches in logs make the kernel find the same pages again and
/// again: one of 300 MB took 0.83 s with 1 MiB, 0.60 with this, 0.48 without a bound. What stays is glibc's own choice.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const SPARE: Bounds = Bounds { end: 8 * 1024 * 1024, stays: 128 * 1024, piece: 8 * 1024 * 1024 };

/// What a start does last, each in its own time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Last {
    /// Folders are watched, and were read once more.
    Watched = 1,
    /// Jobs that begin with the host have begun, and what that took was given back.
    Begun = 2,
}

/// What is still to come of the start: each of [`Last`] a bit. As long as there is any, the heap keeps next to nothing.
static TO_COME: AtomicU8 = AtomicU8::new(0);

/// Lets the heap keep next to nothing that is free, for the time of the start. By itself glibc learns from the largest piece that
/// was ever freed how much it may keep, up to 64 MiB for each thread that allocates. Called before there are threads.
pub fn spare_least() {
    TO_COME.store(Last::Watched as u8 | Last::Begun as u8, Ordering::Relaxed);
    #[cfg(target_os = "linux")]
    linux::note_loaded();
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    bound(&SPARE_AT_START);
}

/// Says that a part of the start is over. With the last one ends what [`spare_least`] began: the heap may keep a little. Where it
/// never began, as in a program that embeds a host, the heap is left as it is.
pub fn is_over(part: Last) {
    if is_last(&TO_COME, part) {
        #[cfg(all(target_os = "linux", target_env = "gnu"))]
        bound(&SPARE);
    }
}

/// Takes a part away from what is to come, and tells whether it was the last.
fn is_last(to_come: &AtomicU8, part: Last) -> bool {
    to_come.fetch_and(!(part as u8), Ordering::Relaxed) == part as u8
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "what the compiler cannot check is said below")]
fn bound(&Bounds { end, stays, piece }: &Bounds) {
    for (setting, bytes) in [(libc::M_TRIM_THRESHOLD, end), (libc::M_TOP_PAD, stays), (libc::M_MMAP_THRESHOLD, piece)] {
        // SAFETY: it sets a number of the allocator's. Other threads may read it meanwhile: it is one aligned word, of which they
        // see the old value or the new, and both will do at any time. glibc itself changes the first and the last so while it
        // learns.
        unsafe { libc::mallopt(setting, bytes) };
    }
}

/// Gives the pages of the code and constants back, the program's and those of libraries that were loaded with it, and those of the
/// heap in which nothing lies. Takes a few milliseconds. Where it cannot be done, nothing happens.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    trim();
    #[cfg(target_os = "linux")]
    linux::give_back();
}

/// Gives pages of the heap back in which nothing lies any more, after work on so many things that it left many: reading or
/// copying a folder of a hundred thousand files takes some fifty megabytes for a second.
pub fn tidy_after(n_things: usize) {
    if n_things >= THINGS_MANY {
        #[cfg(all(target_os = "linux", target_env = "gnu"))]
        trim();
    }
}

/// Lets glibc give back every page of its arenas that is free as a whole; by itself it looks only at their ends.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "what the compiler cannot check is said below")]
fn trim() {
    // SAFETY: it takes the allocator's own locks, and touches nothing that is allocated.
    unsafe { libc::malloc_trim(0) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_over_once_with_whatever_part_comes_last() {
        for (first, last) in [(Last::Watched, Last::Begun), (Last::Begun, Last::Watched)] {
            let to_come = AtomicU8::new(Last::Watched as u8 | Last::Begun as u8);
            let told = [first, first, last, last, first].map(|part| is_last(&to_come, part));
            assert_eq!(told, [false, false, true, false, false], "{first:?}");
        }
        assert!(!is_last(&AtomicU8::new(0), Last::Begun), "it never began");
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::{
        fs::{self, File},
        io::{BufRead, BufReader},
        ops::Range,
        ptr,
        sync::OnceLock,
    };

    use rustix::mm::{Advice, madvise};

    /// Lies among the constants, which are mapped apart from the code.
    static CONSTANT: [u8; 8] = *b"constant";

    /// Where code and constants of files lay when the program began, those of the libraries that it is linked with: these stay as
    /// long as it lives.
    static LOADED: OnceLock<Vec<usize>> = OnceLock::new();

    /// Notes what is loaded. Called before anything else can be.
    pub(super) fn note_loaded() {
        if let Ok(mappings) = fs::read_to_string("/proc/self/maps") {
            LOADED.get_or_init(|| constants(&mappings));
        }
    }

    pub fn give_back() {
        // Who cannot tell what is mapped gives nothing back. Read line by line: a text of all would stay in the heap, as free room.
        if let Ok(mappings) = File::open("/proc/self/smaps") {
            let lines = BufReader::new(mappings).lines().map_while(Result::ok);
            clean(lines, &places()).into_iter().for_each(unmap);
        }
    }

    /// An address of our code, one of our constants, and those of libraries as far as they were noted.
    pub(super) fn places() -> Vec<usize> {
        let own = [give_back as *const () as usize, ptr::from_ref(&CONSTANT) as usize];
        own.into_iter().chain(LOADED.get().into_iter().flatten().copied()).collect()
    }

    /// Returns where the mappings of files begin that cannot be written to. `mappings` is the text of `/proc/self/maps`.
    pub(super) fn constants(mappings: &str) -> Vec<usize> {
        let mappings = mappings.lines().filter_map(Mapping::read);
        mappings.filter(Mapping::is_constant).map(|mapping| mapping.addresses.start).collect()
    }

    #[expect(unsafe_code, reason = "what the compiler cannot check is said below")]
    fn unmap(mapping: Range<usize>) {
        // SAFETY: the pages are those of a file, to the byte, and nobody may write to them: `clean` chooses no other.
        // Whoever reads or runs one next has it from the file again. What lies there is our code or our constants, or those
        // of libraries that were there when the program began, which nobody unmaps while we run, so nothing else can have come to
        // the place.
        let _ =
            unsafe { madvise(ptr::with_exposed_provenance_mut(mapping.start), mapping.len(), Advice::LinuxDontNeed) };
    }

    /// Returns the mappings that hold one of `places`, are of a file, cannot be written to and never were. `lines` are those of
    /// `/proc/self/smaps`.
    pub(super) fn clean(lines: impl Iterator<Item = impl AsRef<str>>, places: &[usize]) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        let mut candidate = None;
        // What differs from the file, such as tables that the loader has filled in, counts as anonymous or is swapped out.
        let mut is_as_in_file = false;
        for line in lines {
            let line = line.as_ref();
            if let Some(mapping) = Mapping::read(line) {
                is_as_in_file = false;
                let is_wanted = mapping.is_constant() && places.iter().any(|place| mapping.addresses.contains(place));
                candidate = is_wanted.then_some(mapping.addresses);
            } else if let Some(size) = line.strip_prefix("Anonymous:") {
                is_as_in_file = is_nothing(size);
            } else if let Some(size) = line.strip_prefix("Swap:") {
                found.extend(candidate.take().filter(|_| is_as_in_file && is_nothing(size)));
            }
        }
        found
    }

    fn is_nothing(size: &str) -> bool {
        size.trim() == "0 kB"
    }

    /// The first line about a mapping: `start-end rights offset device inode path`.
    struct Mapping<'a> {
        addresses: Range<usize>,
        rights: &'a str,
        path: &'a str,
    }

    impl<'a> Mapping<'a> {
        fn read(line: &'a str) -> Option<Self> {
            let mut words = line.splitn(6, ' ');
            let (start, end) = words.next()?.split_once('-')?;
            let address = |text| usize::from_str_radix(text, 16).ok();
            let addresses = address(start)?..address(end)?;
            let rights = words.next()?;
            Some(Self { addresses, rights, path: words.nth(3).unwrap_or_default().trim_start() })
        }

        fn is_constant(&self) -> bool {
            matches!(self.rights, "r--p" | "r-xp") && self.path.starts_with('/')
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        const MAPPINGS: &str = "\
1000-3000 r--p 00000000 fe:00 77                         /opt/a b/webjobd
Rss:                   8 kB
Private_Dirty:         0 kB
Anonymous:             0 kB
Swap:                  0 kB
3000-9000 r-xp 00002000 fe:00 77                         /opt/a b/webjobd
Anonymous:             0 kB
Swap:                  0 kB
9000-a000 r--p 00008000 fe:00 77                         /opt/a b/webjobd
Anonymous:             4 kB
Swap:                  0 kB
a000-b000 r--p 00009000 fe:00 77                         /opt/a b/webjobd
Anonymous:             0 kB
Swap:                  4 kB
b000-c000 rw-p 0000a000 fe:00 77                         /opt/a b/webjobd
Anonymous:             0 kB
Swap:                  0 kB
c000-d000 r-xp 00000000 00:00 0 
Anonymous:             0 kB
Swap:                  0 kB
e000-f000 r-xp 00000000 fe:00 78                         /usr/lib/libm.so.6
Anonymous:             0 kB
Swap:                  0 kB
f000-10000 r--p 00000000 fe:00 78                        /usr/lib/libm.so.6
Anonymous:             4 kB
Swap:                  0 kB
11000-12000 rw-p 00000000 fe:00 78                       /usr/lib/libm.so.6
Anonymous:             0 kB
Swap:                  0 kB
d000-e000 r--p 00000000 fe:00 77                         /opt/a b/webjobd
Anonymous:             0 kB
";

        #[test]
        fn only_what_equals_its_file_goes() {
            assert_eq!(clean(MAPPINGS.lines(), &[0x3010, 0x1000]), vec![0x1000_usize..0x3000, 0x3000..0x9000]);
            assert_eq!(clean(MAPPINGS.lines(), &[0x8fff, 0x9000]), vec![0x3000_usize..0x9000]);
            // Filled in, swapped out, writable, of no file, or cut off: any of them may differ from the file.
            for place in [0x9000, 0xa000, 0xb000, 0xc000, 0xd000, 0xf000, 0x11000] {
                assert!(clean(MAPPINGS.lines(), &[place, place]).is_empty(), "{place:x}");
            }
        }

        #[test]
        fn what_was_loaded_with_the_program_goes_too() {
            let loaded = constants(MAPPINGS);
            assert_eq!(loaded, [0x1000, 0x3000, 0x9000, 0xa000, 0xe000, 0xf000, 0xd000]);
            assert_eq!(clean(MAPPINGS.lines(), &loaded), vec![0x1000_usize..0x3000, 0x3000..0x9000, 0xe000..0xf000]);
        }

        #[test]
        fn this_program_has_code_and_constants_to_give_back() {
            let mappings = fs::read_to_string("/proc/self/smaps").expect("the mappings");
            let found = clean(mappings.lines(), &places());
            // What else was noted may be tables that the loader has filled in.
            for place in places().into_iter().take(2) {
                assert!(found.iter().any(|mapping| mapping.contains(&place)), "{place:x} is in none of {found:x?}");
            }
            give_back();
            assert_eq!(&CONSTANT, b"constant");
        }
    }
}
