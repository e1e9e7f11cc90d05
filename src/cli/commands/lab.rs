//! `certfleet lab up`: the embedded fleet in the foreground, for a second terminal to work on.

use std::path::Path;
use std::sync::Arc;

use secrecy::SecretString;

use crate::cli::args::{LabShape, LabUpArgs};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::terminal::{print, print_err};
use crate::lab::{
    Lab, LabConfig, LabFiles, LabHost, LabLogin, Machine, Scenario, ServerHandle, ServerOptions, SshServer, keys,
};

/// A running fleet and the folder that leads to it. Ends when dropped.
#[derive(Debug)]
pub(crate) struct RunningLab {
    pub lab: Lab,
    pub files: LabFiles,
    server: ServerHandle,
}

/// Builds the fleet, starts its SSH servers, writes the files.
pub(crate) async fn start(shape: &LabShape, dir: &Path) -> Result<RunningLab, CliError> {
    let scenario: Scenario = shape
        .scenario
        .parse()
        .map_err(|e| CliError::usage(e, "`certfleet lab scenarios` lists them."))?;
    let config = LabConfig::new(scenario)
        .sized(usize::from(shape.masters), usize::from(shape.workers))
        .with_etcd(usize::from(shape.etcd));
    let lab = Lab::new(config).map_err(|e| CliError::Lab(e.to_string()))?;
    let key = keys::generate().map_err(|e| CliError::Lab(e.to_string()))?;
    let mut options = ServerOptions::new(key.public_key().clone());
    let password = lab.inventory_hosts().iter().find_map(|h| lab.sudo_password(h));
    options.password = password.map(SecretString::from);
    let machine: Arc<dyn Machine> = Arc::new(lab.clone());
    let server = SshServer::start(machine, lab.inventory_hosts(), options)
        .await
        .map_err(|e| CliError::Lab(e.to_string()))?;
    let login = LabLogin {
        key: &key,
        sudo_password: password.is_some(),
    };
    let files = LabFiles::write(dir, &lab_hosts(&lab, &server), &login).map_err(|e| CliError::Lab(e.to_string()))?;
    Ok(RunningLab { lab, files, server })
}

fn lab_hosts(lab: &Lab, server: &ServerHandle) -> Vec<LabHost> {
    let inventory = lab.inventory();
    let role = |name| inventory.host(name).map_or(crate::model::Role::Worker, |h| h.role);
    let served = server.hosts().iter();
    served
        .map(|h| LabHost {
            name: h.name.clone(),
            role: role(&h.name),
            port: h.port,
            host_key: h.host_key.clone(),
        })
        .collect()
}

impl RunningLab {
    /// Ends the servers and says goodbye to their clients.
    pub(crate) async fn shutdown(self) {
        self.server.shutdown().await;
    }
}

/// Until Ctrl-C.
pub(crate) async fn up(args: &LabUpArgs) -> Result<Exit, CliError> {
    let running = start(&args.shape, &args.dir).await?;
    print_err(&greeting(args, &running));
    print("ready\n");
    until_told_to_stop().await?;
    running.shutdown().await;
    Ok(Exit::Done)
}

async fn until_told_to_stop() -> Result<(), CliError> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).map_err(CliError::io("cannot wait for SIGTERM"))?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.map_err(CliError::io("cannot wait for Ctrl-C")),
        _ = terminate.recv() => Ok(()),
    }
}

fn greeting(args: &LabUpArgs, running: &RunningLab) -> String {
    let dir = args.dir.display();
    let password = running
        .lab
        .inventory_hosts()
        .iter()
        .find_map(|h| running.lab.sudo_password(h));
    let password = password.map_or_else(String::new, |p| {
        format!("sudo asks for a password on these hosts: it is `{p}`.\n")
    });
    format!(
        "The `{}` fleet is up: {} masters, {} workers. In another terminal:\n  \
         certfleet check -i {dir}/inventory.yaml\n  \
         certfleet renew -i {dir}/inventory.yaml --dry-run\n  \
         ssh -F {dir}/ssh_config m1 systemctl status kubelet\n\
         {password}Ctrl-C ends it.\n",
        args.shape.scenario, args.shape.masters, args.shape.workers
    )
}

/// Names and what they are.
pub(crate) fn scenarios() -> Exit {
    let lines: Vec<String> = Scenario::ALL
        .iter()
        .map(|s| format!("{:<17} {}\n", s.name(), s.summary()))
        .collect();
    print(&lines.concat());
    Exit::Done
}
