//! Values with their place in the file, and the few shapes that YAML may write in two ways.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use serde_yaml::{Location, Spanned};

/// A place in a file, as the parser tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Span {
    /// 1-based; 0 = not known.
    pub(super) line: usize,
    /// 1-based, in characters.
    pub(super) column: usize,
    /// In characters; 0 = not known.
    pub(super) length: usize,
}

impl From<Location> for Span {
    fn from(at: Location) -> Self {
        let number = |n: u64| usize::try_from(n).unwrap_or(0);
        Self {
            line: number(at.line()),
            column: number(at.column()),
            length: usize::try_from(at.span().len()).unwrap_or(0),
        }
    }
}

/// A value and where it stands. Its JSON Schema is that of the value.
#[derive(Debug, Clone, Default)]
pub(super) struct Sp<T> {
    pub(super) value: T,
    pub(super) at: Span,
}

impl<T> Deref for Sp<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Sp<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<T>::deserialize(deserializer)?;
        Ok(Self {
            value: spanned.value,
            at: spanned.referenced.into(),
        })
    }
}

impl<T: JsonSchema> JsonSchema for Sp<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> std::borrow::Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// One text, or a list of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Texts(pub(super) Vec<Sp<String>>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Sp::<OneOrMany<String>>::deserialize(deserializer)?;
        Ok(match spanned.value {
            OneOrMany::One(value) => Self(vec![Sp { value, at: spanned.at }]),
            OneOrMany::Many(list) => Self(list),
        })
    }
}

impl JsonSchema for Texts {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Texts".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "oneOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }]
        })
    }
}

#[derive(Debug, Clone)]
enum OneOrMany<T> {
    One(T),
    Many(Vec<Sp<T>>),
}

impl<'de> Deserialize<'de> for OneOrMany<String> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrManyVisitor(PhantomData))
    }
}

struct OneOrManyVisitor(PhantomData<String>);

impl<'de> Visitor<'de> for OneOrManyVisitor {
    type Value = OneOrMany<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a list of texts")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(OneOrMany::One(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = seq.next_element()? {
            list.push(item);
        }
        Ok(OneOrMany::Many(list))
    }
}

/// A duration as text (`30s`, `1m 30s`); read when the file is lowered, so that all wrong ones are reported at once.
#[derive(Debug, Clone)]
pub(super) struct DurationText(pub(super) String);

impl<'de> Deserialize<'de> for DurationText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

impl JsonSchema for DurationText {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A number with a unit: `30s`, `1m 30s`, `2h`.",
            "pattern": "^[0-9]",
            "examples": ["30s", "1m 30s", "2h"]
        })
    }
}

/// `#[serde(deserialize_with)]`: a key without a value is an error, not the same as no key.
pub(super) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
