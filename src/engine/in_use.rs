//! The gate probe `certificates-in-use`: every served certificate equals its file, every process is newer than its files.

use futures::future::join_all;

use crate::model::{Host, HostFacts};
use crate::probes::served::{self, InUseRow, mounted};
use crate::probes::surroundings::{self, Surroundings};
use crate::probes::verdict::Verdict;
use crate::probes::{certificates_on_disk, containers};

use super::context::Run;
use super::handshake::shake;

/// Served certificates against the files as they are now, and processes against the age of their files.
pub(super) async fn look(run: &Run, host: &Host) -> Result<Verdict, String> {
    let mut facts = run.facts_of(&host.name);
    let output = run
        .ask(&host.name, &certificates_on_disk::command(host))
        .await
        .map_err(|e| e.to_string())?;
    facts.certificates = certificates_on_disk::parse(&output).map_err(|e| e.to_string())?;
    if let Some(runtime) = facts.runtime {
        let output = run
            .ask(&host.name, &containers::command(runtime))
            .await
            .map_err(|e| e.to_string())?;
        facts.containers = containers::parse(&output).map_err(|e| e.to_string())?;
    }
    Ok(served::judge(&rows(run, host, &facts).await?))
}

/// Every certificate in use on the host, by its facts.
///
/// # Errors
/// What a process has mounted could not be asked.
pub(super) async fn rows(run: &Run, host: &Host, facts: &HostFacts) -> Result<Vec<InUseRow>, String> {
    let looks = served::endpoints(host, facts)
        .into_iter()
        .map(|endpoint| shake(run.transport.as_ref(), host, endpoint));
    let served: Vec<_> = join_all(looks).await.into_iter().map(|h| h.served).collect();
    let mut rows = served::in_use(facts, &served);
    if mounted::applies(facts) {
        rows.extend(mounted::rows(facts, &ask_surroundings(run, host).await?));
    }
    Ok(rows)
}

async fn ask_surroundings(run: &Run, host: &Host) -> Result<Surroundings, String> {
    let output = run.ask(&host.name, &surroundings::command(host, &[])).await;
    surroundings::parse(&output.map_err(|e| e.to_string())?).map_err(|e| e.to_string())
}
