//! What a command's output means for its step.

use crate::model::{Command, Output};
use crate::plan::{Expect, PlannedStep};
use crate::probes::kubeadm_renew::{self, Renewal};

use super::copies;

/// What the output means; `Err` is the host's no, in one sentence.
pub(super) fn read_output(expect: &Expect, command: &Command, output: &Output) -> Result<Option<String>, String> {
    if let Expect::KubeadmRenew = expect {
        return kubeadm_said(command, output);
    }
    if !output.status.success() {
        return Err(format!("`{command}`: {}: {}", output.status, output.last_line()));
    }
    match expect {
        Expect::BackupLine => backup_said(output).map(Some),
        Expect::RefreshedCopies => Ok(Some(copies::said(output))),
        _ => Ok(None),
    }
}

/// kubeadm exits with 0 on `MISSING!` and on `Detected external`: only its sentence counts, and then the file.
fn kubeadm_said(command: &Command, output: &Output) -> Result<Option<String>, String> {
    let name = command
        .words
        .iter()
        .skip_while(|w| *w != "renew")
        .nth(1)
        .map_or("", String::as_str);
    match kubeadm_renew::outcome(name, output) {
        Renewal::Renewed => Ok(None),
        Renewal::Missing => Err(format!("kubeadm says that {name} is MISSING: there is no such file")),
        Renewal::External => Err(format!(
            "kubeadm cannot renew {name}: its CA's key is not on this host (external CA)"
        )),
        Renewal::Unknown(line) => Err(format!(
            "`{command}` did not say that {name} is renewed: {}, {line}",
            output.status
        )),
    }
}

pub(super) fn nothing_refreshed(step: &PlannedStep, said: &str) -> bool {
    step.planned.expect == Expect::RefreshedCopies && said.starts_with(copies::NOTHING)
}

fn backup_said(output: &Output) -> Result<String, String> {
    let text = output.stdout_text();
    let line = text
        .lines()
        .find_map(|l| l.strip_prefix("backup\t"))
        .ok_or("the backup script named no backup")?;
    let mut fields = line.split('\t');
    match (fields.next(), fields.next()) {
        (Some(path), Some(files)) => Ok(format!("{files} files kept in {path}")),
        _ => Err("the backup script's answer is incomplete".to_owned()),
    }
}
