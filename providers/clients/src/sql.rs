//! Statements that nobody can add to: what is not written in our source is quoted, by its type.

use std::marker::PhantomData;

/// How a server wants names and texts quoted.
pub trait Dialect {
    /// Adds a name: a table's, a user's, a database's.
    fn name(name: &str, sql: &mut String);
    /// Adds a text.
    fn literal(text: &str, sql: &mut String);
}

/// A statement.
pub struct Sql<D>(String, PhantomData<D>);

impl<D: Dialect> Sql<D> {
    /// Begins with words of ours.
    pub fn new(words: &'static str) -> Self {
        Self(words.to_owned(), PhantomData)
    }

    /// Adds words of ours.
    #[must_use]
    pub fn then(mut self, words: &'static str) -> Self {
        self.0.push_str(words);
        self
    }

    /// Adds a name, quoted.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        D::name(name, &mut self.0);
        self
    }

    /// Adds a text, quoted.
    #[must_use]
    pub fn literal(mut self, text: &str) -> Self {
        D::literal(text, &mut self.0);
        self
    }

    /// Adds a number.
    #[must_use]
    pub fn number(mut self, number: impl Into<i64>) -> Self {
        self.0.push_str(&number.into().to_string());
        self
    }

    /// What is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Puts a text between quotes, and doubles those within.
pub(crate) fn quote(text: &str, quote: char, sql: &mut String) {
    sql.push(quote);
    for character in text.chars() {
        if character == quote {
            sql.push(quote);
        }
        sql.push(character);
    }
    sql.push(quote);
}
