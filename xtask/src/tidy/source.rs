//! Rust source without its prose: comments and literals blanked out, lines kept. Rules that look for
//! code in this text are not misled by braces or words inside strings.

/// A copy in which comments, strings and character literals are spaces.
pub(crate) fn code_only(source: &str) -> String {
    let mut blanker = Blanker { rest: source, code: String::with_capacity(source.len()) };
    while let Some(first) = blanker.rest.chars().next() {
        blanker.token(first);
    }
    blanker.code
}

/// Everything before the file's own tests, which are at its end.
pub(crate) fn production(code: &str) -> &str {
    let mut offset = 0;
    let mut marked_at = None;
    for line in code.split_inclusive('\n') {
        let trimmed = line.trim();
        match marked_at {
            Some(start) if trimmed.starts_with("mod ") && trimmed.ends_with('{') => {
                return &code[..start];
            }
            Some(_) if trimmed.starts_with("#[") => {}
            _ => marked_at = None,
        }
        if trimmed == "#[cfg(test)]" {
            marked_at = Some(offset);
        }
        offset += line.len();
    }
    code
}

struct Blanker<'a> {
    rest: &'a str,
    code: String,
}

impl Blanker<'_> {
    fn token(&mut self, first: char) {
        let rest = self.rest;
        if rest.starts_with("//") {
            self.blank(rest.find('\n').unwrap_or(rest.len()));
        } else if rest.starts_with("/*") {
            self.blank(comment_length(rest));
        } else if let Some(length) = raw_string_length(rest) {
            self.blank(length);
        } else if first == '"' {
            self.blank(string_length(rest));
        } else if let Some(length) = character_length(rest) {
            self.blank(length);
        } else if first.is_alphanumeric() || first == '_' {
            // A whole word at once, so that the end of one is not taken for the prefix of a string.
            let inside = |character: char| character.is_alphanumeric() || character == '_';
            self.keep(rest.find(|character| !inside(character)).unwrap_or(rest.len()));
        } else {
            self.keep(first.len_utf8());
        }
    }

    fn keep(&mut self, length: usize) {
        let (kept, rest) = self.rest.split_at(length);
        self.code.push_str(kept);
        self.rest = rest;
    }

    fn blank(&mut self, length: usize) {
        let (gone, rest) = self.rest.split_at(length);
        self.code.extend(gone.chars().map(|character| if character == '\n' { '\n' } else { ' ' }));
        self.rest = rest;
    }
}

/// Block comments nest.
fn comment_length(rest: &str) -> usize {
    let (mut depth, mut at) = (0usize, 0);
    while at < rest.len() {
        let here = &rest[at..];
        if here.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += here.chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// `r"…"`, `r#"…"#`, with `b` or `c` before it.
fn raw_string_length(rest: &str) -> Option<usize> {
    let after_prefix = rest.strip_prefix(['b', 'c']).unwrap_or(rest).strip_prefix('r')?;
    let text = after_prefix.trim_start_matches('#');
    let hashes = after_prefix.len() - text.len();
    let body = text.strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let end = body.find(&close).map_or(body.len(), |found| found + close.len());
    Some(rest.len() - body.len() + end)
}

fn string_length(rest: &str) -> usize {
    let mut escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// `'x'` or `'\n'`, but not a lifetime.
fn character_length(rest: &str) -> Option<usize> {
    let body = rest.strip_prefix('\'')?;
    if let Some(escape) = body.strip_prefix('\\') {
        // The first character after the backslash may itself be a quote.
        let skipped = escape.chars().next()?.len_utf8();
        let end = escape[skipped..].find('\'')?;
        return Some(2 + skipped + end + 1);
    }
    let character = body.chars().next()?;
    body[character.len_utf8()..].starts_with('\'').then(|| 1 + character.len_utf8() + 1)
}
