//! Scripts as jobs hold them: ten thousand that are started alike hold one.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use crate::model::job::Script;

/// Scripts that are remembered, the latest: hosts have a few ways to start jobs, or one for each job, and then none is shared.
const REMEMBERED_MAX: usize = 16;

/// The latest scripts, to be held again.
#[derive(Debug, Default)]
pub struct Scripts(Mutex<VecDeque<Arc<Script>>>);

impl Scripts {
    /// Returns a script to be held: one that is remembered and equal, or this one, which is remembered then.
    pub fn share(&self, script: Script) -> Arc<Script> {
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = remembered.iter().find(|known| ***known == script) {
            return Arc::clone(known);
        }
        if remembered.len() == REMEMBERED_MAX {
            remembered.pop_front();
        }
        let script = Arc::new(script);
        remembered.push_back(Arc::clone(&script));
        script
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn script(name: &str) -> Script {
        Script {
            run_command: name.to_owned(),
            dir: Path::new("").into(),
            script_host: "BashScriptHost",
            program: vec!["bash".to_owned(), name.to_owned()],
            in_place_default: false,
        }
    }

    #[test]
    fn equal_scripts_are_one_and_the_oldest_are_forgotten() {
        let scripts = Scripts::default();
        let first = scripts.share(script("run.sh"));
        for n in 1..REMEMBERED_MAX {
            let other = scripts.share(script(&format!("{n}.sh")));
            assert!(!Arc::ptr_eq(&first, &other));
            assert!(Arc::ptr_eq(&first, &scripts.share(script("run.sh"))));
        }
        let by_another = Script { program: vec!["dash".to_owned(), "run.sh".to_owned()], ..script("run.sh") };
        assert_eq!(*scripts.share(by_another.clone()), by_another, "it differs in one thing");
        let again = scripts.share(script("run.sh"));
        assert!(!Arc::ptr_eq(&first, &again));
        assert_eq!(first, again);
    }
}
