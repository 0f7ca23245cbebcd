//! What the document says of ids and contents. A form stands in the place of the type that is really read, so that every
//! operation says the same of the same thing.
//!
//! Where the server counts bytes, `maxLength` counts characters: longer ones never fit, shorter ones may not when they are
//! not ASCII.

use utoipa::ToSchema;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};

/// A user's id as clients know it: 1 to 128 bytes.
#[derive(ToSchema)]
#[schema(as = UserId, min_length = 1, max_length = 128, example = "1")]
#[expect(dead_code, reason = "the document's name for a text")]
pub(crate) struct UserIdForm(String);

/// A group's id: a decimal from 1 to 9223372036854775807.
#[derive(ToSchema)]
#[schema(as = GroupId, pattern = "^[1-9][0-9]{0,18}$", example = "3110")]
#[expect(dead_code, reason = "the document's name for a text")]
pub(crate) struct GroupIdForm(String);

/// To whom: a user or a group.
#[derive(ToSchema)]
#[schema(as = To)]
#[serde(untagged)]
#[expect(dead_code, reason = "the document's form of what is read by hand")]
pub(crate) enum ToForm {
    User(ToUser),
    Group(ToGroup),
}

/// To a user, who must be known.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the document's form of what is read by hand")]
pub(crate) struct ToUser {
    #[schema(value_type = UserIdForm)]
    user: String,
}

/// To a group.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the document's form of what is read by hand")]
pub(crate) struct ToGroup {
    #[schema(value_type = GroupIdForm)]
    group: String,
}

/// What a user says: a text, or a type with bytes.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "the document's form of what is read by hand")]
pub(crate) enum UserContent {
    Text(TextContent),
    Bytes(UserBytes),
}

/// What the system says: a text, or any type with bytes.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "the document's form of what is read by hand")]
pub(crate) enum SystemContent {
    Text(TextContent),
    Bytes(SystemBytes),
}

/// A text; the type is 1.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the document's form of what is read by hand")]
pub(crate) struct TextContent {
    text: String,
}

/// A content of a type that users may send.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the document's form of what is read by hand")]
pub(crate) struct UserBytes {
    #[schema(schema_with = user_type)]
    r#type: i32,
    #[schema(value_type = Base64)]
    body: String,
}

/// A content of any type.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the document's form of what is read by hand")]
pub(crate) struct SystemBytes {
    /// As the txchat dialect numbers them; 0 is the system's own.
    r#type: i32,
    #[schema(value_type = Base64)]
    body: String,
}

/// Bytes in base64: standard alphabet, padded.
#[derive(ToSchema)]
#[schema(
    pattern = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$",
    example = "CgJoaQ=="
)]
#[expect(dead_code, reason = "the document's name for a text")]
pub(crate) struct Base64(String);

/// The types that the txchat dialect accepts from clients.
fn user_type() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .description(Some("As the txchat dialect numbers them."))
        .enum_values(Some([1, 2, 3, 4, 5, 6, 8, 10, 12, 13]))
}

/// `true`, or nothing.
pub(crate) fn only_true() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Boolean, Type::Null]))
        .description(Some("Only `true`: a super group stays one."))
        .enum_values(Some([serde_json::Value::Bool(true), serde_json::Value::Null]))
}

/// Says of a parameter of a path what it may be: its name tells.
pub(crate) fn describe(parameter: &mut RefOr<Parameter>) {
    let RefOr::T(parameter) = parameter else { return };
    if parameter.parameter_in != ParameterIn::Path {
        return;
    }
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let schema = match parameter.name.as_str() {
        "app" => text().pattern(Some("^[A-Za-z0-9_.-]{1,64}$")).examples(["demo"]),
        "uid" => text().min_length(Some(1)).max_length(Some(128)).examples(["1"]),
        "other" => text().min_length(Some(1)).max_length(Some(128)).examples(["2"]),
        "gid" => text().pattern(Some("^[1-9][0-9]{0,18}$")).examples(["3110"]),
        "mid" => text().pattern(Some("^(0|[1-9][0-9]{0,18})$")),
        "token" => text().min_length(Some(1)).max_length(Some(1_024)),
        "session" | "key" => text().min_length(Some(1)),
        _ => return,
    };
    parameter.schema = Some(RefOr::T(Schema::Object(schema.build())));
}
