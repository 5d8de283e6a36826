use super::*;

fn raw(text: &str) -> &RawValue {
    sluice::serde_json::from_str(text).expect("test value")
}

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
        assert_eq!(validate(text), Ok(()), "{text}");
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
        assert_eq!(validate(text), Err(at), "{}", &text[..text.len().min(40)]);
    }
}

/// Every cut and every changed byte of a document gets serde_json's verdict.
#[test]
fn verdicts_agree_with_serde_json() {
    let document = r#"{"a":[1,-2.5e+3,"xé\u00e9\n0123456789",true,false,null,{"b":{}}],"c":""} "#;
    let agree = |text: &str| {
        let want = sluice::serde_json::from_str::<&RawValue>(text).is_ok();
        assert_eq!(validate(text).is_ok(), want, "{text:?}");
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
fn compacted() {
    for (text, want) in [
        ("{}", "{}"),
        ("[ 1 ,\n\t1.0 ]", "[1,1.0]"),
        (r#"{ "a b" : "c  d" }"#, r#"{"a b":"c  d"}"#),
        (r#""\u00e9\/\ud83d\ude00""#, "\"é/😀\""),
        (r#""\u0022\u005c\u000a\u0041\n\" \\ \\""#, r#""\u0022\u005c\u000aA\n\" \\ \\""#),
        (r#""\ud800\u0041\udc00x""#, r#""\ud800A\udc00x""#),
        (r#"["\\", " \" "]"#, r#"["\\"," \" "]"#),
    ] {
        assert_eq!(String::from_utf8_lossy(&compact(raw(text))), want, "{text}");
    }
    assert!(matches!(compact(raw(r#"{"a":"\n é"}"#)), Cow::Borrowed(_)));
}

#[test]
fn truth() {
    for text in ["null", "false", "0", "-0", "0.0", "0e5", "\"\"", "[]", "[ ]", "{}", "{\n}"] {
        assert!(!is_truthy(raw(text)), "{text}");
    }
    for text in ["true", "1", "-0.1", "1e0", "\" \"", "\"false\"", "[0]", "{\"\":0}", "10"] {
        assert!(is_truthy(raw(text)), "{text}");
    }
}
