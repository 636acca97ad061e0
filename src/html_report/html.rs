//! Text that becomes part of a page: nothing that somebody else chose, such as a file's name, can become more than text there.

use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::thumbnail::base64;
use crate::text::one_line;

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The whole page: `title` is plain text, `main` is HTML, and `data` is what the script reads.
pub(super) fn page(title: &str, main: &str, data: &Value) -> String {
    // A browser reads no other line ends, and the hashes are of what it reads.
    let [template, style, script] = [TEMPLATE, STYLE, SCRIPT].map(|text| text.replace("\r\n", "\n"));
    let policy = format!(
        "default-src 'none'; img-src data:; style-src '{}'; script-src '{}'; base-uri 'none'; form-action 'none'",
        hash(&style),
        hash(&script)
    );
    let data = json(data);
    let value = |name: &str| match name {
        "policy" => policy.clone(),
        "title" => text(title),
        "style" => style.clone(),
        "main" => main.to_owned(),
        "data" => data.clone(),
        _ => script.clone(),
    };
    let mut page = String::with_capacity(main.len() + data.len() + (1 << 16));
    let mut rest = &template[..];
    while let Some((before, (name, after))) = rest.split_once("{{").and_then(|(a, b)| Some((a, b.split_once("}}")?))) {
        page.push_str(before);
        page.push_str(&value(name));
        rest = after;
    }
    page.push_str(rest);
    page
}

/// What a content security policy calls an inline style or script by.
fn hash(content: &str) -> String {
    format!("sha256-{}", base64(&Sha256::digest(content)))
}

/// Plain text as HTML, in one line; fit for an attribute in double quotes, too.
pub(super) fn text(plain: &str) -> String {
    let mut html = String::with_capacity(plain.len());
    for character in one_line(plain).to_string().chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
    }
    html
}

/// A path as it is shown everywhere, still as plain text.
pub(super) fn shown(path: &str) -> String {
    crate::text::display_path(Path::new(path)).to_string()
}

/// JSON that cannot end the script element that it stands in, nor begin a comment there.
fn json(value: &Value) -> String {
    // Outside of strings JSON has no such character.
    value.to_string().replace('<', "\\u003c")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_text() {
        assert_eq!(text("<script>alert(1)</script>.jpg"), "&lt;script&gt;alert(1)&lt;/script&gt;.jpg");
        assert_eq!(text("a\"b'c&amp;\n"), "a&quot;b&#39;c&amp;amp;\\n");
    }

    #[test]
    fn data_cannot_end_its_script() {
        let hostile = ["</script><script>alert(1)</script>", "<!--", "]]>"];

        let page = page("</title>{{main}}", "<p>{{data}}</p>", &serde_json::json!(hostile));

        assert_eq!(page.matches("<script").count(), 2, "the data and ours");
        assert_eq!(page.matches("</script>").count(), 2);
        assert!(page.contains("<title>&lt;/title&gt;{{main}}"), "what was filled in is not filled again");
        assert!(page.contains("<p>{{data}}</p>"));
        let data = page.split_once("type=\"application/json\">").and_then(|(_, rest)| rest.split_once("</script>"));
        let read: Vec<String> = serde_json::from_str(data.expect("a script").0).expect("JSON");
        assert_eq!(read, hostile);
    }
}
