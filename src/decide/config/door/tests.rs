//! Doors as people write them down, the bad ones by the lines they see.

use std::collections::BTreeMap;

use super::*;
use crate::decide::config::{self, Flags};

const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI";

fn resolved(toml: &str, variables: &[(&str, &str)], flags: Flags) -> Result<DoorConfig, String> {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let flags = Flags { working_directory: "/here".into(), root: Some("/srv".into()), ..flags };
    let resolved = config::resolve(Some(toml), &variables.collect::<BTreeMap<_, _>>(), &flags, "box");
    resolved.map(|(config, _)| config.door).map_err(|error| error.to_string())
}

fn door(toml: &str) -> DoorConfig {
    resolved(toml, &[], Flags::default()).expect("a good door")
}

fn refused(toml: &str) -> String {
    resolved(toml, &[], Flags::default()).expect_err("a bad door")
}

#[test]
fn users_and_tokens_are_read() {
    let digits = "ab".repeat(32);
    let accounts = door(&format!(
        "[users.ada]\nrole = \"operator\"\npassword = \"{HASH}\"\n\
         [tokens.cron]\nhash = \"sha256:{digits}\"\njobs = [\"triggered/report\", \"continuous/*\"]\nverbs = [\"run\"]\n\
         [tokens.watch]\nhash = \"sha256:{digits}\"\nverbs = \"read\"\nexpires = \"2027-01-01T00:00:00Z\""
    ))
    .accounts;
    assert_eq!(accounts.users["ada"], User { role: Role::Operator, password: PasswordHash(HASH.to_owned()) });
    let cron = &accounts.tokens["cron"];
    assert!(cron.hash == TokenHash([0xab; 32]) && cron.expires.is_none());
    let jobs: Vec<String> = cron.scope.jobs.iter().flatten().map(ToString::to_string).collect();
    assert_eq!(jobs, ["triggered/report", "continuous/*"]);
    assert_eq!(cron.scope.verbs, [Verb::Run].into());
    let watch = &accounts.tokens["watch"];
    assert_eq!((&watch.scope.jobs, &watch.scope.verbs), (&None, &[Verb::Read].into()));
    assert_eq!(watch.expires.map(|moment| moment.to_string()).as_deref(), Some("2027-01-01T00:00:00Z"));
    let shown = format!("{accounts:?}");
    assert!(!shown.contains("c29tZX") && !shown.contains("171"), "{shown}");
}

#[test]
fn every_defect_is_told_with_its_place_and_no_secret_is_quoted() {
    let text = "[users.ada]\nrole = \"root\"\npassword = \"hunter2\"\n[users.bob]\npassword = 12345\n\
                [users.\"a:b\"]\nrole = \"viewer\"\npassword = \"$argon2id$v=19$m=9999999,t=1,p=1$c29tZXNhbHRzb21l$MTIzNDU2Nzg5MDEyMzQ1Njc4OTAx\"\n\
                [tokens.cron]\nhash = \"hunter2\"\njobs = [\"report\"]\nverbs = [\"fly\"]\nexpires = 2027-01-01T00:00:00Z\n\
                [tokens.none]\nverbs = []\n";
    let told = refused(text);
    let expected = [
        "2:8: `users.ada.role` must be one of \"viewer\", \"operator\", \"admin\", not the text \"root\"",
        "3:12: `users.ada.password`: must be a hash that `webjobd credentials hash` prints, `$argon2id$…`; a password in \
         clear is not taken",
        "4:1: `users.bob` must have a `role`",
        "5:12: `users.bob.password` must be a hash that `webjobd credentials hash` prints, not this value (put it in \
         quotes)",
        "6:8: \"a:b\" in `users` must be a name of 1 to 64 letters, digits, `.`, `_`, `@` and `-`",
        "8:12: `users.a:b.password`: costs too much to check; m may be 1048576 at most, t 64, p 64",
        "10:8: `tokens.cron.hash`: must be a hash that `webjobd credentials token` prints: `sha256:` and 64 digits",
        "11:9: `tokens.cron.jobs[0]`: \"report\" is not `kind/name` or `kind/*`",
        "12:10: `tokens.cron.verbs[0]` must be one of \"read\", \"run\", \"control\", \"deploy\", \"settings\", \
         \"admin\", not this value",
        "13:11: `tokens.cron.expires` must be a moment such as \"2027-01-01T00:00:00Z\", in quotes, not a date",
        "14:1: `tokens.none` must have a `hash`",
        "15:9: `tokens.none.verbs` must be an array of 1 to 6 values, each one of \"read\", \"run\", \"control\", \
         \"deploy\", \"settings\", \"admin\", not an empty array",
    ];
    let told_lines: Vec<&str> = told.lines().map(|line| line.trim_start_matches("webjobd.toml:")).collect();
    assert_eq!(told_lines, expected);
    assert!(!told.contains("hunter2") && !told.contains("12345"), "{told}");
}

#[test]
fn tls_needs_both_files_and_lets_listen_everywhere() {
    let both = door("listen = \"0.0.0.0:443\"\n[tls]\ncert = \"c.pem\"\nkey = \"/k.pem\"").tls.expect("tls");
    assert_eq!((both.cert, both.key), ("/srv/c.pem".into(), "/k.pem".into()));
    assert!(refused("[tls]\ncert = \"c.pem\"").contains("`tls` must have a `key`"));
    let half = resolved("", &[("WEBJOBD_TLS_KEY", "k.pem")], Flags::default()).expect_err("no certificate");
    assert_eq!(half, "TLS has a key but no certificate; name both, `tls.cert` and `tls.key`");
    let flags = Flags { tls_cert: Some("c".into()), tls_key: Some("k".into()), ..Flags::default() };
    let given = resolved("[tls]\ncert = \"a\"\nkey = \"b\"", &[("WEBJOBD_TLS_KEY", "d")], flags).expect("a door");
    assert_eq!(given.tls.map(|tls| (tls.cert, tls.key)), Some(("/here/c".into(), "/here/k".into())));
}

#[test]
fn names_and_proxies_are_lists() {
    let door =
        door("allowed_hosts = [\"Jobs.lan\", \"*.jobs.lan\", \"*\", \"[::1]\"]\ntrusted_proxies = [\"10.0.0.0/8\"]");
    assert_eq!(door.allowed_hosts, ["jobs.lan", "*.jobs.lan", "*", "[::1]"]);
    assert_eq!(door.trusted_proxies[0].to_string(), "10.0.0.0/8");
    let variables = [("WEBJOBD_ALLOWED_HOSTS", "a, b"), ("WEBJOBD_TRUSTED_PROXIES", "10.0.0.1,::/0")];
    let set = resolved("allowed_hosts = [\"c\"]", &variables, Flags::default()).expect("a door");
    assert_eq!((set.allowed_hosts, set.trusted_proxies.len()), (vec!["a".to_owned(), "b".to_owned()], 2));
    for bad in ["http://a", "a:80", "a/b", "", "a b", "*a"] {
        assert!(
            refused(&format!("allowed_hosts = [{bad:?}]")).starts_with("webjobd.toml:1:18: `allowed_hosts[0]`"),
            "{bad}"
        );
    }
    assert!(refused("trusted_proxies = [\"10.0.0.0/99\"]").contains("is not an address or network"));
}
