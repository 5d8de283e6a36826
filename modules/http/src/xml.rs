//! XML as an object: `<root id="1"><a>1</a><a>2</a><b/></root>` becomes
//! `{"root": {"@id": "1", "a": ["1", "2"], "b": null}}`.
//!
//! A reader for well-formed documents (XML 1.0) that loads nothing and expands nothing: a declaration of an entity
//! refuses the document. It does not recurse.

use sluice::serde_json::map::Entry;
use sluice::serde_json::{Map, Value};

use crate::json::MAX_DEPTH;

/// How deep elements may stand in one another: each may take two levels of JSON.
const MAX_ELEMENTS: usize = MAX_DEPTH / 2;

/// Turns a document into the text of a JSON object. None if it is not well-formed, or too deep.
pub fn to_json(text: &str) -> Option<String> {
    let mut reader = Reader { rest: text.strip_prefix('\u{feff}').unwrap_or(text), skips_unknown_entities: false };
    reader.prolog()?;
    let root = reader.root()?;
    reader.misc()?;
    reader.rest.is_empty().then(|| Value::Object(root).to_string())
}

struct Reader<'a> {
    rest: &'a str,
    /// There are declarations elsewhere that may declare an entity.
    skips_unknown_entities: bool,
}

/// An element that has begun.
struct Element<'a> {
    name: &'a str,
    members: Map<String, Value>,
    text: String,
}

impl Element<'_> {
    fn into_value(mut self) -> Value {
        let text = match self.text.trim() {
            "" => Value::Null,
            text => Value::String(text.to_owned()),
        };
        if self.members.is_empty() {
            return text;
        }
        if !text.is_null() {
            self.members.insert("#text".to_owned(), text);
        }
        Value::Object(self.members)
    }
}

/// Adds a child; the second of a name makes an array of both.
fn add(members: &mut Map<String, Value>, name: &str, value: Value) {
    match members.entry(name) {
        Entry::Vacant(entry) => drop(entry.insert(value)),
        Entry::Occupied(mut entry) => match entry.get_mut() {
            Value::Array(values) => values.push(value),
            first => {
                let values = vec![first.take(), value];
                *first = Value::Array(values);
            }
        },
    }
}

// None from any of these means that the document is not well-formed.
impl<'a> Reader<'a> {
    fn take(&mut self, prefix: &str) -> bool {
        match self.rest.strip_prefix(prefix) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, prefix: &str) -> Option<()> {
        self.take(prefix).then_some(())
    }

