//! House rules, held by a test: what the compiler and clippy cannot see.
//!
//! Each rule is a pure function from a file to findings (`path:line: what, and what to do instead`) in `tests/tidy/`,
//! with tests beside it that prove it can fail. Here stand the tables of this house and the tests that read its tree.
//! A rule must never be silenced here for one file: change the file, or change the rule for all.

#[path = "tidy/code.rs"]
mod code;
#[path = "tidy/layers.rs"]
mod layers;
#[path = "tidy/text.rs"]
mod text;
#[path = "tidy/tree.rs"]
mod tree;

use layers::Layer;
use tree::Source;

/// Crates that hold plain data or make errors: every layer may use them.
const PLAIN: &[&str] = &["arcstr", "jiff", "schemars", "serde", "serde_json", "thiserror"];

/// Crates by which asynchronous layers talk.
const ASYNC: &[&str] = &["bytes", "futures_channel", "futures_util", "tokio", "tokio_stream", "tracing"];

/// What reaches the machine or a clock in std: nothing for the pure layers.
const IMPURE: &[&str] = &[
    "std::env",
    "std::fs",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
];

/// Who may use whom. The longest `files` that a path starts with is its layer; `modules` are paths below the crate.
const LAYERS: &[Layer] = &[
    // What the API shows of a noun is described beside it.
    Layer { files: "src/model/", modules: &["model"], crates: &[PLAIN, &["utoipa"]], never: IMPURE },
    Layer {
        files: "src/decide/",
        modules: &["model", "decide"],
        crates: &[PLAIN, &["chrono", "cron", "jsonc_parser", "strum", "toml", "windows_timezones"]],
        never: IMPURE,
    },
    Layer {
        files: "src/os/",
        modules: &["model", "os"],
        crates: &[
            PLAIN,
            ASYNC,
            &[
                "blake3",
                "duct",
                "fs2",
                "getrandom",
                "libc",
                "memchr",
                "notify",
                "rustix",
                "sd_notify",
                "signal_hook",
                "tokio_rustls",
            ],
        ],
        never: &[],
    },
    Layer {
        files: "src/store/",
        modules: &["model", "os::file", "store"],
        crates: &[
            PLAIN,
            ASYNC,
            &["argon2", "blake3", "flate2", "getrandom", "grep_matcher", "grep_regex", "grep_searcher"],
            &["memchr", "rusqlite", "sha2", "subtle", "zip"],
        ],
        never: &["std::process"],
    },
    Layer {
        files: "src/host/",
        modules: &["model", "decide", "os", "store", "host"],
        crates: &[
            PLAIN,
            ASYNC,
            // Links in what hooks are told are escaped as those in answers.
            &[
                "base64",
                "blake3",
                "getrandom",
                "hmac",
                "percent_encoding",
                "prometheus_client",
                "reqwest",
                "sha2",
                "toml",
            ],
        ],
        never: &["std::process"],
    },
    Layer {
        files: "src/api/",
        modules: &["model", "store", "host::door", "host::handle", "host::view", "api", "web"],
        crates: &[
            PLAIN,
            ASYNC,
            &["axum", "base64", "blake3", "getrandom", "hyper", "hyper_util", "percent_encoding"],
            &["prometheus_client", "reqwest", "tokio_rustls", "tower", "tower_http", "utoipa"],
        ],
        never: &["std::process"],
    },
    Layer {
        files: "src/web/",
        modules: &["model", "host::handle", "host::view", "api", "web"],
        crates: &[PLAIN, ASYNC, &["axum", "tower", "tower_http"]],
        never: &["std::process"],
    },
    Layer {
        files: "src/cli/",
        // Spelling is no decision: `near` finds the name that was meant.
        modules: &["model", "api::wire", "decide::near", "os::machine", "os::tls", "cli"],
        crates: CLI,
        never: &["std::process::Command"],
    },
    // What makes hashes and tokens for webjobd.toml, without a running host.
    Layer {
        files: "src/cli/credentials",
        modules: &["model", "decide", "os", "store", "cli"],
        crates: CLI,
        never: &["std::process::Command"],
    },
    // The verbs that work on folders, without a running host.
    Layer {
        files: "src/cli/check",
        modules: &["model", "decide", "os", "store", "cli"],
        crates: CLI,
        never: &["std::process::Command"],
    },
    Layer {
        files: "src/cli/serve",
        modules: &["model", "decide", "os", "store", "host", "api", "web", "cli"],
        crates: CLI,
        never: &["std::process::Command"],
    },
    // Reads the clock once and passes the moment on.
    Layer { files: "src/main.rs", modules: &["cli", "os::clock"], crates: CLI, never: &["std::process::Command"] },
    Layer { files: "src/lib.rs", modules: &[], crates: &[], never: &[] },
];

