//! Set-ups put together from texts, variables and flags; the bad ones by the lines a person sees.

use super::*;

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn flags() -> Flags {
    Flags { working_directory: "/srv/site".into(), ..Flags::default() }
}

fn resolved(toml: &str, variables: &[(&str, &str)], flags: &Flags) -> (Config, Vec<String>) {
    let (config, problems) = resolve(Some(toml), &map(variables), flags, "box").expect("a good set-up");
    (config, problems.iter().map(ToString::to_string).collect())
}

fn config(toml: &str, variables: &[(&str, &str)]) -> Config {
    let (config, problems) = resolved(toml, variables, &flags());
    assert_eq!(problems, [""; 0]);
    config
}

fn refused(toml: &str, variables: &[(&str, &str)]) -> String {
    resolve(Some(toml), &map(variables), &flags(), "box").expect_err("a bad set-up").to_string()
}

#[test]
fn nothing_said_means_the_defaults() {
    let config = config("", &[]);
    assert_eq!(config.root, Path::new("/srv/site"));
    assert_eq!(config.jobs, Path::new("/srv/site/jobs"));
    assert_eq!(config.data, Path::new("/srv/site/data"));
    assert!(config.temp.starts_with("/tmp"), "{:?}", config.temp);
    assert_eq!(config.listen.to_string(), "127.0.0.1:8090");
    assert_eq!(config.instance.as_str(), "box");
    assert_eq!(config.timestamps, TimestampFormat::Kudu);
    assert_eq!(config.interpreters["jar"], ["java", "-jar"]);
    assert_eq!(config.kudu, EngineSettings::default());
}

#[test]
fn flags_win_over_variables_and_variables_over_the_file() {
    let toml = "listen = \"1001\"\ninstance = \"file\"\njobs = \"j\"\ndata = \"/d\"\ntime_zone = \"UTC\"";
    let variables = [
        ("WEBJOBD_LISTEN", "localhost:1002"),
        ("WEBJOBD_INSTANCE", "variable"),
        ("WEBSITE_INSTANCE_ID", "azure"),
        ("WEBJOBD_DATA", "d2"),
        ("website_time_zone", "Pacific Standard Time"),
    ];
    let given =
        Flags { listen: Some("127.0.0.1:1003".parse().expect("an address")), root: Some("./r".into()), ..flags() };
    let (config, _) = resolved(toml, &variables, &given);
    assert_eq!(config.listen.port(), 1003);
    assert_eq!(config.instance.as_str(), "variable");
    assert_eq!(config.root, Path::new("/srv/site/r"));
    assert_eq!(config.jobs, Path::new("/srv/site/r/j"));
    assert_eq!(config.data, Path::new("/srv/site/d2"));
    assert_eq!(config.kudu.time_zone.as_deref(), Some("Pacific Standard Time"));
}

#[test]
fn kudu_s_settings_are_read_by_kudu_s_rules() {
    let kudu = config(
        "history_size = 7",
        &[
            ("webjobs_restart_time", "-5"),
            ("APPSETTING_WEBJOBS_IDLE_TIMEOUT", "30"),
            ("WEBJOBS_HISTORY_SIZE", ""),
            ("WEBJOBS_STOPPED", "TRUE"),
            ("WEBJOBS_DISABLE_SCHEDULE", "1"),
        ],
    )
    .kudu;
    assert_eq!(kudu.restart_time, Some(Duration::ZERO));
    assert_eq!(kudu.idle_timeout, Some(Duration::from_secs(30)));
    assert_eq!(kudu.history_size, 7);
    assert!(kudu.stopped && kudu.disable_schedule);
}

#[test]
fn a_bad_kudu_setting_means_its_default_and_a_warning() {
    let variables = [
        ("WEBJOBS_RESTART_TIME", "soon"),
        ("WEBJOBS_HISTORY_SIZE", "0"),
        ("WEBJOBS_STOPPED", "yes"),
        ("WEBSITE_TIME_ZONE", "Mars"),
    ];
    let (config, problems) = resolved("", &variables, &flags());
    assert_eq!(config.kudu, EngineSettings::default());
    assert_eq!(
        problems,
        [
            "the variable WEBJOBS_RESTART_TIME: \"soon\" is not a whole number of seconds; the default is used",
            "the variable WEBJOBS_HISTORY_SIZE: \"0\" is not a whole number above 0; the default is used",
            "the variable WEBJOBS_STOPPED: \"yes\" is neither true (or 1) nor false (or 0); the default is used",
            "the variable WEBSITE_TIME_ZONE: `Mars` is not a time zone; use an IANA name such as Europe/Berlin or a \
             Windows name such as W. Europe Standard Time; the default is used",
        ]
    );
}

