//! Kudu's settings as somebody wrote them while the host runs: they win over how it was set up.

use std::collections::BTreeMap;

use crate::{
    decide::config::environment::Environment,
    model::{config::EngineSettings, job::Problem},
};

/// Returns what holds when `written` says something over `base`. A value that makes no sense leaves what was there, with
/// a warning.
pub fn with_written(base: &EngineSettings, written: &BTreeMap<String, String>) -> (EngineSettings, Vec<Problem>) {
    let mut problems = Vec::new();
    let said = Environment::new(written).kudu(&mut problems);
    let engine = EngineSettings {
        restart_time: said.restart_time.or(base.restart_time),
        idle_timeout: said.idle_timeout.or(base.idle_timeout),
        history_size: said.history_size.unwrap_or(base.history_size),
        stopped: said.stopped.unwrap_or(base.stopped),
        disable_schedule: said.disable_schedule.unwrap_or(base.disable_schedule),
        time_zone: said.time_zone.or_else(|| base.time_zone.clone()),
        log_triggered_to_app_logs: said.log_triggered_to_app_logs.unwrap_or(base.log_triggered_to_app_logs),
        application_log: said.application_log.unwrap_or(base.application_log),
        logstream_timeout: said.logstream_timeout.unwrap_or(base.logstream_timeout),
    };
    (engine, problems)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_written_wins_and_nonsense_changes_nothing() {
        let base = EngineSettings { history_size: 7, stopped: true, ..EngineSettings::default() };
        let written = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            with_written(&base, &pairs.collect())
        };
        assert_eq!(written(&[("OTHER", "1"), ("WEBJOBS_STOPPED", "")]), (base.clone(), Vec::new()));
        let (engine, problems) = written(&[
            ("webjobs_stopped", "0"),
            ("WEBJOBS_RESTART_TIME", "-3"),
            ("WEBJOBS_IDLE_TIMEOUT", "9"),
            ("WEBJOBS_DISABLE_SCHEDULE", "True"),
            ("WEBSITE_TIME_ZONE", "Pacific Standard Time"),
            ("WEBJOBS_HISTORY_SIZE", "none"),
        ]);
        let expected = EngineSettings {
            restart_time: Some(Duration::ZERO),
            idle_timeout: Some(Duration::from_secs(9)),
            history_size: 7,
            stopped: false,
            disable_schedule: true,
            time_zone: Some("Pacific Standard Time".to_owned()),
            ..EngineSettings::default()
        };
        assert_eq!(engine, expected);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].message.contains("WEBJOBS_HISTORY_SIZE"), "{}", problems[0].message);
    }
}
