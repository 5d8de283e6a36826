use super::*;
use crate::json::validate;

const MAX_DEPTH: usize = 512;

#[test]
fn valid() {
    let deepest = "[".repeat(MAX_DEPTH) + &"]".repeat(MAX_DEPTH);
    let mixed = "{\"a\":[".repeat(MAX_DEPTH / 2) + &"]}".repeat(MAX_DEPTH / 2);
    for text in [
        "null",
        " true ",
        "false\n",
        "0",
        "-0",
        "-0.0",
        "1.10",
        "1e400",
        "1E+5",
        "1e-5",
        "12345678901234567890123",
        "\"\"",
        "\"é\u{2028}\u{7f}\"",
        r#""\"\\\/\b\f\n\r\t\u00e9\ud800""#,
        "[]",
        "[ ]",
        "{}",
        "{ }",
        "[1,2 , 3]",
        r#"{"a":1,"a":2}"#,
        r#" { "a" : [ { } , [ ] , "0123456789abcdef" ] , "" : null } "#,
        &deepest,
        &mixed,
    ] {
        assert_eq!(validate(text, MAX_DEPTH), Ok(()), "{text}");
    }
}

#[test]
fn valid_errors() {
    let too_deep = "[".repeat(MAX_DEPTH + 1) + &"]".repeat(MAX_DEPTH + 1);
    let bottomless = "[".repeat(1_000_000);
    for (text, at) in [
        ("", 0),
        (" ", 1),
        ("NaN", 0),
        ("{\"f\":NaN}", 5),
        ("Infinity", 0),
        ("-Infinity", 0),
        ("nul", 0),
        ("tru", 0),
        ("01", 1),
        ("-", 0),
        ("+1", 0),
        ("1.", 0),
        (".5", 0),
        ("1e", 0),
        ("1.e1", 0),
        ("0x10", 1),
        ("1 2", 2),
        ("'a'", 0),
        ("\"a", 2),
        ("\"\t\"", 1),
        ("\"01234567\n\"", 9),
        (r#""\x""#, 1),
        (r#""\u12g4""#, 1),
        (r#""\"#, 1),
        ("[", 1),
        ("[1", 2),
        ("[1,]", 3),
        ("[,]", 1),
        ("[1 2]", 3),
        ("]", 0),
        ("[}", 1),
        ("{]", 1),
        ("{", 1),
        ("{a:1}", 1),
        ("{\"a\"}", 4),
        ("{\"a\":}", 5),
        ("{\"a\":1,}", 7),
        ("{\"a\":1 \"b\":2}", 7),
        ("{\"a\",1}", 4),
        ("{\"broken\":", 10),
        ("\u{feff}{}", 0),
        ("[]]", 2),
        ("{}x", 2),
        (&too_deep, 512),
        (&bottomless, 512),
    ] {
        assert_eq!(validate(text, MAX_DEPTH), Err(at), "{}", &text[..text.len().min(40)]);
    }
}

/// Every cut and every changed byte of a document gets serde_json's verdict.
#[test]
fn verdicts_agree_with_serde_json() {
    let document = r#"{"a":[1,-2.5e+3,"xé\u00e9\n0123456789",true,false,null,{"b":{}}],"c":""} "#;
    let agree = |text: &str| {
        let want = serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok();
        assert_eq!(validate(text, MAX_DEPTH).is_ok(), want, "{text:?}");
    };
    for (i, _) in document.char_indices() {
        agree(&document[..i]);
        agree(&document[i..]);
        for with in ["", "\"", "\\", "{", "}", "[", "]", ",", ":", "0", "-", ".", "e", " ", "\u{1}", "u", "t"] {
            let end = i + document[i..].chars().next().map_or(0, char::len_utf8);
            agree(&format!("{}{with}{}", &document[..i], &document[end..]));
            agree(&format!("{}{with}{}", &document[..i], &document[i..]));
        }
    }
}

#[test]
fn open_containers() {
    let kinds: Vec<bool> = (0..300).map(|i| i % 3 == 0 || i % 64 == 0).collect();
    let mut open = Open::default();
    for &is_object in &kinds {
        open.push(is_object);
        assert_eq!(open.is_object(), is_object);
    }
    for (depth, &is_object) in kinds.iter().enumerate().rev() {
        assert_eq!((open.is_object(), open.depth), (is_object, depth + 1));
        open.pop();
    }
}

#[test]
fn strings() {
    for (text, want) in [
        (r#""""#, Some("")),
        (r#" "0123456789é""#, Some("0123456789é")),
        (r#""a\n\u00e9\ud83d\ude00""#, Some("a\né😀")),
        (r#""\udc00""#, None),
        (r#""a"#, None),
        ("a", None),
    ] {
        assert_eq!(Scanner::new(text).string().as_deref(), want, "{text}");
    }
}
