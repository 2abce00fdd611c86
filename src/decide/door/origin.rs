//! Which names are ours: the `Host` that a request may name, and the pages that may change something.
//!
//! A browser can be led to send requests here in the name of whoever sits before it: by a foreign name that suddenly
//! points to this machine (DNS rebinding), and by a foreign page that posts to us with the login that the browser
//! remembers. The first shows in `Host`, the second in `Origin` and `Sec-Fetch-Site`, which pages cannot choose.

use core::net::{IpAddr, SocketAddr};

/// The names of a host.
#[derive(Clone, Copy, Debug)]
pub struct Names<'n> {
    /// Where it listens.
    pub listen: SocketAddr,
    /// How others reach it.
    pub public_url: Option<&'n str>,
    /// Further names; `*.example.com` stands for all below, `*` for every name.
    pub allowed_hosts: &'n [String],
}

/// What a browser says of the page that asks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Page<'p> {
    /// `Origin`.
    pub origin: Option<&'p str>,
    /// `Sec-Fetch-Site`.
    pub fetch_site: Option<&'p str>,
    /// The name, and port, under which we were asked.
    pub host: Option<&'p str>,
    /// Whether the request came by TLS.
    pub tls: bool,
}

impl Names<'_> {
    /// Tells whether a request may name this host. Beyond loopback every name is fine while none is configured.
    pub fn knows(self, host: &str) -> bool {
        let is_open = self.public_url.is_none() && self.allowed_hosts.is_empty();
        if is_open && !self.listen.ip().to_canonical().is_loopback() {
            return true;
        }
        let name = name_of(host);
        let public = self.public_url.and_then(|url| url.split_once("://")).map(|(_, rest)| name_of(authority(rest)));
        is_near(&name)
            || name.parse().is_ok_and(|ip: IpAddr| ip.to_canonical() == self.listen.ip().to_canonical())
            || public.is_some_and(|public| public == name)
            || self.allowed_hosts.iter().any(|allowed| fits(&allowed.to_ascii_lowercase(), &name))
    }

    /// Tells whether a page of this host asks, or no page at all.
    pub fn is_own(self, page: Page<'_>) -> bool {
        match (page.fetch_site, page.origin) {
            (Some("same-origin" | "none"), _) | (None, None) => true,
            (Some(_), _) => false,
            (None, Some(origin)) => self.is_own_origin(origin, page),
        }
    }

    fn is_own_origin(self, origin: &str, page: Page<'_>) -> bool {
        let Some((scheme, place)) = origin.split_once("://") else { return false };
        let public = self.public_url.and_then(|url| url.split_once("://"));
        let is_public = public.is_some_and(|(public_scheme, rest)| {
            public_scheme.eq_ignore_ascii_case(scheme) && is_same_place(scheme, authority(rest), place)
        });
        // A proxy with TLS may stand before us, but nobody before it.
        let is_safe = scheme.eq_ignore_ascii_case("https") || !page.tls;
        is_public || (is_safe && page.host.is_some_and(|host| is_same_place(scheme, host, place)))
    }
}

fn is_same_place(scheme: &str, one: &str, other: &str) -> bool {
    let port = if scheme.eq_ignore_ascii_case("https") { 443 } else { 80 };
    name_of(one) == name_of(other) && port_of(one).unwrap_or(port) == port_of(other).unwrap_or(port)
}

fn authority(rest: &str) -> &str {
    rest.split('/').next().unwrap_or_default()
}

/// The name of a `name:port`, in lower case, without the brackets of IPv6 and the dot at its end.
fn name_of(host: &str) -> String {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((name, _)) => name,
        None => host.rsplit_once(':').filter(|(name, _)| !name.contains(':')).map_or(host, |(name, _)| name),
    };
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

fn port_of(host: &str) -> Option<u16> {
    let rest = host.rsplit_once(']').map_or(host, |(_, rest)| rest);
    rest.rsplit_once(':')?.1.parse().ok()
}

/// Names that lead to the machine itself, whatever a foreign name server says.
fn is_near(name: &str) -> bool {
    name == "localhost"
        || name.ends_with(".localhost")
        || name.parse().is_ok_and(|ip: IpAddr| ip.to_canonical().is_loopback())
}

