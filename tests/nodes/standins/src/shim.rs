//! `containerd-shim DIRECTORY`: parent of one container's process. It outlives the daemon that started it.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, anyhow};

use crate::host;
use crate::runtime::Spec;

pub fn main(args: &[String]) -> Result<u8> {
    let directory = Path::new(args.first().ok_or_else(|| anyhow!("containerd-shim DIRECTORY"))?);
    let spec: Spec = serde_json::from_slice(&fs::read(directory.join("spec.json"))?)?;
    let code = run(directory, &spec).unwrap_or(127);
    fs::write(
        directory.join("exit.partial"),
        format!("{code} {}", host::nano_stamp(host::now())),
    )?;
    fs::rename(directory.join("exit.partial"), directory.join("exit"))?;
    Ok(0)
}

fn run(directory: &Path, spec: &Spec) -> Result<i32> {
    let log = File::options().create(true).append(true).open(&spec.log)?;
    let (program, rest) = spec.command.split_first().ok_or_else(|| anyhow!("no command"))?;
    let mut child = Command::new(program)
        .args(rest)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    fs::write(directory.join("pid.partial"), child.id().to_string())?;
    fs::rename(directory.join("pid.partial"), directory.join("pid"))?;
    let status = child.wait()?;
    Ok(std::os::unix::process::ExitStatusExt::signal(&status).map_or(status.code().unwrap_or(255), |s| 128 + s))
}
