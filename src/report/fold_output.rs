//! The answers of many hosts to one command: equal answers are shown once.

use crate::model::{ExitStatus, HostName};

use super::fold::{hosts_and_count, natural_order};
use super::style::{Style, Tone};
use super::text::{Page, clean};

/// What one host answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostOutput {
    pub host: HostName,
    /// How the command ended, or why there is no answer (unreachable, timed out), one sentence.
    pub status: Result<ExitStatus, String>,
    pub stdout: String,
    pub stderr: String,
}

/// What makes two answers equal.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: Result<ExitStatus, String>,
    stdout: String,
    stderr: String,
}

/// Largest group first, failures last and marked, since the end of a long text is what stays on the screen.
pub fn fold_output(outputs: &[HostOutput], style: &Style) -> String {
    let mut groups: Vec<(Answer, Vec<HostName>)> = Vec::new();
    for output in outputs {
        let answer = normalise(output);
        match groups.iter_mut().find(|(a, _)| *a == answer) {
            Some((_, hosts)) => hosts.push(output.host.clone()),
            None => groups.push((answer, vec![output.host.clone()])),
        }
    }
    groups.sort_by(|(a, x), (b, y)| {
        let first = |hosts: &[HostName]| hosts.first().map(|h| h.as_str().to_owned()).unwrap_or_default();
        let size = y.len().cmp(&x.len());
        rank(a)
            .cmp(&rank(b))
            .then(size)
            .then_with(|| natural_order(&first(x), &first(y)))
    });
    let mut page = Page::new(style);
    for (answer, hosts) in &groups {
        group(&mut page, answer, hosts);
    }
    page.finish()
}

/// Success, then failure, then no answer at all.
fn rank(answer: &Answer) -> u8 {
    match &answer.status {
        Ok(status) if status.success() => 0,
        Ok(_) => 1,
        Err(_) => 2,
    }
}

/// Blanks at line ends and empty lines at the end do not make a difference.
fn normalise(output: &HostOutput) -> Answer {
    let tidy = |text: &str| {
        let lines: Vec<String> = clean(text).lines().map(|l| l.trim_end().to_owned()).collect();
        lines.join("\n").trim_end().to_owned()
    };
    Answer {
        status: output.status.clone(),
        stdout: tidy(&output.stdout),
        stderr: tidy(&output.stderr),
    }
}

fn group(page: &mut Page<'_>, answer: &Answer, hosts: &[HostName]) {
    let (words, tone) = match &answer.status {
        Ok(status) if status.success() => ("exit 0".to_owned(), Tone::Good),
        Ok(ExitStatus::Code(code)) => (format!("FAILED, exit {code}"), Tone::Bad),
        Ok(killed) => (format!("FAILED, {killed}"), Tone::Bad),
        Err(why) => (format!("NO ANSWER, {}", clean(why)), Tone::Bad),
    };
    let silent = answer.stdout.is_empty() && answer.stderr.is_empty() && answer.status.is_ok();
    let silence = if silent { ", no output" } else { "" };
    let who = page.style.paint(Tone::Host, &hosts_and_count(hosts));
    let words = page.style.paint(tone, &words);
    page.line(&format!("{who}: {words}{silence}"));
    stream(page, "  ", &answer.stdout);
    stream(page, "  stderr: ", &answer.stderr);
}

fn stream(page: &mut Page<'_>, prefix: &str, text: &str) {
    let head = page.style.paint(Tone::Quiet, prefix);
    for line in text.lines() {
        page.line(&format!("{head}{line}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(host: &str, code: u32, stdout: &str, stderr: &str) -> HostOutput {
        HostOutput {
            host: HostName::from(host),
            status: Ok(ExitStatus::Code(code)),
            stdout: stdout.to_owned(),
            stderr: stderr.to_owned(),
        }
    }

    #[test]
    fn equal_answers_are_shown_once_and_failures_last() {
        let mut outputs = vec![said("m1", 3, "inactive\n", "unit \u{1b}[1mis gone\n")];
        outputs.extend((1..=5).map(|n| said(&format!("worker0{n}"), 0, "active  \r\n\n", "")));
        outputs.push(said("m2", 0, "", ""));
        outputs.push(HostOutput {
            status: Err("connection refused at m3:22".to_owned()),
            ..said("m3", 0, "", "")
        });
        insta::assert_snapshot!(fold_output(&outputs, &Style::plain(80)));
    }
}
