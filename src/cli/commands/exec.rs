//! `certfleet exec`: one command on many hosts, equal output shown once.

use futures::future::join_all;

use crate::cli::args::ExecArgs;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::cli::signals::{Ear, unless_told_to_stop};
use crate::cli::terminal::{Terminal, print};
use crate::model::{Command, Host};
use crate::report::{HostOutput, fold_output};

/// Runs the words on every host; fails if any host did.
pub(crate) async fn run(args: &ExecArgs, terminal: Terminal) -> Result<Exit, CliError> {
    let session = Session::open(&args.target, terminal)?;
    let command = command(args);
    let hosts = session.hosts();
    let all = async { Ok(join_all(hosts.iter().map(|host| one(&session, host, &command))).await) };
    let stopped = "stopped; where the command was begun already, it may go on";
    let results = unless_told_to_stop(Ear::new().as_mut(), terminal, stopped, all).await?;
    print(&format!(
        "{}\n",
        fold_output(&results, &terminal.out_style()).trim_end()
    ));
    Ok(exit_of(&results))
}

/// As ssh does: the words are joined with blanks and given to a shell of the host.
fn command(args: &ExecArgs) -> Command {
    let words = ["sh".to_owned(), "-c".to_owned(), args.words.join(" ")];
    let command = if args.root {
        Command::root(words)
    } else {
        Command::login(words)
    };
    command.with_timeout(args.timeout)
}

async fn one(session: &Session, host: &Host, command: &Command) -> HostOutput {
    let host = host.name.clone();
    match session.transport.run(&host, command).await {
        Ok(output) => HostOutput {
            host,
            stdout: session.transport.conceal(&output.stdout_text()),
            stderr: session.transport.conceal(&output.stderr_text()),
            status: Ok(output.status),
        },
        Err(error) => HostOutput {
            host,
            status: Err(format!("{error}. {}", error.remedy())),
            stdout: String::new(),
            stderr: String::new(),
        },
    }
}

fn exit_of(results: &[HostOutput]) -> Exit {
    let succeeded = |r: &HostOutput| r.status.as_ref().is_ok_and(crate::model::ExitStatus::success);
    if results.iter().all(succeeded) {
        Exit::Done
    } else if results.iter().all(|r| r.status.is_err()) {
        Exit::Unreachable
    } else {
        Exit::StepFailed
    }
}
