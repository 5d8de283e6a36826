use super::*;

fn raw(text: &str) -> &RawValue {
    RawValue::parse(text).expect("test value")
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
