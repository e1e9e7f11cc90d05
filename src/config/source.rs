//! A file's text, and pieces of it for errors.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::error::{ConfigError, ConfigErrors, Place};
use super::located::Span;

/// A file that has been read.
#[derive(Debug)]
pub(super) struct Source {
    /// As the person named it.
    pub(super) file: String,
    pub(super) text: String,
}

impl Source {
    /// A text that stands for a file.
    pub(super) fn new(file: &str, text: &str) -> Self {
        Self {
            file: file.to_owned(),
            text: text.strip_prefix('\u{feff}').unwrap_or(text).to_owned(),
        }
    }

    /// Reads a file; the reasons it cannot be read get a remedy each.
    pub(super) fn read(path: &Path, what: &str) -> Result<Self, ConfigErrors> {
        let file = path.display().to_string();
        let bytes = fs::read(path).map_err(|e| unreadable(&file, what, &e))?;
        String::from_utf8(bytes)
            .map(|text| Self::new(&file, &text))
            .map_err(|e| not_utf8(&file, e.as_bytes(), e.utf8_error().valid_up_to()))
    }

    /// The place in this file, with its line.
    pub(super) fn place(&self, at: Span) -> Option<Place> {
        let source_line = self.text.lines().nth(at.line.checked_sub(1)?)?;
        Some(Place {
            line: at.line,
            column: at.column,
            length: at.length,
            source_line: source_line.to_owned(),
        })
    }

    /// An error at a place.
    pub(super) fn error(&self, at: Span, message: impl Into<String>) -> ConfigError {
        ConfigError {
            file: self.file.clone(),
            place: self.place(at),
            message: message.into(),
            hint: None,
            earlier: None,
        }
    }

    /// The text at a place: as long as the span, or one character.
    pub(super) fn token(&self, at: Span) -> String {
        let line = at.line.checked_sub(1).and_then(|n| self.text.lines().nth(n));
        let rest = line.unwrap_or_default().chars().skip(at.column.saturating_sub(1));
        rest.take(at.length.max(1)).collect::<String>().trim().to_owned()
    }

    /// Where the same key stands further up, at the same indentation.
    pub(super) fn same_key_above(&self, at: Span, key: &str) -> Option<Span> {
        let indent = at.column.checked_sub(1)?;
        let above: Vec<&str> = self.text.lines().take(at.line.checked_sub(1)?).collect();
        let is_key = |line: &&str| {
            let rest = line.char_indices().nth(indent).map_or("", |(i, _)| &line[i..]);
            rest.strip_prefix(key)
                .is_some_and(|after| after.trim_start().starts_with(':'))
        };
        let line = above.iter().rposition(is_key)? + 1;
        Some(Span { line, ..at })
    }

    /// Nothing but blank lines, comments and document markers.
    pub(super) fn is_blank(&self) -> bool {
        let says_nothing = |line: &str| line.is_empty() || line.starts_with('#') || line == "---";
        self.text.lines().map(str::trim).all(says_nothing)
    }

    /// The first line that is indented with a tab.
    pub(super) fn tab_indent(&self) -> Option<Span> {
        self.text.lines().enumerate().find_map(|(i, line)| {
            let indent = line.chars().take_while(|c| c.is_whitespace());
            let tab = indent.into_iter().position(|c| c == '\t')?;
            Some(Span {
                line: i + 1,
                column: tab + 1,
                length: 1,
            })
        })
    }
}

fn unreadable(file: &str, what: &str, error: &std::io::Error) -> ConfigErrors {
    let (message, hint) = match error.kind() {
        ErrorKind::NotFound => (
            format!("{what} `{file}` does not exist"),
            "check the path; it is taken from the current directory".to_owned(),
        ),
        ErrorKind::PermissionDenied => (
            format!("{what} `{file}` may not be read by this user"),
            format!("look at `ls -l {file}`"),
        ),
        ErrorKind::IsADirectory => (
            format!("{what} `{file}` is a directory"),
            "name a YAML file in it".to_owned(),
        ),
        _ => (
            format!("{what} `{file}` cannot be read: {error}"),
            "check the path".to_owned(),
        ),
    };
    ConfigErrors::one(ConfigError::whole_file(file, message, Some(hint)))
}

fn not_utf8(file: &str, bytes: &[u8], good: usize) -> ConfigErrors {
    let before = String::from_utf8_lossy(&bytes[..good]);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
    let source = Source::new(file, &String::from_utf8_lossy(bytes));
    let at = Span {
        line,
        column,
        length: 1,
    };
    let error = source.error(at, "the file is not UTF-8 from here on");
    ConfigErrors::one(error.with_hint("save it as UTF-8, for example with `iconv -f latin1 -t utf-8`"))
}
