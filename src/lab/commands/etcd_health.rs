//! `certfleet:etcd-health CERT_DIR`.

use serde_json::json;

use crate::lab::context::Context;
use crate::lab::node::Node;
use crate::lab::world::World;
use crate::model::ExitStatus;

/// Health and members, or why not.
pub(super) async fn run(context: &mut Context) -> ExitStatus {
    let index = context.index;
    let answer = context.with(|w| ask(w, &w.nodes[index]));
    match answer {
        Ok((healthy, members)) => {
            if !healthy {
                // A linearizable read waits for a leader before it gives up.
                context.pause(1000).await;
            }
            let health = json!({"health": healthy.to_string()});
            context.out(format!("health\t{health}\nmembers\t{members}\n"));
        }
        Err(why) => context.out(format!("error\thealth: {why}\n")),
    }
    ExitStatus::Code(0)
}

fn ask(world: &World, node: &Node) -> Result<(bool, serde_json::Value), String> {
    let pki = |file: &str| node.files.leaf(&node.pki(&format!("etcd/{file}.crt")));
    let wall = world.clock.wall(world.now + node.offset);
    let up = node
        .container("etcd")
        .is_some_and(|c| world.now >= c.started + world.config.timings.etcd_up);
    if !up {
        return Err("curl: (7) Failed to connect to 127.0.0.1 port 2379: Connection refused".to_owned());
    }
    if !pki("server").is_some_and(|leaf| leaf.valid(wall)) {
        return Err("curl: (60) SSL certificate problem: certificate has expired".to_owned());
    }
    if !pki("healthcheck-client").is_some_and(|leaf| leaf.valid(wall)) {
        return Err(
            "curl: (56) OpenSSL SSL_read: error:14094415:SSL routines:ssl3_read_bytes:sslv3 alert certificate expired"
                .to_owned(),
        );
    }
    Ok((world.member_healthy(node), members(world)))
}

fn members(world: &World) -> serde_json::Value {
    let member = |n: &Node| {
        json!({
            "ID": format!("{}", 9_372_538_179_322_589_801_u64 - n.index as u64), "name": n.name.as_str(),
            "peerURLs": [format!("https://{}:2380", n.address)], "clientURLs": [format!("https://{}:2379", n.address)],
        })
    };
    let members: Vec<serde_json::Value> = world.nodes.iter().filter(|n| world.is_member(n)).map(member).collect();
    json!({"header": {"cluster_id": "14841639068965178418", "raft_term": "7"}, "members": members})
}
