//! Kudu's app settings (spec/kudu-webjobs 7.1, 8.14): which there are, which win, what one may say.
//!
//! ```text
//!  built in ──> APPSETTING_* of the host's environment ──> written through the API        (later wins)
//! ```
//!
//! Names are looked up without regard to case; the spelling of the first that wrote one stays.

use std::collections::BTreeMap;

use crate::decide::env;

/// Settings that are there without anybody's doing.
pub const BUILT_IN: [(&str, &str); 5] = [
    ("deployment_branch", "master"),
    ("SCM_TRACE_LEVEL", "1"),
    ("SCM_COMMAND_IDLE_TIMEOUT", "60"),
    ("SCM_LOGSTREAM_TIMEOUT", "7200"),
    ("SCM_BUILD_ARGS", ""),
];

/// What stands before the name of an app setting in the environment of a host.
pub const APP_SETTING: &str = "APPSETTING_";

/// Most settings that are written.
pub const SETTINGS_MAX: usize = 1000;
/// Longest name, in bytes.
pub const NAME_BYTES_MAX: usize = 256;
/// Longest value, in bytes: the system takes no longer variable.
pub const VALUE_BYTES_MAX: usize = 32 * 1024;
/// All names and values together, in bytes: a process with a larger environment does not start.
pub const BYTES_MAX: usize = 256 * 1024;

/// Settings by name, as they are written.
pub type Written = BTreeMap<String, String>;

/// Returns the settings that come without being written: the built-in ones and those of the host's environment, in this
/// order.
pub fn inherited(environment: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let mut all: Vec<_> = BUILT_IN.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    for (variable, value) in environment {
        let start = variable.get(..APP_SETTING.len()).filter(|start| start.eq_ignore_ascii_case(APP_SETTING));
        if let Some(name) = start.map(|start| &variable[start.len()..]).filter(|name| env::is_name(name)) {
            put(&mut all, name, value);
        }
    }
    all
}

/// Returns all settings as they hold, in the order in which they came.
pub fn merged(inherited: &[(String, String)], written: &Written) -> Vec<(String, String)> {
    let mut all = inherited.to_vec();
    for (name, value) in written {
        put(&mut all, name, value);
    }
    all
}

/// Finds a setting without regard to case; the exact name first.
pub fn find<'a>(all: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let exact = all.iter().find(|(known, _)| known == name);
    exact.or_else(|| all.iter().find(|(known, _)| same(known, name))).map(|(_, value)| value.as_str())
}

/// Writes settings.
///
/// # Errors
/// When a name or value cannot be a variable's, or there would be too many; nothing is changed then. The message is for
/// people.
pub fn write(written: &mut Written, changes: Vec<(String, String)>) -> Result<(), String> {
    let mut next = written.clone();
    for (name, value) in changes {
        check(&name, &value)?;
        let known = next.keys().find(|known| same(known, &name)).cloned();
        next.insert(known.unwrap_or(name), value);
    }
    let bytes: usize = next.iter().map(|(name, value)| name.len() + value.len()).sum();
    if next.len() > SETTINGS_MAX {
        return Err(format!("there may be no more than {SETTINGS_MAX} settings; delete some first"));
    }
    if bytes > BYTES_MAX {
        return Err(format!("all settings together may have no more than {BYTES_MAX} bytes; delete some first"));
    }
    *written = next;
    Ok(())
}

/// Forgets what was written of a setting.
pub fn delete(written: &mut Written, name: &str) {
    written.retain(|known, _| !same(known, name));
}

fn check(name: &str, value: &str) -> Result<(), String> {
    if !env::is_name(name) || name.chars().any(char::is_control) {
        return Err(format!("{name:?} cannot be the name of a setting: it must be one of a variable"));
    }
    if env::is_reserved(name) {
        return Err(format!("`{name}` is what webjobd tells each run of itself; choose another name"));
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(format!("the name of a setting may have no more than {NAME_BYTES_MAX} bytes"));
    }
    if value.len() > VALUE_BYTES_MAX {
        return Err(format!("the value of `{name}` has more than {VALUE_BYTES_MAX} bytes"));
    }
    // The value itself may be a secret and is not repeated.
    if value.contains('\0') {
        return Err(format!("the value of `{name}` holds a NUL, which no variable can"));
    }
    Ok(())
}

fn put(all: &mut Vec<(String, String)>, name: &str, value: &str) {
    match all.iter_mut().find(|(known, _)| same(known, name)) {
        Some((_, known)) => value.clone_into(known),
        None => all.push((name.to_owned(), value.to_owned())),
    }
}

fn same(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn changes(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_is_written_wins_over_the_environment_and_that_over_what_is_built_in() {
        let environment = map(&[
            ("APPSETTING_MyKey", "app"),
            ("AppSetting_scm_trace_level", "4"),
            ("APPSETTING_", "none"),
            ("MyKey", "plain"),
        ]);
        let inherited = inherited(&environment);
        let written = map(&[("mykey", "written"), ("NEW", "1")]);
        let expected = changes(&[
            ("deployment_branch", "master"),
            ("SCM_TRACE_LEVEL", "4"),
            ("SCM_COMMAND_IDLE_TIMEOUT", "60"),
            ("SCM_LOGSTREAM_TIMEOUT", "7200"),
            ("SCM_BUILD_ARGS", ""),
            ("MyKey", "written"),
            ("NEW", "1"),
        ]);
        let all = merged(&inherited, &written);
        assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>(), expected.iter().collect());
        assert_eq!(all[..5], expected[..5], "built-in ones first");
        assert_eq!(find(&all, "MYKEY"), Some("written"));
        assert_eq!(find(&merged(&inherited, &Written::new()), "mykey"), Some("app"));
        assert_eq!(find(&all, "other"), None);
    }

    #[test]
    fn a_setting_is_one_whatever_the_case_of_its_name() {
        let mut written = Written::new();
        write(&mut written, changes(&[("Key", "1"), ("KEY", "2"), ("other", "")])).expect("they are good");
        assert_eq!(written, map(&[("Key", "2"), ("other", "")]));
        delete(&mut written, "kEy");
        assert_eq!(written, map(&[("other", "")]));
    }

    #[test]
    fn what_no_variable_can_be_is_refused_and_changes_nothing() {
        let mut written = map(&[("kept", "1")]);
        let long = "x".repeat(VALUE_BYTES_MAX + 1);
        for (name, value, says) in [
            ("", "x", "name of a setting"),
            ("a=b", "x", "name of a setting"),
            ("a\0", "x", "name of a setting"),
            ("a\nb", "x", "name of a setting"),
            ("WEBJOBS_RUN_ID", "x", "tells each run"),
            ("WEBSITE_TRIGGERED_JOB_RUNNING_x", "x", "tells each run"),
            (&*"n".repeat(NAME_BYTES_MAX + 1), "x", "no more than 256 bytes"),
            ("long", &*long, "more than 32768 bytes"),
            ("nul", "a\0secret", "holds a NUL"),
        ] {
            let error = write(&mut written, changes(&[("fine", "1"), (name, value)])).expect_err(name);
            assert!(error.contains(says) && !error.contains("secret"), "{error}");
        }
        let many = (0..=SETTINGS_MAX).map(|n| (format!("k{n}"), String::new())).collect();
        assert!(write(&mut written, many).expect_err("too many").contains("no more than 1000"));
        let large = (0..9).map(|n| (format!("k{n}"), "x".repeat(VALUE_BYTES_MAX))).collect();
        assert!(write(&mut written, large).expect_err("too large").contains("262144 bytes"));
        assert_eq!(written, map(&[("kept", "1")]));
    }
}
