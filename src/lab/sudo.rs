//! sudo, doas and su.

use crate::model::ExitStatus;

use super::context::Context;
use super::node::Sudo;
use super::shell::{program, run_line, run_words};

/// What sudo was asked for.
#[derive(Debug, Default)]
struct Options {
    non_interactive: bool,
    from_stdin: bool,
    prompt: Option<String>,
    validate: bool,
    words: Vec<String>,
}

fn parse(words: &[String]) -> Options {
    let mut options = Options::default();
    let mut rest = words[1..].iter();
    while let Some(word) = rest.next() {
        match word.as_str() {
            "--" => break,
            "-n" | "--non-interactive" => options.non_interactive = true,
            "-S" | "--stdin" => options.from_stdin = true,
            "-v" => options.validate = true,
            "-p" => options.prompt = rest.next().cloned(),
            "-u" => drop(rest.next()),
            other if other.starts_with("--prompt=") => {
                options.prompt = other.split_once('=').map(|(_, p)| p.to_owned());
            }
            other if other.starts_with('-') => {}
            _ => {
                options.words.push(word.clone());
                break;
            }
        }
    }
    options.words.extend(rest.cloned());
    options
}

/// Runs `sudo …`, `doas …` or `su … -c LINE`.
pub(super) async fn run(context: &mut Context, words: Vec<String>) -> ExitStatus {
    if program(&words[0]) == "su" {
        return su(context, &words).await;
    }
    let options = parse(&words);
    let sudo = context.node(|n| n.sudo);
    if let (false, Sudo::Password(password)) = (context.root, sudo)
        && let Some(refused) = authenticate(context, &options, password).await
    {
        return refused;
    }
    if options.validate {
        return ExitStatus::Code(0);
    }
    let before = std::mem::replace(&mut context.root, true);
    let status = run_words(context, options.words).await;
    context.root = before;
    status
}

/// `None` when the password was right.
async fn authenticate(context: &mut Context, options: &Options, password: &str) -> Option<ExitStatus> {
    let french = context.french();
    let required = if french {
        "il est nécessaire de saisir un mot de passe"
    } else {
        "a password is required"
    };
    if options.non_interactive {
        return Some(context.fail(1, format!("sudo: {required}")));
    }
    if !options.from_stdin {
        let terminal = if french {
            "un terminal est requis pour lire le mot de passe; utilisez soit l'option -S pour lire depuis l'entrée standard ou configurez un outil askpass de demande de mot de passe"
        } else {
            "a terminal is required to read the password; either use the -S option to read from standard input or configure an askpass helper"
        };
        return Some(context.fail(1, format!("sudo: {terminal}\nsudo: {required}")));
    }
    for attempt in 1..=3 {
        let prompt = prompt(context, options, french);
        context.err(prompt);
        let Some(line) = context.input_line().await else {
            return Some(no_more_input(context, attempt, french));
        };
        if line.trim_end_matches('\r') == password {
            return None;
        }
        context.pause(200).await;
        let retry = if french {
            "Désolé, essayez de nouveau."
        } else {
            "Sorry, try again."
        };
        if attempt < 3 {
            context.err(format!("{retry}\n"));
        }
    }
    let said = if french {
        "3 saisies de mots de passe incorrectes"
    } else {
        "3 incorrect password attempts"
    };
    Some(context.fail(1, format!("sudo: {said}")))
}

fn no_more_input(context: &mut Context, attempt: u32, french: bool) -> ExitStatus {
    let none = if french {
        "aucun mot de passe fourni"
    } else {
        "no password was provided"
    };
    let said = match (attempt, french) {
        (1, true) => "il est nécessaire de saisir un mot de passe",
        (1, false) => "a password is required",
        (_, true) => "1 saisie de mot de passe incorrecte",
        (_, false) => "1 incorrect password attempt",
    };
    context.fail(1, format!("\nsudo: {none}\nsudo: {said}"))
}

/// The caller's own prompt with its escapes, or the locale's (U+00A0 before the French colon).
fn prompt(context: &Context, options: &Options, french: bool) -> String {
    let template = match &options.prompt {
        Some(own) => own.as_str(),
        None if french => "[sudo] Mot de passe de %p\u{a0}: ",
        None => "[sudo] password for %p: ",
    };
    let escapes = [
        ("%p", context.user.as_str()),
        ("%u", context.user.as_str()),
        ("%h", context.host.as_str()),
    ];
    let named = escapes
        .iter()
        .fold(template.to_owned(), |text, (key, value)| text.replace(key, value));
    named.replace("%%", "%")
}

/// `su [-] root -c LINE`: wants root's password, which is the login user's here.
async fn su(context: &mut Context, words: &[String]) -> ExitStatus {
    let line = words
        .iter()
        .position(|w| w == "-c")
        .and_then(|at| words.get(at + 1))
        .cloned()
        .unwrap_or_default();
    if !context.root {
        let password = match context.node(|n| n.sudo) {
            Sudo::Password(password) => password,
            Sudo::NoPassword => "labpass",
        };
        context.err("Password: ");
        let given = context.input_line().await;
        if given.as_deref().map(|l| l.trim_end_matches('\r')) != Some(password) {
            return context.fail(1, "\nsu: Authentication failure");
        }
    }
    let before = std::mem::replace(&mut context.root, true);
    let status = run_line(context, &line).await;
    context.root = before;
    status
}
