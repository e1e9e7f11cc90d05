//! `certfleet:refresh-copies CERT_DIR LOGIN_USER BACKUP KEEP [PATH…]`.

use std::sync::Arc;

use crate::lab::context::Context;
use crate::lab::file_tree::Content;
use crate::lab::node::{Moment, Node};
use crate::model::ExitStatus;

const ADMIN: &str = "/etc/kubernetes/admin.conf";

/// A copy that held what BACKUP holds, or an earlier certificate of the same subject, gets the new one.
pub(super) fn refresh(context: &mut Context, arguments: &[String]) -> ExitStatus {
    let [_, login, _, keep, paths @ ..] = arguments else {
        return context.fail(2, "certfleet: refresh-copies needs CERT_DIR LOGIN_USER BACKUP KEEP");
    };
    let login = if login.is_empty() { "ops" } else { login };
    let mut all = vec!["/root/.kube/config".to_owned()];
    if login != "root" {
        all.push(format!("/home/{login}/.kube/config"));
    }
    all.extend(paths.iter().cloned());
    for path in all {
        let line = context.change(|n, moment| one(n, moment, &path, keep));
        if line.starts_with("refreshed") {
            context.record(format!("certfleet:refresh-copies {path}"));
        }
        context.out(line);
    }
    ExitStatus::Code(0)
}

fn one(node: &mut Node, moment: &Moment, path: &str, keep: &str) -> String {
    let (Some(fresh), Some(old)) = (node.files.leaf(ADMIN), node.files.entry(path).cloned()) else {
        return String::new();
    };
    let Content::Kubeconfig { server, ca, leaf } = &old.content else {
        return match &old.content {
            Content::Link(target) if target.starts_with("/etc/kubernetes/") => format!("same\t{path}\n"),
            Content::Link(_) => format!("left\t{path}\ta symlink\n"),
            _ => String::new(),
        };
    };
    if leaf.serial == fresh.serial {
        return format!("same\t{path}\n");
    }
    if leaf.spec != fresh.spec || leaf.not_after >= fresh.not_after {
        return format!("left\t{path}\tit holds another certificate than admin.conf did\n");
    }
    let content = Content::Kubeconfig {
        server: server.clone(),
        ca: Arc::clone(ca),
        leaf: fresh,
    };
    let (mode, wall) = (old.mode, node.wall(moment));
    node.files.insert(format!("{keep}{path}"), old);
    node.files.put_with_mode(path, content, wall, mode);
    format!("refreshed\t{path}\tadmin.conf\n")
}
