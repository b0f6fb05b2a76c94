//! Values on their way into statements and out of rows: of the four types that both databases have. Truth is a number to the one
//! and a type of its own to the other; here it is a number.

use super::super::error::{Failure, Result};

/// A value, borrowed from whoever has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sql) enum Value<'a> {
    Null,
    Int(i64),
    Text(&'a str),
    Blob(&'a [u8]),
}

/// The same, kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sql) enum Owned {
    Null,
    Int(i64),
    Text(String),
    Blob(Vec<u8>),
}

impl From<Value<'_>> for Owned {
    fn from(value: Value<'_>) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Int(number) => Self::Int(number),
            Value::Text(text) => Self::Text(text.to_owned()),
            Value::Blob(bytes) => Self::Blob(bytes.to_owned()),
        }
    }
}

/// What can be put into a statement.
pub(in crate::sql) trait ToValue {
    /// # Errors
    /// A number that no database has room for.
    fn value(&self) -> Result<Value<'_>>;
}

macro_rules! numbers {
    ($($type:ty),+) => {
        $(impl ToValue for $type {
            fn value(&self) -> Result<Value<'_>> {
                let number = i64::try_from(*self);
                number.map(Value::Int).map_err(|_| Failure::database(format!("the number {self} is too large to be stored")))
            }
        }

        impl FromColumn for $type {
            fn from_column(value: Value<'_>) -> Option<Self> {
                match value {
                    Value::Int(number) => number.try_into().ok(),
                    _ => None,
                }
            }
        })+
    };
}
numbers!(u8, u16, u32, u64, usize, i64);

impl ToValue for bool {
    fn value(&self) -> Result<Value<'_>> {
        Ok(Value::Int((*self).into()))
    }
}

impl ToValue for str {
    fn value(&self) -> Result<Value<'_>> {
        Ok(Value::Text(self))
    }
}

impl ToValue for String {
    fn value(&self) -> Result<Value<'_>> {
        Ok(Value::Text(self))
    }
}

impl ToValue for [u8] {
    fn value(&self) -> Result<Value<'_>> {
        Ok(Value::Blob(self))
    }
}

impl ToValue for Vec<u8> {
    fn value(&self) -> Result<Value<'_>> {
        Ok(Value::Blob(self))
    }
}

impl<const LENGTH: usize> ToValue for [u8; LENGTH] {
    fn value(&self) -> Result<Value<'_>> {
        Ok(Value::Blob(self))
    }
}

impl ToValue for Owned {
    fn value(&self) -> Result<Value<'_>> {
        Ok(match self {
            Self::Null => Value::Null,
            Self::Int(number) => Value::Int(*number),
            Self::Text(text) => Value::Text(text),
            Self::Blob(bytes) => Value::Blob(bytes),
        })
    }
}

impl<T: ToValue + ?Sized> ToValue for &T {
    fn value(&self) -> Result<Value<'_>> {
        (**self).value()
    }
}

impl<T: ToValue> ToValue for Option<T> {
    fn value(&self) -> Result<Value<'_>> {
        self.as_ref().map_or(Ok(Value::Null), ToValue::value)
    }
}

/// What can come out of a row. None is a value that this is not.
pub(in crate::sql) trait FromColumn: Sized {
    fn from_column(value: Value<'_>) -> Option<Self>;
}

impl FromColumn for bool {
    fn from_column(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Int(0) => Some(false),
            Value::Int(1) => Some(true),
            _ => None,
        }
    }
}

impl FromColumn for String {
    fn from_column(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Text(text) => Some(text.to_owned()),
            _ => None,
        }
    }
}

impl FromColumn for Vec<u8> {
    fn from_column(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Blob(bytes) => Some(bytes.to_owned()),
            _ => None,
        }
    }
}

impl<const LENGTH: usize> FromColumn for [u8; LENGTH] {
    fn from_column(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Blob(bytes) => bytes.try_into().ok(),
            _ => None,
        }
    }
}

impl FromColumn for Owned {
    fn from_column(value: Value<'_>) -> Option<Self> {
        Some(value.into())
    }
}

impl<T: FromColumn> FromColumn for Option<T> {
    fn from_column(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            value => T::from_column(value).map(Some),
        }
    }
}

/// All values of a statement, in its order.
pub(in crate::sql) trait Binds {
    fn each(&self, put: &mut impl FnMut(Value<'_>) -> Result<()>) -> Result<()>;
}

/// The values, borrowed.
pub(super) fn all(binds: &impl Binds) -> Result<Vec<Owned>> {
    let mut values = vec![];
    binds.each(&mut |value| {
        values.push(value.into());
        Ok(())
    })?;
    Ok(values)
}

impl Binds for () {
    fn each(&self, _: &mut impl FnMut(Value<'_>) -> Result<()>) -> Result<()> {
        Ok(())
    }
}

impl<T: ToValue, const COUNT: usize> Binds for [T; COUNT] {
    fn each(&self, put: &mut impl FnMut(Value<'_>) -> Result<()>) -> Result<()> {
        self.iter().try_for_each(|value| put(value.value()?))
    }
}

impl<T: ToValue> Binds for Vec<T> {
    fn each(&self, put: &mut impl FnMut(Value<'_>) -> Result<()>) -> Result<()> {
        self.iter().try_for_each(|value| put(value.value()?))
    }
}

macro_rules! tuples {
    ($(($($name:ident)+))+) => {
        $(impl<$($name: ToValue),+> Binds for ($($name,)+) {
            fn each(&self, put: &mut impl FnMut(Value<'_>) -> Result<()>) -> Result<()> {
                #[expect(non_snake_case, reason = "each value is named by its type")]
                let ($($name,)+) = self;
                $(put($name.value()?)?;)+
                Ok(())
            }
        })+
    };
}
tuples! { (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) (A B C D E F G) (A B C D E F G H) }
