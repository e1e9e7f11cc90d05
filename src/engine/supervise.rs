//! Changing commands run below a supervisor on the host (`certfleet:supervise`): once per job, in a session of their own.
//! A lost connection ends nothing; whoever asks again, this run or a resumed one, learns how the command truly ended.

use std::time::Duration;

use tokio::time::sleep;

use crate::model::{Command, ExitStatus, HostName, Output, RunAs, RunId, scripts};
use crate::remote::RemoteError;

use super::context::Run;

/// What is known of a job.
#[derive(Debug)]
pub(super) enum Job {
    /// It ended; output and status are the command's own.
    Exited(Output),
    /// It runs.
    Running,
    /// It was started and is gone without a status: killed, or its disk was full.
    Vanished,
    /// It was never started since this boot.
    None { boot_id: String },
    /// The host would not start it; why.
    Refused(String),
}

/// How long one attach waits at the host.
const WAIT: Duration = Duration::from_secs(15);
/// Beyond the wait: the connection may have to be opened first.
const SLACK: Duration = Duration::from_secs(30);
/// Attempts to learn the truth after a lost connection.
const LOOKS: usize = 12;
const PAUSE: Duration = Duration::from_secs(5);

/// Whether the command is run below the supervisor. What the login user runs cannot write to /run/certfleet.
pub(super) fn applies(command: &Command) -> bool {
    command.run_as == RunAs::Root
}

/// The directory of a job below /run/certfleet: `RUN/PHASE.HOST.STEP.TRY.INDEX`.
pub(super) fn job_name(run: &RunId, step: &str, attempt: u32, index: usize) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || c == '-' || c == '_' {
            c
        } else {
            '.'
        }
    };
    let step: String = step.chars().map(plain).collect();
    format!("{run}/{}.{attempt}.{index}", step.trim_start_matches('.'))
}

/// Runs the command once. A lost connection is answered by asking again, not by running again.
pub(super) async fn run_once(run: &Run, host: &HostName, job: &str, command: &Command) -> Result<Output, RemoteError> {
    let start = wrapped("start", job, command.timeout, command).with_timeout(command.timeout + SLACK);
    let lost = match run.ask(host, &start).await {
        Ok(output) => match read(output) {
            Job::Exited(output) => return Ok(output),
            Job::Refused(why) => return Ok(Output::new(1, "", why)),
            Job::Vanished => return Ok(Output::new(1, "", "the command was killed on the host")),
            Job::Running | Job::None { .. } => RemoteError::CommandTimeout { after: command.timeout },
        },
        Err(error) if error.never_sent() => return Err(error),
        Err(error) => error,
    };
    ask_again(run, host, job, command, lost).await
}

async fn ask_again(
    run: &Run,
    host: &HostName,
    job: &str,
    command: &Command,
    lost: RemoteError,
) -> Result<Output, RemoteError> {
    for look in 0..LOOKS {
        if look > 0 {
            sleep(PAUSE).await;
        }
        match attach(run, host, job, command).await {
            Ok(Job::Exited(output)) => return Ok(output),
            Ok(Job::None { boot_id }) if run.facts_of(host).boot_id.is_some_and(|b| b == boot_id) => {
                // It never arrived, and the host has not been restarted: to start it now is to start it once.
                let start = wrapped("start", job, command.timeout, command).with_timeout(command.timeout + SLACK);
                if let Ok(output) = run.ask(host, &start).await
                    && let Job::Exited(output) = read(output)
                {
                    return Ok(output);
                }
            }
            Ok(Job::Vanished | Job::None { .. } | Job::Refused(_)) => return Err(lost),
            Ok(Job::Running) | Err(_) => {}
        }
    }
    Err(lost)
}

/// Asks how a job stands, waiting a little for its end.
pub(super) async fn attach(run: &Run, host: &HostName, job: &str, command: &Command) -> Result<Job, RemoteError> {
    let ask = wrapped("attach", job, WAIT, command).with_timeout(WAIT + SLACK);
    run.ask(host, &ask).await.map(read)
}

fn wrapped(mode: &str, job: &str, wait: Duration, command: &Command) -> Command {
    let head = [mode.to_owned(), job.to_owned(), wait.as_secs().max(1).to_string()];
    // `attach` never needs the words; that a person sees them in a process list is worth the bytes.
    Command::script(
        &scripts::SUPERVISE,
        head.into_iter().chain(command.words.iter().cloned()),
    )
}

const TAG: &str = "certfleet:supervise ";

/// Takes the supervisor's own line off standard error.
fn read(mut output: Output) -> Job {
    let text = output.stderr_text().into_owned();
    let Some(at) = text.rfind(TAG) else {
        let why = format!(
            "the supervisor did not answer: {}: {}",
            output.status,
            output.last_line()
        );
        return Job::Refused(why);
    };
    let said = text[at + TAG.len()..].trim();
    let (word, rest) = said.split_once(' ').unwrap_or((said, ""));
    match word {
        "exited" => {
            let Ok(code) = rest.trim().parse::<u32>() else {
                return Job::Vanished;
            };
            output.stderr = text[..at].trim_end_matches('\n').as_bytes().to_vec();
            output.status = ExitStatus::Code(code);
            Job::Exited(output)
        }
        "running" => Job::Running,
        "none" => Job::None {
            boot_id: rest.trim().to_owned(),
        },
        "refused" => Job::Refused(rest.to_owned()),
        _ => Job::Vanished,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_supervisors_line_is_not_part_of_the_output() {
        let output = Output::new(1, "a\n", "no such unit\n\ncertfleet:supervise exited 5\n");
        let Job::Exited(output) = read(output) else {
            panic!("it ended");
        };
        assert_eq!(
            (output.status.clone(), output.last_line()),
            (ExitStatus::Code(5), "no such unit".to_owned())
        );
        assert!(
            matches!(read(Output::new(1, "", "certfleet:supervise none abc\n")), Job::None { boot_id } if boot_id == "abc")
        );
        assert!(matches!(read(Output::new(127, "", "sh: not found")), Job::Refused(_)));
    }

    #[test]
    fn a_job_is_a_plain_name_below_its_run() {
        assert_eq!(
            job_name(&RunId::new("r1"), "start-masters/m1/1-service", 2, 0),
            "r1/start-masters.m1.1-service.2.0"
        );
    }
}