fn fits(allowed: &str, name: &str) -> bool {
    match allowed.strip_prefix('*') {
        Some("") => true,
        Some(end) => name.len() > end.len() && name.ends_with(end),
        None => name_of(allowed) == name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(listen: &str) -> Names<'_> {
        Names { listen: listen.parse().expect("an address"), public_url: None, allowed_hosts: &[] }
    }

    #[test]
    fn loopback_is_known_by_its_own_names_only() {
        for (host, known) in [
            ("localhost", true),
            ("LOCALHOST:8090", true),
            ("jobs.localhost", true),
            ("localhost.", true),
            ("127.0.0.1:8090", true),
            ("127.1.2.3", true),
            ("[::1]:8090", true),
            ("[::1]", true),
            ("::1", true),
            ("[::ffff:127.0.0.1]:80", true),
            ("evil.example", false),
            ("evil.example:8090", false),
            ("localhost.evil.example", false),
            ("evillocalhost", false),
            ("127.0.0.1.evil.example", false),
            ("10.0.0.1", false),
            ("0.0.0.0", false),
            ("", false),
            ("[::1", false),
            ("user@localhost", false),
        ] {
            assert_eq!(names("127.0.0.1:8090").knows(host), known, "{host}");
        }
        assert!(names("[::ffff:127.0.0.1]:80").knows("localhost") && !names("[::1]:80").knows("evil.example"));
    }

    #[test]
    fn names_beyond_loopback_are_checked_once_some_are_given() {
        assert!(names("0.0.0.0:80").knows("anything.example"));
        let allowed = ["jobs.lan".to_owned(), "*.jobs.example".to_owned()];
        let named = Names { public_url: Some("https://Public.example:444/x"), ..names("10.0.0.1:80") };
        let listed = Names { allowed_hosts: &allowed, ..names("10.0.0.1:80") };
        for (names, host, known) in [
            (named, "public.example", true),
            (named, "public.example:9", true),
            (named, "10.0.0.1:80", true),
            (named, "localhost", true),
            (named, "anything.example", false),
            (listed, "JOBS.lan:80", true),
            (listed, "a.jobs.example", true),
            (listed, "jobs.example", false),
            (listed, ".jobs.example", false),
            (listed, "xjobs.example", false),
            (listed, "anything.example", false),
        ] {
            assert_eq!(names.knows(host), known, "{host}");
        }
        let all = ["*".to_owned()];
        assert!(Names { allowed_hosts: &all, ..names("127.0.0.1:80") }.knows("anything.example"));
    }

    #[test]
    fn only_our_own_pages_and_programs_may_change_something() {
        let names = Names { public_url: Some("https://jobs.example/base"), ..names("127.0.0.1:8090") };
        for (origin, fetch_site, host, tls, own) in [
            (None, None, "localhost:8090", false, true),
            (None, Some("none"), "localhost:8090", false, true),
            (Some("http://localhost:8090"), Some("same-origin"), "localhost:8090", false, true),
            (None, Some("cross-site"), "localhost:8090", false, false),
            (None, Some("same-site"), "localhost:8090", false, false),
            (None, Some("Cross-Site"), "localhost:8090", false, false),
            (Some("http://localhost:8090"), Some("cross-site"), "localhost:8090", false, false),
            (Some("http://localhost:8090"), None, "LOCALHOST:8090", false, true),
            (Some("http://localhost:3000"), None, "localhost:8090", false, false),
            (Some("http://localhost"), None, "localhost:8090", false, false),
            (Some("http://localhost"), None, "localhost:80", false, true),
            (Some("https://evil.example"), None, "localhost:8090", false, false),
            (Some("null"), None, "localhost:8090", false, false),
            (Some(""), None, "localhost:8090", false, false),
            (Some("https://jobs.example"), None, "127.0.0.1:8090", false, true),
            (Some("https://jobs.example:443"), None, "127.0.0.1:8090", false, true),
            (Some("http://jobs.example"), None, "127.0.0.1:8090", false, false),
            (Some("https://jobs.example.evil"), None, "127.0.0.1:8090", false, false),
            (Some("http://localhost:8090"), None, "localhost:8090", true, false),
            (Some("https://localhost:8090"), None, "localhost:8090", true, true),
        ] {
            let page = Page { origin, fetch_site, host: Some(host), tls };
            assert_eq!(names.is_own(page), own, "{page:?}");
        }
    }
}
