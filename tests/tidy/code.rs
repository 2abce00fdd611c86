//! Rules about code, read as tokens: a word in a comment or in a string is never taken for code.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

use super::{layers::used, tree::Source};

/// Finds functions, in macros too, of more than `lines_max` lines from `fn` to the closing brace.
pub fn long_functions(source: &Source, lines_max: usize) -> Vec<String> {
    let mut findings = Vec::new();
    for Function { name, first, last } in functions(&source.tokens) {
        let lines = last - first + 1;
        if lines > lines_max {
            let Source { path, .. } = source;
            findings.push(format!("{path}:{first}: `{name}` has {lines} lines, {lines_max} at most; split it by idea"));
        }
    }
    findings
}

/// Finds arms of a `match` that take whatever is left: `_ =>`, `rest =>`, `(_, _) =>`.
pub fn catch_all_arms(source: &Source) -> Vec<String> {
    if source.is_test() {
        return Vec::new();
    }
    let mut findings = Vec::new();
    each_level(&without_tests(&source.tokens), &mut |trees| {
        for at in 1..trees.len().saturating_sub(1) {
            let arrow = is_mark(trees.get(at), '=') && is_mark(trees.get(at + 1), '>');
            if arrow && takes_all(&trees[at - 1]) && begins_arm(&trees[..at - 1]) {
                let (path, line) = (&source.path, trees[at].span().start().line);
                findings.push(format!(
                    "{path}:{line}: this arm takes whatever is left; name every state and event, so that a new one breaks the build"
                ));
            }
        }
    });
    findings
}

/// Finds a state machine that is not yet held to having no catch-all arm.
pub fn undeclared_machine(source: &Source) -> Option<String> {
    let mut line = None;
    each_level(&without_tests(&source.tokens), &mut |trees| {
        let takes_event = |tree: &TokenTree| matches!(tree, TokenTree::Group(inputs) if inputs.stream().into_iter().any(|input| is_word(&input, "event")));
        let mut threes = trees.windows(3);
        let step = threes.find(|it| is_word(&it[0], "fn") && is_word(&it[1], "step") && takes_event(&it[2]));
        line = line.or(step.map(|it| it[0].span().start().line));
    });
    line.map(|line| format!("{}:{line}: a state machine; name the file in MACHINES in tests/tidy.rs", source.path))
}

/// Finds `.unwrap()` outside tests.
pub fn unwraps(source: &Source) -> Vec<String> {
    if source.is_test() {
        return Vec::new();
    }
    let mut findings = Vec::new();
    each_level(&without_tests(&source.tokens), &mut |trees| {
        for three in trees.windows(3) {
            let call = matches!(&three[2], TokenTree::Group(arguments) if arguments.stream().is_empty());
            if is_mark(Some(&three[0]), '.') && is_word(&three[1], "unwrap") && call {
                let (path, line) = (&source.path, three[1].span().start().line);
                findings
                    .push(format!("{path}:{line}: `unwrap()`; return an error, or `expect(\"why it cannot fail\")`"));
            }
        }
    });
    findings
}

/// Finds attributes that silence a lint without a reason that is checked.
pub fn allows(source: &Source) -> Vec<String> {
    let mut findings = Vec::new();
    each_level(&source.tokens, &mut |trees| {
        for (at, tree) in trees.iter().enumerate() {
            let TokenTree::Group(group) = tree else { continue };
            let bang = at > 0 && is_mark(trees.get(at - 1), '!');
            let hash = at > usize::from(bang) && is_mark(trees.get(at - 1 - usize::from(bang)), '#');
            if hash && group.delimiter() == Delimiter::Bracket && silences(group) {
                let (path, line) = (&source.path, group.span_open().start().line);
                findings.push(format!("{path}:{line}: a lint is allowed; use #[expect(lint, reason = \"…\")]"));
            }
        }
    });
    findings
}

