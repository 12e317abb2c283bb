//! Connection strings in both forms, from text to keywords; no defaults, no meaning.
//!
//! Source: "Connection Strings" in the PostgreSQL manual; `conninfo_parse()` and
//! `conninfo_uri_parse_options()` in `src/interfaces/libpq/fe-connect.c`.

use zeroize::Zeroizing;

use crate::api::{Error, ErrorCode};

use super::keywords::{Origin, Settings};

/// Reads a connection string of either form.
///
/// # Errors
/// [`ErrorCode::ConnectionStringInvalid`] where libpq refuses it. The text itself is not
/// repeated in the error when it might hold a password.
pub(super) fn parse(text: &str) -> Result<Settings, Error> {
    if text.contains('\0') {
        return Err(refused("the connection string contains a zero byte"));
    }
    let rest = text.strip_prefix("postgresql://").or_else(|| text.strip_prefix("postgres://"));
    match rest {
        Some(rest) => parse_uri(rest),
        None => parse_pairs(text),
    }
}

fn refused(fact: impl Into<String>) -> Error {
    Error::new(ErrorCode::ConnectionStringInvalid, fact)
}

/// What C's `isspace` accepts.
fn is_space(c: char) -> bool {
    c.is_ascii_whitespace() || c == '\x0B'
}

fn parse_pairs(text: &str) -> Result<Settings, Error> {
    let mut settings = Settings::default();
    let mut rest = text.trim_start_matches(is_space);
    while !rest.is_empty() {
        let end = rest.find(|c| c == '=' || is_space(c)).unwrap_or(rest.len());
        let (name, tail) = rest.split_at(end);
        let Some(tail) = tail.trim_start_matches(is_space).strip_prefix('=') else {
            return Err(missing_equals(text, name));
        };
        let (value, tail) = take_value(tail.trim_start_matches(is_space))?;
        settings.set(name, &value, Origin::ConnectionString)?;
        rest = tail.trim_start_matches(is_space);
    }
    Ok(settings)
}

fn missing_equals(text: &str, name: &str) -> Error {
    // A blank in an unquoted password makes its second half look like a keyword.
    let fact = if text.contains("pass") {
        "missing \"=\" after a word in the connection string".to_owned()
    } else {
        format!("missing \"=\" after \"{name}\" in the connection string")
    };
    refused(fact).detail("values with blanks need single quotes: name='a value'")
}

/// The value at the beginning of a text, quotes and backslashes resolved, and the rest.
fn take_value(text: &str) -> Result<(Zeroizing<String>, &str), Error> {
    let quoted = text.strip_prefix('\'');
    let mut value = Zeroizing::new(String::new());
    let mut chars = quoted.unwrap_or(text).chars();
    loop {
        let before = chars.as_str();
        match chars.next() {
            None if quoted.is_some() => {
                return Err(refused("a quoted value in the connection string is not closed"));
            }
            None => return Ok((value, "")),
            Some('\'') if quoted.is_some() => return Ok((value, chars.as_str())),
            Some(c) if quoted.is_none() && is_space(c) => return Ok((value, before)),
            Some('\\') => value.extend(chars.next()),
            Some(c) => value.push(c),
        }
    }
}

fn parse_uri(text: &str) -> Result<Settings, Error> {
    let mut settings = Settings::default();
    let mut rest = text;
    // Credentials are what stands before the first @, if no slash comes earlier.
    let mark = text.find(['@', '/']);
    if let Some((credentials, tail)) = mark
        .filter(|&at| text[at..].starts_with('@'))
        .and_then(|at| Some((text.get(..at)?, text.get(at + 1..)?)))
    {
        let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
        store(&mut settings, "user", user)?;
        store(&mut settings, "password", password)?;
        rest = tail;
    }
    let (hosts, ports, tail) = uri_hosts(rest)?;
    store(&mut settings, "host", &hosts)?;
    store(&mut settings, "port", &ports)?;
    let (database, parameters) = match tail.strip_prefix('/') {
        Some(tail) => tail.split_once('?').unwrap_or((tail, "")),
        None => ("", tail.strip_prefix('?').unwrap_or_default()),
    };
    store(&mut settings, "dbname", database)?;
    uri_parameters(&mut settings, parameters)?;
    Ok(settings)
}

