//! Many alike asked as one: a server takes longer to begin with a statement than to find a row or to write one.
//!
//! Statements are written for one set of values. Here they are told of many sets at once: `unnest` makes rows of them, one by one a statement
//! finds or writes what it would have alone (PostgreSQL's documentation, "Set Returning Functions" and "LATERAL Subqueries").

use std::collections::HashSet;

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Statement};

use super::{as_parameters, numbered};
use crate::sql::database::value::Owned;

/// Rows that go with one statement at most.
pub(in crate::sql) const ALIKE_ROWS_MAX: usize = 256;

/// What a statement is about: nothing else is read or written by it, and of this one row at most.
pub(in crate::sql) type About = [u8; 16];

/// Statements that differ in their values, each about something else.
pub(super) struct Alike {
    sql: String,
    one: Statement,
    many: Statement,
    rows: Vec<Vec<Owned>>,
    about: HashSet<About>,
}

impl Alike {
    pub(super) fn new(sql: &str, one: Statement, many: Statement) -> Self {
        Self { sql: sql.to_owned(), one, many, rows: vec![], about: HashSet::new() }
    }

    pub(super) fn is_about(&self, about: &About) -> bool {
        self.about.contains(about)
    }

    pub(super) fn has_room_for(&self, sql: &str) -> bool {
        self.sql == sql && self.rows.len() < ALIKE_ROWS_MAX
    }

    pub(super) fn take(&mut self, about: About, values: Vec<Owned>) {
        self.about.insert(about);
        self.rows.push(values);
    }

    /// Does all of it. How many rows that changed.
    pub(super) async fn run(&self, client: &Client) -> Result<u64, Error> {
        match &self.rows[..] {
            [values] => client.execute(&self.one, &as_parameters(values)).await,
            rows => client.execute(&self.many, &as_arrays(&columns(rows))).await,
        }
    }
}

/// The values of all rows, column by column.
pub(super) fn columns(rows: &[Vec<Owned>]) -> Vec<Vec<&Owned>> {
    let width = rows.first().map_or(0, Vec::len);
    (0..width).map(|at| rows.iter().filter_map(|row| row.get(at)).collect()).collect()
}

pub(super) fn as_arrays<'a>(columns: &'a [Vec<&'a Owned>]) -> Vec<&'a (dyn ToSql + Sync)> {
    columns.iter().map(|column| column as &(dyn ToSql + Sync)).collect()
}

/// The query that finds for many sets of values what this one finds for one, each row with the set's number before it, from 1 on.
pub(super) fn finding(sql: &str, types: &[Type]) -> String {
    let given = given(types, ", at");
    let one = with_given(&numbered(sql));
    let rows = format!("unnest({}) WITH ORDINALITY AS {given}", arrays(types));
    // Without `OFFSET` it may become a part of the whole, and be planned as one: a plan that was made when the tables were empty would read
    // all of them for each set.
    let found = format!("LATERAL (SELECT * FROM ({one}) AS one OFFSET 0) AS found");
    format!("SELECT given.at, found.* FROM {rows}, {found} ORDER BY given.at")
}

/// The statement that writes for many sets of values what this one writes for one; none if it is of no form that this can be said of.
pub(super) fn writing(sql: &str, types: &[Type]) -> Option<String> {
    let rows = format!("FROM unnest({}) AS {}", arrays(types), given(types, ""));
    let one = with_given(&numbered(sql));
    if one.starts_with("INSERT") {
        let (before, rest) = one.split_once("VALUES (")?;
        let end = closing(rest)?;
        return Some(format!("{before}SELECT {} {rows}{}", &rest[..end], &rest[end + 1..]));
    }
    let at = one.starts_with("UPDATE").then(|| condition(&one)).flatten()?;
    Some(format!("{} {rows} {}", &one[..at], &one[at..]))
}

fn arrays(types: &[Type]) -> String {
    let all = types.iter().zip(1..).map(|(ty, number)| format!("CAST(${number} AS {}[])", ty.name()));
    all.collect::<Vec<_>>().join(", ")
}

fn given(types: &[Type], more: &str) -> String {
    let names: Vec<_> = (1..=types.len()).map(|number| format!("p{number}")).collect();
    format!("given ({}{more})", names.join(", "))
}

/// Columns of the rows in the place of parameters.
fn with_given(numbered: &str) -> String {
    numbered.replace('$', "given.p")
}

/// Where the bracket ends that the text begins within.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 1_usize;
    text.char_indices().find_map(|(at, letter)| {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        (depth == 0).then_some(at)
    })
}

/// Where the condition of an `UPDATE` begins: the one outside of all brackets.
fn condition(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    text.char_indices().find_map(|(at, letter)| {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        (depth == 0 && text[at..].starts_with("WHERE ")).then_some(at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPES: [Type; 2] = [Type::INT8, Type::TEXT];

    #[test]
    fn what_is_said_of_one_is_said_of_many() {
        let rows = "FROM unnest(CAST($1 AS int8[]), CAST($2 AS text[])) AS given (p1, p2)";
        let insert = "INSERT INTO a (x, y) VALUES (?, coalesce(?, '')) ON CONFLICT (x) DO UPDATE SET y = excluded.y";
        let many = "ON CONFLICT (x) DO UPDATE SET y = excluded.y";
        assert_eq!(
            writing(insert, &TYPES).unwrap(),
            format!("INSERT INTO a (x, y) SELECT given.p1, coalesce(given.p2, '') {rows} {many}")
        );
        let update = "UPDATE a SET x = CASE WHEN x < ?1 THEN ?1 END, z = (SELECT z FROM b WHERE c = ?1)\n WHERE y = ?2";
        let set = "x = CASE WHEN x < given.p1 THEN given.p1 END, z = (SELECT z FROM b WHERE c = given.p1)\n";
        assert_eq!(writing(update, &TYPES).unwrap(), format!("UPDATE a SET {set}  {rows} WHERE y = given.p2"));
        assert_eq!(writing("DELETE FROM a WHERE x = ? AND y = ?", &TYPES), None);
        let rows = "unnest(CAST($1 AS int8[]), CAST($2 AS text[])) WITH ORDINALITY AS given (p1, p2, at)";
        let one = "SELECT z FROM a WHERE x = given.p1 AND y = given.p2";
        let found = format!("LATERAL (SELECT * FROM ({one}) AS one OFFSET 0) AS found");
        assert_eq!(
            finding("SELECT z FROM a WHERE x = ? AND y = ?", &TYPES),
            format!("SELECT given.at, found.* FROM {rows}, {found} ORDER BY given.at")
        );
    }
}
