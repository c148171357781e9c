//! The page around the contents: escaping, sections, style.

pub(super) use super::palette::{BLUE, PURPLE, VERMILION};

const STYLE: &str = include_str!("style.css");

/// A text with the characters that mean something in HTML replaced.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            other => escaped.push(other),
        }
    }
    escaped
}

/// The whole document around `body`, which is HTML already.
pub(super) fn page(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )
}

/// The heading of the page.
pub(super) fn header(title: &str, hardware: &str) -> String {
    let hardware = hardware.trim();
    let hardware = if hardware.is_empty() { String::new() } else { format!("<p>{}</p>\n", escape(hardware)) };
    format!("<header>\n<h1>{}</h1>\n{hardware}</header>\n", escape(title))
}

/// A section under a heading; nothing if there is no content.
pub(super) fn section(heading: &str, content: &str) -> String {
    if content.is_empty() {
        return String::new();
    }
    format!("<section>\n<h2>{heading}</h2>\n{content}</section>\n")
}

/// A text shown as it is.
pub(super) fn listing(text: &str) -> String {
    if text.trim().is_empty() { String::new() } else { format!("<pre>{}</pre>\n", escape(text.trim_end())) }
}

/// A coloured square with a word beside it.
pub(super) fn swatch(colour: [u8; 3], words: &str) -> String {
    format!("<span class=\"key\"><i style=\"background:{}\"></i>{}</span>", hex(colour), escape(words))
}

fn hex([r, g, b]: [u8; 3]) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped() {
        assert_eq!(escape(r#"<a href="x">'&'</a>"#), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;");
        assert_eq!(listing(" \n"), "");
        assert_eq!(
            swatch([0, 255, 16], "<"),
            "<span class=\"key\"><i style=\"background:#00ff10\"></i>&lt;</span>"
        );
    }
}
