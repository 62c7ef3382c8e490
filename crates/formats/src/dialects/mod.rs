//! The shops whose files are understood, one file each.

use crate::dialect::Dialect;

/// Declares the module of each dialect, and lists their values.
macro_rules! dialects {
    ($($module:ident::$Dialect:ident,)*) => {
        $(mod $module;)*

        /// All of them. A file that none recognises is told what the first expects.
        pub const ALL: [&dyn Dialect; [$(stringify!($module)),*].len()] = [$(&$module::$Dialect),*];
    };
}

dialects! {
    shopify::Shopify,
}
