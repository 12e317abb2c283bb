//! Queries: their texts by version, their values decoded, and quoting for the few commands
//! that take no parameters.

pub mod decode;
pub mod quote;
pub mod sql;

use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use crate::api::{Error, ErrorCode};

/// A column of a row, by its name.
///
/// # Errors
/// `QueryFailed` when the row has no such column or the value is not of that type: a mistake
/// in a query's text, which the test that prepares all of them does not catch.
pub fn column<'a, T: FromSql<'a>>(row: &'a Row, name: &str) -> Result<T, Error> {
    row.try_get(name).map_err(|error| {
        Error::new(ErrorCode::QueryFailed, format!("column {name} cannot be read"))
            .detail(error.to_string())
    })
}

/// A text column, in whatever encoding it came.
///
/// # Errors
/// As [`column`].
pub fn text(row: &Row, name: &str) -> Result<String, Error> {
    column::<decode::Text>(row, name).map(decode::Text::into_string)
}

/// A text column that may be null.
///
/// # Errors
/// As [`column`].
pub fn optional_text(row: &Row, name: &str) -> Result<Option<String>, Error> {
    Ok(column::<Option<decode::Text>>(row, name)?.map(decode::Text::into_string))
}

/// A count that is never negative (`int4` or `int8` in SQL).
///
/// # Errors
/// As [`column`].
pub fn count(row: &Row, name: &str) -> Result<u64, Error> {
    Ok(u64::try_from(column::<i64>(row, name)?).unwrap_or(0))
}
