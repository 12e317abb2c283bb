//! Severity words and line labels in every language the server speaks.
//!
//! `lc_messages` decides in which language the server writes `ERROR`, `DETAIL:  ` and the rest,
//! on `stderr` as well as in `csvlog` and `jsonlog` (`error_severity` and `send_message_to_server_log`
//! in `elog.c` translate them). Without this table a German log has no errors.

use std::sync::LazyLock;

use crate::api::LogSeverity;

/// Bytes of a line in which its severity or label is looked for: prefixes are not longer.
pub const HEADER_BYTES_MAX: usize = 2_048;

/// What a line says about the entry it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Label {
    /// `DETAIL`.
    Detail,
    /// `HINT`.
    Hint,
    /// `QUERY`.
    Query,
    /// `CONTEXT`.
    Context,
    /// `LOCATION`.
    Location,
    /// `STATEMENT`.
    Statement,
    /// `BACKTRACE`.
    Backtrace,
}

/// What a marker stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MarkerKind {
    /// The first line of an entry.
    Severity(LogSeverity),
    /// A line that belongs to the entry before.
    Label(Label),
}

/// A severity word or label with its colon, found in a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marker {
    /// What it stands for.
    pub kind: MarkerKind,
    /// Where the word begins, in bytes.
    pub start: usize,
    /// Where the text after it begins, in bytes.
    pub end: usize,
}

const SEVERITIES: [LogSeverity; 8] = [
    LogSeverity::Debug,
    LogSeverity::Log,
    LogSeverity::Info,
    LogSeverity::Notice,
    LogSeverity::Warning,
    LogSeverity::Error,
    LogSeverity::Fatal,
    LogSeverity::Panic,
];

const LABELS: [Label; 7] = [
    Label::Detail,
    Label::Hint,
    Label::Query,
    Label::Context,
    Label::Location,
    Label::Statement,
    Label::Backtrace,
];