/// Stores a part of a URI unless it is empty, percent encoding resolved.
fn store(settings: &mut Settings, keyword: &str, encoded: &str) -> Result<(), Error> {
    if encoded.is_empty() {
        return Ok(());
    }
    settings.set(keyword, &decode(encoded)?, Origin::ConnectionString)
}

/// Host and port lists, comma-separated as in the keywords, and what follows them.
fn uri_hosts(text: &str) -> Result<(String, String, &str), Error> {
    let (mut hosts, mut ports) = (String::new(), String::new());
    let mut rest = text;
    loop {
        if let Some(address) = rest.strip_prefix('[') {
            let (address, tail) = address
                .split_once(']')
                .ok_or_else(|| refused("\"]\" is missing after an IPv6 address in the URI"))?;
            if address.is_empty() {
                return Err(refused("an IPv6 address in the URI is empty"));
            }
            if !tail.is_empty() && !tail.starts_with([':', '/', '?', ',']) {
                return Err(refused(
                    "only \":\", \"/\", \"?\" or \",\" may follow \"]\" in the URI",
                ));
            }
            hosts.push_str(address);
            rest = tail;
        } else {
            let end = rest.find([':', '/', '?', ',']).unwrap_or(rest.len());
            let (host, tail) = rest.split_at(end);
            hosts.push_str(host);
            rest = tail;
        }
        if let Some(tail) = rest.strip_prefix(':') {
            let end = tail.find(['/', '?', ',']).unwrap_or(tail.len());
            let (port, tail) = tail.split_at(end);
            ports.push_str(port);
            rest = tail;
        }
        let Some(tail) = rest.strip_prefix(',') else { break };
        hosts.push(',');
        ports.push(',');
        rest = tail;
    }
    Ok((hosts, ports, rest))
}

fn uri_parameters(settings: &mut Settings, text: &str) -> Result<(), Error> {
    let mut rest = text;
    while !rest.is_empty() {
        let (pair, tail) = rest.split_once('&').unwrap_or((rest, ""));
        let (keyword, value) =
            pair.split_once('=').ok_or_else(|| refused("a parameter of the URI has no \"=\""))?;
        if value.contains('=') {
            return Err(refused(format!("the URI parameter \"{keyword}\" has two \"=\"")));
        }
        let (keyword, value) = (decode(keyword)?, decode(value)?);
        // As in the JDBC driver's URLs.
        if *keyword == "ssl" && *value == "true" {
            settings.set("sslmode", "require", Origin::ConnectionString)?;
        } else {
            settings.set(&keyword, &value, Origin::ConnectionString)?;
        }
        rest = tail;
    }
    Ok(())
}

/// Resolves percent encoding (`conninfo_uri_decode()`); blanks around the text are dropped.
fn decode(encoded: &str) -> Result<Zeroizing<String>, Error> {
    let text = encoded.trim_matches(' ');
    if text.contains(' ') {
        return Err(refused("the URI contains a blank; write it as %20"));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first != b'%' {
            bytes.push(first);
            rest = tail;
            continue;
        }
        let (digits, tail) = tail
            .split_at_checked(2)
            .filter(|(digits, _)| digits.iter().all(u8::is_ascii_hexdigit))
            .ok_or_else(|| refused("after \"%\" the URI must have two hexadecimal digits"))?;
        let byte = digits.iter().fold(0, |byte: u8, &digit| {
            let digit = match digit {
                b'0'..=b'9' => digit - b'0',
                _ => digit.to_ascii_lowercase() - b'a' + 10,
            };
            byte << 4 | digit
        });
        if byte == 0 {
            return Err(refused("the URI contains %00, which no parameter may hold"));
        }
        bytes.push(byte);
        rest = tail;
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(refused("percent-encoded bytes in the URI are not UTF-8")),
    }
}