#[test]
fn webjobs_root_path_moves_the_jobs_and_stays_absolute() {
    for (text, jobs) in [
        ("/data/jobs", "/data/jobs"),
        ("App_Data/jobs/", "/srv/site/App_Data/jobs"),
        ("%BASE%/jobs", "/base/jobs"),
        ("/a%b/100%", "/a%b/100%"),
    ] {
        assert_eq!(config("", &[("WEBJOBS_ROOT_PATH", text), ("BASE", "/base")]).jobs, Path::new(jobs), "{text}");
    }
}

#[test]
fn interpreters_and_variables_come_from_the_file() {
    let config =
        config("[interpreters]\npy = \"python3.12\"\n\".R\" = [\"Rscript\", \"--vanilla\"]\n[env]\nA = \"1\"", &[]);
    assert_eq!(config.interpreters["py"], ["python3.12"]);
    assert_eq!(config.interpreters["r"], ["Rscript", "--vanilla"]);
    assert_eq!(config.interpreters["rb"], ["ruby"]);
    assert_eq!(config.env, map(&[("A", "1")]));
}

#[test]
fn every_defect_of_the_file_is_told_with_its_place() {
    let text =
        "lsten = \"x\"\nlisten = \"nowhere\"\nhistory_size = 0\nstopped = \"true\"\n[interpreters]\n\"p y\" = 3\n";
    assert_eq!(
        refused(text, &[("WEBJOBD_TIMESTAMPS", "unix")]),
        "webjobd.toml:1:1: `lsten` is not a known key; did you mean `listen`?\n\
         webjobd.toml:2:10: `listen`: \"nowhere\" is not an address to listen on, such as \
         \"127.0.0.1:8090\" or \"8090\"\n\
         webjobd.toml:3:16: `history_size` must be a whole number from 1 to 100000, not 0\n\
         webjobd.toml:4:11: `stopped` must be true or false, not the text \"true\" (write it without quotes)\n\
         webjobd.toml:6:1: \"p y\" in `interpreters` must be an extension such as py\n\
         webjobd.toml:6:9: `interpreters.p y` must be an array of 1 to 100 values, each a text that is not empty; or a \
         text that is not empty, not 3 (put it in quotes)\n\
         the variable WEBJOBD_TIMESTAMPS: \"unix\" is neither \"kudu\" nor \"rfc3339\""
    );
    assert!(refused("a = \nb = 1\nc =", &[]).starts_with("webjobd.toml:1:"));
}

#[test]
fn a_listener_beyond_loopback_needs_a_word() {
    assert!(refused("listen = \"0.0.0.0:80\"", &[]).contains("--insecure-http"));
    assert!(config("listen = \"0.0.0.0:80\"\ninsecure_http = true", &[]).insecure_http);
    assert!(config("listen = \"[::1]:80\"", &[]).listen.is_ipv6());
}

#[test]
fn hosts_of_different_roots_or_names_have_different_temp_folders() {
    let temp = |root: &str, name: &str| {
        resolved("", &[("TMPDIR", "/t")], &Flags { root: Some(root.into()), instance: Some(name.into()), ..flags() })
            .0
            .temp
    };
    assert_ne!(temp("/a", "x"), temp("/b", "x"));
    assert_ne!(temp("/a", "x"), temp("/a", "y"));
    assert_eq!(temp("/a", "x"), temp("/a/.", "x"));
    assert!(temp("/a", "x").starts_with("/t"));
}

#[test]
fn a_public_url_is_a_web_address() {
    assert_eq!(parse_public_url("https://jobs.example.com/x/").as_deref(), Ok("https://jobs.example.com/x"));
    for bad in ["jobs.example.com", "https://", "ftp://x", "https://a b", "https://x?y"] {
        assert!(parse_public_url(bad).is_err(), "{bad}");
    }
}

#[test]
fn the_schema_of_the_file_is_valid() {
    assert!(jsonschema::draft202012::meta::is_valid(&schema()));
}

#[test]
fn kudus_own_answers_are_given_when_asked_for() {
    assert!(!config("", &[]).kudu_strict);
    assert!(config("kudu_strict = true", &[]).kudu_strict);
    assert!(config("", &[("WEBJOBD_KUDU_STRICT", "1")]).kudu_strict);
    assert!(!config("kudu_strict = true", &[("WEBJOBD_KUDU_STRICT", "false")]).kudu_strict);
}

#[test]
fn hosts_whose_temporary_folders_are_called_the_same_have_places_of_their_own() {
    let (one, other) = (place_name("/a/temp".as_ref()), place_name("/b/temp".as_ref()));
    assert_ne!(one, other);
    assert!(one.starts_with("temp-"), "{one}");
    assert_eq!(one, place_name("/a/temp".as_ref()));
}