/// Finds sleeps in test code. Only a function named `eventually` may pause, between two looks at a value.
pub fn sleeps_in_tests(source: &Source) -> Vec<String> {
    let sleeps = |tokens: &TokenStream| -> Vec<usize> {
        let found = used(tokens, &[]).into_iter();
        let sleep =
            |path: &[String]| path.ends_with(&words("thread", "sleep")) || path.ends_with(&words("time", "sleep"));
        found.filter(|used| sleep(&used.path)).map(|used| used.line).collect()
    };
    let mut lines = sleeps(&source.tokens);
    if !source.is_test() {
        let product = sleeps(&without_tests(&source.tokens));
        lines.retain(|line| !product.contains(line));
    }
    let polls: Vec<_> =
        functions(&source.tokens).into_iter().filter(|function| function.name == "eventually").collect();
    lines.retain(|line| !polls.iter().any(|poll| (poll.first..=poll.last).contains(line)));
    let say = |line| format!("{}:{line}: a test sleeps; wait with `eventually` for a value, or pass time", source.path);
    lines.into_iter().map(say).collect()
}

struct Function {
    name: String,
    first: usize,
    last: usize,
}

fn functions(tokens: &TokenStream) -> Vec<Function> {
    let mut found = Vec::new();
    each_level(tokens, &mut |trees| {
        for (at, two) in trees.windows(2).enumerate() {
            let TokenTree::Ident(name) = &two[1] else { continue };
            if !is_word(&two[0], "fn") {
                continue;
            }
            let ends = |tree: &&TokenTree| is_mark(Some(tree), ';') || brace(tree).is_some();
            if let Some(body) = trees[at..].iter().find(ends).and_then(brace) {
                let (first, last) = (two[0].span().start().line, body.span_close().end().line);
                found.push(Function { name: name.to_string(), first, last });
            }
        }
    });
    found
}

/// Calls `look` with the tokens of each level: the whole, then the inside of every bracket.
fn each_level(tokens: &TokenStream, look: &mut impl FnMut(&[TokenTree])) {
    let trees: Vec<TokenTree> = tokens.clone().into_iter().collect();
    look(&trees);
    for tree in &trees {
        if let TokenTree::Group(group) = tree {
            each_level(&group.stream(), look);
        }
    }
}

/// Drops every item behind `#[cfg(test)]`, down to its closing brace or semicolon.
fn without_tests(tokens: &TokenStream) -> TokenStream {
    let mut kept = Vec::new();
    let mut trees = tokens.clone().into_iter();
    while let Some(tree) = trees.next() {
        let TokenTree::Group(group) = &tree else {
            kept.push(tree);
            continue;
        };
        if is_mark(kept.last(), '#') && group.stream().to_string().replace(' ', "") == "cfg(test)" {
            kept.pop();
            trees.by_ref().find(|tree| is_mark(Some(tree), ';') || brace(tree).is_some());
        } else {
            let mut inner = Group::new(group.delimiter(), without_tests(&group.stream()));
            inner.set_span(group.span());
            kept.push(inner.into());
        }
    }
    kept.into_iter().collect()
}

fn takes_all(pattern: &TokenTree) -> bool {
    match pattern {
        TokenTree::Ident(name) => {
            let text = name.to_string();
            text != "true" && text != "false" && text.starts_with(|c: char| c == '_' || c.is_lowercase())
        }
        TokenTree::Group(tuple) => {
            let text = tuple.stream().to_string();
            tuple.delimiter() == Delimiter::Parenthesis && text.chars().all(|c| "_,. ".contains(c)) && !text.is_empty()
        }
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    }
}

fn begins_arm(before: &[TokenTree]) -> bool {
    match before.last() {
        None => true,
        Some(TokenTree::Punct(mark)) => ",|".contains(mark.as_char()),
        Some(TokenTree::Group(group)) => group.delimiter() != Delimiter::Parenthesis,
        Some(TokenTree::Ident(_) | TokenTree::Literal(_)) => false,
    }
}

fn silences(attribute: &Group) -> bool {
    let mut found = false;
    let inside: TokenStream = TokenTree::from(attribute.clone()).into();
    each_level(&inside, &mut |trees| {
        let mut pairs = trees.windows(2);
        found |= pairs.any(|two| is_word(&two[0], "allow") && matches!(&two[1], TokenTree::Group(_)));
    });
    found
}

fn words(first: &str, second: &str) -> [String; 2] {
    [first.to_owned(), second.to_owned()]
}

fn is_mark(tree: Option<&TokenTree>, mark: char) -> bool {
    matches!(tree, Some(TokenTree::Punct(punct)) if punct.as_char() == mark)
}

fn is_word(tree: &TokenTree, word: &str) -> bool {
    matches!(tree, TokenTree::Ident(ident) if ident == word)
}

