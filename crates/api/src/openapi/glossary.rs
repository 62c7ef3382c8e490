//! What fields, parameters and headers are, where their own types do not say more: one meaning a word, in both versions.

use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::{OpenApi, RefOr, Schema};

use super::operations;

/// Fields and parameters, in the order of their names.
const WORDS: &[(&str, &str)] = &[
    ("account", "The account."),
    ("active", "Whether the account may log in."),
    ("alg", "The algorithm of its signatures."),
    ("alt", "What the picture shows, for those who do not see it."),
    ("amount", "The amount in minor units of the currency: cents, where it has cents."),
    ("attributes", "Named values, such as the material, as text."),
    ("available", "Units that can be bought."),
    ("backordered_delta", "Units promised beyond those on hand that it adds, or takes away."),
    ("barcode", "A code such as a GTIN, EAN or ISBN."),
    ("category", "The category, by its name."),
    ("category_path", "Such as `Home & Garden > Decor > Mirrors`."),
    ("compare_at_price", "The price before a reduction, or a recommended one. Null is none."),
    ("createdAt", "When it was made."),
    ("created_at", "When it was made."),
    ("crv", "The curve of the key."),
    ("currency", "The currency, by its ISO 4217 code."),
    ("current_password", "The password that holds now."),
    ("data", "What was asked for."),
    ("description", "As the seller wrote it; it may be HTML."),
    ("detail", "What is wrong, in a sentence for people."),
    ("email", "The e-mail address of the account."),
    ("errors", "What is wrong with the input, field by field."),
    ("expires_at", "When it is over."),
    ("handle", "Its name in addresses, unique per owner."),
    ("id", "Its id."),
    ("images", "Pictures that lie elsewhere, in their order."),
    ("in_stock", "Whether anything of it can be bought."),
    ("inventory", "Whether units are counted: `tracked`, or `untracked`, which are always in stock."),
    ("isActive", "Whether the account may log in."),
    ("is_low", "Whether the stock is at its threshold, or below."),
    ("items", "The items, in their order."),
    ("keys", "The keys."),
    ("kind", "What moved the units."),
    ("kty", "The type of the key."),
    ("limit", "Items of a page at most."),
    ("location", "Where the field was."),
    ("message", "What came of it, in words for people."),
    ("mode", "`all`: nothing is done when an item is refused. `each`: the others are done."),
    ("msg", "What is wrong with the field."),
    ("name", "The name, as people read it."),
    ("new_password", "The password that is to hold."),
    ("options", "What tells a variant from the others, such as `{\"Size\": \"Small\"}`."),
    ("owner", "The account that it belongs to."),
    ("owner_id", "The id of the account that sells it."),
    ("page", "The number of the page, from 1."),
    ("pages", "How many pages there are."),
    ("pagination", "Which page it is, of how many."),
    ("parked_at", "When it was given up, until somebody has it tried again; null, if it was not."),
    ("password", "The password."),
    ("path", "The field, or the path that was asked."),
    ("price", "The price of one unit."),
    ("priority", "Jobs of a higher number come first."),
    ("product", "The product."),
    ("product_id", "The id of the product."),
    ("products", "The products."),
    ("quantity", "How many units."),
    ("refresh_token", "The refresh token of the session, good once."),
    ("reserved", "Units on hand that are kept for buyers."),
    ("reserved_after", "Units kept for buyers, after it."),
    ("reserved_delta", "Units kept for buyers that it adds, or takes away."),
    ("results", "What became of each item, in their order."),
    ("role", "`user`, or `admin` of an administrator."),
    ("seller", "Who sells it."),
    ("seo_description", "The description for search engines."),
    ("seo_title", "The title for search engines."),
    ("sku", "The seller's own code."),
    ("state", "How far it has come."),
    ("status", "The status."),
    ("stock", "Its units."),
    ("tags", "Words to find it by."),
    ("title", "The kind of problem, in words."),
    ("token", "The token, for the header `Authorization: Bearer …`."),
    ("token_type", "How the access token is sent: `Bearer`."),
    ("total", "How many there are in all."),
    ("type", "What kind of thing was wrong."),
    ("updatedAt", "When it was last changed."),
    ("updated_at", "When it was last changed."),
    ("url", "The address of the picture."),
    ("use", "What the key is for."),
    ("user", "The account."),
    ("userId", "The id of the account that sells it."),
    ("username", "The name of the account, which others see."),
    ("users", "The accounts."),
    ("variant_id", "The id of the variant."),
    ("variants", "What can be bought of it: one or more."),
    ("vendor", "The maker or brand."),
    ("version", "Counts the changes; part of the ETag."),
    ("weight_grams", "The weight of one unit, in grams. Null is unknown."),
];

