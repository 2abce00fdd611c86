//! Gives memory back that the start of a host needed and that nothing needs now.
//!
//! A start runs through most of the program once: texts are read, tables are built, keys are made. What it ran through
//! stays mapped, some ten megabytes. The system has the program's file in its cache, and maps what is needed again,
//! 64 KiB at a time; a host with nothing to do needs next to nothing.

/// Gives the program's own pages back. Takes a millisecond or so. Where it cannot be done, nothing happens.
pub fn give_back() {
    #[cfg(target_os = "linux")]
    linux::give_back();
}

#[cfg(target_os = "linux")]
mod linux {
    use std::{fs, ops::Range, ptr};

    use rustix::mm::{Advice, madvise};

    pub fn give_back() {
        // Who cannot tell what is mapped gives nothing back.
        let (Ok(program), Ok(mappings)) = (fs::read_link("/proc/self/exe"), fs::read_to_string("/proc/self/smaps"))
        else {
            return;
        };
        clean(&mappings, &program.to_string_lossy()).into_iter().for_each(unmap);
    }

    #[expect(unsafe_code, reason = "what the compiler cannot check is said below")]
    fn unmap(mapping: Range<usize>) {
        // SAFETY: the pages are those of the program's file, to the byte, and nobody may write to them: `clean` chooses no
        // other. Whoever reads or runs one next has it from the file again.
        let _ =
            unsafe { madvise(ptr::with_exposed_provenance_mut(mapping.start), mapping.len(), Advice::LinuxDontNeed) };
    }

    /// Returns where the program's code and constants are mapped: what cannot be written to and never was. `mappings` is
    /// the text of `/proc/self/smaps`, `program` what the program's file is called there.
    pub(super) fn clean(mappings: &str, program: &str) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        let mut candidate = None;
        for line in mappings.lines() {
            if let Some(mapping) = Mapping::read(line) {
                candidate = mapping.is_constant_of(program).then_some(mapping.addresses);
            } else if line.strip_prefix("Anonymous:").is_some_and(|size| size.trim() == "0 kB") {
                // What differs from the file, such as tables that the loader has filled in, counts as anonymous.
                found.extend(candidate.take());
            }
        }
        found
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
            Some(Self { addresses, rights, path: words.nth(3)?.trim_start() })
        }

        fn is_constant_of(&self, program: &str) -> bool {
            self.path == program && matches!(self.rights, "r--p" | "r-xp")
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    const MAPPINGS: &str = "\
1000-3000 r--p 00000000 fe:00 77                         /opt/a b/webjobd
Rss:                   8 kB
Private_Dirty:         0 kB
Anonymous:             0 kB
3000-9000 r-xp 00002000 fe:00 77                         /opt/a b/webjobd
Anonymous:             0 kB
9000-a000 r--p 00008000 fe:00 77                         /opt/a b/webjobd
Anonymous:             4 kB
a000-b000 rw-p 00009000 fe:00 77                         /opt/a b/webjobd
Anonymous:             0 kB
b000-c000 r-xp 00000000 fe:00 78                         /usr/lib/libc.so.6
Anonymous:             0 kB
c000-d000 rw-p 00000000 00:00 0 
Anonymous:             0 kB
d000-e000 r--s 00000000 fe:00 77                         /opt/a b/webjobd
Anonymous:             0 kB
";

    #[test]
    fn only_what_equals_the_programs_file_goes() {
        let found = linux::clean(MAPPINGS, "/opt/a b/webjobd");
        assert_eq!(found, vec![0x1000_usize..0x3000, 0x3000..0x9000]);
        assert!(linux::clean(MAPPINGS, "/opt/a").is_empty());
        assert!(linux::clean("", "/opt/a b/webjobd").is_empty());
    }

    #[test]
    fn this_program_has_pages_to_give_back_and_goes_on_without_them() {
        let mappings = std::fs::read_to_string("/proc/self/smaps").expect("the mappings");
        let program = std::fs::read_link("/proc/self/exe").expect("a path");
        let here = this_program_has_pages_to_give_back_and_goes_on_without_them as *const () as usize;
        let clean = linux::clean(&mappings, &program.to_string_lossy());
        assert!(clean.iter().any(|mapping| mapping.contains(&here)), "{clean:x?}");
        give_back();
        assert_eq!(linux::clean(MAPPINGS, "/opt/a b/webjobd").len(), 2);
    }
}
