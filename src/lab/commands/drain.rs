//! `certfleet:drain VERB RUN NODE KUBECTL [SECONDS OPTION…]`: look, drain, uncordon, unmark.

use crate::lab::clock::Millis;
use crate::lab::context::Context;
use crate::lab::workload::{Closed, Workload};
use crate::model::ExitStatus;

use super::kubeadm::api_answers;

/// One answer of the API.
const ANSWER: Millis = 40;
/// kubectl tries an eviction that a budget forbids again.
const AGAIN: Millis = 5000;
/// The script's own repetitions, and its pause.
const TRIES: usize = 5;
const PAUSE: Millis = 2000;

pub(super) async fn run(context: &mut Context, arguments: &[String]) -> ExitStatus {
    let [verb, run, node, _kubectl, more @ ..] = arguments else {
        return context.fail(2, "certfleet: drain needs VERB RUN NODE KUBECTL");
    };
    let Some(index) = context.with(|w| w.nodes.iter().position(|n| n.name.as_str() == node)) else {
        return context.fail(1, format!("Error from server (NotFound): nodes \"{node}\" not found"));
    };
    let job = Job { run, node, index };
    match verb.as_str() {
        "look" => job.look(context).await,
        "drain" => job.drain(context, more).await,
        "uncordon" => job.uncordon(context).await,
        "unmark" => job.unmark(context).await,
        other => context.fail(2, format!("there is no {other}")),
    }
}

struct Job<'a> {
    run: &'a str,
    node: &'a str,
    index: usize,
}

/// A try, and a few more.
async fn reach(context: &Context) -> bool {
    for attempt in 0..TRIES {
        if attempt > 0 {
            context.pause(PAUSE).await;
        }
        context.pause(ANSWER).await;
        if api_answers(context) {
            return true;
        }
    }
    false
}

