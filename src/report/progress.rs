//! The live reporter for a terminal: facts scroll by above a region of fixed height that shows the present.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;

use crate::event::{Event, EventKind, RunState};

use super::held::Outcomes;
use super::narrator::{Fact, Narrator};
use super::progress_view::{self, HOST_LINES, InFlight};
use super::style::{Style, Tone};
use super::text::wrap;

/// Often enough to look alive, seldom enough for a slow line.
const TICK: Duration = Duration::from_millis(200);

/// Columns before the text of a fact: time and word.
const MARGIN: usize = 20;

/// Shows a run on a terminal. Writing errors are ignored: a closed terminal neither ends nor disturbs the run.
#[derive(Debug)]
pub struct Progress {
    multi: MultiProgress,
    head: ProgressBar,
    hosts: Vec<ProgressBar>,
    state: RunState,
    flight: InFlight,
    narrator: Narrator,
    pending: Outcomes,
    style: Style,
}

impl Progress {
    /// On standard error, so that standard output stays clean for what is asked for.
    pub fn stderr(style: Style) -> Self {
        Self::new(ProgressDrawTarget::stderr(), style)
    }

    /// On any target; indicatif itself draws nothing when the target is not a terminal.
    pub fn new(target: ProgressDrawTarget, style: Style) -> Self {
        let multi = MultiProgress::with_draw_target(target);
        let head = multi.add(ProgressBar::new_spinner().with_style(head_style(&style)));
        head.enable_steady_tick(TICK);
        Self {
            multi,
            head,
            hosts: Vec::new(),
            state: RunState::default(),
            flight: InFlight::new(),
            narrator: Narrator::default(),
            pending: Outcomes::default(),
            style,
        }
    }

    /// Takes in one event and redraws.
    pub fn event(&mut self, event: &Event) {
        self.state.apply(event);
        self.track(event);
        let fact = self.narrator.tell(event);
        match (&event.kind, fact) {
            (EventKind::RunStarted { hosts, .. }, fact) => {
                self.grow(hosts.len().min(HOST_LINES));
                self.print(event.at, fact);
            }
            (EventKind::StepFinished { outcome, .. }, _) if outcome.is_good() => {}
            // The region shows what is waited for; a gate that failed says it again.
            (EventKind::GateProgress { .. } | EventKind::PhaseFinished { .. }, _) => self.flush(event.at),
            (_, Some(fact)) => {
                self.flush(event.at);
                self.print(event.at, Some(fact));
            }
            (_, None) => {}
        }
        self.draw();
        if matches!(event.kind, EventKind::RunFinished { .. }) {
            self.finish();
        }
    }

    /// A line above the region.
    pub fn println(&self, text: &str) {
        // Hidden targets swallow lines, which is right: then nobody reads them.
        let _ = self.multi.println(text);
    }

    /// Runs `write` while the region is cleared: for a question, or for a logger with its own writer. (Not indicatif's
    /// own `suspend`: that panics on a terminal that can no longer be written to.)
    pub fn suspend<R>(&self, write: impl FnOnce() -> R) -> R {
        self.head.disable_steady_tick();
        let _ = self.multi.clear();
        let result = write();
        self.head.tick();
        self.head.enable_steady_tick(TICK);
        result
    }

    /// Takes the region off the screen; what scrolled by stays.
    pub fn finish(&mut self) {
        self.head.finish_and_clear();
        for bar in self.hosts.drain(..) {
            bar.finish_and_clear();
        }
        let _ = self.multi.clear();
    }

    fn grow(&mut self, lines: usize) {
        while self.hosts.len() < lines {
            let bar = ProgressBar::new_spinner().with_style(line_style());
            self.hosts.push(self.multi.add(bar));
        }
    }

    fn track(&mut self, event: &Event) {
        match &event.kind {
            EventKind::StepStarted { host, title, .. } => {
                self.flight.insert(host.clone(), (event.at, title.clone()));
            }
            EventKind::StepFinished {
                step,
                host,
                outcome,
                elapsed,
                ..
            } => {
                self.flight.remove(host);
                if outcome.is_good() {
                    let title = self.narrator.title(step);
                    self.pending.add(event.at, title, host, outcome, *elapsed);
                }
            }
            _ => {}
        }
    }

    /// Says the good outcomes, equal ones once for all their hosts.
    fn flush(&mut self, at: Timestamp) {
        for fact in self.pending.take() {
            self.print(at, Some(fact));
        }
    }

    fn print(&self, at: Timestamp, fact: Option<Fact>) {
        let Some(fact) = fact else { return };
        let time = self.style.paint(Tone::Quiet, &at.strftime("%H:%M:%S").to_string());
        let word = self.style.paint(fact.tone, &format!("{:<10}", fact.word));
        let room = self.style.width.saturating_sub(MARGIN).max(30);
        for (number, line) in wrap(&fact.text, room).iter().enumerate() {
            match number {
                0 => self.println(&format!("{time} {word} {line}")),
                _ => self.println(&format!("{:MARGIN$}{line}", "")),
            }
        }
        for line in &fact.more {
            self.println(&format!("{:MARGIN$}| {line}", ""));
        }
    }

    fn draw(&self) {
        self.head.set_message(progress_view::head(&self.state, &self.style));
        let lines = progress_view::hosts(&self.state, &self.flight, self.hosts.len(), &self.style);
        for (bar, line) in self.hosts.iter().zip(lines) {
            bar.set_message(line);
        }
    }
}

/// However a run ends, no half-drawn region stays behind.
impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

fn head_style(style: &Style) -> ProgressStyle {
    let ticks = style.pick("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ ", r"-\|/ ");
    template("{spinner} {wide_msg} {elapsed}").tick_chars(ticks)
}

fn line_style() -> ProgressStyle {
    template("{wide_msg}")
}

/// Our templates are constants that a test draws; a wrong one would only lose its looks.
fn template(text: &str) -> ProgressStyle {
    ProgressStyle::with_template(text).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixtures;

    #[derive(Debug, Clone, Default)]
    struct Screen(std::sync::Arc<std::sync::Mutex<Vec<String>>>);

    impl indicatif::TermLike for Screen {
        fn width(&self) -> u16 {
            100
        }
        fn move_cursor_up(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }
        fn write_line(&self, s: &str) -> std::io::Result<()> {
            self.0.lock().unwrap().push(s.to_owned());
            Ok(())
        }
        fn write_str(&self, s: &str) -> std::io::Result<()> {
            self.write_line(s)
        }
        fn clear_line(&self) -> std::io::Result<()> {
            Ok(())
        }
        fn flush(&self) -> std::io::Result<()> {
            // A terminal whose window was closed.
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
    }

    #[test]
    fn facts_are_folded_and_a_closed_terminal_is_survived() {
        let screen = Screen::default();
        let target = ProgressDrawTarget::term_like(Box::new(screen.clone()));
        let mut progress = Progress::new(target, Style::plain(100));
        for e in &fixtures::succeeded() {
            progress.event(e);
        }
        let seen = screen.0.lock().unwrap().join("\n");
        assert!(seen.contains("m1, m2, m3 renew 10 certificates: "), "{seen}");
        assert!(seen.contains("proven"), "{seen}");
        assert_eq!(progress.suspend(|| 7), 7);
    }
}
