//! Which characters must never reach a terminal as themselves.

/// A control character of C0, DEL or C1: the terminal would act on it.
#[must_use]
pub fn is_control(c: char) -> bool {
    c.is_control()
}

/// A character that shows nothing, or that changes how its neighbours are shown: bidirectional
/// marks and overrides, zero-width characters, variation selectors, tags, fillers, line and
/// paragraph separators.
///
/// The zero-width joiner is among them: what an emoji sequence joined by it looks like, and how
/// wide it is, differs from one terminal to the next.
#[must_use]
pub fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{00AD}'                  // soft hyphen
        | '\u{034F}'                // combining grapheme joiner
        | '\u{061C}'                // Arabic letter mark
        | '\u{115F}' | '\u{1160}'   // Hangul fillers
        | '\u{17B4}' | '\u{17B5}'   // Khmer inherent vowels
        | '\u{180B}'..='\u{180F}'   // Mongolian selectors and vowel separator
        | '\u{200B}'..='\u{200F}'   // zero-width space, joiners, LRM, RLM
        | '\u{2028}'..='\u{202E}'   // separators, embeddings, overrides
        | '\u{2060}'..='\u{206F}'   // word joiner, isolates, deprecated format characters
        | '\u{3164}'                // Hangul filler
        | '\u{FE00}'..='\u{FE0F}'   // variation selectors
        | '\u{FEFF}'                // byte order mark
        | '\u{FFA0}'                // halfwidth Hangul filler
        | '\u{FFF0}'..='\u{FFFB}'   // interlinear annotation
        | '\u{110BD}' | '\u{110CD}' // Kaithi number signs
        | '\u{1BCA0}'..='\u{1BCA3}' // shorthand format controls
        | '\u{1D173}'..='\u{1D17A}' // musical format controls
        | '\u{E0000}'..='\u{E0FFF}' // tags and selectors supplement
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_to_be_dangerous_is() {
        let bidi = "\u{202A}\u{202B}\u{202C}\u{202D}\u{202E}\u{2066}\u{2067}\u{2068}\u{2069}";
        for c in bidi.chars().chain("\u{200E}\u{200F}\u{061C}\u{200D}\u{FEFF}".chars()) {
            assert!(is_invisible(c), "U+{:04X}", u32::from(c));
        }
        for c in "\0\u{1b}\u{7f}\u{9b}\u{90}\u{85}\n\t".chars() {
            assert!(is_control(c), "U+{:04X}", u32::from(c));
        }
        for c in "aÄя中한🙂─█é\u{301}\u{a0}".chars() {
            assert!(!is_control(c) && !is_invisible(c), "U+{:04X}", u32::from(c));
        }
    }
}
