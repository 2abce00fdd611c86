//! Logins against a door with a user and a token; the clock is the machine's, but nothing here waits for it.

use std::{collections::BTreeMap, path::Path};

use tokio::sync::mpsc;

use super::*;
use crate::{
    decide::config::{self, Flags},
    host::view::View,
    model::{
        access::{Accounts, Rights, Role, Scope, Token, User, Verb},
        event::EventId,
        time::Wall,
    },
    store::{credentials::Credentials, layout::Layout},
};

const FILE_SECRET: &str = "0123456789abcdef0123456789abcdef0123456789abcdef";
const HERE: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(192, 0, 2, 1));
const THERE: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(192, 0, 2, 2));

fn keys(password: &[u8], token: &str, expires: Option<Wall>) -> Keys {
    let credentials = Credentials::parse(&format!("webjobd:{FILE_SECRET}")).expect("credentials");
    let user = User { role: Role::Viewer, password: passwords::hash(password).expect("random numbers") };
    let scope = Scope { jobs: None, verbs: [Verb::Run].into() };
    let token = Token { hash: passwords::token_hash(token.as_bytes()), scope, expires };
    let accounts = Accounts { users: [("ada".to_owned(), user)].into(), tokens: [("cron".to_owned(), token)].into() };
    Keys::new(credentials, accounts, None).expect("usable hashes")
}

fn door(keys: Keys) -> Door {
    let flags = Flags { working_directory: "/nowhere".into(), ..Flags::default() };
    let config = config::resolve(None, &BTreeMap::new(), &flags, "box").expect("a set-up").0;
    let layout = Layout::new(Path::new("/nowhere/data").to_owned(), config.instance.clone());
    let (commands, _) = mpsc::channel(1);
    let handle =
        crate::host::handle::HostHandle::for_tests(commands, View::new(EventId(0)).into(), config.into(), layout);
    Door::new(handle, keys)
}

async fn admit(door: &Door, client: IpAddr, name: Option<&str>, secret: &str) -> Result<String, Refused> {
    let login = Login { name: name.map(str::as_bytes), secret: secret.as_bytes() };
    door.admit(client, Some(login)).await.map(|caller| {
        let role = match caller.rights {
            Rights::Role(role) => role.to_string(),
            Rights::Token(_) => "token".to_owned(),
        };
        format!("{}: {role}", caller.name)
    })
}

/// As if somebody had guessed for hours; the wait is a minute then, and no test takes so long.
fn fail_often(door: &Door, client: IpAddr, name: &str) {
    let now = door.shared.handle.clock().now().mono;
    for _ in 0..20 {
        hold(&door.shared.attempts).failed([Who::Address(client), Who::named(name)], now);
    }
}

#[tokio::test]
async fn everybody_comes_in_by_their_own_key() {
    let door = door(keys(b"correct horse", "wjt_secret", None));
    for (name, secret, who) in [
        (Some("webjobd"), FILE_SECRET, Some("webjobd: admin")),
        (None, FILE_SECRET, Some("webjobd: admin")),
        (Some("ada"), "correct horse", Some("ada: viewer")),
        (Some("cron"), "wjt_secret", Some("cron: token")),
        (Some("anything"), "wjt_secret", Some("cron: token")),
        (None, "wjt_secret", Some("cron: token")),
        (Some("ada"), FILE_SECRET, None),
        (None, "correct horse", None),
        (Some("Ada"), "correct horse", None),
        (Some("ada"), "correct horse ", None),
        (Some("bob"), "correct horse", None),
    ] {
        let admitted = admit(&door, HERE, name, secret).await;
        assert_eq!(admitted.as_ref().ok().map(String::as_str), who, "{name:?}");
    }
    for login in [None, Some(Login { name: Some(b"ada"), secret: b"" })] {
        assert_eq!(door.admit(HERE, login).await.expect_err("nobody"), Refused::Missing);
    }
}

#[tokio::test]
async fn whoever_fails_too_often_waits_and_the_owner_of_the_file_never_does() {
    let door = door(keys(b"correct horse", "wjt_secret", None));
    let refused = admit(&door, HERE, Some("ada"), "wrong").await.expect_err("wrong");
    assert_eq!(refused, Refused::Wrong(Some("ada".to_owned())));
    fail_often(&door, HERE, "ada");
    let waits = |refused| matches!(refused, Err(Refused::Wait(..)));
    assert!(waits(admit(&door, HERE, Some("ada"), "correct horse").await), "even the right one");
    assert!(waits(admit(&door, HERE, Some("bob"), "x").await), "the address waits");
    assert!(waits(admit(&door, THERE, Some("ada"), "correct horse").await), "the name waits");
    assert_eq!(admit(&door, HERE, Some("webjobd"), FILE_SECRET).await.as_deref(), Ok("webjobd: admin"));
    assert!(matches!(admit(&door, HERE, Some("bob"), "x").await, Err(Refused::Wrong(None))), "the address is clear");
}

#[tokio::test]
async fn guessing_at_a_name_does_not_keep_its_owner_out_where_they_were() {
    let door = door(keys(b"correct horse", "wjt_secret", None));
    assert!(admit(&door, HERE, Some("ada"), "correct horse").await.is_ok());
    fail_often(&door, THERE, "ada");
    assert!(admit(&door, HERE, Some("ada"), "correct horse").await.is_ok());
    assert!(admit(&door, THERE, Some("ada"), "correct horse").await.is_err());
}

#[tokio::test]
async fn turned_keys_let_nobody_in_who_was_right_before() {
    let door = door(keys(b"correct horse", "wjt_secret", None));
    assert!(admit(&door, HERE, Some("ada"), "correct horse").await.is_ok());
    assert!(admit(&door, HERE, None, "wjt_secret").await.is_ok());
    door.turn(keys(b"battery staple", "wjt_other", None));
    assert!(admit(&door, HERE, Some("ada"), "correct horse").await.is_err());
    assert!(admit(&door, HERE, None, "wjt_secret").await.is_err());
    assert!(admit(&door, HERE, Some("ada"), "battery staple").await.is_ok());
    door.turn(keys(b"battery staple", "wjt_other", Some(Wall::UNIX_EPOCH)));
    assert!(admit(&door, HERE, None, "wjt_other").await.is_err(), "it has expired");
}

#[tokio::test]
async fn more_checks_than_may_wait_are_asked_to_come_again() {
    let door = door(keys(b"correct horse", "wjt_secret", None));
    let places = door.shared.waiting.clone().acquire_many_owned(super::super::CHECKS_WAITING_MAX as u32 + 2).await;
    assert_eq!(admit(&door, HERE, Some("ada"), "correct horse").await, Err(Refused::Busy));
    drop(places);
    assert!(admit(&door, HERE, Some("ada"), "correct horse").await.is_ok());
}

#[test]
fn nothing_of_the_keys_is_shown() {
    let shown = format!("{:?}", keys(b"correct horse", "wjt_secret", None));
    assert!(!shown.contains("argon2id") && !shown.contains(FILE_SECRET), "{shown}");
}
