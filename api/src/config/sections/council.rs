//! `[council]`: which council of the partner register this node is.

use std::path::{Path, PathBuf};

use cross_border::partner::{PartnerId, Place};
use domain::region::RegionCode;
use serde::{Deserialize, Serialize};

/// The folder of our signing keys, in the data folder, where the configuration names no other.
const KEYS_DIR: &str = "council-keys";

/// Which council of the partner register this node is. The unit of our own register with the same id takes what
/// partners send.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CouncilConfig {
    /// The id in the partner register.
    pub id: PartnerId,
    /// Where the council is registered, which decides on the legal routes; derived from its place when absent.
    pub region: Option<RegionCode>,
    /// Folder of our signing keys; `council-keys` in the data folder when absent.
    pub keys_dir: Option<PathBuf>,
}

impl Default for CouncilConfig {
    fn default() -> Self {
        let id = PartnerId::parse("gd-consumer-council").expect("lower-case letters and hyphens are an id");
        Self { id, region: None, keys_dir: None }
    }
}

impl CouncilConfig {
    /// The folder of our signing keys.
    #[must_use]
    pub fn keys_dir(&self, data: &Path) -> PathBuf {
        self.keys_dir.clone().unwrap_or_else(|| data.join(KEYS_DIR))
    }

    /// Where the council is registered: Guangdong's in Yuexiu, Guangzhou, one of the nine cities of the Bay Area.
    #[must_use]
    pub fn region(&self, place: Place) -> RegionCode {
        let usual = match place {
            Place::Guangdong => "440104",
            Place::HongKong => "810000",
            Place::Macao => "820000",
        };
        self.region.unwrap_or_else(|| RegionCode::parse(usual).expect("six digits are a region code"))
    }
}
