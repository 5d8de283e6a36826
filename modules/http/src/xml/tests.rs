use super::*;

#[test]
fn documents() {
    let deepest = "<a>".repeat(MAX_ELEMENTS) + &"</a>".repeat(MAX_ELEMENTS);
    let nested = "{\"a\":".repeat(MAX_ELEMENTS) + "null" + &"}".repeat(MAX_ELEMENTS);
    for (text, want) in [
        (
            r#"<?xml version="1.0"?><root id="1"><a>1</a><a>2</a><b/></root>"#,
            r#"{"root":{"@id":"1","a":["1","2"],"b":null}}"#,
        ),
        ("<a/>", r#"{"a":null}"#),
        ("\u{feff}<a></a>\n", r#"{"a":null}"#),
        ("<a> \n </a>", r#"{"a":null}"#),
        ("<a> x y\r\nz\u{a0}</a>", r#"{"a":"x y\nz"}"#),
        ("<a b='1'/>", r#"{"a":{"@b":"1"}}"#),
        ("<a b='1'> t </a>", r##"{"a":{"@b":"1","#text":"t"}}"##),
        ("<a>x<b>1</b>y<c/>z</a>", r##"{"a":{"b":"1","c":null,"#text":"xyz"}}"##),
        ("<a><b/><c/><b>2</b><b x='3'/></a>", r#"{"a":{"b":[null,"2",{"@x":"3"}],"c":null}}"#),
        ("<s:a xmlns:s='u'><s:b/></s:a>", r#"{"s:a":{"@xmlns:s":"u","s:b":null}}"#),
        ("<a>&lt;&gt;&amp;&apos;&quot;&#65;&#x42;</a>", r#"{"a":"<>&'\"AB"}"#),
        ("<a b='&lt;\t\r\n&#10;x'/>", r#"{"a":{"@b":"<  \nx"}}"#),
        ("<a><![CDATA[<b>&amp;]]]]><![CDATA[>]]></a>", r#"{"a":"<b>&amp;]]>"}"#),
        ("<!-- c --><?pi x?><a>1<!-- - -->2<?p?>3</a><!----><?q r?>", r#"{"a":"123"}"#),
        ("<?xml version='1.0' encoding='UTF-8' standalone='yes' ?><ä-1.b>é</ä-1.b>", r#"{"ä-1.b":"é"}"#),
        ("<!DOCTYPE a><a/>", r#"{"a":null}"#),
        ("<!DOCTYPE a SYSTEM 'a.dtd'><a>x&nbsp;y</a>", r#"{"a":"xy"}"#),
        ("<!DOCTYPE a PUBLIC '-//x' \"u\" [<!ELEMENT a (b)><!-- > --><!ATTLIST a b CDATA '>'>] ><a/>", r#"{"a":null}"#),
        (&deepest, &nested),
    ] {
        assert_eq!(to_json(text).as_deref(), Some(want), "{text}");
    }
}

#[test]
fn documents_errors() {
    let too_deep = "<a>".repeat(MAX_ELEMENTS + 1) + &"</a>".repeat(MAX_ELEMENTS + 1);
    for text in [
        "",
        " ",
        "x",
        "<",
        "<a",
        "<a>",
        "<a/",
        "</a>",
        "<a></b>",
        "<a/><b/>",
        "<a/>x",
        "x<a/>",
        "<a><b></a></b>",
        "<a b/>",
        "<a b=1/>",
        "<a b='1'c='2'/>",
        "<a b='1' b='2'/>",
        "<a b='<'/>",
        "<a b='1/>",
        "<1/>",
        "< a/>",
        "<-a/>",
        "<a>&nbsp;</a>",
        "<a>&</a>",
        "<a>&lt</a>",
        "<a>&#0;</a>",
        "<a>&#xD800;</a>",
        "<a>&#+65;</a>",
        "<a>&#x;</a>",
        "<a>\u{1}</a>",
        "<a>]]></a>",
        "<a><!-- -- --></a>",
        "<a><!-- </a>",
        "<a><![CDATA[ </a>",
        "<![CDATA[x]]>",
        "<a><?xml version='1.0'?></a>",
        " <?xml version='1.0'?><a/>",
        "<?xml?><a/>",
        "<?xml encoding='x'?><a/>",
        "<?xml version='1&'?><a/>",
        "<?xml version='1.0' encoding='é'?><a/>",
        "<?xml version='1.0' version='1.0'?><a/>",
        "<a/><!DOCTYPE a>",
        "<!DOCTYPE a>",
        "<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>",
        "<!DOCTYPE a [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><a/>",
        "<!DOCTYPE a [<!ENTITY % p 'x'>]><a/>",
        "<!DOCTYPE a SYSTEM 'd'><a>&#nbsp;</a>",
        &too_deep,
    ] {
        assert_eq!(to_json(text), None, "{text}");
    }
}

/// No cut of a document makes it loop, panic or pass.
#[test]
fn cut_documents_are_refused() {
    let document =
        "<?xml version='1.0'?><!DOCTYPE a [<!ELEMENT a ANY>]><a b='1'>é&amp;<![CDATA[x]]><!-- c --><?p q?></a>";
    for (end, _) in document.char_indices() {
        assert_eq!(to_json(&document[..end]), None, "{}", &document[..end]);
    }
}
