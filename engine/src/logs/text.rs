//! Text that cannot grow without bound.

use crate::api::LogEntry;

/// Bytes one field of an entry (message, statement, …) may have before it is cut.
pub const FIELD_BYTES_MAX: usize = 64 * 1024;

/// What stands at the end of a field that was cut.
pub const CUT_MARKER: &str = " [cut: longer than pgdeck keeps]";

/// Appends to a field until [`FIELD_BYTES_MAX`], then puts [`CUT_MARKER`] and ignores the rest.
///
/// The cut falls between characters.
pub fn append(field: &mut String, text: &str) {
    if field.ends_with(CUT_MARKER) {
        return;
    }
    let room = FIELD_BYTES_MAX.saturating_sub(field.len());
    if text.len() <= room {
        field.push_str(text);
    } else {
        field.push_str(head(text, room));
        mark_cut(field);
    }
}

/// Says that a field is not whole, once.
pub fn mark_cut(field: &mut String) {
    if !field.ends_with(CUT_MARKER) {
        field.push_str(CUT_MARKER);
    }
}

/// Says that an entry is not whole, in the last of its texts in the order of `csvlog` and
/// `jsonlog`.
pub fn mark_last_cut(entry: &mut LogEntry) {
    let texts = [
        &mut entry.statement,
        &mut entry.context,
        &mut entry.query,
        &mut entry.hint,
        &mut entry.detail,
    ];
    match texts.into_iter().find_map(Option::as_mut) {
        Some(last) => mark_cut(last),
        None => mark_cut(&mut entry.message),
    }
}

/// The field as text: invalid UTF-8 replaced, cut at [`FIELD_BYTES_MAX`].
#[must_use]
pub fn bounded(bytes: &[u8]) -> String {
    let mut field = String::new();
    append(&mut field, &String::from_utf8_lossy(&bytes[..bytes.len().min(FIELD_BYTES_MAX + 1)]));
    field
}

/// The longest beginning of at most `bytes_max` bytes that ends between characters.
#[must_use]
pub fn head(text: &str, bytes_max: usize) -> &str {
    let mut end = bytes_max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_once_between_characters() {
        let mut field = "x".repeat(FIELD_BYTES_MAX - 1);
        append(&mut field, "éé");
        append(&mut field, "more");
        append(&mut field, "");
        assert!(field.ends_with(&format!("x{CUT_MARKER}")));
        assert_eq!(field.matches("[cut").count(), 1);
    }

    #[test]
    fn fills_to_the_limit() {
        let mut field = String::new();
        append(&mut field, &"x".repeat(FIELD_BYTES_MAX));
        assert_eq!(field.len(), FIELD_BYTES_MAX);
        append(&mut field, "y");
        assert!(field.ends_with(CUT_MARKER));
        assert_eq!(
            bounded(&vec![b'z'; FIELD_BYTES_MAX * 3]).len(),
            FIELD_BYTES_MAX + CUT_MARKER.len()
        );
    }
}