/// The words of one language.
#[derive(Debug)]
pub struct Language {
    /// Its code, as in `/usr/share/locale`.
    pub code: &'static str,
    /// In the order debug, log, info, notice, warning, error, fatal, panic.
    severities: [&'static str; 8],
    /// In the order detail, hint, query, context, location, statement, backtrace, with their
    /// colons and blanks.
    labels: [&'static str; 7],
    /// What stands for a user, database or application that is not known.
    unknown: &'static str,
}

/// Source: the message catalogs `postgres-15.mo` of Debian's package `postgresql-15`, read with
/// `msgunfmt`; `pl` and `pt_BR`, which that package leaves out, from `src/backend/po` of
/// PostgreSQL. A word a catalog does not translate is the English one.
#[rustfmt::skip]
pub const LANGUAGES: &[Language] = &[
    Language {
        code: "en",
        severities: ["DEBUG", "LOG", "INFO", "NOTICE", "WARNING", "ERROR", "FATAL", "PANIC"],
        labels: ["DETAIL:  ", "HINT:  ", "QUERY:  ", "CONTEXT:  ", "LOCATION:  ", "STATEMENT:  ", "BACKTRACE:  "],
        unknown: "[unknown]",
    },
    Language {
        code: "de",
        severities: ["DEBUG", "LOG", "INFO", "HINWEIS", "WARNUNG", "FEHLER", "FATAL", "PANIK"],
        labels: ["DETAIL:  ", "TIPP:  ", "ANFRAGE:  ", "ZUSAMMENHANG:  ", "ORT:  ", "ANWEISUNG:  ", "BACKTRACE:  "],
        unknown: "[unbekannt]",
    },
    Language {
        code: "es",
        severities: ["DEBUG", "LOG", "INFO", "NOTICE", "WARNING", "ERROR", "FATAL", "PANIC"],
        labels: ["DETALLE:  ", "HINT:  ", "CONSULTA:  ", "CONTEXTO:  ", "UBICACIÓN:  ", "SENTENCIA:  ", "BACKTRACE:  "],
        unknown: "[desconocido]",
    },
    Language {
        code: "fr",
        severities: ["DEBUG", "LOG", "INFO", "NOTICE", "ATTENTION", "ERREUR", "FATAL", "PANIC"],
        labels: ["DÉTAIL:  ", "ASTUCE :  ", "REQUÊTE :  ", "CONTEXTE :  ", "EMPLACEMENT :  ", "INSTRUCTION :  ", "PILE D'APPEL : "],
        unknown: "[inconnu]",
    },
    Language {
        code: "it",
        severities: ["DEBUG", "LOG", "INFO", "NOTIFICA", "ATTENZIONE", "ERRORE", "FATALE", "PANICO"],
        labels: ["DETTAGLI:  ", "SUGGERIMENTO:  ", "QUERY:  ", "CONTESTO:  ", "POSIZIONE:  ", "ISTRUZIONE:  ", "BACKTRACE:  "],
        unknown: "[sconosciuto]",
    },
    Language {
        code: "ja",
        severities: ["DEBUG", "LOG", "INFO", "NOTICE", "WARNING", "ERROR", "FATAL", "PANIC"],
        labels: ["詳細:  ", "ヒント:  ", "問い合わせ:  ", "文脈:  ", "場所:  ", "文:  ", "バックトレース:  "],
        unknown: "[不明]",
    },
    Language {
        code: "ka",
        severities: ["გამართვა", "ჟურნალი", "ინფორმაცია", "გაფრთხილება", "გაფრთხილება", "შეცდომა", "ფატალური", "პანიკა"],
        labels: ["დეტალები:  ", "მინიშნება:  ", "მოთხოვნა:  ", "კონტექსტი:  ", "მდებარეობა:   ", "ოპერატორი:  ", "სტეკი:  "],
        unknown: "[უცნობი]",
    },
    Language {
        code: "ko",
        severities: ["디버그", "로그", "정보", "알림", "경고", "오류", "치명적오류", "손상"],
        labels: ["상세정보:  ", "힌트:  ", "쿼리:", "내용:  ", "위치: ", "명령 구문:  ", "역추적:  "],
        unknown: "[알수없음]",
    },
    Language {
        code: "pl",
        severities: ["DEBUG", "DZIENNIK", "INFORMACJA", "UWAGA", "OSTRZEŻENIE", "BŁĄD", "KATASTROFALNY", "PANIKA"],
        labels: ["SZCZEGÓŁY:  ", "PODPOWIEDŹ:  ", "ZAPYTANIE:  ", "KONTEKST:  ", "POZYCJA:  ", "WYRAŻENIE:  ", "BACKTRACE:  "],
        unknown: "[nieznany]",
    },
    Language {
        code: "pt_BR",
        severities: ["DEPURAÇÃO", "LOG", "INFO", "NOTA", "AVISO", "ERRO", "FATAL", "PÂNICO"],
        labels: ["DETALHE:  ", "DICA:  ", "CONSULTA:  ", "CONTEXTO:  ", "LOCAL:  ", "COMANDO:  ", "BACKTRACE:  "],
        unknown: "[desconhecido]",
    },
    Language {
        code: "ru",
        severities: ["ОТЛАДКА", "СООБЩЕНИЕ", "ИНФОРМАЦИЯ", "ЗАМЕЧАНИЕ", "ПРЕДУПРЕЖДЕНИЕ", "ОШИБКА", "ВАЖНО", "ПАНИКА"],
        labels: ["ПОДРОБНОСТИ:  ", "ПОДСКАЗКА:  ", "ЗАПРОС:  ", "КОНТЕКСТ:  ", "ПОЛОЖЕНИЕ: ", "ОПЕРАТОР:  ", "СТЕК:  "],
        unknown: "[н/д]",
    },
    Language {
        code: "sv",
        severities: ["DEBUG", "LOGG", "INFO", "NOTIS", "VARNING", "FEL", "FATALT", "PANIK"],
        labels: ["DETALJ:  ", "TIPS:  ", "FRÅGA:  ", "KONTEXT:  ", "PLATS:  ", "SATS:  ", "BACKTRACE:  "],
        unknown: "[okänd]",
    },
    Language {
        code: "uk",
        severities: ["НАЛАГОДЖЕННЯ", "ЗАПИСУВАННЯ", "ІНФОРМАЦІЯ", "ПОВІДОМЛЕННЯ", "ПОПЕРЕДЖЕННЯ", "ПОМИЛКА", "ФАТАЛЬНО", "ПАНІКА"],
        labels: ["ВІДОМОСТІ:  ", "УКАЗІВКА:  ", "ЗАПИТ:  ", "КОНТЕКСТ:  ", "РОЗТАШУВАННЯ:  ", "ІНСТРУКЦІЯ:  ", "ВІДСТЕЖУВАТИ:  "],
        unknown: "[unknown]",
    },
    Language {
        code: "zh_CN",
        severities: ["调试", "日志", "信息", "注意", "警告", "错误", "致命错误", "比致命错误还过分的错误"],
        labels: ["详细信息:  ", "提示:  ", "查询:  ", "上下文:  ", "位置:  ", "语句:  ", "BACKTRACE:  "],
        unknown: "[未知]",
    },
];

struct Word {
    /// Up to the colon.
    before: &'static str,
    /// From the colon on.
    tail: &'static str,
    kind: MarkerKind,
}

/// The words by the last byte before their colon, longest first.
static WORDS: LazyLock<Vec<Vec<Word>>> = LazyLock::new(|| {
    let mut buckets: Vec<Vec<Word>> = (0..256).map(|_| Vec::new()).collect();
    let mut add = |before: &'static str, tail, kind| {
        let Some(&last) = before.as_bytes().last() else { return };
        let bucket = &mut buckets[usize::from(last)];
        // A word with two meanings in one language keeps the graver one: Georgian has the
        // same for NOTICE and WARNING.
        bucket.retain(|word| word.before != before || word.tail != tail);
        bucket.push(Word { before, tail, kind });
    };
    for language in LANGUAGES {
        for (word, severity) in language.severities.into_iter().zip(SEVERITIES) {
            add(word, ":  ", MarkerKind::Severity(severity));
        }
        for (text, label) in language.labels.into_iter().zip(LABELS) {
            if let Some(colon) = text.find(':') {
                add(&text[..colon], &text[colon..], MarkerKind::Label(label));
            }
        }
    }
    for bucket in &mut buckets {
        bucket.sort_by_key(|word| std::cmp::Reverse((word.before.len(), word.tail.len())));
    }
    buckets
});

/// The severity words and labels in the beginning of a line, from left to right.
pub fn markers(line: &str) -> impl Iterator<Item = Marker> {
    let bytes = line.as_bytes();
    let searched = &bytes[..bytes.len().min(HEADER_BYTES_MAX)];
    searched.iter().enumerate().filter(|(_, byte)| **byte == b':').filter_map(move |(colon, _)| {
        let last = *bytes.get(colon.checked_sub(1)?)?;
        let word = WORDS[usize::from(last)].iter().find(|word| {
            bytes[..colon].ends_with(word.before.as_bytes())
                && bytes[colon..].starts_with(word.tail.as_bytes())
        })?;
        let (start, end) = (colon - word.before.len(), colon + word.tail.len());
        Some(Marker { kind: word.kind, start, end })
    })
}

/// The severity a word of `csvlog` or `jsonlog` stands for, in any language.
#[must_use]
pub fn severity(word: &str) -> Option<LogSeverity> {
    let last = *word.as_bytes().last()?;
    WORDS[usize::from(last)].iter().find_map(|known| match known.kind {
        MarkerKind::Severity(severity) if known.before == word => Some(severity),
        _ => None,
    })
}

/// The severity a SQLSTATE allows to conclude, for a language not in the table: class `00` is
/// success, `01` a warning, all others are errors ("PostgreSQL Error Codes" in the manual).
#[must_use]
pub fn severity_of_sqlstate(sqlstate: &str) -> Option<LogSeverity> {
    if !is_sqlstate(sqlstate) {
        return None;
    }
    Some(match &sqlstate[..2] {
        "00" => LogSeverity::Log,
        "01" => LogSeverity::Warning,
        _ => LogSeverity::Error,
    })
}

/// Whether a text has the form of a SQLSTATE: five digits or capitals, one digit at least.
#[must_use]
pub fn is_sqlstate(text: &str) -> bool {
    text.len() == 5
        && text.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
        && text.bytes().any(|byte| byte.is_ascii_digit())
}

/// A name of the log, or `None` when it is empty or the server's word for "not known".
#[must_use]
pub fn known(name: &str) -> Option<String> {
    let unknown = name.is_empty()
        || name.starts_with('[') && LANGUAGES.iter().any(|language| language.unknown == name);
    (!unknown).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn every_language_is_found_in_a_line() {
        for language in LANGUAGES {
            for (word, expect) in language.severities.into_iter().zip(SEVERITIES) {
                let line = format!("12:34:56.789 UTC [1] {word}:  text: x");
                let marker = markers(&line).next().unwrap();
                assert_eq!(&line[marker.end..], "text: x", "{}", language.code);
                assert_eq!(&line[marker.start..marker.start + word.len()], word);
                let doubled = language.code == "ka" && expect == LogSeverity::Notice;
                let expect = if doubled { LogSeverity::Warning } else { expect };
                assert_eq!(marker.kind, MarkerKind::Severity(expect), "{}", language.code);
                assert_eq!(severity(word), Some(expect));
            }
            for (text, label) in language.labels.into_iter().zip(LABELS) {
                let line = format!("[1] {text}text: x");
                let marker = markers(&line).next().unwrap();
                assert_eq!(&line[marker.end..], "text: x", "{}", language.code);
                assert_eq!(marker.kind, MarkerKind::Label(label), "{}", language.code);
            }
            assert_eq!(known(language.unknown), None);
        }
    }

    #[test]
    fn no_word_means_two_things_across_languages() {
        let mut seen: HashMap<&str, (LogSeverity, &str)> = HashMap::new();
        for language in LANGUAGES {
            for (word, severity) in language.severities.into_iter().zip(SEVERITIES) {
                let (before, code) =
                    seen.insert(word, (severity, language.code)).unwrap_or((severity, ""));
                assert!(before == severity || code == "ka", "{word}: {code} and {}", language.code);
            }
        }
    }

    #[test]
    fn a_word_in_another_word_is_not_the_marker() {
        let line = "[1] 致命错误:  x";
        assert_eq!(markers(line).next().unwrap().kind, MarkerKind::Severity(LogSeverity::Fatal));
        assert_eq!(markers("no marker: at all, ERROR: one blank").count(), 0);
    }

    #[test]
    fn concludes_from_sqlstate() {
        assert_eq!(severity_of_sqlstate("42P01"), Some(LogSeverity::Error));
        assert_eq!(severity_of_sqlstate("01000"), Some(LogSeverity::Warning));
        assert_eq!(severity_of_sqlstate("00000"), Some(LogSeverity::Log));
        assert_eq!(severity_of_sqlstate("HTTPS"), None);
        assert_eq!(known("app"), Some("app".to_owned()));
        assert_eq!(known(""), None);
    }
}
