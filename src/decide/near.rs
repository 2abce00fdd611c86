//! The word a user probably meant.
//!
//! Spelling only: it never decides anything, it completes the text of a problem.

/// Longer words are nobody's slip, and would cost time.
const WORD_CHARS_MAX: usize = 60;

/// Returns the known word that `word` is probably a slip of.
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let plain = |text: &str| text.to_lowercase().replace(['_', '-'], "");
    let wanted = plain(word);
    if wanted.chars().count() > WORD_CHARS_MAX {
        return None;
    }
    let slips_max = (wanted.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|known| (n_slips(&wanted, &plain(known)), known))
        .filter(|(slips, _)| *slips <= slips_max)
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, known)| known)
}

/// Returns how many letters must be added, removed, changed, or swapped with their neighbour to make `b` of `a`.
fn n_slips(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let changed = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            let swapped = if swapped { rows[i - 2][j - 2] + 1 } else { usize::MAX };
            row.push(changed.min(swapped).min(rows[i - 1][j] + 1).min(row[j - 1] + 1));
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word_and_a_stranger_finds_none() {
        let known = ["schedule", "time_zone", "env"];
        for (word, meant) in
            [("Schedule", "schedule"), ("shedule", "schedule"), ("timezone", "time_zone"), ("evn", "env")]
        {
            assert_eq!(nearest(word, known), Some(meant), "{word}");
        }
        for word in ["color", "x", ""] {
            assert_eq!(nearest(word, known), None, "{word}");
        }
    }
}
