//! certfleet's part of the comparison in `benches/compare/run`: some commands on some real hosts, one after the other on
//! all of them at once, over one connection per host.
//!
//! Arguments: USER PORT KEY `KNOWN_HOSTS` COMMANDS ADDRESS…; without them it does nothing, so that `cargo bench` can run it.

#![expect(clippy::print_stderr, reason = "a benchmark's output is its result")]

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use certfleet::model::host::KubernetesSettings;
use certfleet::model::{BecomeSettings, Command, Host, HostName, Role, SshSettings};
use certfleet::remote::{FleetOptions, NoSecrets, SshFleet, Transport};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    if arguments.is_empty() {
        eprintln!("compare: run by benches/compare/run");
        return ExitCode::SUCCESS;
    }
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("compare: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let [user, port, key, known_hosts, commands, addresses @ ..] = arguments else {
        return Err("USER PORT KEY KNOWN_HOSTS COMMANDS ADDRESS…".into());
    };
    let ssh = SshSettings {
        user: Some(user.clone()),
        port: Some(port.parse()?),
        identity: vec![PathBuf::from(key)],
        known_hosts: vec![PathBuf::from(known_hosts)],
        config: Some(PathBuf::from("none")),
        ..SshSettings::default()
    };
    let hosts: Vec<Host> = addresses.iter().map(|address| host(address, &ssh)).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(on_all(hosts, commands.parse()?))
}

fn host(address: &str, ssh: &SshSettings) -> Host {
    Host {
        name: HostName::new(address),
        address: address.to_owned(),
        role: Role::Worker,
        ssh: ssh.clone(),
        r#become: BecomeSettings::default(),
        kubernetes: KubernetesSettings::default(),
    }
}

async fn on_all(hosts: Vec<Host>, commands: usize) -> Result<(), Box<dyn Error>> {
    let names: Vec<HostName> = hosts.iter().map(|h| h.name.clone()).collect();
    let fleet = SshFleet::new(hosts, Arc::new(NoSecrets), FleetOptions::default());
    for number in 0..commands {
        let command = Command::login(["echo".to_owned(), number.to_string()]);
        let all = futures::future::join_all(names.iter().map(|name| fleet.run(name, &command))).await;
        for output in all {
            let text = output?.stdout_text().into_owned();
            if text.trim() != number.to_string() {
                return Err(format!("a host answered {text:?}").into());
            }
        }
    }
    Ok(())
}
