//! Handles of products that were given none.

use std::ops::RangeInclusive;

use kernel::product::MAX_HANDLE;
use kernel::{Uuid, text};

/// The numbers that tell the first products of one name apart.
const NUMBERS: RangeInclusive<u32> = 2..=9;
/// Characters of [`distinct`] after the handle.
const END: usize = 11;

/// `desk-lamp`, from the name.
pub fn derived(name: &str) -> String {
    match text::slug(name, MAX_HANDLE - END) {
        // A name without letters and digits.
        slug if slug.is_empty() => "product".to_owned(),
        slug => slug,
    }
}

/// `desk-lamp-2` to `desk-lamp-9`, for when it is taken.
pub fn numbered(handle: &str) -> impl Iterator<Item = String> {
    NUMBERS.map(move |number| format!("{handle}-{number}"))
}

/// `desk-lamp-9be1d2c4f7`, with the random end of the product's id, for when those are taken too.
pub fn distinct(handle: &str, id: Uuid) -> String {
    format!("{handle}-{:010x}", id.as_u128() & 0xff_ffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_are_short_and_within_their_limit() {
        assert_eq!(derived("Desk lamp!"), "desk-lamp");
        assert_eq!(derived("★ ☆"), "product");
        assert_eq!(numbered("a").collect::<Vec<_>>(), ["a-2", "a-3", "a-4", "a-5", "a-6", "a-7", "a-8", "a-9"]);
        let id = Uuid::from_u128(0x0195_ea1b_3d02_8c11_a411_0be1_d2c4_f7a0);
        assert_eq!(distinct("desk-lamp", id), "desk-lamp-e1d2c4f7a0");
        let longest = distinct(&derived(&"é".repeat(300)), id);
        assert_eq!(longest.chars().count(), MAX_HANDLE);
        assert_eq!(text::slug(&longest, MAX_HANDLE), longest, "a handle as one may be given");
    }
}
