use super::*;

#[test]
fn first_generation() {
    for (text, query, want) in [
        ("http://example.com", None, "http://example.com/"),
        ("HTTP://User:p%40ss@EXAMPLE.com:80/A", None, "http://example.com/A"),
        ("https://example.com:80?", None, "https://example.com:80/?"),
        ("https://example.com:443/a#f?x", None, "https://example.com/a"),
        ("http://example.com:/a", None, "http://example.com/a"),
        ("http://[::1]:8080/", None, "http://[::1]:8080/"),
        ("http://bücher.example/ü?ü", None, "http://bücher.example/%C3%BC?%C3%BC"),
        ("http://h/echo?q=a b&u=é", None, "http://h/echo?q=a%20b&u=%C3%A9"),
        ("http://h/a/./b/../c", None, "http://h/a/c"),
        ("http://h/a/b/..", None, "http://h/a"),
        ("http://h/..", None, "http://h/"),
        ("http://h/../../x", None, "http://h/x"),
        ("http://h/a.b/..c", None, "http://h/a.b/..c"),
        ("http://h/echo?q=1", Some("a=1"), "http://h/echo?a=1"),
        ("http://h/echo?q=1", Some(""), "http://h/echo"),
        ("http://h?x", Some("a=1"), "http://h/?a=1"),
        ("http://a@b@h/", None, "http://h/"),
    ] {
        assert_eq!(Url::v1(text, query).map(|(url, _)| url.text), Ok(want.to_owned()), "{text}");
    }
    assert_eq!(Url::v1("http://u:p@x@h/", None).unwrap().1, Some("u:p@x"));
    assert_eq!(Url::v1("http://h/", None).unwrap().1, None);
}

#[test]
fn second_generation() {
    for (text, query, want) in [
        (" \t\nhttp://example.com", "", "http://example.com/"),
        ("http://h/echo?q=1", "a=1&b=2", "http://h/echo?q=1&a=1&b=2"),
        ("http://h/echo?", "a=1", "http://h/echo?a=1"),
        ("http://h/echo?", "", "http://h/echo"),
        ("http://h/echo#f", "a=1 2#x", "http://h/echo?a=1%202"),
        ("http://h/é b?[x]=|", "", "http://h/%C3%A9%20b?%5Bx%5D=%7C"),
        ("http://h/%7e%41%2f", "", "http://h/~A%2F"),
        ("http://h/100%", "", "http://h/100%25"),
        ("http://h/a/b/..", "", "http://h/a/"),
        ("http://h/..", "", "http://h/"),
        ("http://h/../x/./y", "", "http://h/x/y"),
    ] {
        assert_eq!(Url::v2(text, query).map(|(url, _)| url.text), Ok(want.to_owned()), "{text}");
    }
}

#[test]
fn refusals() {
    let invalid = |got: Result<(Url, Option<&str>), Refusal>| matches!(got, Err(Refusal::Invalid(_)));
    for text in [
        "http://",
        "http:///x",
        "http:/x",
        "http:x",
        "http://h:x/",
        "http://h:65536/",
        "http://h:-1/",
        "http://[::1/",
        "http://[::1]x/",
        "http://:80/",
        "http://u@/",
        "http://a b/",
        "http://a\\@b/",
        "https://?x",
    ] {
        assert!(invalid(Url::v1(text, None)), "v1 {text}");
        assert!(invalid(Url::v2(text, "")), "v2 {text}");
    }
    for text in ["http://h/\n", "http://h/\u{7f}", "http://1.2.3.999/", "http://01.2.3.4/"] {
        assert!(invalid(Url::v1(text, None)), "{text}");
    }
    for text in ["http://*.h/", "http://.h/"] {
        assert!(invalid(Url::v2(text, "")), "{text}");
    }
    for (text, v1, v2) in [
        ("", Refusal::NoScheme, Refusal::NoScheme),
        ("nope", Refusal::NoScheme, Refusal::NoScheme),
        ("//h/x", Refusal::NoScheme, Refusal::NoScheme),
        (" ftp://h/x", Refusal::NoScheme, Refusal::Scheme),
        ("ftp://h/x", Refusal::Scheme, Refusal::Scheme),
        ("mailto:a@b", Refusal::Scheme, Refusal::Scheme),
        ("localhost:8080/x", Refusal::Scheme, Refusal::Scheme),
        ("httpx://h/x", Refusal::Scheme, Refusal::Scheme),
        ("://h/x", Refusal::NoScheme, Refusal::Scheme),
    ] {
        assert_eq!(Url::v1(text, None).err(), Some(v1), "v1 {text}");
        assert_eq!(Url::v2(text, "").err(), Some(v2), "v2 {text}");
    }
}

#[test]
fn references() {
    let base = Url::v2("http://h:81/a/b?q=1", "").unwrap().0;
    for (reference, want) in [
        ("https://other/x", "https://other/x"),
        ("ftp://other/x", "ftp://other/x"),
        ("//other/x", "http://other/x"),
        ("/x?y", "http://h:81/x?y"),
        ("x", "http://h:81/a/x"),
        ("../x", "http://h:81/a/../x"),
        ("?z", "http://h:81/a/b?z"),
        ("#f", "http://h:81/a/b?q=1"),
        ("/x#f", "http://h:81/x"),
        ("x:y", "x:y"),
    ] {
        assert_eq!(base.join(reference), want, "{reference}");
    }
}

#[test]
fn credentials() {
    for (from, to, want) in [
        ("http://h/a", "http://H:80/b", true),
        ("http://h/", "https://h/", true),
        ("http://[::1]/", "https://[::1]/", true),
        ("https://h/", "http://h/", false),
        ("http://h:81/", "https://h:81/", false),
        ("http://h/", "https://h:444/", false),
        ("http://h/", "http://h:81/", false),
        ("http://h/", "http://h.evil/", false),
    ] {
        let url = |text| Url::v2(text, "").unwrap().0;
        assert_eq!(url(from).shares_credentials_with(&url(to)), want, "{from} {to}");
    }
}
