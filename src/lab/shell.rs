//! The line of an exec request: simple commands joined by `&&`, `||` and `;`, prefixes peeled off until a program is left.

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::model::{ExitStatus, shell_words};

use super::commands;
use super::context::Context;
use super::sudo;

/// Runs a whole line.
pub(super) fn run_line<'a>(context: &'a mut Context, line: &'a str) -> BoxFuture<'a, ExitStatus> {
    async move {
        let mut status = ExitStatus::Code(0);
        for (joint, text) in parts(line) {
            let wanted = match joint {
                Joint::Always => true,
                Joint::And => status.success(),
                Joint::Or => !status.success(),
            };
            if !wanted || text.trim().is_empty() {
                continue;
            }
            let (text, mute) = redirections(&text);
            let Some(mut words) = shell_words::split(&text) else {
                return context.fail(2, "sh: 1: Syntax error: Unterminated quoted string");
            };
            for word in &mut words {
                expand(word, &status, context);
            }
            if words.iter().any(|w| matches!(w.as_str(), "|" | "&" | ">" | "<" | ">>")) {
                return context.fail(
                    2,
                    "sh: 1: Syntax error: this shell knows `&&`, `||` and `;`, no pipes and no files",
                );
            }
            if words.first().is_some_and(|w| w == "exit") {
                return words
                    .get(1)
                    .and_then(|w| w.parse().ok())
                    .map_or(status, ExitStatus::Code);
            }
            context.mute = mute;
            status = run_words(context, words).await;
            context.mute = (false, false);
        }
        status
    }
    .boxed()
}

/// `NAME=$?`, and `$NAME` as a whole word: all that a line of ours needs to end with an earlier command's word.
fn expand(word: &mut String, last: &ExitStatus, context: &Context) {
    let told = || match last {
        ExitStatus::Code(code) => code.to_string(),
        ExitStatus::Signal(_) => "143".to_owned(),
    };
    if let Some(start) = word.strip_suffix("$?").filter(|w| w.is_empty() || w.ends_with('=')) {
        *word = format!("{start}{}", told());
    } else if let Some(value) = word.strip_prefix('$').and_then(|name| context.environment.get(name)) {
        word.clone_from(value);
    }
}

/// Peels prefixes, then runs the program.
pub(super) fn run_words(context: &mut Context, mut words: Vec<String>) -> BoxFuture<'_, ExitStatus> {
    async move {
        loop {
            let Some(first) = words.first() else {
                return ExitStatus::Code(0);
            };
            match program(first) {
                "exec" | "command" | "nohup" => words = words.split_off(1),
                "env" => words = words.split_off(1 + env_options(&words)),
                _ if assignment(first).is_some() => assign(context, &mut words),
                "sudo" | "doas" | "su" => return sudo::run(context, words).await,
                "sh" | "bash" | "dash" if words.get(1).is_some_and(|w| w.starts_with('-') && w.ends_with('c')) => {
                    match shell_command(context, words).await {
                        Next::Done(status) => return status,
                        Next::Words(rest) => words = rest,
                    }
                }
                _ => return commands::dispatch(context, &words).await,
            }
        }
    }
    .boxed()
}

enum Next {
    Done(ExitStatus),
    Words(Vec<String>),
}

/// `sh -c TEXT [NAME ARGS…]`: our scripts and the begin wrapper by `$0`, anything else as a line.
async fn shell_command(context: &mut Context, words: Vec<String>) -> Next {
    let name = words.get(3).map_or("", String::as_str);
    if let Some(script) = name.strip_prefix("certfleet:") {
        return Next::Done(commands::script(context, script, &words[4..]).await);
    }
    if matches!(name, "certfleet-begin" | "certfleet-su") {
        let mark = format!("{}\n", words.get(4).map_or("", String::as_str));
        if name == "certfleet-begin" {
            context.out(mark);
        } else {
            context.err(mark);
        }
        return Next::Words(words.get(5..).unwrap_or_default().to_vec());
    }
    let text = words.get(2).cloned().unwrap_or_default();
    Next::Done(run_line(context, &text).await)
}

/// The last part of a path: `/usr/bin/kubeadm` is `kubeadm`.
pub(super) fn program(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

fn env_options(words: &[String]) -> usize {
    words[1..].iter().take_while(|w| *w == "-i" || *w == "--").count()
}

fn assignment(word: &str) -> Option<(&str, &str)> {
    let (key, value) = word.split_once('=')?;
    let named = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    named.then_some((key, value))
}

fn assign(context: &mut Context, words: &mut Vec<String>) {
    let first = words.remove(0);
    if let Some((key, value)) = assignment(&first) {
        context.environment.insert(key.to_owned(), value.to_owned());
    }
}

/// How a command hangs on the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Joint {
    Always,
    And,
    Or,
}

/// Cuts a line at `;`, `&&`, `||` and newlines outside of quotes.
fn parts(line: &str) -> Vec<(Joint, String)> {
    let mut found = vec![(Joint::Always, String::new())];
    let mut quote = None;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        let next = chars.peek().copied();
        let cut = match (quote, c, next) {
            (None, ';' | '\n', _) => Some((Joint::Always, 0)),
            (None, '&', Some('&')) => Some((Joint::And, 1)),
            (None, '|', Some('|')) => Some((Joint::Or, 1)),
            _ => None,
        };
        if let Some((joint, skip)) = cut {
            chars.by_ref().take(skip).for_each(drop);
            found.push((joint, String::new()));
            continue;
        }
        quote = match (quote, c) {
            (None, '\'' | '"') => Some(c),
            (Some(open), c) if open == c => None,
            (same, _) => same,
        };
        let Some((_, text)) = found.last_mut() else { continue };
        text.push(c);
        if c == '\\' && quote != Some('\'') {
            text.extend(chars.next());
        }
    }
    found
}

/// Takes the redirections that people type off the end.
fn redirections(text: &str) -> (String, (bool, bool)) {
    let mut text = text.trim().to_owned();
    let mut mute = (false, false);
    loop {
        let endings = [
            ("2>/dev/null", (false, true)),
            (">/dev/null", (true, false)),
            ("2>&1", (false, false)),
        ];
        let Some((ending, what)) = endings.into_iter().find(|(e, _)| text.ends_with(e)) else {
            return (text, mute);
        };
        text.truncate(text.len() - ending.len());
        text = text.trim_end().to_owned();
        mute = (mute.0 || what.0, mute.1 || what.1);
    }
}
