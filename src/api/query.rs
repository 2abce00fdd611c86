//! The query of a request: names without regard to case, values decoded once, `+` as a space (spec/kudu-webjobs 4.2).

use std::{str::FromStr, time::Duration};

use axum::{extract::Query, http::Uri};

use super::problem::Problem;

/// The parameters of one request.
#[derive(Clone, Debug, Default)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// Takes a query apart. One that is no text is passed over as a whole.
    pub fn parse(query: Option<&str>) -> Self {
        let target = query.and_then(|query| format!("/?{query}").parse::<Uri>().ok());
        let pairs = target.and_then(|uri| Query::<Vec<(String, String)>>::try_from_uri(&uri).ok());
        Self(pairs.map(|Query(pairs)| pairs).unwrap_or_default())
    }

    /// Returns all parameters, in order.
    pub fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    /// Returns a parameter; the first of several.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Returns a parameter as a value; one that is empty is none.
    ///
    /// # Errors
    /// When it is not `what`.
    pub fn value<T: FromStr>(&self, name: &str, what: &str) -> Result<Option<T>, Problem> {
        match self.get(name).filter(|text| !text.is_empty()) {
            None => Ok(None),
            Some(text) => {
                let wrong = || Problem::invalid(format!("`{name}={text}` is wrong: it must be {what}"));
                text.parse().map(Some).map_err(|_| wrong())
            }
        }
    }

    /// Returns whether a parameter is `true`, or `1`, or stands there without a value.
    ///
    /// # Errors
    /// When it is anything else but `false` or `0`.
    pub fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.get(name).map(str::to_ascii_lowercase).as_deref() {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1" | "") => Ok(true),
            Some(text) => Err(Problem::invalid(format!("`{name}={text}` is wrong: it must be true or false"))),
        }
    }

    /// Returns a parameter in seconds, at most `max`.
    ///
    /// # Errors
    /// When it is no number of seconds.
    pub fn seconds(&self, name: &str, max: Duration) -> Result<Option<Duration>, Problem> {
        let what = "a number of seconds";
        let Some(seconds) = self.value::<f64>(name, what)? else { return Ok(None) };
        let wrong = |_| Problem::invalid(format!("`{name}={seconds}` is wrong: it must be {what}"));
        Duration::try_from_secs_f64(seconds).map(|given| Some(given.min(max))).map_err(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded_once() {
        let params = Params::parse(Some("Arguments=a+%22b%20c%22+%252B%2B&x=1&arguments=second&y"));
        assert_eq!(params.get("arguments"), Some("a \"b c\" %2B+"));
        assert_eq!(params.value::<u32>("x", "a number").expect("a number"), Some(1));
        assert_eq!(params.value::<u32>("z", "a number").expect("none"), None);
        assert!(params.value::<u32>("arguments", "a number").is_err());
        assert!(params.flag("y").expect("a flag") && !params.flag("z").expect("a flag"));
        assert!(params.flag("arguments").is_err());
        assert_eq!(Params::parse(None).get("x"), None);
        assert_eq!(Params::parse(Some("%ff=%zz&&==")).get("x"), None);
    }

    #[test]
    fn seconds_are_bounded() {
        let max = Duration::from_secs(10);
        for (text, seconds) in [("1.5", Some(1.5)), ("1e9", Some(10.0)), ("", None)] {
            let params = Params::parse(Some(&format!("wait={text}")));
            let parsed = params.seconds("wait", max).expect("seconds");
            assert_eq!(parsed.map(|seconds| seconds.as_secs_f64()), seconds, "{text}");
        }
        for text in ["-1", "soon", "NaN", "inf"] {
            assert!(Params::parse(Some(&format!("wait={text}"))).seconds("wait", max).is_err(), "{text}");
        }
    }
}
