//! Gives memory back that the start of a host needed and that nothing needs now.
//!
//! A start runs through most of the program once: texts are read, tables are built, keys are made. What it ran through
//! stays mapped, some ten megabytes. The system mostly has the program's file in its cache, and maps what is needed again,
//! 64 KiB at a time; a host with nothing to do needs next to nothing. And it fills the heap: with ten thousand folders, lists
//! of all of them take some megabytes, which the allocator keeps when they are gone.

use std::sync::atomic::{AtomicBool, Ordering};

/// Things, such as files and jobs, that leave megabytes behind: fewer are not worth the milliseconds.
pub const THINGS_MANY: usize = 10_000;

/// While the host starts: free bytes at the end of an arena from which they are given back, and size from which a piece is given
/// back by itself. What the arenas of threads keep at their ends is out of reach for [`give_back`]. Pieces for files that are read
/// are smaller, so that the kernel need not find their pages again for each.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const SPARE_AT_START: [libc::c_int; 2] = [128 * 1024, 1024 * 1024];

/// The same when it has started. With less, lists of ten thousand jobs and searches in logs make the kernel find the same pages
/// again and again: one of 300 MB took 0.83 s with 1 MiB, 0.60 with this, 0.48 without a bound.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const SPARE: [libc::c_int; 2] = [8 * 1024 * 1024; 2];

/// Whether the heap keeps next to nothing.
static KEEPS_LEAST: AtomicBool = AtomicBool::new(false);

/// Lets the heap keep next to nothing that is free, for the time of the start. By itself glibc learns from the largest piece that
/// was ever freed how much it may keep, up to 64 MiB for each thread that allocates. Called before there are threads.
pub fn spare_least() {
    KEEPS_LEAST.store(true, Ordering::Relaxed);
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    bound(SPARE_AT_START);
}

/// Ends what [`spare_least`] began: the heap may keep a little. Where it never began, as in a program that embeds a host, the heap
/// is left as it is.
pub fn spare_little() {
    if KEEPS_LEAST.swap(false, Ordering::Relaxed) {
        #[cfg(all(target_os = "linux", target_env = "gnu"))]
        bound(SPARE);
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "what the compiler cannot check is said below")]
fn bound([end, piece]: [libc::c_int; 2]) {
    for (setting, bytes) in [(libc::M_TRIM_THRESHOLD, end), (libc::M_MMAP_THRESHOLD, piece)] {
        // SAFETY: it sets a number of the allocator's. Other threads may read it meanwhile: it is one aligned word, of which they
        // see the old value or the new, and both will do at any time. glibc itself changes these two so while it learns.
        unsafe { libc::mallopt(setting, bytes) };
    }
}

/// Gives the pages of the program's code and constants back, and those of the heap in which nothing lies. Takes a few
/// milliseconds. Where it cannot be done, nothing happens.
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

#[cfg(target_os = "linux")]
mod linux {
    use std::{fs, ops::Range, ptr};

    use rustix::mm::{Advice, madvise};

    /// Lies among the constants, which are mapped apart from the code.
    static CONSTANT: [u8; 8] = *b"constant";

    pub fn give_back() {
        // Who cannot tell what is mapped gives nothing back.
        if let Ok(mappings) = fs::read_to_string("/proc/self/smaps") {
            clean(&mappings, places()).into_iter().for_each(unmap);
        }
    }

    /// An address of our code, and one of our constants.
    pub(super) fn places() -> [usize; 2] {
        [give_back as *const () as usize, ptr::from_ref(&CONSTANT) as usize]
    }

    #[expect(unsafe_code, reason = "what the compiler cannot check is said below")]
    fn unmap(mapping: Range<usize>) {
        // SAFETY: the pages are those of a file, to the byte, and nobody may write to them: `clean` chooses no other.
        // Whoever reads or runs one next has it from the file again. What lies there is our code or our constants, which
        // nobody unmaps while we run, so nothing else can have come to the place.
        let _ =
            unsafe { madvise(ptr::with_exposed_provenance_mut(mapping.start), mapping.len(), Advice::LinuxDontNeed) };
    }

    /// Returns the mappings that hold one of `places`, are of a file, cannot be written to and never were. `mappings` is the
    /// text of `/proc/self/smaps`.
    pub(super) fn clean(mappings: &str, places: [usize; 2]) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        let mut candidate = None;
        // What differs from the file, such as tables that the loader has filled in, counts as anonymous or is swapped out.
        let mut is_as_in_file = false;
        for line in mappings.lines() {
            if let Some(mapping) = Mapping::read(line) {
                is_as_in_file = false;
                candidate = mapping.is_constant(places).then_some(mapping.addresses);
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

        fn is_constant(&self, places: [usize; 2]) -> bool {
            matches!(self.rights, "r--p" | "r-xp")
                && self.path.starts_with('/')
                && places.iter().any(|place| self.addresses.contains(place))
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
d000-e000 r--p 00000000 fe:00 77                         /opt/a b/webjobd
Anonymous:             0 kB
";

        #[test]
        fn only_what_equals_its_file_goes() {
            assert_eq!(clean(MAPPINGS, [0x3010, 0x1000]), vec![0x1000_usize..0x3000, 0x3000..0x9000]);
            assert_eq!(clean(MAPPINGS, [0x8fff, 0x9000]), vec![0x3000_usize..0x9000]);
            // Filled in, swapped out, writable, of no file, or cut off: any of them may differ from the file.
            for place in [0x9000, 0xa000, 0xb000, 0xc000, 0xd000, 0xf000] {
                assert!(clean(MAPPINGS, [place, place]).is_empty(), "{place:x}");
            }
        }

        #[test]
        fn this_program_has_code_and_constants_to_give_back() {
            let mappings = fs::read_to_string("/proc/self/smaps").expect("the mappings");
            let found = clean(&mappings, places());
            for place in places() {
                assert!(found.iter().any(|mapping| mapping.contains(&place)), "{place:x} is in none of {found:x?}");
            }
            give_back();
            assert_eq!(&CONSTANT, b"constant");
        }
    }
}