impl Job<'_> {
    fn closed(&self, context: &Context) -> Closed {
        context.with(|w| w.closed.get(&self.index).cloned().unwrap_or_default())
    }

    async fn look(&self, context: &mut Context) -> ExitStatus {
        context.pause(ANSWER).await;
        if !api_answers(context) {
            return context.fail(1, format!("node {} cannot be looked at", self.node));
        }
        let closed = self.closed(context);
        let state = if closed.cordoned { "cordoned" } else { "schedulable" };
        let mark = |run: Option<String>| run.unwrap_or_else(|| "-".to_owned());
        context.out(format!("{state}\t{}\t{}\n", mark(closed.by), mark(closed.drained)));
        ExitStatus::Code(0)
    }

    async fn drain(&self, context: &mut Context, more: &[String]) -> ExitStatus {
        if !reach(context).await {
            context.out(format!("untouched\t{}\n", self.node));
            return context.fail(3, format!("node {} could not be cordoned", self.node));
        }
        if !context.with(|w| w.node_ready(&w.nodes[self.index])) {
            context.out(format!("unready\t{}\n", self.node));
            return ExitStatus::Code(5);
        }
        let theirs = context.with(|w| {
            let closed = w.closed.entry(self.index).or_default();
            let theirs = closed.cordoned && closed.by.is_none();
            if !theirs {
                (closed.cordoned, closed.by) = (true, Some(self.run.to_owned()));
            }
            theirs
        });
        context.record(format!("certfleet:drain drain {}", self.node));
        if self.evict_all(context, more).await
            && reach(context).await
            && let Some(whose) = self.whose(context)
        {
            context.with(|w| w.closed.entry(self.index).or_default().drained = Some(self.run.to_owned()));
            context.out(format!("drained\t{whose}\n"));
            return ExitStatus::Code(0);
        }
        let state = match (theirs, reach(context).await) {
            (true, _) => "kept",
            (false, true) => self.take_back(context),
            (false, false) => "cordoned",
        };
        context.out(format!("{state}\t{}\n", self.node));
        ExitStatus::Code(4)
    }

    /// Whose cordon the drained node is under; nobody's when it takes pods again, or another run has it.
    fn whose(&self, context: &Context) -> Option<&'static str> {
        let closed = self.closed(context);
        match closed.by {
            _ if !closed.cordoned => None,
            None => Some("theirs"),
            Some(by) => (by == self.run).then_some("ours"),
        }
    }

    /// Only what has the mark of this run.
    fn take_back(&self, context: &Context) -> &'static str {
        let closed = self.closed(context);
        if closed.by.as_deref() == Some(self.run) {
            context.with(|w| w.open_node(self.index));
            context.with(|w| w.closed.remove(&self.index));
            return "uncordoned";
        }
        if closed.cordoned { "kept" } else { "schedulable" }
    }

    /// False when time is up, the API goes away, or a pod may not be touched.
    async fn evict_all(&self, context: &mut Context, more: &[String]) -> bool {
        let allows = |flag: &str| more.iter().any(|o| o == flag);
        let local = context.with(|w| {
            let pods = w.evictable(self.index).into_iter().map(|p| &w.pods[p]);
            pods.filter(|p| p.workload == Some(Workload::EmptyDir))
                .map(|p| format!("{}/{}", p.namespace, p.name))
                .collect::<Vec<_>>()
        });
        if !local.is_empty() && !allows("--delete-emptydir-data") {
            context.err(format!(
                "error: cannot delete Pods with local storage (use --delete-emptydir-data to override): {}\n",
                local.join(", ")
            ));
            return false;
        }
        let seconds: Millis = more.first().and_then(|s| s.parse().ok()).unwrap_or(0);
        let deadline = context.with(|w| w.now) + seconds * 1000;
        loop {
            if !api_answers(context) {
                context.err("The connection to the server was refused\n");
                return false;
            }
            if self.evict_some(context).await {
                return true;
            }
            if context.with(|w| w.now) + AGAIN > deadline {
                context.err(format!(
                    "error: unable to drain node \"{}\", aborting command...\n",
                    self.node
                ));
                context.err("error: global timeout reached\n");
                return false;
            }
            context.pause(AGAIN).await;
        }
    }

    /// One round over the pods; true when none is left.
    async fn evict_some(&self, context: &mut Context) -> bool {
        let mut kept = false;
        for pod in context.with(|w| w.evictable(self.index)) {
            let stop = context.with(|w| w.config.timings.pod_stop);
            let (name, budget) = context.with(|w| {
                let pod = &w.pods[pod];
                (pod.name.clone(), pod.workload == Some(Workload::Budget))
            });
            if budget {
                kept = true;
                context.err(format!(
                    "error when evicting pods/\"{name}\" -n \"shop\" (will retry after 5s): Cannot evict pod as it would violate the pod's disruption budget.\n"
                ));
                continue;
            }
            context.pause(stop).await;
            context.with(|w| w.evict(pod));
            context.out(format!("pod/{name} evicted\n"));
        }
        !kept
    }

    async fn uncordon(&self, context: &mut Context) -> ExitStatus {
        if !reach(context).await {
            return context.fail(1, format!("node {} could not be uncordoned", self.node));
        }
        let closed = self.closed(context);
        let state = match (closed.by.is_some(), closed.cordoned) {
            (true, _) => "uncordoned",
            (false, true) => "kept",
            (false, false) => "schedulable",
        };
        if state == "uncordoned" {
            context.record(format!("certfleet:drain uncordon {}", self.node));
            context.with(|w| w.open_node(self.index));
        }
        self.clear(context);
        context.out(format!("{state}\t{}\n", self.node));
        ExitStatus::Code(0)
    }

    fn clear(&self, context: &Context) {
        context.with(|w| {
            if let Some(closed) = w.closed.get_mut(&self.index) {
                (closed.by, closed.drained) = (None, None);
            }
        });
    }

    async fn unmark(&self, context: &mut Context) -> ExitStatus {
        if !reach(context).await {
            return context.fail(1, format!("the mark of node {} could not be taken away", self.node));
        }
        let closed = self.closed(context);
        let state = match (closed.by.or(closed.drained), closed.cordoned) {
            (Some(_), _) => "unmarked",
            (None, true) => "kept",
            (None, false) => "schedulable",
        };
        if state == "unmarked" {
            context.record(format!("certfleet:drain unmark {}", self.node));
            self.clear(context);
        }
        context.out(format!("{state}\t{}\n", self.node));
        ExitStatus::Code(0)
    }
}
