//! Reading and writing objects: list, get, create, replace, delete.

use anyhow::Result;
use serde_json::{Value, json};

use super::discovery::{Place, discovery, parameter};
use super::{Answer, Server, status_object};
use crate::host;
use crate::objects;

impl Server {
    pub(super) fn resource(
        &self,
        method: &str,
        path: &str,
        query: &str,
        body: &[u8],
        as_table: bool,
    ) -> Result<Answer> {
        if let Some(found) = discovery(path) {
            return Ok((200, found));
        }
        let Some(place) = Place::of(path) else {
            return Ok(status_object(
                404,
                "NotFound",
                "the server could not find the requested resource",
            ));
        };
        match (method, place.name) {
            ("GET", None) => self.list(&place, query, as_table),
            ("GET", Some(name)) => Ok(match self.find(&place, name)? {
                Some(object) if as_table => (200, objects::table(place.kind, &[object])),
                Some(object) => (200, object),
                None => not_found(&place, name),
            }),
            ("POST", None) => self.create(&place, body),
            ("PUT", Some(name)) => self.replace(&place, name, body),
            ("DELETE", Some(name)) => self.delete(&place, name),
            _ => Ok(status_object(
                405,
                "MethodNotAllowed",
                "the server does not allow this method on the requested resource",
            )),
        }
    }

    fn list(&self, place: &Place<'_>, query: &str, as_table: bool) -> Result<Answer> {
        let (labels, fields) = (parameter(query, "labelSelector"), parameter(query, "fieldSelector"));
        let mut items = self.etcd.list(&objects::prefix(place.kind, place.namespace))?;
        items.retain(|o| objects::selected(o, &labels) && objects::in_field(o, &fields));
        if as_table {
            return Ok((200, objects::table(place.kind, &items)));
        }
        let list = json!({
            "kind": format!("{}List", place.kind.name), "apiVersion": place.kind.api,
            "metadata": {"resourceVersion": "1"}, "items": items,
        });
        Ok((200, list))
    }

    fn find(&self, place: &Place<'_>, name: &str) -> Result<Option<Value>> {
        if place.kind.plural != "pods" {
            return self
                .etcd
                .get(&format!("{}{name}", objects::prefix(place.kind, place.namespace)));
        }
        let all = self.etcd.list(&objects::prefix(place.kind, place.namespace))?;
        Ok(all.into_iter().find(|o| o["metadata"]["name"] == name))
    }

    fn create(&self, place: &Place<'_>, body: &[u8]) -> Result<Answer> {
        let mut object: Value = serde_json::from_slice(body)?;
        object["kind"] = json!(place.kind.name);
        object["apiVersion"] = json!(place.kind.api);
        object["metadata"]["uid"] = json!(uid());
        object["metadata"]["creationTimestamp"] = json!(host::stamp(host::now()));
        if let Some(namespace) = place.namespace {
            object["metadata"]["namespace"] = json!(namespace);
        }
        if self.etcd.create(&objects::key(place.kind, &object), &object)? {
            return Ok((201, object));
        }
        let text = format!("{} {} already exists", place.kind.plural, object["metadata"]["name"]);
        Ok(status_object(409, "AlreadyExists", &text))
    }

    fn replace(&self, place: &Place<'_>, name: &str, body: &[u8]) -> Result<Answer> {
        let mut object: Value = serde_json::from_slice(body)?;
        let Some(old) = self.find(place, name)? else {
            return Ok(not_found(place, name));
        };
        if object["metadata"]["uid"] != old["metadata"]["uid"] {
            return Ok(status_object(
                409,
                "Conflict",
                "the UID in the precondition does not match the UID in record",
            ));
        }
        object["kind"] = json!(place.kind.name);
        object["apiVersion"] = json!(place.kind.api);
        self.etcd.put(&objects::key(place.kind, &object), &object)?;
        Ok((200, object))
    }

    fn delete(&self, place: &Place<'_>, name: &str) -> Result<Answer> {
        let Some(mut object) = self.find(place, name)? else {
            return Ok(not_found(place, name));
        };
        self.etcd.delete(&objects::key(place.kind, &object))?;
        object["metadata"]["deletionTimestamp"] = json!(host::stamp(host::now()));
        Ok((200, object))
    }
}

fn not_found(place: &Place<'_>, name: &str) -> Answer {
    let (code, mut object) = status_object(404, "NotFound", &format!("{} \"{name}\" not found", place.kind.plural));
    object["details"] = json!({"name": name, "kind": place.kind.plural});
    (code, object)
}

fn uid() -> String {
    let h = host::random_hex(32);
    format!("{}-{}-4{}-8{}-{}", &h[..8], &h[8..12], &h[13..16], &h[17..20], &h[20..])
}
