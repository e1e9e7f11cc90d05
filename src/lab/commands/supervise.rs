//! `certfleet:supervise MODE JOB WAIT WORDS…`: a job goes on when its caller has gone, and ends with the machine.

use tokio::sync::mpsc;

use crate::lab::context::Context;
use crate::lab::machine::ExecIo;
use crate::lab::node::Job;
use crate::lab::shell::run_words;
use crate::model::ExitStatus;

/// Between two looks of the one who waits, milliseconds.
const LOOK: i64 = 10;

pub(super) async fn run(context: &mut Context, arguments: &[String]) -> ExitStatus {
    let [mode, job, wait, words @ ..] = arguments else {
        return context.fail(2, "certfleet:supervise refused bad arguments");
    };
    if !context.root {
        return context.fail(1, "certfleet:supervise refused cannot create /run/certfleet");
    }
    let known = context.node(|n| n.jobs.contains_key(job));
    if mode == "start" && !known {
        start(context, job, words.to_vec());
    } else if !known {
        let boot = context.node(|n| super::facts::uuid(&n.boot_id));
        return context.fail(1, format!("certfleet:supervise none {boot}"));
    }
    let patience = if mode == "start" {
        i64::MAX
    } else {
        wait.parse::<i64>().unwrap_or(0) * 1000
    };
    wait_for(context, job, patience).await
}

/// In a task of its own, with streams of its own.
fn start(context: &Context, job: &str, words: Vec<String>) {
    let (_, stdin) = mpsc::unbounded_channel();
    let (stdout, mut out) = mpsc::unbounded_channel();
    let (stderr, mut err) = mpsc::unbounded_channel();
    let io = ExecIo { stdin, stdout, stderr };
    let line = words.join(" ");
    let Some(mut inner) = Context::new(context.lab.clone(), &context.host, "root", &line, io) else {
        return;
    };
    inner.environment.clone_from(&context.environment);
    let (lab, index, name) = (context.lab.clone(), context.index, job.to_owned());
    let task = tokio::spawn(async move {
        let status = run_words(&mut inner, words).await;
        drop(inner);
        let ended = Job::Exited {
            status: match status {
                ExitStatus::Code(code) => code,
                ExitStatus::Signal(_) => 143,
            },
            out: drain(&mut out),
            err: drain(&mut err),
        };
        lab.with(|w| w.nodes[index].jobs.insert(name, ended));
    });
    let running = Job::Running(task.abort_handle());
    context.change(|n, _| n.jobs.insert(job.to_owned(), running));
}

fn drain(from: &mut mpsc::UnboundedReceiver<Vec<u8>>) -> Vec<u8> {
    let mut all = Vec::new();
    while let Ok(chunk) = from.try_recv() {
        all.extend(chunk);
    }
    all
}

async fn wait_for(context: &mut Context, job: &str, mut patience: i64) -> ExitStatus {
    loop {
        match context.node(|n| n.jobs.get(job).cloned()) {
            Some(Job::Exited { status, out, err }) => {
                context.out(out);
                context.err(err);
                return context.fail(status, format!("\ncertfleet:supervise exited {status}"));
            }
            // The machine was restarted, and everything below /run with it.
            None => return ExitStatus::Signal("TERM".to_owned()),
            Some(Job::Running(_)) if patience <= 0 => return context.fail(1, "certfleet:supervise running"),
            Some(Job::Running(_)) => {
                context.pause(LOOK).await;
                patience = patience.saturating_sub(LOOK);
            }
        }
    }
}
