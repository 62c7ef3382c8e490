//! The text of HTML, for clients that show no HTML of strangers.

use std::borrow::Cow;

use html_escape::decode_html_entities;

/// Elements whose content is no text.
const UNSHOWN: [&str; 5] = ["script", "style", "template", "noscript", "iframe"];
/// Elements that begin and end a line.
const BLOCKS: [&str; 25] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "br",
    "dd",
    "div",
    "dl",
    "dt",
    "figure",
    "footer",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "li",
    "ol",
    "p",
    "pre",
    "tr",
    "ul",
];

/// What a browser would show of it: without tags and comments, entities decoded, runs of white space one space, blocks on lines of their
/// own. One pass, whatever it holds. It is text: whoever puts it into a page has to escape it like any other.
pub fn text_of(html: &str) -> Cow<'_, str> {
    if !html.contains(['<', '&']) {
        return Cow::Borrowed(html);
    }
    let mut text = Text::default();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        let (before, tag) = rest.split_at(at);
        text.put(before);
        rest = match Tag::read(tag) {
            Some((tag, behind)) => {
                if BLOCKS.contains(&&*tag.name) {
                    text.end_line();
                }
                if UNSHOWN.contains(&&*tag.name) && !tag.closes { behind_end(&tag.name, behind) } else { behind }
            }
            // It is no tag but a sign.
            None => {
                text.put("<");
                &tag[1..]
            }
        };
    }
    text.put(rest);
    Cow::Owned(text.shown)
}

/// The name of a tag, empty of a comment.
struct Tag {
    name: String,
    closes: bool,
}

impl Tag {
    /// The tag that the text begins with, and what is behind it.
    fn read(text: &str) -> Option<(Self, &str)> {
        if let Some(comment) = text.strip_prefix("<!--") {
            let behind = comment.find("-->").map_or("", |end| &comment[end + 3..]);
            return Some((Self { name: String::new(), closes: false }, behind));
        }
        let inner = text[1..].strip_prefix('/').unwrap_or(&text[1..]);
        let closes = inner.len() < text.len() - 1;
        if !inner.starts_with(|first: char| first.is_ascii_alphabetic() || (!closes && matches!(first, '!' | '?'))) {
            return None;
        }
        let name: String = inner.chars().take_while(char::is_ascii_alphanumeric).collect();
        // The sign > may be within quotes. A tag without an end goes to the end, as in a browser.
        let mut quote = None;
        for (at, sign) in inner.char_indices() {
            match quote {
                Some(open) if sign == open => quote = None,
                Some(_) => {}
                None if sign == '>' => {
                    return Some((Self { name: name.to_ascii_lowercase(), closes }, &inner[at + 1..]));
                }
                None if matches!(sign, '"' | '\'') => quote = Some(sign),
                None => {}
            }
        }
        Some((Self { name: name.to_ascii_lowercase(), closes }, ""))
    }
}

/// What is behind the end of an element.
fn behind_end<'t>(name: &str, text: &'t str) -> &'t str {
    let mut from = 0;
    while let Some(at) = text[from..].find("</") {
        let inner = from + at + 2;
        if text[inner..].get(..name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name)) {
            return text[inner..].find('>').map_or("", |end| &text[inner + end + 1..]);
        }
        from = inner;
    }
    ""
}

/// Text whose white space is that of a page.
#[derive(Default)]
struct Text {
    shown: String,
    /// White space that is due before the next word.
    due: Option<char>,
}

impl Text {
    fn put(&mut self, source: &str) {
        for sign in decode_html_entities(source).chars() {
            if sign.is_whitespace() && sign != '\u{a0}' {
                self.due = self.due.or(Some(' '));
                continue;
            }
            if let (Some(due), false) = (self.due.take(), self.shown.is_empty()) {
                self.shown.push(due);
            }
            self.shown.push(sign);
        }
    }

    fn end_line(&mut self) {
        self.due = Some('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_what_a_browser_shows() {
        for (html, text) in [
            ("plain\n  as it is ", "plain\n  as it is "),
            ("<p>Hello <b>wor</b>ld &amp; co&eacute;</p>", "Hello world & coé"),
            ("<ul><li>one</li>\n<li>two  </li></ul>last", "one\ntwo\nlast"),
            ("a<br>b<BR/>c<hr class='x'>d", "a\nb\nc\nd"),
            ("before<script>if (a < b) { alert('<p>') }</script> after", "before after"),
            ("<style>p { color: red }</STYLE>x", "x"),
            ("x<!-- <p> hidden -->y", "xy"),
            ("a < b && b > c &lt;b&gt;", "a < b && b > c <b>"),
            ("I <3 you, </ 3", "I <3 you, </ 3"),
            (r#"<a title="a > b" href='x'>link</a>"#, "link"),
            ("<!DOCTYPE html><?xml?>text", "text"),
            ("cut <b", "cut"),
            ("cut <script>alert(1)", "cut"),
            ("cut <!-- here", "cut"),
            ("&#8364;&nbsp;5 &nosuch; &#x20ac;", "€\u{a0}5 &nosuch; €"),
            ("<é>", "<é>"),
        ] {
            assert_eq!(text_of(html), text, "{html}");
        }
    }

    /// Of texts so long that whoever reads them once for each of their parts does not come to an end.
    #[test]
    fn nothing_is_read_twice() {
        for part in ["<", "&", "<a '", "<a href=\"", "<script>", "</", "<!--", "<script></", "&amp;", "<p>"] {
            let html = part.repeat(16 * kernel::product::MAX_DESCRIPTION / part.len());
            assert!(text_of(&html).len() <= html.len());
        }
    }
}
