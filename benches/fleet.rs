//! 500 hosts x 12 commands over SSH: what the client costs in wall time, CPU and memory.
//!
//! `cargo bench --bench fleet` (add `-- HOSTS COMMANDS` for other sizes). The server is this program again, in a process
//! of its own, so that only the client is measured. Every host is a connection of its own to it: key exchange, host-key
//! check, public-key login, then the commands one after the other. Fails when a limit is passed.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark's output is its result"
)]

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use certfleet::model::host::KubernetesSettings;
use certfleet::model::{BecomeSettings, Command, Host, HostName, Role, SshSettings};
use certfleet::remote::{FleetOptions, NoSecrets, SshFleet, Transport};
use russh::keys::key::safe_rng;
use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, PrivateKey};
use russh::server::{self, Auth, ChannelOpenHandle, Msg, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, ChannelMsg};
use tokio::net::TcpListener;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What issue and README promise, for 500 hosts and 12 commands on two cores.
const MAX_WALL: Duration = Duration::from_secs(2);
const MAX_MEMORY_MB: f64 = 60.0;
const MAX_CPU_MS: f64 = 1.0;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let outcome = match arguments.first().map(String::as_str) {
        Some("--server") => serve(Path::new(arguments.get(1).map_or("", String::as_str))).map(|()| true),
        Some("--round") => round(
            Path::new(arguments.get(1).map_or("", String::as_str)),
            arguments.get(2..).unwrap_or_default(),
        ),
        first => measure(
            first.and_then(|n| n.parse().ok()).unwrap_or(500),
            arguments.get(1).and_then(|n| n.parse().ok()).unwrap_or(12),
        ),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("fleet benchmark: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Kills the server however the measurement ends.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // Already gone is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Three processes, so that one round's memory is not another's; the middle one counts.
fn measure(hosts: u32, commands: u32) -> Result<bool> {
    let folder = tempfile::tempdir()?;
    let (_server, port) = start_server(folder.path())?;
    let mut good = 0;
    for _ in 0..3 {
        let numbers = [port.to_string(), hosts.to_string(), commands.to_string()];
        let status = Process::new(std::env::current_exe()?)
            .arg("--round")
            .arg(folder.path())
            .args(numbers)
            .status()?;
        good += u8::from(status.success());
    }
    println!(
        "limits: {} s wall, {MAX_CPU_MS} ms CPU per host and command, {MAX_MEMORY_MB} MB; kept in {good} of 3 rounds",
        MAX_WALL.as_secs()
    );
    Ok(good >= 2)
}

/// One round in this process.
fn round(folder: &Path, numbers: &[String]) -> Result<bool> {
    let number = |n: usize| {
        numbers
            .get(n)
            .and_then(|t| t.parse::<u32>().ok())
            .ok_or("a number is missing")
    };
    let (port, hosts, commands) = (u16::try_from(number(0)?)?, number(1)?, number(2)?);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let fleet = fleet(folder, port, hosts);
    let (cpu, started) = (cpu_ms()?, Instant::now());
    runtime.block_on(run_all(fleet, hosts, commands))?;
    let (wall, cpu, memory) = (started.elapsed(), cpu_ms()? - cpu, peak_memory_mb()?);
    let each = cpu / f64::from(hosts) / f64::from(commands);
    println!(
        "{hosts} hosts x {commands} commands: {:.3} s wall, {cpu:.0} ms CPU ({each:.3} ms per host and command), {memory:.0} MB peak",
        wall.as_secs_f64(),
    );
    Ok(wall <= MAX_WALL && memory <= MAX_MEMORY_MB && each <= MAX_CPU_MS)
}

fn start_server(folder: &Path) -> Result<(Server, u16)> {
    let mut child = Process::new(std::env::current_exe()?)
        .arg("--server")
        .arg(folder)
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    let stdout = child.stdout.take().ok_or("no output of the server")?;
    let server = Server(child);
    BufReader::new(stdout).read_line(&mut line)?;
    Ok((server, line.trim().parse()?))
}

fn fleet(folder: &Path, port: u16, hosts: u32) -> SshFleet {
    let settings = SshSettings {
        user: Some("ops".to_owned()),
        port: Some(port),
        identity: vec![folder.join("id")],
        known_hosts: vec![folder.join("known_hosts")],
        config: Some(PathBuf::from("none")),
        ..SshSettings::default()
    };
    let host = |n: u32| Host {
        name: name(n),
        address: "127.0.0.1".to_owned(),
        role: Role::Worker,
        ssh: settings.clone(),
        r#become: BecomeSettings::default(),
        kubernetes: KubernetesSettings::default(),
    };
    let options = FleetOptions {
        home: folder.to_owned(),
        agent: None,
        ..FleetOptions::default()
    };
    SshFleet::new((0..hosts).map(host).collect(), Arc::new(NoSecrets), options)
}

fn name(n: u32) -> HostName {
    HostName::new(format!("worker{n}"))
}

async fn run_all(fleet: SshFleet, hosts: u32, commands: u32) -> Result<()> {
    let fleet = Arc::new(fleet);
    let tasks: Vec<_> = (0..hosts)
        .map(|n| {
            let fleet = Arc::clone(&fleet);
            tokio::spawn(async move {
                let (host, command) = (name(n), Command::root(["systemctl", "is-active", "kubelet"]));
                for _ in 0..commands {
                    let output = fleet.run(&host, &command).await.map_err(|e| e.to_string())?;
                    if output.stdout != b"active\n" {
                        return Err(format!("{host} answered {:?}", output.stdout_text()));
                    }
                }
                Ok(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(())
}

/// User and system time of this process; a tick is 10 ms on Linux.
fn cpu_ms() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit_once(')').ok_or("unreadable /proc/self/stat")?.1;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
    Ok(ticks.sum::<std::result::Result<f64, _>>()? * 10.0)
}

fn peak_memory_mb() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.split_whitespace().nth(1).ok_or("no VmHWM")?.parse::<f64>()? / 1024.0)
}

/// The other process: prints its port and serves until it is killed.
fn serve(folder: &Path) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let host = PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519)?;
        let user = PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519)?;
        std::fs::write(folder.join("id"), user.to_openssh(LineEnding::LF)?)?;
        let known = format!("[127.0.0.1]:{port} {}\n", host.public_key().to_openssh()?);
        std::fs::write(folder.join("known_hosts"), known)?;
        let config = Arc::new(server::Config {
            keys: vec![host],
            nodelay: true,
            ..server::Config::default()
        });
        println!("{port}");
        loop {
            let (stream, _) = listener.accept().await?;
            // Real sshd sets it; russh only does for sockets that it accepts itself.
            stream.set_nodelay(true)?;
            let config = Arc::clone(&config);
            tokio::spawn(async move {
                if let Ok(session) = server::run_stream(config, stream, Login).await {
                    let _ = session.await;
                }
            });
        }
    })
}

struct Login;

impl server::Handler for Login {
    type Error = russh::Error;

    async fn auth_publickey(&mut self, _: &str, _: VerifiedPublicKey<'_>) -> std::result::Result<Auth, russh::Error> {
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> std::result::Result<(), russh::Error> {
        reply.accept().await;
        tokio::spawn(answer(channel));
        Ok(())
    }

    async fn exec_request(
        &mut self,
        id: ChannelId,
        _: &[u8],
        session: &mut Session,
    ) -> std::result::Result<(), russh::Error> {
        session.channel_success(id)
    }
}

/// `active`, after the marker, for every command.
async fn answer(mut channel: Channel<Msg>) {
    while let Some(message) = channel.wait().await {
        let ChannelMsg::Exec { command, .. } = message else {
            continue;
        };
        let line = String::from_utf8_lossy(&command).into_owned();
        let mark = line
            .split("certfleet-begin ")
            .nth(1)
            .and_then(|rest| rest.split(' ').next());
        let text = format!("{}\nactive\n", mark.unwrap_or_default());
        // A client that went away needs no answer.
        let _ = channel.data_bytes(text).await;
        let _ = channel.exit_status(0).await;
        let _ = channel.eof().await;
        let _ = channel.close().await;
    }
}
