//! The words that start a command once more, for the hosts that it left behind: what decides the plan, without what decides
//! where, how it is told and who agrees.

use std::path::Path;

use clap::ValueEnum;

use crate::cli::args::{Commands, RenewArgs, RunOptions, StrategyChoice};
use crate::config::builtin_playbooks;
use crate::model::{duration, shell_words};

/// For the commands that follow a playbook; none for others.
pub(super) fn words(command: &Commands) -> Option<String> {
    let (mut words, options) = match command {
        Commands::Renew(args) => (of_renewal(args), &args.options),
        Commands::Restart(args) => (with_playbook("restart", args.playbook.as_deref()), &args.options),
        Commands::Run(args) => {
            let mut words = vec!["run".to_owned(), place(&args.playbook)];
            words.extend(args.force.then(|| "--force".to_owned()));
            (words, &args.options)
        }
        _ => return None,
    };
    words.extend(pace(options));
    let line = shell_words::join(words.iter().map(String::as_str));
    Some(format!("certfleet {line}"))
}

fn of_renewal(args: &RenewArgs) -> Vec<String> {
    let mut words = with_playbook("renew", args.playbook.as_deref());
    let asked = Some(args.strategy).filter(|s| *s != StrategyChoice::Auto);
    if let Some(order) = asked.and_then(|s| s.to_possible_value()) {
        words.extend(["--strategy".to_owned(), order.get_name().to_owned()]);
    }
    let flags = [(args.force, "--force"), (args.drain, "--drain")];
    words.extend(flags.iter().filter(|(on, _)| *on).map(|(_, flag)| (*flag).to_owned()));
    words
}

fn with_playbook(verb: &str, playbook: Option<&str>) -> Vec<String> {
    let named = playbook.map(|p| ["--playbook".to_owned(), place(p)]);
    std::iter::once(verb.to_owned())
        .chain(named.into_iter().flatten())
        .collect()
}

/// A file by its whole path: whoever goes on may stand elsewhere.
fn place(playbook: &str) -> String {
    if builtin_playbooks().iter().any(|(name, _)| *name == playbook) {
        return playbook.to_owned();
    }
    std::path::absolute(Path::new(playbook)).map_or_else(|_| playbook.to_owned(), |p| p.display().to_string())
}

fn pace(options: &RunOptions) -> Vec<String> {
    let given = [("--quiet", options.quiet), ("--grace", options.grace)];
    let given = given.into_iter().filter_map(|(flag, time)| Some((flag, time?)));
    given
        .flat_map(|(flag, time)| [flag.to_owned(), duration::display(time).replace(' ', "")])
        .collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::args::Cli;

    fn of(line: &str) -> Option<String> {
        let cli = Cli::try_parse_from(line.split(' ')).expect("a command");
        words(&cli.command)
    }

    #[test]
    fn what_decides_the_plan_is_kept_and_nothing_else() {
        let here = std::env::current_dir().expect("a directory");
        let file = shell_words::quote(&here.join("renew.yaml").display().to_string());
        for (line, again) in [
            (
                "certfleet renew -i x.yaml --yes --limit w1",
                "certfleet renew".to_owned(),
            ),
            (
                "certfleet renew -i x.yaml --drain --strategy stop-all --force --dry-run --out p",
                "certfleet renew --strategy stop-all --force --drain".to_owned(),
            ),
            (
                "certfleet renew -i x.yaml -p renew.yaml --grace 90s --output json",
                format!("certfleet renew --playbook {file} --grace 1m30s"),
            ),
            ("certfleet run renew -i x.yaml", "certfleet run renew".to_owned()),
            (
                "certfleet run renew.yaml --force -i x.yaml",
                format!("certfleet run {file} --force"),
            ),
            (
                "certfleet restart -i x.yaml --quiet 1s",
                "certfleet restart --quiet 1s".to_owned(),
            ),
        ] {
            assert_eq!(of(line), Some(again), "{line}");
        }
        assert_eq!(of("certfleet check -i x.yaml"), None);
    }
}