const HEADERS: &[(&str, &str)] = &[
    ("Content-Disposition", "Under which name to keep it."),
    ("ETag", "What is shown of this version, for `If-Match` and `If-None-Match`."),
    ("Idempotent-Replayed", "`true`: the answer is that of the first request with this key."),
    ("Location", "The path of what was made."),
    ("Retry-After", "In how many seconds to try again."),
    ("WWW-Authenticate", "What to prove, and what was wrong with the token."),
    ("X-Request-Id", "The id of the request, as in the log of the server."),
];

/// Describes what is not described yet.
pub fn describe(document: &mut OpenApi) {
    for schema in document.components.iter_mut().flat_map(|components| components.schemas.values_mut()) {
        if let RefOr::T(schema) = schema {
            describe_fields(schema);
        }
    }
    document.paths.paths.values_mut().for_each(describe_operations);
}

fn describe_operations(item: &mut PathItem) {
    for Operation { parameters, responses, .. } in operations(item) {
        for parameter in parameters.iter_mut().flatten() {
            if let RefOr::T(parameter) = parameter {
                fill(&mut parameter.description, &parameter.name, WORDS);
            }
        }
        for response in responses.responses.values_mut() {
            let RefOr::T(response) = response else { continue };
            for (name, header) in &mut response.headers {
                if let RefOr::T(header) = header {
                    fill(&mut header.description, name, HEADERS);
                }
            }
        }
    }
}

fn describe_fields(schema: &mut Schema) {
    match schema {
        Schema::Object(object) => {
            for (name, field) in &mut object.properties {
                match field {
                    RefOr::Ref(reference) => {
                        if reference.description.is_empty() {
                            reference.description = of(name, WORDS).unwrap_or_default().to_owned();
                        }
                    }
                    RefOr::T(Schema::Object(field)) => fill(&mut field.description, name, WORDS),
                    RefOr::T(Schema::Array(field)) => fill(&mut field.description, name, WORDS),
                    RefOr::T(Schema::OneOf(field)) => fill(&mut field.description, name, WORDS),
                    RefOr::T(Schema::AllOf(field)) => fill(&mut field.description, name, WORDS),
                    RefOr::T(Schema::AnyOf(field)) => fill(&mut field.description, name, WORDS),
                    RefOr::T(_) => {}
                }
            }
        }
        Schema::OneOf(one) => one.items.iter_mut().for_each(describe_inner),
        Schema::AllOf(all) => all.items.iter_mut().for_each(describe_inner),
        Schema::AnyOf(any) => any.items.iter_mut().for_each(describe_inner),
        _ => {}
    }
}

fn describe_inner(schema: &mut RefOr<Schema>) {
    if let RefOr::T(schema) = schema {
        describe_fields(schema);
    }
}

fn fill(description: &mut Option<String>, name: &str, words: &[(&'static str, &'static str)]) {
    if description.as_ref().is_none_or(String::is_empty) {
        *description = of(name, words).map(str::to_owned);
    }
}

fn of(name: &str, words: &[(&'static str, &'static str)]) -> Option<&'static str> {
    words.iter().find(|(word, _)| *word == name).map(|(_, meaning)| *meaning)
}
