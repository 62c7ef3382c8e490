//! `serve --demo`: a shop to look at. Safe to run twice: what exists is left alone.

use auth::{Accounts, Auth};
use futures_util::{StreamExt, TryStreamExt, stream};
use kernel::{Currency, Error, Role};
use node::Failure;
use node::app::App;
use products::demo;
use products::imports::Options;

pub const ADMIN: (&str, &str) = ("demo_admin", "admin@example.com");
pub const PASSWORD: &str = "Demo-Shop-2026";
/// Reads the password hash of [`ADMIN`], if that is what it is, in the database of auth.
pub const ADMIN_HASH: &str =
    "select password_hash from accounts where email_key = 'admin@example.com' and role = 'admin' and active";
/// Writes under way at once; the database commits them in groups.
const CONCURRENCY: usize = 64;

pub async fn seed_demo(app: &App) -> Result<LogIns, Failure> {
    let (auth, products) = app.stores()?;
    let admin = auth.by_email(ADMIN.1).await?;
    let ours = admin.is_some_and(|admin| admin.role == Role::Admin && admin.username == ADMIN.0);
    let (_, accounts) = auth.page(0, 1).await?;
    if accounts > 0 && !ours {
        // The password of its administrator is public.
        return Err("this store is not the demo shop's: start --demo on an empty one, named by the setting \
             database.url"
            .into());
    }
    auth.ensure_account(ADMIN.0, ADMIN.1, PASSWORD, Role::Admin).await?;
    let mut sellers = Vec::new();
    for seller in demo::sellers() {
        let (account, _) = auth.ensure_account(seller.username, seller.email, PASSWORD, Role::User).await?;
        sellers.push((seller.username, account.id));
    }
    stream::iter(demo::catalogue())
        .map(|item| {
            let owner = sellers.iter().find(|(username, _)| *username == item.seller.username).map(|(_, id)| *id);
            let products = products.clone();
            async move {
                let owner = owner.ok_or_else(|| Error::Internal("a demo product without a seller".into()))?;
                products.import(owner, &item.product, Options::new(Currency::USD)).await.map(drop)
            }
        })
        .buffer_unordered(CONCURRENCY)
        .try_collect::<()>()
        .await?;
    LogIns::of(&auth).await
}

/// Refuses a store whose administrator's password everybody knows.
///
/// # Errors
/// When it is one.
pub async fn refuse_demo_accounts(app: &App) -> Result<(), Failure> {
    let Some(auth) = app.auth() else { return Ok(()) };
    if !auth.has_password(ADMIN.1, Role::Admin, PASSWORD).await? {
        return Ok(());
    }
    Err(format!(
        "this store has the demo's administrator {}, whose password everybody knows: name another store in database.url; or serve it \
         with --demo; or with --allow-demo-accounts, and change the password (PUT /api/v2/me/password)",
        ADMIN.1
    )
    .into())
}

/// Who can be logged in as with the password that everybody knows: somebody may have changed theirs.
pub struct LogIns {
    admin: bool,
    sellers: Vec<&'static demo::DemoSeller>,
}

impl LogIns {
    async fn of(auth: &Auth) -> Result<Self, Failure> {
        let mut sellers = Vec::new();
        for seller in demo::sellers() {
            if auth.has_password(seller.email, Role::User, PASSWORD).await? {
                sellers.push(seller);
            }
        }
        Ok(Self { admin: auth.has_password(ADMIN.1, Role::Admin, PASSWORD).await?, sellers })
    }

    /// As the operator reads it.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![match (self.admin, self.sellers.is_empty()) {
            (true, _) => format!("Demo shop: log in as {} (administrator) with password {PASSWORD}", ADMIN.1),
            (false, false) => format!("Demo shop: the password of {} was changed; these have {PASSWORD}", ADMIN.1),
            (false, true) => "Demo shop: all passwords were changed".into(),
        }];
        lines.extend(
            self.sellers
                .iter()
                .map(|seller| format!("  seller {:<24} {}, with the same password", seller.vendor, seller.email)),
        );
        lines.push("Everyone knows these passwords: never use this store for a real shop.".into());
        lines.push("Browse it at /api/v2/products, try the API at /api-docs".into());
        lines
    }
}
