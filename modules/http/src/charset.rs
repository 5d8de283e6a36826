//! The text of a response, by the charset it declares, with the meaning that Python's codecs give its name.

use encoding_rs::Encoding;

/// How bytes become text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Charset {
    Utf8,
    /// UTF-8 with a byte order mark to drop.
    Utf8Marked,
    Ascii,
    /// ISO 8859-1 proper: each byte is the character of its number.
    Latin1,
    /// UTF-16 that says its byte order with a mark, else little-endian.
    Utf16,
    Table(&'static Encoding, C1),
}

/// What the bytes 80 to 9F mean where a table leaves them out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum C1 {
    AsInTable,
    Undefined,
    Controls,
}

/// Whether the first generation takes a body for UTF-8.
pub fn is_utf8_v1(content_type: &str) -> bool {
    declared(content_type).and_then(find).is_none_or(|charset| charset == Charset::Utf8)
}

/// Whether the second generation takes a body for UTF-8.
pub fn is_utf8_v2(content_type: &str) -> bool {
    match declared(content_type) {
        None => !content_type.contains("text"),
        _ => is_utf8_v1(content_type),
    }
}

/// The text of a body for the first generation: the declared charset, else UTF-8.
pub fn decode_v1(bytes: Vec<u8>, content_type: &str) -> String {
    declared(content_type).and_then(find).unwrap_or(Charset::Utf8).decode(bytes)
}

/// The text of a body for the second generation: the declared charset; without one ISO 8859-1 for text, else UTF-8.
pub fn decode_v2(bytes: Vec<u8>, content_type: &str) -> String {
    match declared(content_type) {
        Some(label) => find(label).unwrap_or(Charset::Utf8).decode(bytes),
        None if content_type.contains("text") => Charset::Latin1.decode(bytes),
        None => Charset::Utf8.decode(bytes),
    }
}

/// The value of a content type's parameter `charset`.
fn declared(content_type: &str) -> Option<&str> {
    if !content_type.bytes().any(|byte| byte == b';') {
        return None;
    }
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let is_quote = |c: char| c.is_ascii_whitespace() || matches!(c, '"' | '\'');
        name.trim_matches(is_quote).eq_ignore_ascii_case("charset").then(|| value.trim_matches(is_quote))
    })
}

/// The charset of a name; None if Python knows none.
fn find(label: &str) -> Option<Charset> {
    let label = label.to_ascii_lowercase().replace(['_', ' '], "-");
    let table = |name: &str, c1| Some(Charset::Table(Encoding::for_label_no_replacement(name.as_bytes())?, c1));
    match label.as_str() {
        "utf-8" | "utf8" | "u8" | "utf" | "cp65001" => Some(Charset::Utf8),
        "utf-8-sig" => Some(Charset::Utf8Marked),
        "ascii" | "us-ascii" | "us" | "646" | "iso646-us" | "iso-646.irv-1991" | "iso-ir-6" | "ansi-x3.4-1968"
        | "ansi-x3.4-1986" | "cp367" | "ibm367" | "csascii" => Some(Charset::Ascii),
        "latin-1" | "latin1" | "latin" | "l1" | "iso-8859-1" | "iso8859-1" | "iso8859" | "8859" | "iso-8859-1-1987"
        | "iso-ir-100" | "cp819" | "ibm819" | "csisolatin1" => Some(Charset::Latin1),
        "utf-16" | "utf16" | "u16" => Some(Charset::Utf16),
        "utf-16-le" => table("utf-16le", C1::AsInTable),
        "utf-16-be" => table("utf-16be", C1::AsInTable),
        "iso-8859-9" | "iso8859-9" | "latin-5" | "latin5" | "l5" | "iso-ir-148" => table("windows-1254", C1::Controls),
        "cp932" | "ms932" | "mskanji" => table("shift-jis", C1::AsInTable),
        "cp936" | "ms936" => table("gbk", C1::AsInTable),
        "cp949" | "ms949" | "uhc" | "euckr" => table("euc-kr", C1::AsInTable),
        "cp950" | "ms950" => table("big5", C1::AsInTable),
        "eucjp" | "ujis" => table("euc-jp", C1::AsInTable),
        "mac-roman" | "macroman" => table("macintosh", C1::AsInTable),
        name => match name.strip_prefix("latin-").or_else(|| name.strip_prefix("latin")) {
            Some(number) => table(&format!("l{number}"), C1::AsInTable),
            None if name.starts_with("windows-") || name.starts_with("cp125") => table(name, C1::Undefined),
            None => table(name, C1::AsInTable),
        },
    }
}

