//! Processes of the tests: certfleet, the embedded fleet, and a terminal.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Longer than anything here takes on two busy cores.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// What a process left behind.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Ended {
    /// Fails the test unless the exit code is this one.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }
}

/// certfleet in an environment that says nothing of the machine it runs on.
pub(crate) fn certfleet(home: &Path) -> Command {
    let mut command = hearing_ctrl_c(assert_cmd::cargo::cargo_bin!("certfleet"));
    command.env_clear().stdin(Stdio::null());
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("HOME", home).env("LC_ALL", "C.UTF-8").env("TERM", "xterm");
    command.env("CERTFLEET_STATE_DIR", home.join("state"));
    command
}

/// Where these tests are a script's background job Ctrl-C is ignored, which a child inherits and certfleet respects.
fn hearing_ctrl_c(program: &Path) -> Command {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|l| l.strip_prefix("SigIgn:"));
    let ignored = mask.and_then(|m| u64::from_str_radix(m.trim(), 16).ok());
    if ignored.is_none_or(|mask| mask & 0b10 == 0) {
        return Command::new(program);
    }
    let mut command = Command::new("env");
    command.arg("--default-signal=INT").arg(program);
    command
}

/// The same command, started as `nohup` starts it: with this signal ignored.
pub(crate) fn ignoring(signal: &str, command: &Command) -> Command {
    after(&format!("trap '' {signal}"), command)
}

/// The same command, started by a shell that has done this first.
pub(crate) fn after(first: &str, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{first}; exec \"$@\""), "sh"]);
    shell.arg(command.get_program()).args(command.get_args());
    shell.env_clear().stdin(Stdio::null());
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell
}

/// Runs it to its end.
pub(crate) fn run<S: AsRef<OsStr>>(home: &Path, args: impl IntoIterator<Item = S>) -> Ended {
    let output = certfleet(home).args(args).output();
    output.expect("certfleet starts").into()
}

/// A process whose standard output can be read line by line. Killed with the test.
#[derive(Debug)]
pub(crate) struct Background {
    child: Child,
    lines: Receiver<String>,
}

impl Background {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let out = child.stdout.take().expect("it is piped");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    /// The next line.
    #[track_caller]
    pub(crate) fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("a line")
    }

    /// Ctrl-C, or another signal by name.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.expect("kill starts").success());
    }

    /// Waits for the end: exit code, and the lines that were not read.
    pub(crate) fn end(mut self) -> (Option<i32>, Vec<String>) {
        let status = self.child.wait().expect("it ends");
        (status.code(), self.lines.iter().collect())
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `certfleet lab up` and the folder it wrote.
#[derive(Debug)]
pub(crate) struct Lab {
    pub(crate) home: tempfile::TempDir,
    process: Background,
}

impl Lab {
    pub(crate) fn up(scenario: &str, masters: u16, workers: u16) -> Self {
        Self::up_with(scenario, masters, workers, 0)
    }

    /// With so many hosts that run nothing but etcd.
    pub(crate) fn up_with(scenario: &str, masters: u16, workers: u16, etcd: u16) -> Self {
        let home = tempfile::tempdir().expect("a directory");
        let mut command = certfleet(home.path());
        let (masters, workers, etcd) = (masters.to_string(), workers.to_string(), etcd.to_string());
        command.args([
            "lab",
            "up",
            "--scenario",
            scenario,
            "--masters",
            &masters,
            "--workers",
            &workers,
            "--etcd",
            &etcd,
        ]);
        command.arg("--dir").arg(home.path().join("lab"));
        let process = Background::start(command);
        assert_eq!(process.line(), "ready");
        Self { home, process }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join("lab").join(name)
    }

    /// certfleet with this inventory; the verb comes first.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = certfleet(self.home.path());
        command
            .arg(args[0])
            .arg("-i")
            .arg(self.path("inventory.yaml"))
            .args(&args[1..]);
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        self.command(args).output().expect("certfleet starts").into()
    }

    /// Plain OpenSSH.
    pub(crate) fn ssh(&self, line: &str) -> Ended {
        let mut command = Command::new("ssh");
        command
            .arg("-F")
            .arg(self.path("ssh_config"))
            .args(["m1", line])
            .stdin(Stdio::null());
        command.output().expect("ssh starts").into()
    }

    /// A file of the test's own.
    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path = self.home.path().join(name);
        std::fs::write(&path, text).expect("it can be written");
        path.display().to_string()
    }

    /// Ends it as a person does: exit code, and what it printed after `ready`.
    pub(crate) fn down(self) -> (Option<i32>, Vec<String>) {
        self.process.signal("INT");
        self.process.end()
    }
}

/// certfleet on a terminal of its own (`script` of util-linux).
#[derive(Debug)]
pub(crate) struct Terminal {
    child: Child,
    bytes: Receiver<Vec<u8>>,
    seen: String,
    read: usize,
}

impl Terminal {
    pub(crate) fn start(command: &Command) -> Self {
        Self::of(command, "exec ", "")
    }

    /// At the end it shows how it was left (`stty -a`).
    pub(crate) fn left_by(command: &Command) -> Self {
        Self::of(command, "trap : INT; ", "; code=$?; stty -a; exit $code")
    }

    fn of(command: &Command, before: &str, after: &str) -> Self {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let words: Vec<String> = words.map(|w| w.to_string_lossy().into_owned()).collect();
        let line = shlex::try_join(words.iter().map(String::as_str)).expect("no NUL");
        let mut script = Command::new("script");
        script.args([
            "--quiet",
            "--return",
            "--command",
            &format!("{before}{line}{after}"),
            "/dev/null",
        ]);
        for (name, value) in command.get_envs() {
            script.env(name, value.unwrap_or_default());
        }
        script.env_remove("CI").env_remove("NO_COLOR");
        let piped = script.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = piped.spawn().expect("script starts");
        let mut out = child.stdout.take().expect("it is piped");
        let (sender, bytes) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = out.read(&mut buffer) {
                if sender.send(buffer[..n].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            bytes,
            seen: String::new(),
            read: 0,
        }
    }

    /// Waits until the text is on the screen, after what was waited for before.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str) {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.seen[self.read..].find(text) {
                self.read += at + text.len();
                return;
            }
            let left = until.saturating_duration_since(Instant::now());
            let Ok(bytes) = self.bytes.recv_timeout(left) else {
                panic!("`{text}` did not come:\n{}", self.seen);
            };
            self.seen.push_str(&String::from_utf8_lossy(&bytes));
        }
    }

    pub(crate) fn type_in(&mut self, keys: &str) {
        let input = self.child.stdin.as_mut().expect("it is piped");
        input.write_all(keys.as_bytes()).expect("the terminal reads");
    }

    /// Types as soon as it is asked for.
    pub(crate) fn answer(&mut self, prompt: &str, keys: &str) {
        self.wait_for(prompt);
        self.type_in(keys);
    }

    /// The exit code, and everything that was on the screen.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().expect("it ends");
        for bytes in &self.bytes {
            self.seen.push_str(&String::from_utf8_lossy(&bytes));
        }
        (status.code(), std::mem::take(&mut self.seen))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
