//! Whether a signature comes for the first time, over all nodes that partners reach under one address.

use cross_border::exchange::{Refusal, RefusalCode};
use cross_border::trust::http_signature::{Claimed, RequestRefused};

use super::SharedNonces;

impl SharedNonces {
    /// Uses up the nonce of a signature that was verified, and that this node had not seen.
    ///
    /// # Errors
    /// Another node had seen it; or that cannot be told now, and then the request must not be carried out.
    pub(super) async fn first_use(&self, claimed: &Claimed) -> Result<(), Refusal> {
        match self.0.first_use(claimed.key.as_str(), &claimed.nonce).await {
            Ok(true) => Ok(()),
            Ok(false) => {
                let refused = RequestRefused::Replayed;
                Err(Refusal::new(refused.code(), refused.to_string()))
            }
            Err(error) => {
                tracing::warn!(error = %error, "Whether a signature was used before cannot be told now");
                let message = "whether this signature was used before cannot be told now; sign anew and try again";
                Err(Refusal::new(RefusalCode::Unavailable, message))
            }
        }
    }
}
