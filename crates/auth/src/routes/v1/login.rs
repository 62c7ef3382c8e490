//! `POST /api/v1/auth/login`

use std::sync::Arc;

use axum::extract::State;
use platform::http::v1::{Failure, Fields, Success};

use super::{UserAndToken, text, validation_failure};
use crate::{Auth, Credentials};

pub(super) async fn handle(
    State(auth): State<Arc<Auth>>,
    Fields { fields, .. }: Fields,
) -> Result<Success<impl serde::Serialize>, Failure> {
    let (email, password) = (text(&fields, "email"), text(&fields, "password"));
    let credentials = Credentials::new(email.as_deref(), password.as_deref())
        .map_err(|broken| validation_failure(&fields, broken))?;
    let logged_in = auth.log_in(&credentials).await?;
    let data = UserAndToken {
        user: logged_in.account.into(),
        token: logged_in.token,
    };
    Ok(Success::said("Login successful", data))
}
