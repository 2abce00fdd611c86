//! What the environments of all runs begin with: made once, and again when the app settings are others.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    decide::env::{self, Variables},
    host::app_settings::Engine,
};

/// The common part of all environments.
#[derive(Debug)]
pub struct Environment {
    /// The variables that the host passes on.
    host: Vec<(OsString, OsString)>,
    /// What was made last, and by which settings.
    made: Mutex<Option<(Arc<Engine>, Arc<Variables>)>>,
}

impl Environment {
    /// Takes what the host passes on.
    pub fn new(host: Vec<(OsString, OsString)>) -> Self {
        Self { host, made: Mutex::default() }
    }

    /// Returns what runs begin with that start now, under these variables of the host's settings and those of the engine.
    pub fn now(&self, config: &BTreeMap<String, String>, engine: &Arc<Engine>) -> Arc<Variables> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, variables)) = made.as_ref().filter(|(by, _)| Arc::ptr_eq(by, engine)) {
            return Arc::clone(variables);
        }
        let variables = Arc::new(env::common(&self.host, &[config, &engine.written]));
        *made = Some((Arc::clone(engine), Arc::clone(&variables)));
        variables
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decide::{app_settings::Written, zone::Zone},
        model::config::EngineSettings,
    };

    #[test]
    fn it_is_made_again_for_other_settings_only() {
        let environment = Environment::new(vec![("A".into(), "host".into())]);
        let config = BTreeMap::new();
        let engine = |written: &[(&str, &str)]| {
            let written: Written = written.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
            Arc::new(Engine { kudu: EngineSettings::default(), zone: Zone::utc(), written })
        };
        let (before, after) = (engine(&[]), engine(&[("A", "written")]));
        let first = environment.now(&config, &before);
        assert_eq!(*first, [("A".into(), "host".into())]);
        assert!(Arc::ptr_eq(&first, &environment.now(&config, &before)), "nothing is made anew");
        assert_eq!(*environment.now(&config, &after), [("A".into(), "written".into())]);
    }
}
