//! Aligned text for people. Whatever goes into a cell is made harmless here.

use super::text;

const GAP: &str = "  ";
/// What stands in an empty cell, so that columns can be told apart also by programs like `awk`.
const NOTHING: &str = "-";

/// Rows under headings.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub(crate) fn new<const N: usize>(headings: [&str; N]) -> Self {
        Self { rows: vec![headings.map(str::to_owned).to_vec()] }
    }

    /// Adds a row.
    pub(crate) fn row<const N: usize>(&mut self, cells: [&str; N]) {
        self.rows.push(cells.map(cell).to_vec());
    }

    /// Whether there is anything but headings.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.len() < 2
    }

    /// The whole, each line ended.
    pub(crate) fn render(&self) -> String {
        align(&self.rows)
    }
}

/// Names and values of one thing, a line each.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    rows: Vec<Vec<String>>,
}

impl Fields {
    /// Adds a field.
    pub(crate) fn field(&mut self, name: &str, value: &str) -> &mut Self {
        self.rows.push(vec![format!("{name}:"), cell(value)]);
        self
    }

    /// Adds a field if there is something to show.
    pub(crate) fn field_if_any(&mut self, name: &str, value: &str) -> &mut Self {
        if value.is_empty() { self } else { self.field(name, value) }
    }

    /// The whole, each line ended.
    pub(crate) fn render(&self) -> String {
        align(&self.rows)
    }
}

fn cell(value: &str) -> String {
    let value = text::line(value);
    if value.is_empty() { NOTHING.to_owned() } else { value }
}

fn align(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).filter_map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}")).collect();
        text.push_str(cells.join(GAP).trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_nothing_trails() {
        let mut table = Table::new(["NAME", "STATE", "MESSAGE"]);
        assert!(table.is_empty());
        table.row(["web/redis", "ready", ""]);
        table.row(["a", "waiting_for_provision", "pulling\nimage"]);
        assert!(!table.is_empty());
        let expected = "\
NAME       STATE                  MESSAGE
web/redis  ready                  -
a          waiting_for_provision  pulling image
";
        assert_eq!(table.render(), expected);
    }

    #[test]
    fn cells_cannot_steer_the_terminal() {
        let mut table = Table::new(["MESSAGE"]);
        table.row(["\u{1b}]0;title\u{7}"]);
        assert_eq!(table.render(), "MESSAGE\n\\u{1b}]0;title\\u{7}\n");
    }

    #[test]
    fn fields_without_a_value_can_be_left_out() {
        let mut fields = Fields::default();
        fields.field("id", "7").field_if_any("error", "").field("attach as", "");
        assert_eq!(fields.render(), "id:         7\nattach as:  -\n");
    }
}
