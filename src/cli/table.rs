//! Tables without borders: columns line up by what a terminal shows, not by bytes.
//!
//! What jobs and hosts say passes through [`clean`], so that no text of theirs can steer the reader's terminal.

use unicode_width::UnicodeWidthStr;

/// Space between columns.
const GAP: &str = "  ";

/// What a text means, and so its colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Nothing in particular.
    #[default]
    Plain,
    /// All is well.
    Good,
    /// Something to keep an eye on.
    Warn,
    /// Something is wrong.
    Bad,
    /// Of less interest.
    Dim,
    /// A title.
    Strong,
}

impl Tone {
    /// Returns the text with this tone's colour around it.
    pub fn paint(self, text: &str, color: bool) -> String {
        let code = match self {
            Self::Plain => return text.to_owned(),
            Self::Good => "32",
            Self::Warn => "33",
            Self::Bad => "31",
            Self::Dim => "2",
            Self::Strong => "1",
        };
        if color && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// One cell: its text on one line, and its tone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// Makes a cell in this tone.
    pub fn new(text: impl AsRef<str>, tone: Tone) -> Self {
        Self { text: clean(text.as_ref()), tone }
    }

    /// Makes a cell of a value that may not be there.
    pub fn or_dash(text: Option<impl AsRef<str>>) -> Self {
        text.map_or_else(|| Self::new("-", Tone::Dim), |text| Self::new(text, Tone::Plain))
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(text, Tone::Plain)
    }
}

/// Rows under titles.
#[derive(Clone, Debug)]
pub struct Table {
    titles: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// Makes an empty table.
    pub fn new(titles: &[&'static str]) -> Self {
        Self { titles: titles.to_vec(), rows: Vec::new() }
    }

    /// Adds a row, one cell for each title.
    pub fn row(&mut self, cells: Vec<Cell>) {
        debug_assert_eq!(cells.len(), self.titles.len(), "a cell for each title");
        self.rows.push(cells);
    }

    /// Renders the table. Columns without any value are left out.
    pub fn render(&self, color: bool) -> String {
        let titles: Vec<Cell> = self.titles.iter().map(|title| Cell::new(title, Tone::Dim)).collect();
        let is_used = |&at: &usize| at == 0 || self.rows.iter().any(|row| !matches!(&*row[at].text, "" | "-"));
        let used: Vec<usize> = (0..titles.len()).filter(is_used).collect();
        let all: Vec<&Vec<Cell>> = std::iter::once(&titles).chain(&self.rows).collect();
        let widths: Vec<usize> =
            used.iter().map(|&at| all.iter().map(|row| row[at].text.width()).max().unwrap_or(0)).collect();
        all.iter().map(|row| line(used.iter().map(|&at| &row[at]).zip(&widths), color)).collect()
    }
}

/// Renders a block of names and values; names without a value are left out.
pub fn pairs(values: &[(&str, Cell)], color: bool) -> String {
    let shown: Vec<_> = values.iter().filter(|(_, cell)| !matches!(&*cell.text, "" | "-")).collect();
    let width = shown.iter().map(|(name, _)| name.width()).max().unwrap_or(0);
    let name = |name: &str| Cell::new(name, Tone::Dim);
    shown.iter().map(|(title, cell)| line([(&name(title), &width), (cell, &0)].into_iter(), color)).collect()
}

fn line<'c>(cells: impl Iterator<Item = (&'c Cell, &'c usize)>, color: bool) -> String {
    let (mut line, mut owed) = (String::new(), 0);
    for (cell, width) in cells {
        // Space is written only before a text, so that no line ends with it.
        if !cell.text.is_empty() {
            line.push_str(&" ".repeat(owed));
            line.push_str(&cell.tone.paint(&cell.text, color));
            owed = 0;
        }
        owed += width.saturating_sub(cell.text.width()) + GAP.len();
    }
    line.push('\n');
    line
}

/// Makes a text safe for one line of a terminal: white space becomes a space, other control characters are marked.
pub fn clean(text: &str) -> String {
    let safe = |c: char| match c {
        '\n' | '\r' | '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    text.trim_end().chars().map(safe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_by_display_width() {
        let mut table = Table::new(&["JOB", "EMPTY", "NOTE"]);
        table.row(vec!["größe".into(), Cell::or_dash(None::<&str>), "a".into()]);
        table.row(vec!["日本".into(), "".into(), "b\n".into()]);
        table.row(vec!["x".into(), "".into(), "".into()]);
        assert_eq!(table.render(false), "JOB    NOTE\ngröße  a\n日本   b\nx\n");
    }

    #[test]
    fn colour_does_not_move_a_column() {
        let mut table = Table::new(&["A", "B"]);
        table.row(vec![Cell::new("ok", Tone::Good), "b".into()]);
        assert_eq!(table.render(true), "\x1b[2mA\x1b[0m   \x1b[2mB\x1b[0m\n\x1b[32mok\x1b[0m  b\n");
        assert_eq!(table.render(false), "A   B\nok  b\n");
    }

    #[test]
    fn no_text_can_steer_the_terminal() {
        assert_eq!(clean("a\x1b[31mb\u{9b}c\td\n"), "a\u{fffd}[31mb\u{fffd}c d");
    }

    #[test]
    fn a_block_of_pairs_leaves_out_what_is_not_there() {
        let text =
            pairs(&[("State", "idle".into()), ("Process", Cell::or_dash(None::<&str>)), ("Why", "x".into())], false);
        assert_eq!(text, "State  idle\nWhy    x\n");
    }
}
