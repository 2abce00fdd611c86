//! Arguments as one text, the way Kudu's API carries them, and as a list, the way processes take them.
//!
//! The rules are those of .NET's command lines (spec/kudu-webjobs 4.2): white space splits, double quotes group, `\"` is
//! a quote, and other backslashes stand for themselves. No shell ever sees the text.
//!
//! **Invariant:** `split(&join(list)) == list` for every list.

/// Splits a text into arguments. A group that is not closed reaches to the end.
pub fn split(text: &str) -> Vec<String> {
    let mut arguments = Vec::new();
    let mut current: Option<String> = None;
    let mut quoted = false;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' => {
                let mut n_backslashes = 1;
                while rest.next_if_eq(&'\\').is_some() {
                    n_backslashes += 1;
                }
                let argument = current.get_or_insert_default();
                // Only before a quote do backslashes escape: two are one, and an odd one makes the quote a character.
                let escapes = rest.peek() == Some(&'"');
                argument.extend(std::iter::repeat_n('\\', if escapes { n_backslashes / 2 } else { n_backslashes }));
                if escapes && n_backslashes % 2 == 1 {
                    argument.extend(rest.next());
                }
            }
            '"' if quoted && rest.next_if_eq(&'"').is_some() => current.get_or_insert_default().push('"'),
            '"' => {
                current.get_or_insert_default();
                quoted = !quoted;
            }
            c if is_space(c) && !quoted => arguments.extend(current.take()),
            c => current.get_or_insert_default().push(c),
        }
    }
    arguments.extend(current);
    arguments
}

/// Joins arguments to a text that `split` takes apart again.
pub fn join<S: AsRef<str>>(arguments: &[S]) -> String {
    arguments.iter().map(|argument| quote(argument.as_ref())).collect::<Vec<_>>().join(" ")
}

fn quote(argument: &str) -> String {
    if !argument.is_empty() && !argument.contains(|c| is_space(c) || c == '"') {
        return argument.to_owned();
    }
    let mut text = String::from('"');
    let mut n_backslashes = 0;
    for c in argument.chars() {
        if c == '"' {
            text.extend(std::iter::repeat_n('\\', n_backslashes + 1));
        }
        n_backslashes = if c == '\\' { n_backslashes + 1 } else { 0 };
        text.push(c);
    }
    text.extend(std::iter::repeat_n('\\', n_backslashes));
    text.push('"');
    text
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_is_split_as_kudu_splits_it() {
        for (text, arguments) in [
            ("", &[][..]),
            ("  a  b\t", &["a", "b"]),
            (r#""first arg" "second arg""#, &["first arg", "second arg"]),
            (r#"say \"hi\""#, &["say", "\"hi\""]),
            (r#"--name="two words""#, &["--name=two words"]),
            (r#""" x"#, &["", "x"]),
            (r"C:\dir\ 'single quotes'", &[r"C:\dir\", "'single", "quotes'"]),
            (r#""C:\dir\\" "a ""b"" c""#, &[r"C:\dir\", "a \"b\" c"]),
            (r#""not closed"#, &["not closed"]),
        ] {
            assert_eq!(split(text), arguments, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_joined_is_split_again(list in prop::collection::vec(r#"([a-c"\\ \t\n'$]|\PC){0,8}"#, 0..5)) {
            prop_assert_eq!(split(&join(&list)), list);
        }

        #[test]
        fn any_text_splits(text in "\\PC*") {
            split(&text);
        }
    }
}
