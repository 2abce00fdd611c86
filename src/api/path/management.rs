//! The paths of Azure's management API (spec/kudu-webjobs 8.10), so that its SDKs work when pointed here:
//! `/subscriptions/{s}/resourceGroups/{rg}/providers/Microsoft.Web/sites/{site}[/slots/{slot}]/…`.
//!
//! Which subscription, group or site is named does not matter: there is one host here. Only the rest of the path does.

/// Tells whether a path, as it was sent, is one of the management API.
pub fn is_management(path: &str) -> bool {
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    segments.next().is_some_and(|first| first.eq_ignore_ascii_case("subscriptions"))
}

/// Returns how many segments lie before the rest of the path; `None` for any other path. `words` are the path's segments
/// in lower case.
pub fn scope(words: &[&str]) -> Option<usize> {
    let ["subscriptions", _, "resourcegroups", _, "providers", "microsoft.web", "sites", _, rest @ ..] = words else {
        return None;
    };
    Some(match rest {
        ["slots", _, ..] => 10,
        _ => 8,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scope_ends_after_the_site_or_its_slot() {
        let words = |path: &'static str| path.split('/').collect::<Vec<_>>();
        let site = "subscriptions/s/resourcegroups/g/providers/microsoft.web/sites/x";
        assert_eq!(scope(&words(site)), Some(8));
        for (path, n) in [
            ("subscriptions/s/resourcegroups/g/providers/microsoft.web/sites/x/webjobs", Some(8)),
            ("subscriptions/s/resourcegroups/g/providers/microsoft.web/sites/x/slots/y/webjobs", Some(10)),
            ("subscriptions/s/resourcegroups/g/providers/microsoft.sql/sites/x/webjobs", None),
            ("subscriptions/s", None),
            ("api/webjobs", None),
        ] {
            assert_eq!(scope(&words(path)), n, "{path}");
        }
        assert!(is_management("//Subscriptions/s") && !is_management("/api/subscriptions"));
    }
}