fn brace(tree: &TokenTree) -> Option<&Group> {
    match tree {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(group),
        TokenTree::Group(_) | TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(rule: impl Fn(&Source) -> Vec<String>, path: &str, text: &str) -> Vec<usize> {
        let found = rule(&Source::new(path, text));
        found.iter().map(|line| line.split(':').nth(1).and_then(|n| n.parse().ok()).expect(line)).collect()
    }

    #[test]
    fn a_function_over_the_bound_is_found_inside_a_module_and_a_macro() {
        let rule = |source: &Source| long_functions(source, 3);
        let long = "fn long(\n  a: u8) {\n\n}\n";
        assert_eq!(lines(rule, "src/a.rs", long), [1]);
        assert_eq!(lines(rule, "src/a.rs", &format!("mod m {{ m! {{\n{long} }} }}")), [2]);
        assert!(lines(rule, "src/a.rs", "trait T {\n fn a();\n\n\n\n fn b() {\n\n }\n}").is_empty());
    }

    #[test]
    fn an_arm_that_takes_whatever_is_left_is_found() {
        for bad in ["_", "rest", "(_, _)", "A | _", "A {} => {}\n _", "(..)"] {
            let text = format!("fn f() {{ match x {{ {bad} => y }} }}");
            assert_eq!(lines(catch_all_arms, "src/a.rs", &text).len(), 1, "{bad}");
            assert!(lines(catch_all_arms, "src/a/tests.rs", &text).is_empty());
            let inside = format!("#[cfg(test)]\nmod tests {{ {text} }}");
            assert!(lines(catch_all_arms, "src/a.rs", &inside).is_empty());
        }
        for good in ["A", "A { .. }", "A(_)", "true", "_ if a == b", "S::A | S::B(_, _)", "Some(rest)", "(A, _)", "0"] {
            let text = format!("fn f() {{ match x {{ {good} => y }} }}");
            assert!(lines(catch_all_arms, "src/a.rs", &text).is_empty(), "{good}");
        }
    }

    #[test]
    fn a_state_machine_that_is_not_named_is_found() {
        let check = |text| undeclared_machine(&Source::new("src/a.rs", text)).is_some();
        assert!(check("impl State { pub fn step(self, event: Event, now: Now) -> Step { } }"));
        assert!(!check("fn step(text: &str) { } fn steps(event: Event) { }"));
    }

    #[test]
    fn unwrap_is_found_in_code_and_not_in_tests_or_documentation() {
        let text = "/// x.unwrap()\nfn f() { m!(a, b.unwrap()) }\n#[cfg(test)] mod tests { fn f() { c.unwrap() } }";
        assert_eq!(lines(unwraps, "src/a.rs", text), [2]);
        assert!(lines(unwraps, "tests/a.rs", text).is_empty());
        assert!(lines(unwraps, "src/a.rs", "fn f() { a.unwrap_or(b) } // a.unwrap()").is_empty());
    }

    #[test]
    fn an_allowed_lint_is_found_in_every_spelling() {
        let word = ["al", "low"].concat();
        for bad in ["#[W(x)]", "#![W(x)]", "#[cfg_attr(a, W(x))]", "fn f() { #[W(x)] let a = 1; }"] {
            assert_eq!(lines(allows, "src/a.rs", &bad.replace('W', &word)), [1], "{bad}");
        }
        assert!(lines(allows, "src/a.rs", "#[expect(x, reason = \"y\")] fn f() { [allow(x)] }").is_empty());
    }

    #[test]
    fn a_sleep_is_found_in_tests_and_not_where_it_polls() {
        let nap = ["thread::", "sleep"].concat();
        for bad in
            [format!("use std::{nap};"), format!("fn f() {{ {nap}(a) }}"), ["use tokio::time::{", "sleep};"].concat()]
        {
            assert_eq!(lines(sleeps_in_tests, "tests/a.rs", &bad), [1], "{bad}");
            assert!(lines(sleeps_in_tests, "src/a.rs", &bad).is_empty(), "{bad}");
            let inside = format!("\n#[cfg(test)] mod tests {{ {bad} }}");
            assert_eq!(lines(sleeps_in_tests, "src/a.rs", &inside), [2], "{bad}");
        }
        assert!(lines(sleeps_in_tests, "tests/a.rs", &format!("fn eventually() {{ {nap}(a) }}")).is_empty());
    }
}
