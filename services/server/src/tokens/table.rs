//! Tables of plain text: columns that line up, two spaces apart, nothing else. Pure.

/// Rows of as many cells as there are columns.
#[derive(Debug)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings.
    pub(super) fn new(headings: &[&str]) -> Self {
        Self { rows: vec![headings.iter().map(|heading| (*heading).to_owned()).collect()] }
    }

    /// Adds a row.
    pub(super) fn push(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| plain(&cell)).collect());
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let columns = self.rows.first().map_or(0, Vec::len);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
        };
        let widths: Vec<_> = (0..columns).map(width).collect();
        for row in &self.rows {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            let line = cells.collect::<Vec<_>>().join("  ");
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// Pairs of a word and what there is to say, one on each line.
pub(super) fn pairs(pairs: &[(&str, String)]) -> String {
    let width = pairs.iter().map(|(word, _)| word.len()).max().unwrap_or_default();
    pairs.iter().map(|(word, text)| format!("{word:width$}  {}\n", plain(text))).collect()
}

/// A text in one line, without what could steer a terminal; something in place of nothing.
fn plain(text: &str) -> String {
    if text.is_empty() {
        return "-".to_owned();
    }
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_no_terminal_is_steered() {
        let mut table = Table::new(&["ID", "NAME", "LAST"]);
        table.push(["a".into(), "ümlaut".into(), "x\u{1b}[2J\ny".into()]);
        table.push(["bcd".into(), String::new(), String::new()]);

        assert_eq!(table.to_string(), "ID   NAME    LAST\na    ümlaut  x [2J y\nbcd  -       -\n");
        assert_eq!(pairs(&[("a", "1".into()), ("long", String::new())]), "a     1\nlong  -\n");
    }
}
