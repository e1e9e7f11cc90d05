//! What is wrong with a file: where, the line itself, and what to do about it.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::Serialize;

/// One thing to correct in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfigError {
    /// As the person named it.
    pub file: String,
    /// `None` when the whole file is meant.
    pub place: Option<Place>,
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    /// Where the other of two conflicting entries stands.
    pub earlier: Option<Place>,
}

/// A place and its line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// 1-based.
    pub line: usize,
    /// 1-based, in characters.
    pub column: usize,
    /// In characters; 0 = only the start is known.
    pub length: usize,
    pub source_line: String,
}

/// Everything that is wrong with a file, in the order of its lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfigErrors(pub Vec<ConfigError>);

/// How errors are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorStyle {
    /// Text only.
    Plain,
    /// With ANSI colours.
    Coloured,
}

impl ConfigError {
    /// An error about the file itself.
    pub(super) fn whole_file(file: &str, message: String, hint: Option<String>) -> Self {
        Self {
            file: file.to_owned(),
            place: None,
            message,
            hint,
            earlier: None,
        }
    }

    /// The same with a remedy.
    #[must_use]
    pub(super) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// As a compiler shows it: message, place, line, marker, help.
    pub fn render(&self, style: ErrorStyle) -> String {
        let renderer = match style {
            ErrorStyle::Plain => Renderer::plain(),
            ErrorStyle::Coloured => Renderer::styled(),
        };
        renderer.render(&[self.group()])
    }

    fn group(&self) -> Group<'_> {
        let mut group = Level::ERROR.primary_title(self.message.as_str()).elements(
            self.place
                .iter()
                .map(|p| p.snippet(&self.file, AnnotationKind::Primary, None)),
        );
        if let Some(earlier) = &self.earlier {
            group = group.element(earlier.snippet(&self.file, AnnotationKind::Context, Some("first here")));
        }
        match &self.hint {
            Some(hint) => group.element(Level::HELP.message(hint.as_str())),
            None => group,
        }
    }
}

impl Place {
    fn snippet<'a>(
        &'a self,
        file: &'a str,
        kind: AnnotationKind,
        label: Option<&'a str>,
    ) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
        Snippet::source(self.source_line.as_str())
            .line_start(self.line)
            .path(file)
            .annotation(kind.span(self.bytes()).label(label))
    }

    /// The marked bytes of the line; never past its end.
    fn bytes(&self) -> Range<usize> {
        let offset = |chars: usize| {
            let mut starts = self.source_line.char_indices().map(|(i, _)| i);
            starts.nth(chars).unwrap_or(self.source_line.len())
        };
        let first = self.column.saturating_sub(1);
        offset(first)..offset(first + self.length.max(1))
    }
}

impl ConfigErrors {
    /// A single error.
    pub(super) fn one(error: ConfigError) -> Self {
        Self(vec![error])
    }

    /// All errors, one blank line between them.
    pub fn render(&self, style: ErrorStyle) -> String {
        let each: Vec<String> = self.0.iter().map(|e| e.render(style)).collect();
        each.join("\n\n")
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(ErrorStyle::Plain))
    }
}

impl std::error::Error for ConfigErrors {}

/// `Ok` without errors, else all of them in the order of the file.
pub(super) fn finish<T>(value: T, mut errors: Vec<ConfigError>) -> Result<T, ConfigErrors> {
    if errors.is_empty() {
        return Ok(value);
    }
    errors.sort_by_key(|e| e.place.as_ref().map_or((0, 0), |p| (p.line, p.column)));
    Err(ConfigErrors(errors))
}