const CLI: &[&[&str]] = &[
    PLAIN,
    ASYNC,
    &["anyhow", "base64", "clap", "clap_complete", "percent_encoding", "reqwest", "toml"],
    &["tracing_subscriber", "unicode_width"],
];

/// How the paths of the state machines begin: there a new state or event must break the build, so no arm may catch all.
/// A file of `decide` with a `fn step` that takes an `event` must be named here.
const MACHINES: &[&str] = &["src/decide/dispatch", "src/decide/life", "src/decide/supervise"];

/// The most lines of a file: what one sitting takes in.
const FILE_LINES_MAX: usize = 400;

/// The most lines of a function: a screen, and a bit.
const FUNCTION_LINES_MAX: usize = 70;

/// The most lines of a module's own documentation.
const DOC_LINES_MAX: usize = 30;

fn fail_on(findings: &[String]) {
    assert!(findings.is_empty(), "{} findings:\n{}\n", findings.len(), findings.join("\n"));
}

fn check<F: IntoIterator<Item = String>>(rule: impl Fn(&Source) -> F) {
    let sources = tree::sources();
    assert!(sources.len() > 5, "the tree was not read: {} files", sources.len());
    fail_on(&sources.iter().flat_map(rule).collect::<Vec<_>>());
}

#[test]
fn every_layer_uses_only_the_layers_and_crates_below_it() {
    let dependencies = text::dependencies(&tree::read("Cargo.toml"), &["dependencies"]);
    check(|source| layers::findings(source, LAYERS, &dependencies));
}

#[test]
fn every_file_is_part_of_the_crate() {
    let sources = tree::sources();
    fail_on(&sources.iter().flat_map(|source| layers::unreachable(source, &sources)).collect::<Vec<_>>());
}

#[test]
fn every_file_can_be_read_in_one_sitting() {
    check(|source| text::long_file(source, FILE_LINES_MAX));
}

#[test]
fn every_function_fits_a_screen() {
    check(|source| code::long_functions(source, FUNCTION_LINES_MAX));
}

#[test]
fn every_module_says_what_it_is() {
    check(|source| text::module_docs(source, DOC_LINES_MAX));
}

#[test]
fn no_arm_of_a_state_machine_catches_all() {
    let sources = tree::sources();
    let machine = |source: &&Source| MACHINES.iter().any(|start| source.path.starts_with(start));
    let mut findings: Vec<_> = sources.iter().filter(machine).flat_map(code::catch_all_arms).collect();
    for start in MACHINES.iter().filter(|start| !sources.iter().any(|source| source.path.starts_with(**start))) {
        findings.push(format!("tests/tidy.rs: MACHINES names `{start}`, and no such file exists"));
    }
    for source in sources.iter().filter(|source| !machine(source) && source.path.starts_with("src/decide/")) {
        findings.extend(code::undeclared_machine(source));
    }
    fail_on(&findings);
}

#[test]
fn nothing_outside_tests_unwraps() {
    check(code::unwraps);
}

#[test]
fn lints_are_expected_with_a_reason_and_never_allowed() {
    check(code::allows);
}

#[test]
fn tests_wait_for_values_and_do_not_sleep() {
    check(code::sleeps_in_tests);
}

#[test]
fn nothing_is_left_unfinished() {
    fail_on(&tree::texts().iter().flat_map(text::unfinished).collect::<Vec<_>>());
}

#[test]
fn no_path_of_a_development_machine_is_left() {
    fail_on(&tree::texts().iter().flat_map(text::machine_paths).collect::<Vec<_>>());
}

#[test]
fn every_dependency_says_what_it_is_for() {
    let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
    let dependencies = text::dependencies(&tree::read("Cargo.toml"), &kinds);
    fail_on(&text::undocumented(&dependencies, &tree::read("CONTRIBUTING.md")));
}
