//! Aligned columns without lines: they survive copying into a chat, and colour does not disturb their widths.

use super::style::{Style, Tone};
use super::text::width;

/// One cell: its words and how they look.
pub(super) type Cell = (String, Tone);

/// A cell without colour.
pub(super) fn cell(text: impl Into<String>) -> Cell {
    (text.into(), Tone::Plain)
}

/// The widest cell of each column.
pub(super) fn widths<'a>(rows: impl IntoIterator<Item = &'a [Cell]>) -> Vec<usize> {
    let mut widths = Vec::new();
    for row in rows {
        widths.resize(widths.len().max(row.len()), 0);
        for (slot, (text, _)) in widths.iter_mut().zip(row) {
            *slot = (*slot).max(width(text));
        }
    }
    widths
}

/// One row, indented by two; the last column is not padded.
pub(super) fn row(style: &Style, widths: &[usize], cells: &[Cell]) -> String {
    let mut line = " ".to_owned();
    for (number, (text, tone)) in cells.iter().enumerate() {
        line.push(' ');
        line.push_str(&style.paint(*tone, text));
        if number + 1 < cells.len() {
            let pad = widths.get(number).copied().unwrap_or(0).saturating_sub(width(text));
            line.push_str(&" ".repeat(pad + 1));
        }
    }
    line.trim_end().to_owned()
}
