//! Another key for what is stored.

use warp2api_proto::error::v1::ErrorReason;
use warp2api_rpc::Failure;

use crate::admin::Operator;
use crate::audit::Change;
use crate::store::rotation::{Rotation, RotationError};

impl Operator {
    /// Seals everything with another key, as [`Pool::rotate_key`](crate::Pool::rotate_key) does.
    ///
    /// # Errors
    /// When there is no other key, or it cannot be stored.
    pub async fn rotate_key(&self) -> Result<Rotation, RotationError> {
        let rotation = self.pool.rotate_key().await?;
        let change = Change {
            actor: self.actor.clone(),
            action: "rotate-key".to_owned(),
            credential: None,
            detail: format!("from key {} to key {}", rotation.from, rotation.to),
        };
        self.pool.append_audit(change).await?;
        Ok(rotation)
    }
}

impl From<RotationError> for Failure {
    fn from(error: RotationError) -> Self {
        match error {
            RotationError::Pool(error) => error.into(),
            RotationError::NothingSealed | RotationError::NoOtherKey | RotationError::File(_) => {
                Self::new(ErrorReason::StoreKeyMissing, error.to_string())
            }
        }
    }
}
