//! `max-parallel: 25%`, or batches that grow: `max-parallel: [1, 5%, 25%, 100%]`.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess, Visitor};

use super::located::Sp;
use super::playbook::lower_share;
use super::playbook_file::{ShareText, ShareVisitor};
use super::settings::Context;
use crate::model::playbook::Share;

/// As written.
#[derive(Debug)]
pub(super) enum WavesText {
    One(ShareText),
    Many(Vec<Sp<ShareText>>),
}

impl<'de> Deserialize<'de> for WavesText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WavesVisitor)
    }
}

struct WavesVisitor;

impl<'de> Visitor<'de> for WavesVisitor {
    type Value = WavesText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of hosts (5), a percentage (25%), or a list of growing ones ([1, 5%, 25%, 100%])")
    }

    fn visit_u64<E: de::Error>(self, count: u64) -> Result<WavesText, E> {
        ShareVisitor.visit_u64(count).map(WavesText::One)
    }

    fn visit_i64<E: de::Error>(self, count: i64) -> Result<WavesText, E> {
        ShareVisitor.visit_i64(count).map(WavesText::One)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<WavesText, E> {
        ShareVisitor.visit_str(text).map(WavesText::One)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<WavesText, A::Error> {
        let mut waves = Vec::new();
        while let Some(share) = items.next_element()? {
            waves.push(share);
        }
        Ok(WavesText::Many(waves))
    }
}

impl JsonSchema for WavesText {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Waves".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let share = generator.subschema_for::<ShareText>();
        json_schema!({
            "description": "Hosts at the same time; a list names growing batches, the last for all that follow.",
            "anyOf": [share, { "type": "array", "items": share, "minItems": 1 }]
        })
    }
}

/// The batches before the last size, and the last.
pub(super) fn lower_waves(cx: &mut Context<'_>, text: &Sp<WavesText>) -> (Vec<Share>, Option<Share>) {
    let list = match &text.value {
        WavesText::One(share) => {
            let share = Sp {
                value: share.clone(),
                at: text.at,
            };
            return (Vec::new(), Some(lower_parallel(cx, &share)));
        }
        WavesText::Many(list) => list,
    };
    if list.is_empty() {
        cx.complain(
            text.at,
            "`max-parallel` without a size",
            "write for example `[1, 5%, 25%, 100%]`, or remove the key for all at once",
        );
    }
    let mut waves: Vec<Share> = list.iter().map(|share| lower_parallel(cx, share)).collect();
    for (pair, at) in waves.windows(2).zip(list.iter().skip(1).map(|s| s.at)) {
        if shrinks(pair) {
            cx.complain(
                at,
                "a batch that is smaller than the one before",
                "write growing sizes: each batch is begun because a smaller one went well",
            );
        }
    }
    let last = waves.pop();
    (waves, last)
}

/// A number and a percentage can only be compared for a fleet that is known.
fn shrinks(pair: &[Share]) -> bool {
    match pair {
        [Share::Count(a), Share::Count(b)] => b < a,
        [Share::Percent(a), Share::Percent(b)] => b < a,
        _ => false,
    }
}

fn lower_parallel(cx: &mut Context<'_>, text: &Sp<ShareText>) -> Share {
    let share = lower_share(cx, text);
    if matches!(share, Share::Count(0) | Share::Percent(0)) {
        cx.complain(
            text.at,
            "`max-parallel` of 0 would never begin",
            "write 1 or more, or remove the key for all at once",
        );
    }
    share
}
