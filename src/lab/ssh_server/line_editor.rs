//! Keys to lines: the little that a terminal driver and a shell do for a person.

/// Interrupt.
pub(super) const CTRL_C: u8 = 0x03;
/// End of input.
pub(super) const CTRL_D: u8 = 0x04;
const BACKSPACE: u8 = 0x08;
const CTRL_U: u8 = 0x15;
const ESCAPE: u8 = 0x1b;
const DELETE: u8 = 0x7f;

/// What came of the keys so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Typed {
    Line(String),
    /// ^C: the line is thrown away.
    Interrupt,
    /// ^D on an empty line, or the end of the stream.
    End,
}

/// Where in a key's escape sequence (an arrow key) we are; they are swallowed.
#[derive(Debug, Default, PartialEq, Eq)]
enum Sequence {
    #[default]
    None,
    Escape,
    Parameters,
}

/// The line being typed.
#[derive(Debug, Default)]
pub(super) struct LineEditor {
    terminal: bool,
    line: Vec<u8>,
    sequence: Sequence,
}

impl LineEditor {
    /// Without a terminal only newlines have a meaning.
    pub(super) fn new(terminal: bool) -> Self {
        Self {
            terminal,
            ..Self::default()
        }
    }

    /// Takes one byte; what the person shall see of it is appended to `echo`.
    pub(super) fn push(&mut self, byte: u8, echo: &mut Vec<u8>) -> Option<Typed> {
        if self.terminal {
            return self.press(byte, echo);
        }
        if byte == b'\n' {
            return Some(Typed::Line(self.take()));
        }
        self.line.push(byte);
        None
    }

    /// The end of the stream; a line without a newline counts.
    pub(super) fn end(&mut self) -> Typed {
        if self.line.is_empty() {
            return Typed::End;
        }
        Typed::Line(self.take())
    }

    fn press(&mut self, byte: u8, echo: &mut Vec<u8>) -> Option<Typed> {
        if self.swallow(byte) {
            return None;
        }
        match byte {
            b'\r' | b'\n' => {
                echo.push(b'\n');
                return Some(Typed::Line(self.take()));
            }
            CTRL_C => {
                echo.extend_from_slice(b"^C\n");
                self.line.clear();
                return Some(Typed::Interrupt);
            }
            CTRL_D if self.line.is_empty() => return Some(Typed::End),
            BACKSPACE | DELETE => self.rub_out(echo),
            CTRL_U => {
                while !self.line.is_empty() {
                    self.rub_out(echo);
                }
            }
            byte if byte < b' ' => {}
            byte => {
                self.line.push(byte);
                echo.push(byte);
            }
        }
        None
    }

    /// Whether the byte belongs to an escape sequence: `ESC [ parameters letter`, or `ESC` and one more.
    fn swallow(&mut self, byte: u8) -> bool {
        let next = match (&self.sequence, byte) {
            (Sequence::None, ESCAPE) => Sequence::Escape,
            (Sequence::None, _) => return false,
            (Sequence::Escape, b'[' | b'O') | (Sequence::Parameters, 0x20..=0x3f) => Sequence::Parameters,
            _ => Sequence::None,
        };
        self.sequence = next;
        true
    }

    /// Removes the last character, all its bytes.
    fn rub_out(&mut self, echo: &mut Vec<u8>) {
        while let Some(byte) = self.line.pop() {
            let continuation = byte & 0b1100_0000 == 0b1000_0000;
            if !continuation {
                echo.extend_from_slice(b"\x08 \x08");
                return;
            }
        }
    }

    fn take(&mut self) -> String {
        let line = String::from_utf8_lossy(&self.line).into_owned();
        self.line.clear();
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn type_keys(keys: &str) -> (Vec<Typed>, String) {
        let (mut editor, mut echo) = (LineEditor::new(true), Vec::new());
        let typed = keys.bytes().filter_map(|b| editor.push(b, &mut echo)).collect();
        (typed, String::from_utf8(echo).expect("echo is text"))
    }

    #[test]
    fn keys_become_lines() {
        let line = |text: &str| vec![Typed::Line(text.to_owned())];
        assert_eq!(type_keys("ls\r"), (line("ls"), "ls\n".to_owned()));
        assert_eq!(
            type_keys("é\x7fa\x08b\r").0,
            line("b"),
            "backspace removes whole characters"
        );
        assert_eq!(type_keys("wrong\x15ok\r").0, line("ok"), "^U clears the line");
        assert_eq!(
            type_keys("a\x1b[1;5Ab\x1bOAc\tk\r").0,
            line("abck"),
            "arrow keys and tab are swallowed"
        );
        assert_eq!(type_keys("rm\x03"), (vec![Typed::Interrupt], "rm^C\n".to_owned()));
        assert_eq!(type_keys("x\x04\r").0, line("x"), "^D counts on an empty line only");
        assert_eq!(type_keys("\x04").0, [Typed::End]);
        assert_eq!(type_keys("\x7f").1, "", "nothing to remove");
    }

    #[test]
    fn without_a_terminal_bytes_stay_as_they_are() {
        let (mut editor, mut echo) = (LineEditor::new(false), Vec::new());
        let typed: Vec<_> = b"a\x08b\nlast"
            .iter()
            .filter_map(|b| editor.push(*b, &mut echo))
            .collect();
        assert_eq!(typed, [Typed::Line("a\u{8}b".to_owned())]);
        assert_eq!(editor.end(), Typed::Line("last".to_owned()));
        assert_eq!((editor.end(), echo), (Typed::End, Vec::new()));
    }
}
