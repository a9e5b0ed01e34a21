//! The parts of HTML that all pages share: escapes, head, style.

use std::fmt::Write;

/// Text as text.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    push_escaped(&mut escaped, text);
    escaped
}

/// Appends text as text. What no page may hold (controls) becomes a mark.
pub(super) fn push_escaped(page: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '<' => page.push_str("&lt;"),
            '>' => page.push_str("&gt;"),
            '&' => page.push_str("&amp;"),
            '"' => page.push_str("&quot;"),
            '\'' => page.push_str("&#39;"),
            '\n' | '\t' => page.push(c),
            c if c.is_control() => page.push('\u{fffd}'),
            c => page.push(c),
        }
    }
}

/// A path as a link: what means something in a link is written as a number.
pub(super) fn url(path: &str) -> String {
    let mut url = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            let _ = write!(url, "%{byte:02X}");
        }
    }
    url
}

/// From a page back to the top: `../` for each folder of its path.
pub(super) fn to_top(path: &str) -> String {
    "../".repeat(path.matches('/').count())
}

/// Everything around what a page says. `top` leads from the page to the top.
pub(super) fn page(top: &str, title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{title}</title>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <link rel=\"stylesheet\" href=\"{top}style.css\">\n</head>\n<body>\n\
         <nav><a class=\"home\" href=\"{top}index.html\">rust-source</a><span>{title}</span></nav>\n\
         <main>\n{body}</main>\n</body>\n</html>\n"
    )
}

/// The style of all pages.
pub(super) const STYLE: &str = include_str!("style.css");
/// The search of the index.
pub(super) const SEARCH: &str = include_str!("search_box.js");