    /// Everything up to `end`, which is taken too.
    fn until(&mut self, end: &str) -> Option<&'a str> {
        let (before, rest) = self.rest.split_once(end)?;
        self.rest = rest;
        before.chars().all(is_char).then_some(before)
    }

    /// White space; whether there was any.
    fn space(&mut self) -> bool {
        let rest = self.rest.trim_start_matches(is_space);
        let any = rest.len() < self.rest.len();
        self.rest = rest;
        any
    }

    fn name(&mut self) -> Option<&'a str> {
        let is_start = |c: char| c.is_ascii_alphabetic() || matches!(c, '_' | ':') || is_name_beyond_ascii(c);
        let is_part = |c: char| is_start(c) || c.is_ascii_digit() || matches!(c, '-' | '.' | '\u{b7}');
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        name.starts_with(is_start).then_some(name)
    }

    fn quoted(&mut self) -> Option<&'a str> {
        let quote = if self.rest.starts_with('"') { "\"" } else { "'" };
        self.expect(quote)?;
        self.until(quote)
    }

    fn prolog(&mut self) -> Option<()> {
        if self.rest.strip_prefix("<?xml").is_some_and(|rest| rest.starts_with(is_space)) {
            self.declaration()?;
        }
        self.misc()?;
        if self.take("<!DOCTYPE") {
            self.doctype()?;
            self.misc()?;
        }
        Some(())
    }

    /// `<?xml version="1.0" encoding="…" standalone="…"?>`. The encoding is not looked at: this is text already.
    fn declaration(&mut self) -> Option<()> {
        self.expect("<?xml")?;
        let mut allowed = ["version", "encoding", "standalone"].iter();
        let mut is_first = true;
        loop {
            let spaced = self.space();
            if self.take("?>") {
                return (!is_first).then_some(());
            }
            let name = self.name().filter(|_| spaced)?;
            allowed.find(|known| **known == name)?;
            if is_first && name != "version" {
                return None;
            }
            is_first = false;
            self.space();
            self.expect("=")?;
            self.space();
            let value = self.quoted()?;
            let is_label = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
            let is_right = match name {
                "version" => !value.is_empty() && value.bytes().all(is_label),
                "standalone" => matches!(value, "yes" | "no"),
                _ => value.starts_with(|c: char| c.is_ascii_alphabetic()) && value.bytes().all(is_label),
            };
            if !is_right {
                return None;
            }
        }
    }

    /// White space, comments and processing instructions.
    fn misc(&mut self) -> Option<()> {
        loop {
            self.space();
            if self.take("<!--") {
                self.comment()?;
            } else if self.take("<?") {
                self.instruction()?;
            } else {
                return Some(());
            }
        }
    }

    fn comment(&mut self) -> Option<()> {
        self.until("--")?;
        self.expect(">")
    }

    fn instruction(&mut self) -> Option<()> {
        let target = self.name()?;
        if target.eq_ignore_ascii_case("xml") || !self.rest.starts_with("?>") && !self.space() {
            return None;
        }
        self.until("?>").map(drop)
    }

    /// Skips the document type, but refuses entities.
    fn doctype(&mut self) -> Option<()> {
        self.space().then_some(())?;
        self.name()?;
        self.space();
        let is_public = self.take("PUBLIC");
        if is_public || self.take("SYSTEM") {
            for _ in 0..=usize::from(is_public) {
                self.space().then_some(())?;
                self.quoted()?;
            }
            self.skips_unknown_entities = true;
            self.space();
        }
        if self.take("[") {
            self.internal_subset()?;
            self.space();
        }
        self.expect(">")
    }

    fn internal_subset(&mut self) -> Option<()> {
        loop {
            self.misc()?;
            if self.take("]") {
                return Some(());
            }
            if self.take("%") {
                self.name()?;
                self.expect(";")?;
                self.skips_unknown_entities = true;
                continue;
            }
            let is_known = self.take("<!ELEMENT") || self.take("<!ATTLIST") || self.take("<!NOTATION");
            (is_known && self.space()).then_some(())?;
            loop {
                let end = self.rest.find(['>', '"', '\'', '<'])?;
                self.rest = &self.rest[end..];
                match self.rest.as_bytes()[0] {
                    b'>' => break self.expect(">")?,
                    b'<' => return None,
                    _ => drop(self.quoted()?),
                }
            }
        }
    }

    /// The one root element, as the only member of an object.
    fn root(&mut self) -> Option<Map<String, Value>> {
        let mut open: Vec<Element> = Vec::new();
        loop {
            let done = if self.take("</") {
                let element = open.pop()?;
                (self.name()? == element.name).then_some(())?;
                self.space();
                self.expect(">")?;
                Some(element)
            } else if !open.is_empty() && self.take("<!--") {
                self.comment()?;
                None
            } else if !open.is_empty() && self.take("<![CDATA[") {
                let text = self.until("]]>")?;
                push_normalised(&mut open.last_mut()?.text, text);
                None
            } else if !open.is_empty() && self.take("<?") {
                self.instruction()?;
                None
            } else if self.take("<") {
                let (element, is_empty) = self.start()?;
                if open.len() == MAX_ELEMENTS {
                    return None;
                }
                match is_empty {
                    true => Some(element),
                    false => {
                        open.push(element);
                        None
                    }
                }
            } else {
                self.text(&mut open.last_mut()?.text)?;
                None
            };
            if let Some(element) = done {
                let name = element.name;
                match open.last_mut() {
                    Some(parent) => add(&mut parent.members, name, element.into_value()),
                    None => return Some(Map::from_iter([(name.to_owned(), element.into_value())])),
                }
            }
        }
    }

    /// A start tag behind its `<`, and whether it is an empty element.
    fn start(&mut self) -> Option<(Element<'a>, bool)> {
        let name = self.name()?;
        let mut element = Element { name, members: Map::new(), text: String::new() };
        loop {
            let spaced = self.space();
            if self.take(">") {
                return Some((element, false));
            }
            if self.take("/>") {
                return Some((element, true));
            }
            let name = self.name().filter(|_| spaced)?;
            self.space();
            self.expect("=")?;
            self.space();
            let value = self.attribute()?;
            if element.members.insert(format!("@{name}"), Value::String(value)).is_some() {
                return None;
            }
        }
    }

    fn attribute(&mut self) -> Option<String> {
        let raw = self.quoted()?;
        let mut value = String::with_capacity(raw.len());
        let mut rest = raw;
        while let Some(at) = rest.find(['&', '<', '\t', '\n', '\r']) {
            value.push_str(&rest[..at]);
            rest = &rest[at..];
            match rest.as_bytes()[0] {
                b'<' => return None,
                b'&' => rest = self.reference(rest, &mut value)?,
                _ => {
                    value.push(' ');
                    rest = rest.strip_prefix("\r\n").unwrap_or(&rest[1..]);
                }
            }
        }
        value.push_str(rest);
        Some(value)
    }

    /// Text up to the next tag.
    fn text(&mut self, out: &mut String) -> Option<()> {
        let (mut text, rest) = self.rest.split_at(self.rest.find('<')?);
        self.rest = rest;
        if text.contains("]]>") || !text.chars().all(is_char) {
            return None;
        }
        while let Some(at) = text.find('&') {
            push_normalised(out, &text[..at]);
            text = self.reference(&text[at..], out)?;
        }
        push_normalised(out, text);
        Some(())
    }

    /// Appends what the reference at the start of `text` stands for, and returns what follows it.
    fn reference<'t>(&self, text: &'t str, out: &mut String) -> Option<&'t str> {
        let (name, rest) = text.strip_prefix('&')?.split_once(';')?;
        let number = |digits: &str, radix| {
            let is_number = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
            let c = is_number.then(|| u32::from_str_radix(digits, radix).ok()).flatten()?;
            char::from_u32(c).filter(|c| is_char(*c))
        };
        out.push(match name {
            "lt" => '<',
            "gt" => '>',
            "amp" => '&',
            "apos" => '\'',
            "quot" => '"',
            _ => match name.strip_prefix('#') {
                Some(digits) => match digits.strip_prefix('x') {
                    Some(digits) => number(digits, 16)?,
                    None => number(digits, 10)?,
                },
                None => {
                    let mut name = Reader { rest: name, skips_unknown_entities: false };
                    let is_name = name.name().is_some() && name.rest.is_empty();
                    return (is_name && self.skips_unknown_entities).then_some(rest);
                }
            },
        });
        Some(rest)
    }
}

/// Appends text with its line ends as `\n`.
fn push_normalised(out: &mut String, text: &str) {
    let mut lines = text.split('\r');
    out.push_str(lines.next().unwrap_or_default());
    for line in lines {
        out.push('\n');
        out.push_str(line.strip_prefix('\n').unwrap_or(line));
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn is_char(c: char) -> bool {
    c >= ' ' && !matches!(c, '\u{fffe}' | '\u{ffff}') || matches!(c, '\t' | '\r' | '\n')
}

fn is_name_beyond_ascii(c: char) -> bool {
    c >= '\u{c0}' && !matches!(c, '\u{d7}' | '\u{f7}' | '\u{2000}'..='\u{206f}' | '\u{3000}' | '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests;