impl Charset {
    /// Decodes; what does not fit becomes U+FFFD, one for each invalid sequence.
    fn decode(self, bytes: Vec<u8>) -> String {
        match self {
            Charset::Utf8 => {
                String::from_utf8(bytes).unwrap_or_else(|bad| String::from_utf8_lossy(bad.as_bytes()).into_owned())
            }
            Charset::Utf8Marked => {
                let text = Charset::Utf8.decode(bytes);
                text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)
            }
            Charset::Ascii => match bytes.is_ascii() {
                true => Charset::Utf8.decode(bytes),
                false => bytes.iter().map(|&byte| if byte < 128 { byte as char } else { '\u{fffd}' }).collect(),
            },
            Charset::Latin1 => match bytes.is_ascii() {
                true => Charset::Utf8.decode(bytes),
                false => bytes.iter().map(|&byte| byte as char).collect(),
            },
            Charset::Utf16 => {
                let encoding = match bytes.starts_with(&[0xFE, 0xFF]) {
                    true => encoding_rs::UTF_16BE,
                    false => encoding_rs::UTF_16LE,
                };
                encoding.decode_with_bom_removal(&bytes).0.into_owned()
            }
            Charset::Table(encoding, c1) => {
                let text = encoding.decode_without_bom_handling(&bytes).0;
                match c1 {
                    C1::AsInTable => text.into_owned(),
                    C1::Undefined => text.replace(|c| matches!(c, '\u{80}'..='\u{9f}'), "\u{fffd}"),
                    // One character for each byte, so that the two run side by side.
                    C1::Controls => {
                        let keep = |(c, &byte)| if matches!(byte, 0x80..0xA0) { byte as char } else { c };
                        text.chars().zip(&bytes).map(keep).collect()
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_charsets() {
        for (content_type, want) in [
            ("", None),
            ("application/json", None),
            ("text/plain; charset=utf-8", Some("utf-8")),
            ("text/plain;format=flowed; Charset=\"ISO-8859-1\"", Some("ISO-8859-1")),
            ("text/plain; charset = latin1 ", Some("latin1")),
            ("charset=utf-8", None),
            ("text/plain; xcharset=a", None),
        ] {
            assert_eq!(declared(content_type), want, "{content_type}");
        }
    }

    #[test]
    fn first_generation() {
        for (bytes, charset, want) in [
            (&b"caf\xc3\xa9"[..], "", "café"),
            (b"caf\xe9", "", "caf\u{fffd}"),
            (b"caf\xe9\x80\x9f", "iso-8859-1", "café\u{80}\u{9f}"),
            (b"caf\xe9", "Latin_1", "café"),
            (b"a\xe9\xff", "us-ascii", "a\u{fffd}\u{fffd}"),
            (b"caf\xc3\xa9", "no-such-charset", "café"),
            (b"\x80\x81\xe9", "windows-1252", "€\u{fffd}é"),
            (b"\x80\xd0\xfd", "iso-8859-9", "\u{80}Ğı"),
            (b"\xa4", "iso-8859-15", "€"),
            (b"\xa4", "latin9", "€"),
            (b"\xcf\xf0\xe8", "cp1251", "При"),
            (b"\x93\xfa\x96\x7b", "shift_jis", "日本"),
            (b"\x93\xfa\x96\x7b", "cp932", "日本"),
            (b"\xc4\xe3", "gb2312", "你"),
            (b"\xff\xfea\0\xe9\0", "utf-16", "aé"),
            (b"\xfe\xff\0a", "utf-16", "a"),
            (b"a\0", "utf-16", "a"),
            (b"a\0", "utf-16-le", "a"),
            (b"\xef\xbb\xbfa", "utf-8-sig", "a"),
            (b"\xef\xbb\xbfa", "utf-8", "\u{feff}a"),
            (b"\xe2\x82", "utf-8", "\u{fffd}"),
            (b"\xe2\x28\xa1\xf0\x9f\x98x", "utf-8", "\u{fffd}(\u{fffd}\u{fffd}x"),
        ] {
            let content_type = format!("text/plain; charset={charset}");
            assert_eq!(decode_v1(bytes.to_vec(), &content_type), want, "{charset} {bytes:x?}");
        }
        let high: Vec<u8> = (0x80..=0xFF).collect();
        assert_eq!(decode_v1(high, "application/octet-stream"), "\u{fffd}".repeat(128));
    }

    #[test]
    fn second_generation() {
        for (bytes, content_type, want) in [
            (&b"caf\xc3\xa9"[..], "text/html", "cafÃ©"),
            (b"caf\xc3\xa9", "text/html; charset=utf-8", "café"),
            (b"caf\xc3\xa9", "application/json", "café"),
            (b"caf\xe9", "application/json", "caf\u{fffd}"),
            (b"caf\xc3\xa9", "application/xml", "café"),
            (b"caf\xc3\xa9", "", "café"),
            (b"caf\xe9", "application/octet-stream", "caf\u{fffd}"),
            (b"caf\xe9", "application/xml; charset=nonsense", "caf\u{fffd}"),
        ] {
            assert_eq!(decode_v2(bytes.to_vec(), content_type), want, "{content_type} {bytes:x?}");
        }
    }
}
